// The desk answers questions about one shard and takes administrators' commands.
#pragma once

#include "service/queue/detail/scheduler.h"

namespace ph::queue {

class Desk {
 public:
  Desk(Core& core, Clerk& clerk, Dispatcher& dispatcher, Scheduler& scheduler)
      : core_(core), clerk_(clerk), dispatcher_(dispatcher), scheduler_(scheduler) {}

  rt::Task<Result<Explanation>> why(model::QueueId id);
  // From the row key `from` on. `next` of the answer is the key to go on with, "" at the end.
  rt::Task<Result<ListPage>> list(ListFilter filter, std::string from, size_t limit,
                                  rt::Deadline deadline);
  rt::Task<Result<std::vector<StateCount>>> counts(rt::Deadline deadline);
  rt::Task<Result<Explanation>> control(ControlRequest request, rt::Deadline deadline);

 private:
  Result<RowChange> change_of(const ControlRequest& request) const;

  Core& core_;
  Clerk& clerk_;
  Dispatcher& dispatcher_;
  Scheduler& scheduler_;
};

}  // namespace ph::queue
