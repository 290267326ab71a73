// The auditor (law 9): looks at every row of a shard and derives what must be true of it.
//
// A sweep reads one snapshot of the table, in slices, and checks: every record can be decoded, its
// state and reason fit the rest table, the index by time holds exactly the entries of resting rows,
// nothing is overdue although the scheduler has been past it, expiry bounds every clock, every row
// has its message and every message's count of open rows is right. What is wrong is repaired by
// writing the row anew with a clock of now (an undecodable record is set aside under its key), and
// counted in posthorn_auditor_hits, which must read 0. Leases of a former process are ended at
// once; that is no defect. Home loop only.
#pragma once

#include <functional>

#include "service/queue/detail/scheduler.h"

namespace ph::queue {

class Auditor {
 public:
  Auditor(Core& core, Clerk& clerk, Scheduler& scheduler);
  ~Auditor();

  // Sweeps now and then every queue.sweep, gently: mail goes first.
  void start();
  void stop();
  bool stopped() const { return scope_.active() == 0; }
  enum class Pace : uint8_t { gentle, at_once };
  rt::Task<Result<SweepFindings>> sweep(Pace pace);

 private:
  struct Walk;
  rt::Task<void> rest(Walk& walk);
  rt::Task<void> run();
  rt::Task<Status> walk(Walk& walk);
  rt::Task<Status> walk_rows(Walk& walk);
  rt::Task<Status> compare_messages(Walk& walk, uint64_t from, uint64_t to);
  rt::Task<Status> walk_index(Walk& walk);
  rt::Task<Status> search_index(Walk& walk);
  void check_row(Walk& walk, const model::QueueRow& row);
  bool is_overdue(const Walk& walk, const model::QueueRow& row) const;
  void check_lease(Walk& walk, const model::QueueRow& row);
  rt::Task<Status> repair(Walk& walk);
  rt::Task<Status> repair_row(RowName name, SweepFindings& findings);
  rt::Task<Status> repair_entry(std::string key, SweepFindings& findings);
  rt::Task<Status> set_aside(std::string key, SweepFindings& findings);
  rt::Task<Status> recount(model::QueueId id, SweepFindings& findings);
  rt::Task<Status> tidy_ended();
  void publish(Walk& walk);

  Core& core_;
  Clerk& clerk_;
  Scheduler& scheduler_;
  uint64_t ended_messages_ = 0;
  rt::Scope scope_;
};

}  // namespace ph::queue
