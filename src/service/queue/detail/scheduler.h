// The scheduler reads the index by time and brings every row whose time has come to its next step:
// an attempt, the end of a lost lease or of a hold, expiry.
//
// It sleeps until the table's next time, never longer than kIdleRecheck, and never longer than
// kBusyRecheck while something is due; hint() only shortens that. Each full pass looks at
// everything that is due, so what was let go anywhere is found again. Work that takes long
// (routing, commits) happens in placements, bounded in number, each ended by its deadlines.
#pragma once

#include <utility>

#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "service/queue/detail/dispatcher.h"
#include "service/queue/detail/slow_routes.h"

namespace ph::queue {

class Scheduler {
 public:
  Scheduler(Core& core, Clerk& clerk, Dispatcher& dispatcher);
  ~Scheduler();

  void start();
  void stop();
  bool stopped() const;
  void hint() { hint_.wake(); }
  // Kills the activity and starts another one; for the auditor, when it shows no sign of life.
  void restart();

  Dispatcher& dispatcher() { return dispatcher_; }
  Instant last_progress() const { return last_progress_; }
  // The wall time at which the newest completed pass over everything due began.
  Time pass_began() const { return pass_began_; }

 private:
  struct Group {
    model::QueueId id;
    std::vector<uint32_t> indexes;
    std::vector<Taken> taken;
  };
  struct Placed;
  // Work on a message that ends without done() is charged to the message (law 13): it threw, or it
  // hung and was killed. Two charges isolate the message.
  class Charge {
   public:
    Charge(Scheduler& scheduler, model::QueueId id);
    Charge(Charge&&) = delete;
    ~Charge();
    void done() { is_done_ = true; }
    bool is_poison() const { return before_ >= 2; }

   private:
    Scheduler& scheduler_;
    model::QueueId id_;
    uint32_t before_ = 0;
    bool is_done_ = false;
  };
  enum class Reach : uint8_t { due, ahead };
  enum class Pass : uint8_t { complete, window_full, failed };

  rt::Task<void> run();
  rt::Task<Pass> pass(Time now);
  rt::Task<Duration> look_ahead(Time now);
  void begin_ahead(const std::unordered_map<uint32_t, size_t>& wants);
  void end_ahead_round();
  rt::Task<bool> start_group(Group group, Reach reach);
  rt::Task<Instant> next_wake(Pass pass, Time now);
  rt::Task<void> place(Group group, Reach reach);
  rt::Task<void> place_slowly(SlowRoutes::Place held, MessageFacts facts, model::QueueRow row,
                              Taken taken);
  void give_up(std::vector<Taken>& all, const Error& error, model::QueueId id);
  rt::Task<void> finish(Placed placed);
  rt::Task<Status> read_rows(Group& group, Placed& placed);
  bool is_to_try(const model::QueueRow& row, Reach reach) const;
  std::optional<RowChange> due_change(const model::QueueRow& row, Reach reach);
  std::optional<RowChange> lease_change(const model::QueueRow& row);
  void place_resting(Placed& placed, const model::QueueRow& row, Taken taken, Route route);
  void offer(Placed& placed);
  rt::Task<void> isolate(Group group);
  rt::Task<void> follow_policy();
  rt::Task<void> follow_policy_of_last_start();
  rt::Task<void> remember_policy(std::string mark);
  rt::Task<void> follow_clock(Duration step);

  Core& core_;
  Clerk& clerk_;
  Dispatcher& dispatcher_;
  rt::Parking hint_;
  rt::Parking room_;
  std::string cursor_;  // passes go on behind it until the next full one
  Instant next_full_pass_;
  Instant next_whole_pass_;  // from the very front of the index, not from the floor
  Instant next_look_ahead_;
  // Looks ahead go on where the last one stopped, round and round: what is behind the place was
  // taken, or had no room.
  std::string ahead_cursor_;
  uint64_t ahead_round_ = 0;
  std::unordered_map<uint32_t, uint64_t> ahead_since_;  // lane hash: the first whole round for it
  bool saw_due_ = false;
  Instant last_progress_;
  Time pass_began_;
  model::QueuePolicy followed_;
  SlowRoutes slow_routes_;
  std::unordered_map<model::QueueId, uint32_t> stumbles_;  // at most kStumblesMax
  std::unique_ptr<rt::Scope> scope_;                       // the scheduler itself
  std::unique_ptr<rt::Scope> placements_;                  // and what it started
};

}  // namespace ph::queue
