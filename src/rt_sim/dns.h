// The simulated DNS: one table of names for all hosts, and the faults of their resolvers.
//
// Names are compared without case and without a final dot. A name that has records of other types
// only, or names below it, answers no_data; any other name no_such_name.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/random.h"
#include "base/result.h"
#include "base/time.h"
#include "rt/resolver.h"

namespace ph::rt_sim {

// slow: the answer takes `delay` more. The others take their usual time; `silence` ends with the
// caller's deadline (kTimedOut), `server_failure` is kDnsServerFailure.
struct DnsFault {
  enum class Kind : uint8_t { server_failure, no_such_name, silence, slow };
  Kind kind = Kind::server_failure;
  Duration delay = {};
};

// Percentages of lookups that meet each fault at random.
struct DnsProfile {
  uint32_t server_failure = 0;
  uint32_t silence = 0;
  uint32_t slow = 0;  // up to `delay_max` more
  Duration delay_max = Duration::seconds(10);

  static DnsProfile rough() { return {.server_failure = 4, .silence = 2, .slow = 6}; }
};

class Dns {
 public:
  explicit Dns(Random random) : random_(random) {}

  void add(std::string_view name, rt::DnsType type, rt::DnsRecord record);
  void add_address(std::string_view name, std::string address);  // A or AAAA, by its form
  void add_mx(std::string_view name, uint16_t preference, std::string host);
  void add_txt(std::string_view name, std::string text);
  void add_ptr(std::string_view address, std::string host);  // for a numeric IP address
  void remove(std::string_view name);                        // with all its records
  // Answers for this name count as validated by DNSSEC.
  void set_secure(std::string_view name);
  void set_ttl(Duration ttl) { ttl_ = ttl; }

  void set_fault(std::string_view name, DnsFault fault);  // "" is every name
  void set_profile(DnsProfile profile) { profile_ = profile; }
  void heal();  // no faults, calm profile
  uint64_t lookups() const { return lookups_; }

  // "1.0.0.10.in-addr.arpa", or under ip6.arpa; PH_CHECKs that it is a numeric address.
  static std::string reverse_name(std::string_view address);

  // What a resolver does with one question: how long it takes (absent: for ever), and its answer.
  // For the simulated Resolver.
  struct Outcome {
    std::optional<Duration> delay;
    Result<rt::DnsAnswer> answer;
  };
  Outcome decide(const rt::DnsQuestion& question);

 private:
  struct Name {
    std::vector<std::pair<rt::DnsType, rt::DnsRecord>> records;
    bool secure = false;
  };
  rt::DnsAnswer no_such_name() const;
  rt::DnsAnswer answer(const std::string& name, rt::DnsType type) const;
  std::optional<DnsFault> fault_for(const std::string& name);

  Random random_;
  std::map<std::string, Name> names_;
  std::map<std::string, DnsFault> faults_;
  DnsProfile profile_;
  Duration ttl_ = Duration::minutes(5);
  uint64_t lookups_ = 0;
};

}  // namespace ph::rt_sim
