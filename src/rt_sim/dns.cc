#include "rt_sim/dns.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <utility>

#include "base/check.h"
#include "base/text.h"
#include "rt/errors.h"
#include "rt/stream.h"

namespace ph::rt_sim {
namespace {

constexpr Duration kDelayMin = Duration::microseconds(300);
constexpr Duration kDelayMax = Duration::milliseconds(80);

std::string normal(std::string_view name) {
  if (name.ends_with('.')) name.remove_suffix(1);
  return to_lower(name);
}

}  // namespace

void Dns::add(std::string_view name, rt::DnsType type, rt::DnsRecord record) {
  names_[normal(name)].records.emplace_back(type, std::move(record));
}

void Dns::add_address(std::string_view name, std::string address) {
  const auto endpoint = rt::endpoint_of(address, 0);
  PH_CHECK(endpoint.has_value());
  const bool v4 = endpoint->kind == rt::Endpoint::Kind::ipv4;
  add(name, v4 ? rt::DnsType::a : rt::DnsType::aaaa, {.data = endpoint->host});
}

void Dns::add_mx(std::string_view name, uint16_t preference, std::string host) {
  add(name, rt::DnsType::mx, {.data = normal(host), .preference = preference});
}

void Dns::add_txt(std::string_view name, std::string text) {
  add(name, rt::DnsType::txt, {.data = std::move(text)});
}

void Dns::add_ptr(std::string_view address, std::string host) {
  add(reverse_name(address), rt::DnsType::ptr, {.data = normal(host)});
}

// RFC 1035 section 3.5 and RFC 3596 section 2.5.
std::string Dns::reverse_name(std::string_view address) {
  std::array<uint8_t, 16> binary{};
  const std::string text(address);
  std::string out;
  if (inet_pton(AF_INET, text.c_str(), binary.data()) == 1) {
    for (size_t i = 4; i-- > 0;) out += std::to_string(binary[i]) + ".";
    return out + "in-addr.arpa";
  }
  PH_CHECK(inet_pton(AF_INET6, text.c_str(), binary.data()) == 1);
  constexpr std::string_view kHex = "0123456789abcdef";
  for (size_t i = 16; i-- > 0;) {
    for (const int nibble : {binary[i] & 15, binary[i] >> 4}) {
      out += kHex[static_cast<size_t>(nibble)];
      out += '.';
    }
  }
  return out + "ip6.arpa";
}

void Dns::remove(std::string_view name) { names_.erase(normal(name)); }
void Dns::set_secure(std::string_view name) { names_[normal(name)].secure = true; }

void Dns::set_fault(std::string_view name, DnsFault fault) {
  faults_.insert_or_assign(normal(name), fault);
}

void Dns::heal() {
  faults_.clear();
  profile_ = {};
}

std::optional<DnsFault> Dns::fault_for(const std::string& name) {
  for (const std::string& key : {name, std::string()}) {
    const auto at = faults_.find(key);
    if (at != faults_.end()) return at->second;
  }
  uint64_t left = random_.below(100);
  if (left < profile_.server_failure) return DnsFault{DnsFault::Kind::server_failure, {}};
  left -= profile_.server_failure;
  if (left < profile_.silence) return DnsFault{DnsFault::Kind::silence, {}};
  left -= profile_.silence;
  if (left >= profile_.slow) return std::nullopt;
  return DnsFault{DnsFault::Kind::slow, random_.between(Duration(), profile_.delay_max)};
}

Dns::Outcome Dns::decide(const rt::DnsQuestion& question) {
  ++lookups_;
  const std::string name = normal(question.name);
  const std::optional<DnsFault> fault = fault_for(name);
  Outcome outcome{random_.between(kDelayMin, kDelayMax), answer(name, question.type)};
  if (!fault) return outcome;
  switch (fault->kind) {
    case DnsFault::Kind::server_failure: outcome.answer = fail(rt::kDnsServerFailure, name); break;
    case DnsFault::Kind::no_such_name: outcome.answer = no_such_name(); break;
    case DnsFault::Kind::silence: outcome.delay.reset(); break;
    case DnsFault::Kind::slow: outcome.delay = *outcome.delay + fault->delay; break;
  }
  return outcome;
}

rt::DnsAnswer Dns::no_such_name() const {
  rt::DnsAnswer out;
  out.kind = rt::DnsAnswer::Kind::no_such_name;
  out.ttl = ttl_;
  return out;
}

rt::DnsAnswer Dns::answer(const std::string& name, rt::DnsType type) const {
  rt::DnsAnswer out;
  out.ttl = ttl_;
  const auto at = names_.find(name);
  if (at == names_.end()) {
    const std::string below = "." + name;
    const bool has_names_below = std::ranges::any_of(
        names_, [&below](const auto& entry) { return entry.first.ends_with(below); });
    out.kind = has_names_below ? rt::DnsAnswer::Kind::no_data : rt::DnsAnswer::Kind::no_such_name;
    return out;
  }
  out.secure = at->second.secure;
  for (const auto& [record_type, record] : at->second.records) {
    if (record_type == type && out.records.size() < rt::kDnsRecordsMax) {
      out.records.push_back(record);
    }
  }
  if (!out.records.empty()) out.kind = rt::DnsAnswer::Kind::records;
  return out;
}

}  // namespace ph::rt_sim
