// The transport queue: takes messages, keeps them in one durable table, and brings every recipient
// to an end.
//
// One shard per loop, each with its own partition "queue/<shard>" and a home loop; shards share
// nothing. All calls may be made from any loop: `home` is the caller's, and a call for another
// loop's shard crosses over and back. What makes the queue trustworthy is in the ledger (ledger.h),
// the rest table (model/queue_states.h) and the auditor; everything else only decides how fast.
//
// Life: open() on any loop, start(), then stop() with a deadline; then destroy, after the
// activities that may be inside a call (sessions end before the queue does). Destroying without
// stop() is a crash: nothing is lost, attempts that were running are tried again (a lost relay
// attempt is marked maybe_delivered).
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "model/queue_id.h"
#include "rt/deadline.h"
#include "rt/task.h"
#include "service/queue/errors.h"
#include "service/queue/message.h"
#include "service/queue/ports.h"

namespace ph::queue {

class Shard;

class Queue {
 public:
  // Opens the shards on the runtime's loops (also those of a former start with more loops).
  static rt::Task<Result<std::unique_ptr<Queue>>> open(QueuePorts ports, rt::Loop& home);
  ~Queue();
  Queue(const Queue&) = delete;
  Queue& operator=(const Queue&) = delete;

  // Begins to schedule and to sweep. Before it, messages are accepted but rest.
  void start();
  // Begins no new attempt, gives running ones until the deadline, hands the rest back to the table.
  rt::Task<Status> stop(rt::Loop& home, rt::Deadline deadline);

  // Answers after the commit that holds the message and its rows (law 12). kNoRecipients,
  // kTooManyRecipients; kDiskFull, kBusy, kIo of kv: nothing was kept. kv::kUncertain: it may have
  // been kept; giving it again with the same handover id is safe.
  rt::Task<Result<model::QueueId>> accept(rt::Loop& home, NewMessage message,
                                          rt::Deadline deadline);

  rt::Task<Result<Explanation>> why(rt::Loop& home, model::QueueId id, rt::Deadline deadline);
  // The messages with this Message-ID, newest last; at most `limit`.
  rt::Task<Result<std::vector<model::QueueId>>> find(rt::Loop& home, std::string message_id,
                                                     size_t limit, rt::Deadline deadline);
  // The message that was accepted under this hand-over id, as long as it is known.
  rt::Task<Result<std::optional<model::QueueId>>> find_handover(rt::Loop& home,
                                                                std::string handover_id,
                                                                rt::Deadline deadline);
  // A page of at most `limit` rows. It may hold fewer rows than match although `next` is set: the
  // search stops after a bounded number of rows looked at.
  rt::Task<Result<ListPage>> list(rt::Loop& home, ListFilter filter, std::string from, size_t limit,
                                  rt::Deadline deadline);
  // Counted from the table; resting rows and ended ones still known.
  rt::Task<Result<std::vector<StateCount>>> counts(rt::Loop& home, rt::Deadline deadline);
  // Does the command and answers the state read back. kNoSuchMessage; kNotPossible when no row of
  // it could take the command in its state.
  rt::Task<Result<Explanation>> control(rt::Loop& home, ControlRequest request,
                                        rt::Deadline deadline);
  // The same for every row that fits the filter, in slices: the answer's `next` is where to go on.
  rt::Task<Result<BulkResult>> control_all(rt::Loop& home, BulkRequest request,
                                           rt::Deadline deadline);

  // A suspended lane begins no attempts until `until`; its rows rest in held, lane_suspended. What
  // runs goes on. Suspending again replaces the suspension. Durable when answered.
  rt::Task<Status> suspend_lane(rt::Loop& home, Suspension suspension, rt::Deadline deadline);
  // kNotPossible when it is not suspended.
  rt::Task<Status> resume_lane(rt::Loop& home, std::string lane, std::string by,
                               rt::Deadline deadline);
  // Lanes in memory and suspended ones, by name; at most `limit`.
  rt::Task<Result<std::vector<LaneView>>> lanes(rt::Loop& home, size_t limit,
                                                rt::Deadline deadline);

  // The octets of a message that has not ended, from `offset` on; fewer than `length` at the end.
  // kNoSuchMessage, kNotPossible when they are gone.
  rt::Task<Result<std::string>> content(rt::Loop& home, model::QueueId id, uint64_t offset,
                                        uint64_t length, rt::Deadline deadline);

  // What administrators did, newest first; at most `limit`.
  rt::Task<Result<std::vector<AuditEntry>>> audit(rt::Loop& home, size_t limit,
                                                  rt::Deadline deadline);
  // The whole way of a message with what was done to it and reported about it.
  rt::Task<Result<Trace>> trace(rt::Loop& home, model::QueueId id, rt::Deadline deadline);
  // For commands that other rooms carry out on the queue (import).
  rt::Task<Status> note(rt::Loop& home, AuditEntry entry, rt::Deadline deadline);

  // The settings as seen from this loop have changed: its shards look now, not when they next
  // would.
  void settings_changed(const rt::Loop& loop);

  // One pass of the auditor over all shards, now.
  rt::Task<Result<SweepFindings>> sweep(rt::Loop& home, rt::Deadline deadline);

  size_t shards() const { return shards_.size(); }

  // For tests: one worker's activity ends where it is suspended, as if it had crashed. `pick`
  // chooses among those of `loop`; false if there is none. To be called between two steps.
  bool kill_worker(rt::Loop& loop, uint64_t pick);

 private:
  explicit Queue(QueuePorts ports);
  Shard* shard_for(model::QueueId id) const;

  QueuePorts ports_;
  std::vector<std::unique_ptr<Shard>> shards_;
};

}  // namespace ph::queue
