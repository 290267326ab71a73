// A gang applies changes to many messages at once: several wait for the store together, so their
// changes are gathered into few commits. Each holds one message's guard and never waits for a
// second one.
#pragma once

#include <string>
#include <vector>

#include "service/queue/detail/clerk.h"

namespace ph::queue {

struct GangWork {
  model::QueueId id;
  std::vector<RowChange> changes;
};

struct GangResult {
  uint64_t changed = 0;        // rows
  uint64_t refused = 0;        // rows
  std::string refusal;         // the last one
  std::optional<Error> error;  // the last one of the store: those rows are as they were
};

// Ends by the deadline; what was not reached then is not done, and `error` says so.
rt::Task<GangResult> apply_all(Core& core, Clerk& clerk, std::vector<GangWork> work,
                               rt::Deadline deadline);

}  // namespace ph::queue
