#include "front/smtp_in/gate.h"

#include "base/check.h"
#include "rt/stream.h"

namespace ph::smtp_in {

Gate::Gate(obs::Metrics& metrics)
    : connections_(metrics.gauge("posthorn_smtp_connections")),
      memory_gauge_(metrics.gauge("posthorn_smtp_receiving_bytes")) {}

std::optional<Gate::Place> Gate::enter(const std::string& ip, Limits limits) {
  const bool is_local = ip == "::1" || ip.starts_with("127.");
  const std::lock_guard lock(mutex_);
  if (total_ >= limits.connections_max) return std::nullopt;
  uint64_t& here = per_ip_[ip];
  if (!is_local && here >= limits.per_ip_max) return std::nullopt;
  ++here;
  ++total_;
  connections_.set(static_cast<int64_t>(total_));
  return Place(*this, ip);
}

void Gate::leave(const std::string& ip) {
  const std::lock_guard lock(mutex_);
  const auto at = per_ip_.find(ip);
  PH_CHECK(at != per_ip_.end());
  if (--at->second == 0) per_ip_.erase(at);
  --total_;
  connections_.set(static_cast<int64_t>(total_));
}

bool Gate::Memory::resize(uint64_t octets, uint64_t limit) {
  if (octets > held_) {
    const uint64_t more = octets - held_;
    const uint64_t before = gate_.memory_.fetch_add(more, std::memory_order_relaxed);
    if (before + more > limit) {
      gate_.memory_.fetch_sub(more, std::memory_order_relaxed);
      return false;
    }
  } else {
    gate_.memory_.fetch_sub(held_ - octets, std::memory_order_relaxed);
  }
  held_ = octets;
  gate_.memory_gauge_.set(static_cast<int64_t>(gate_.memory_.load(std::memory_order_relaxed)));
  return true;
}

void Gate::Memory::release() { resize(0, UINT64_MAX); }

}  // namespace ph::smtp_in
