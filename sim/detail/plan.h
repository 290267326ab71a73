// What one seed of the property test does: the topology, the letters and the faults, as actions in
// the order of their times.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "base/random.h"
#include "sim/world.h"

namespace ph::sim {

struct Action {
  Duration when;  // since the start
  std::function<void(World&)> act;
};

struct Plan {
  std::vector<std::pair<std::string, std::string>> settings;
  std::vector<std::string> accounts;
  std::vector<directory::Alias> aliases;
  std::vector<std::pair<std::string, std::string>> hops;  // name, domain
  std::vector<Action> actions;                            // rising
  Duration length;                                        // of the time with faults
  bool rough_network = false;
  bool rough_dns = false;
  bool hops_may_refuse = false;  // 5xx at random: rows may fail
  bool may_expire = false;
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
