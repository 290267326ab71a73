// The desk answers questions about one shard and takes administrators' commands: questions
// (desk.cc), commands on one message (commands.cc), commands on all that fit a filter (bulk.cc).
// What it changes it changes through the clerk, as everybody does.
#pragma once

#include "service/queue/detail/scheduler.h"
#include "service/queue/detail/search.h"
#include "service/queue/detail/suspender.h"

namespace ph::queue {

class Desk {
 public:
  Desk(Core& core, Clerk& clerk, Dispatcher& dispatcher, Scheduler& scheduler)
      : core_(core),
        clerk_(clerk),
        dispatcher_(dispatcher),
        scheduler_(scheduler),
        suspender_(core, clerk, dispatcher) {}

  void start() { suspender_.start(); }
  void stop() { suspender_.stop(); }

  // ---- questions ----
  rt::Task<Result<Explanation>> why(model::QueueId id);
  rt::Task<Result<Trace>> trace(model::QueueId id);
  // From the row key `from` on. `next` of the answer is the key to go on with, "" at the end.
  rt::Task<Result<ListPage>> list(ListFilter filter, std::string from, size_t limit,
                                  rt::Deadline deadline);
  rt::Task<Result<std::vector<StateCount>>> counts(rt::Deadline deadline);
  rt::Task<Result<std::string>> content(model::QueueId id, uint64_t offset, uint64_t length);
  rt::Task<Result<std::vector<AuditEntry>>> audit(size_t limit) {
    return core_.ledger.audit(limit, "");
  }
  rt::Task<Result<std::vector<LaneView>>> lanes();

  // ---- commands ----
  rt::Task<Result<Explanation>> control(ControlRequest request, rt::Deadline deadline);
  // One slice; `from` and `next` are row keys.
  rt::Task<Result<BulkResult>> control_all(BulkRequest request, std::string from,
                                           rt::Deadline deadline);
  rt::Task<Status> suspend(Suspension suspension, rt::Deadline deadline);
  rt::Task<Status> resume(std::string lane, std::string by, rt::Deadline deadline);
  rt::Task<Status> note(AuditEntry entry, rt::Deadline deadline);

 private:
  Result<RowChange> change_of(const ControlRequest& request) const;
  rt::Task<Result<std::vector<StateCount>>> read_back(std::vector<RowName> names);
  void reopen_lanes(const std::vector<model::QueueRow>& rows);

  Core& core_;
  Clerk& clerk_;
  Dispatcher& dispatcher_;
  Scheduler& scheduler_;
  EndedFront front_;
  Suspender suspender_;
};

// Checks what a command says before anything is asked of the table: kBadFilter.
Status check_request(const ControlRequest& request);
// Why this row need not be redirected: "" when nothing speaks against it.
std::string refusal_of_redirect(const ControlRequest& request, const model::QueueRow& row);

}  // namespace ph::queue
