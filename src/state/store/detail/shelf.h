// The open mailboxes of one loop.
//
// Opens on demand, one opener per mailbox however many ask; closes what is idle. It also keeps the
// time at which each mailbox, open or not, must be looked at because of its submissions: one
// activity sleeps until the first of these, opens the mailbox and lets it look.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>

#include "rt/scope.h"
#include "state/store/detail/gate.h"
#include "state/store/detail/inside.h"
#include "state/store/mailboxes.h"

namespace ph::store {

class Shelf {
 public:
  Shelf(const Parts& parts, rt::Loop& loop, const Options& options);
  ~Shelf();
  Shelf(const Shelf&) = delete;
  Shelf& operator=(const Shelf&) = delete;

  rt::Task<Result<MailboxRef>> open(MailboxId id, rt::Deadline deadline);
  // `place` among `loops`: which mailboxes are this shelf's.
  rt::Task<Status> start(size_t place, size_t loops);
  rt::Task<Status> stop(rt::Deadline deadline);
  void hint(MailboxId id, SubmissionId submission);
  void release(Mailbox& mailbox);
  MailboxesFigures figures() const;

 private:
  struct Slot {
    std::unique_ptr<Mailbox> mailbox;  // absent while it is opened
    size_t refs = 0;
    Instant idle_since;
  };
  rt::Task<void> opener(MailboxId id);
  rt::Task<void> look_after_start(std::vector<MailboxId> ids);
  rt::Task<void> keep_time();
  rt::Task<void> look(MailboxId id);
  rt::Task<void> pass_hint(MailboxId id, SubmissionId submission);
  bool may_close(const Slot& slot) const;
  void set_look(MailboxId id, std::optional<Time> when);
  Duration spawn_due_looks();
  void close_idle();
  void drop_idle_indexes();
  void show_figures();
  bool make_room();
  void note_clock(MailboxId id);

  Parts parts_;
  rt::Loop& loop_;
  const Options& options_;
  obs::Counter& set_aside_;
  obs::Gauge& open_gauge_;
  obs::Gauge& index_gauge_;
  obs::Gauge& summary_gauge_;
  obs::Gauge& submission_gauge_;
  std::map<MailboxId, Slot> slots_;
  std::map<MailboxId, Error> errors_;  // of openers, for those who wait
  SummaryCache summaries_;
  std::map<MailboxId, Time> looks_;
  std::set<std::pair<Time, MailboxId>> looks_in_order_;
  std::set<MailboxId> looking_;
  Instant next_tidy_;
  Gate opened_;
  rt::Parking clock_;
  bool started_ = false;
  bool stopping_ = false;
  uint64_t opened_count_ = 0;
  uint64_t closed_count_ = 0;
  rt::Scope scope_;  // last: its activities use all of the above
};

}  // namespace ph::store
