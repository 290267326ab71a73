#include "service/wire/gate.h"

#include "base/check.h"

namespace ph::wire {

std::optional<Gate::Place> Gate::enter(const std::string& ip, Limits limits) {
  const bool is_local = ip == "::1" || ip.starts_with("127.");
  const std::lock_guard lock(mutex_);
  if (total_ >= limits.connections_max) return std::nullopt;
  const auto at = per_ip_.find(ip);
  const uint64_t here = at == per_ip_.end() ? 0 : at->second;
  if (!is_local && here >= limits.per_ip_max) return std::nullopt;
  per_ip_[ip] = here + 1;
  ++total_;
  gauges_.connections.set(static_cast<int64_t>(total_));
  return Place(*this, ip);
}

void Gate::leave(const std::string& ip) {
  const std::lock_guard lock(mutex_);
  const auto at = per_ip_.find(ip);
  PH_CHECK(at != per_ip_.end());
  if (--at->second == 0) per_ip_.erase(at);
  --total_;
  gauges_.connections.set(static_cast<int64_t>(total_));
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
  gate_.gauges_.memory.set(static_cast<int64_t>(gate_.memory_.load(std::memory_order_relaxed)));
  return true;
}

void Gate::Memory::release() {
  gate_.memory_.fetch_sub(held_, std::memory_order_relaxed);
  held_ = 0;
  gate_.gauges_.memory.set(static_cast<int64_t>(gate_.memory_.load(std::memory_order_relaxed)));
}

}  // namespace ph::wire
