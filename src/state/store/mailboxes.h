// The open mailboxes of the process, each on its home loop.
//
// A mailbox is opened when someone asks for it and closed when nobody has used it for a while or
// too many are open. Its home is decided by its id alone: home_of() may be called from any loop,
// open() only on that one; with() does both.
//
//   auto done = co_await mailboxes.with(loop, id, "a delivery",
//       [d = std::move(delivery), deadline](Mailbox& m) mutable {
//         return m.deliver(std::move(d), deadline);
//       }, deadline);
//
// Life: construct before the loops run; on each loop spawn start() (it finds what was interrupted
// and lets it go on; mail can flow meanwhile); on each loop await stop() before the loops end;
// destroy when they have ended, before the kv::Store.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "kv/store.h"
#include "obs/log.h"
#include "obs/metrics.h"
#include "rt/deadline.h"
#include "rt/loop.h"
#include "rt/runtime.h"
#include "rt/task.h"
#include "state/store/ids.h"
#include "state/store/mailbox.h"
#include "state/store/options.h"
#include "state/store/ports.h"

namespace ph::store {

struct Parts {
  kv::Store& kv;
  std::span<rt::Loop* const> loops;
  rt::Entropy& entropy;  // called on the mailboxes' loops
  Transport& transport;
  obs::Log& log;
  obs::Metrics& metrics;
};

class Shelf;  // the open mailboxes of one loop

// Keeps a mailbox open. Home loop only; may be moved, not copied; empty after a move.
class MailboxRef {
 public:
  MailboxRef() = default;
  MailboxRef(MailboxRef&& other) noexcept
      : shelf_(std::exchange(other.shelf_, nullptr)),
        mailbox_(std::exchange(other.mailbox_, nullptr)) {}
  MailboxRef& operator=(MailboxRef&& other) noexcept;
  ~MailboxRef();
  Mailbox& operator*() const { return *mailbox_; }
  Mailbox* operator->() const { return mailbox_; }
  explicit operator bool() const { return mailbox_ != nullptr; }

 private:
  friend class Shelf;
  MailboxRef(Shelf& shelf, Mailbox& mailbox) : shelf_(&shelf), mailbox_(&mailbox) {}
  Shelf* shelf_ = nullptr;
  Mailbox* mailbox_ = nullptr;
};

struct MailboxesFigures {
  size_t open = 0;
  size_t in_use = 0;
  size_t submissions_waiting = 0;  // mailboxes with open submissions
  uint64_t opened = 0;
  uint64_t closed = 0;
  uint64_t set_aside = 0;  // records that could not be decoded, since start
};

class Mailboxes {
 public:
  Mailboxes(Parts parts, Options options);
  ~Mailboxes();
  Mailboxes(const Mailboxes&) = delete;
  Mailboxes& operator=(const Mailboxes&) = delete;

  // From any loop.
  rt::Loop& home_of(MailboxId id) const;

  // On home_of(id). A mailbox that does not exist is made, with its folders (whether an account may
  // have one is the caller's business). kBusy if too many are in use, kStopping after stop().
  rt::Task<Result<MailboxRef>> open(MailboxId id, rt::Deadline deadline);

  // From any loop: runs `use(mailbox)`, which returns a Task<Result<T>>, on the mailbox's home loop
  // and brings the result to `from`. After kTimedOut of the crossing the use goes on to its end.
  template <class F>
  auto with(rt::Loop& from, MailboxId id, std::string name, F use, rt::Deadline deadline)
      -> std::invoke_result_t<F, Mailbox&> {
    auto make = [this, id, use = std::move(use), deadline]() mutable {
      return opened_for(id, std::move(use), deadline);
    };
    co_return co_await rt::call_on(from, home_of(id), std::move(name), std::move(make), deadline);
  }

  // On each loop. start() ends soon; what it found goes on in the background.
  rt::Task<Status> start(rt::Loop& loop, rt::Deadline deadline);
  rt::Task<Status> stop(rt::Loop& loop, rt::Deadline deadline);
  MailboxesFigures figures(rt::Loop& loop) const;  // of that loop, on it

  // Transport has news about a submission: from any loop, never blocks, may be lost.
  void hint(MailboxId id, SubmissionId submission);

 private:
  template <class F>
  auto opened_for(MailboxId id, F use, rt::Deadline deadline) -> std::invoke_result_t<F, Mailbox&> {
    PH_CO_TRY(const MailboxRef mailbox, co_await open(id, deadline));
    auto task = use(*mailbox);
    co_return co_await task;
  }

  size_t place_of(MailboxId id) const;
  size_t place_of(const rt::Loop& loop) const;

  Options options_;
  std::vector<rt::Loop*> loops_;
  std::vector<std::unique_ptr<Shelf>> shelves_;  // one for each loop
};

}  // namespace ph::store
