// What one seed of the property test does: the topology, the letters and the faults, as actions in
// the order of their times.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "base/random.h"
#include "sim/detail/administrator.h"
#include "sim/world.h"

namespace ph::sim {

struct Action {
  Duration when;  // since the start
  std::function<void(World&, Administrator&)> act;
};

struct PlannedHop {
  std::string name;
  std::string domain;  // several may serve the same
  uint16_t preference = 10;
};

struct Plan {
  std::vector<std::pair<std::string, std::string>> settings;
  std::vector<std::string> accounts;
  std::vector<directory::Alias> aliases;
  std::vector<PlannedHop> hops;
  std::vector<Action> actions;  // rising
  Duration length;              // of the time with faults
  bool rough_network = false;
  bool rough_dns = false;
  bool may_fail = false;  // 5xx at random, a domain that seems not to exist: rows may fail
  bool may_expire = false;
  bool requires_tls = false;  // for a while
  size_t ambushes = 0;        // messages that begin at a hop while those that wait are held
  uint64_t ambush_seed = 0;
  Duration disk_read_max;
  Instant monotonic_start = Instant::from_us(1'000'000'000);
};

// Recipients that every hop refuses for good, and a domain that does not exist.
inline constexpr std::string_view kRefusedLocalPart = "refused";
inline constexpr std::string_view kNoSuchDomain = "nowhere.invalid";

Plan make_plan(uint64_t seed);
// A healthy hop's: it takes everything but for the refused recipient.
HopConduct usual_conduct(const std::string& domain);
// The mailboxes and foreign addresses that an envelope recipient stands for.
std::vector<std::string> expand(const Plan& plan, const std::string& address);

}  // namespace ph::sim
