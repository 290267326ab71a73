// What a scenario expects of a row.
#pragma once

#include <optional>
#include <string>

#include "model/queue_row.h"
#include "sim/detail/words.h"

namespace ph::sim {

struct Wanted {
  model::QueueState state = model::QueueState::ready;
  std::string recipient;  // "": of all
  std::optional<model::QueueReason> reason;
  std::optional<Duration> next_within;
  std::optional<Duration> expires_within;
  std::optional<uint64_t> attempts_min;
  std::optional<uint64_t> attempts_max;
  std::string reply;  // some reply of the history has this text
};

// STATE [for ADDRESS] [because REASON] [, next action within D] [, attempts >= N] ...
Result<Wanted> read_wanted(Words& words);
// "" or what the row is instead.
std::string mismatch(const model::QueueRow& row, const Wanted& wanted, Time now);

}  // namespace ph::sim
