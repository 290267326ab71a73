#include "state/store/detail/writer.h"

#include <algorithm>

#include "base/check.h"
#include "kv/errors.h"
#include "rt/errors.h"
#include "state/store/errors.h"

namespace ph::store {
namespace {

constexpr size_t kBatchChangesMax = 1'000;
constexpr size_t kBatchBytesMax = 16 * 1024 * 1024;
constexpr Duration kAskAgain = Duration::seconds(1);

bool is_cancelled(const Error& error) { return error.disposition() == Disposition::cancelled; }

}  // namespace

void Writer::answer(Change& change, Status status) {
  change.answer_ = std::move(status);
  if (change.waiting_ != nullptr) change.waiting_->wake();
}

void Writer::answer_all(const Changes& changes, const Status& status) {
  for (const auto& change : changes) answer(*change, status);
}

rt::Task<Status> Writer::make(std::shared_ptr<Change> change, rt::Deadline deadline) {
  if (stopped_) co_return fail(kStopping, "the mailbox is closing");
  if (queue_.size() >= options_.waiting_changes_max) {
    co_return fail(kBusy, "too many changes wait for this mailbox");
  }
  rt::Parking parking(loop_);
  struct Attachment {
    Change& change;
    ~Attachment() { change.waiting_ = nullptr; }
  };
  change->waiting_ = &parking;
  const Attachment attachment{*change};
  change->queued_ = true;
  queue_.push_back(change);
  work_.wake();
  while (!change->answer_.has_value()) {
    const rt::Woken woken = co_await parking.park(deadline, "a mailbox commit");
    if (woken == rt::Woken::hint || change->answer_.has_value()) continue;
    if (change->queued_) {
      std::erase(queue_, change);
      if (woken == rt::Woken::cancelled) co_return fail(rt::kCancelled, "a mailbox commit");
      co_return fail(kTimedOut, "the change waited for its turn until its deadline; not made");
    }
    co_return fail(kUncertain, "the change is on its way to the disk");
  }
  co_return *change->answer_;
}

Writer::Changes Writer::gather(Draft& draft) {
  Changes taken;
  while (!queue_.empty() && taken.size() < kBatchChangesMax && draft.weight() < kBatchBytesMax) {
    const std::shared_ptr<Change> change = queue_.front();
    const bool alone = change->alone() || one_by_one_ > 0;
    if (alone && !taken.empty()) break;
    queue_.pop_front();
    if (one_by_one_ > 0) --one_by_one_;
    change->queued_ = false;
    if (Status applied = change->apply(draft); applied.has_value()) {
      taken.push_back(change);
    } else {
      answer(*change, std::move(applied));
      continue;
    }
    if (alone) break;
  }
  return taken;
}

void Writer::again_one_by_one(const Changes& changes) {
  for (const auto& change : std::vector(changes.rbegin(), changes.rend())) {
    change->queued_ = true;
    queue_.push_front(change);
  }
  one_by_one_ = changes.size();
}

rt::Task<Result<bool>> Writer::was_made(kv::Partition& partition, uint64_t commits) {
  for (;;) {
    const rt::Deadline deadline = loop_.in(options_.commit_deadline);
    kv::Batch fence;  // answered only after everything before it is settled
    fence.erase("fence");
    const auto passed = co_await partition.commit(std::move(fence), {std::nullopt, deadline});
    if (passed.has_value()) {
      const auto header = co_await partition.get(std::string(kHeaderKey));
      if (header.has_value()) {
        if (!header->has_value()) co_return false;
        const auto decoded = decode_header(kHeaderKey, **header);
        co_return decoded.has_value() && decoded->commits >= commits;
      }
      if (is_cancelled(header.error())) co_return header.error();
    } else if (is_cancelled(passed.error())) {
      co_return passed.error();
    }
    const rt::Woken woken = co_await rt::sleep(loop_, loop_.in(kAskAgain), "a stalled disk");
    if (woken == rt::Woken::cancelled) co_return fail(rt::kCancelled, "a stalled disk");
  }
}

rt::Task<Status> Writer::commit(kv::Partition& partition, Changes changes, Draft& draft) {
  kv::CommitOptions options{std::nullopt, loop_.in(options_.commit_deadline)};
  kv::Batch batch = draft.finish();
  const auto done = co_await partition.commit(std::move(batch), options);
  if (!done.has_value()) {
    const Error& error = done.error();
    bool made = false;
    if (error.is(kv::kUncertain) || error.is(rt::kTimedOut)) {
      const auto found = co_await was_made(partition, draft.commits());
      if (!found.has_value()) co_return found.error();
      made = *found;
    }
    if (is_cancelled(error)) co_return error;
    if (!made) {
      if (changes.size() > 1) {
        again_one_by_one(changes);
      } else {
        answer_all(changes, error);
      }
      co_return Status();
    }
  }
  draft.merge(state_);
  ++commits_;
  changes_ += changes.size();
  answer_all(changes, Status());
  if (look_) look_();
  co_return Status();
}

rt::Task<void> Writer::run(kv::Partition& partition) {
  bool cancelled = false;
  while (!cancelled) {
    if (queue_.empty()) {
      const rt::Woken woken = co_await work_.park(loop_.in(rt::kIdleRecheck), "changes to commit");
      cancelled = woken == rt::Woken::cancelled;
      continue;
    }
    Draft draft(state_, loop_.wall());
    Changes changes = gather(draft);
    if (draft.empty()) {
      answer_all(changes, Status());
      continue;
    }
    in_flight_ = true;
    const Status done = co_await commit(partition, changes, draft);
    in_flight_ = false;
    if (!done.has_value()) {
      answer_all(changes, fail(kUncertain, "the mailbox closed while the change was on its way"));
      cancelled = true;
    }
  }
  stopped_ = true;
  answer_all({queue_.begin(), queue_.end()}, fail(kStopping, "the mailbox is closing"));
  queue_.clear();
}

}  // namespace ph::store
