// The one writer of a mailbox: gathers the changes that wait, commits them as one batch, and lays
// the batch over the State once it is durable.
//
// A change that fails for its own reasons is answered alone. A batch that the store refuses is made
// again change by change, so that one bad change hurts only itself. When the store cannot say
// whether a commit was made, the writer asks until it knows (the header counts commits) and answers
// nothing wrong meanwhile.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "kv/store.h"
#include "rt/loop.h"
#include "rt/parking.h"
#include "rt/task.h"
#include "state/store/detail/draft.h"
#include "state/store/detail/state.h"
#include "state/store/options.h"

namespace ph::store {

// What one caller wants changed. Shared by the caller and the writer: either may end first.
class Change {
 public:
  Change() = default;
  Change(const Change&) = delete;
  Change& operator=(const Change&) = delete;
  virtual ~Change() = default;

  // Into the draft, or an error and no trace. May be called again on another draft, so it uses up
  // nothing; what it finds for its caller it stores in itself.
  virtual Status apply(Draft& draft) = 0;
  // In a commit of its own: what looks up folders by name.
  virtual bool alone() const { return false; }

 private:
  friend class Writer;
  bool queued_ = false;
  std::optional<Status> answer_;
  rt::Parking* waiting_ = nullptr;
};

class Writer {
 public:
  Writer(State& state, rt::Loop& loop, const Options& options)
      : state_(state), loop_(loop), options_(options), work_(loop) {}

  // The writer's activity.
  rt::Task<void> run(kv::Partition& partition);
  // For callers: until the change is durable or failed.
  rt::Task<Status> make(std::shared_ptr<Change> change, rt::Deadline deadline);
  // After each commit was laid over the State.
  void on_commit(std::function<void()> look) { look_ = std::move(look); }

  bool busy() const { return !queue_.empty() || in_flight_; }
  size_t waiting() const { return queue_.size(); }
  uint64_t commits() const { return commits_; }
  uint64_t changes() const { return changes_; }

 private:
  using Changes = std::vector<std::shared_ptr<Change>>;
  Changes gather(Draft& draft);
  rt::Task<Status> commit(kv::Partition& partition, Changes changes, Draft& draft);
  rt::Task<Result<bool>> was_made(kv::Partition& partition, uint64_t commits);
  void again_one_by_one(const Changes& changes);
  static void answer(Change& change, Status status);
  void answer_all(const Changes& changes, const Status& status);

  State& state_;
  rt::Loop& loop_;
  const Options& options_;
  rt::Parking work_;
  std::function<void()> look_;
  std::deque<std::shared_ptr<Change>> queue_;
  size_t one_by_one_ = 0;  // the next so many changes are committed alone
  bool in_flight_ = false;
  bool stopped_ = false;
  uint64_t commits_ = 0;
  uint64_t changes_ = 0;
};

}  // namespace ph::store
