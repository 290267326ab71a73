// The property test: a random world, random faults, and at the end every message at its end.
//
// One seed is one run. It makes a topology (hops, accounts, aliases), sends letters, and meanwhile
// breaks network, DNS, disk, hops, clocks and the server itself. Then everything heals, and within
// the longest wait that a row may have, every letter that got 250 must be where it belongs: exactly
// once in each mailbox, at least once at each next hop (more than once only where the row says that
// nobody could know), and where it failed, with a report to its sender.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"

namespace ph::sim {

// On purpose, to see that the test can fail: a hop that says 250 and forgets; the rows' entries in
// the index by time vanish while the server is down; the rows vanish with them.
enum class Breakage : uint8_t { none, lose_at_hop, skip_index, lose_row };
std::optional<Breakage> breakage_named(std::string_view name);

struct PropertyOptions {
  uint64_t seed = 1;
  Breakage breakage = Breakage::none;
  std::function<void(const std::string&)> say = nullptr;  // the trace
};

struct PropertyResult {
  std::vector<std::string> findings;  // empty is good
  uint64_t trace_hash = 0;            // equal for equal seeds
  size_t letters = 0;
  size_t accepted = 0;
  uint64_t steps = 0;
  Duration virtual_time;
  Duration settled_after;  // from healing to the last end
};

PropertyResult run_property(const PropertyOptions& options);

}  // namespace ph::sim
