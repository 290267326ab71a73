// Gathers the changes of many callers into few commits.
//
// A caller adds its changes to batch() and then awaits flush(), without suspending in between: all
// that was added before the commit starts is one commit, and everybody in it gets the same answer.
// Changes of one caller never fall apart into two commits. Home loop only.
#pragma once

#include <algorithm>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "kv/store.h"
#include "model/queue_id.h"
#include "rt/runtime.h"

namespace ph::queue {

// A key and the value that a commit gives it: by reading it one learns whether a commit of which no
// answer came was made.
struct Proof {
  std::string key;
  std::string value;
};

class Gatherer {
 public:
  // `settled` hears of the messages of each commit once it is known what became of it; also if
  // whoever asked for it has long given up.
  using Settled = std::function<void(const std::vector<model::QueueId>&)>;
  Gatherer(rt::Loop& home, kv::Partition& partition, std::string name, Settled settled);
  ~Gatherer();
  Gatherer(const Gatherer&) = delete;
  Gatherer& operator=(const Gatherer&) = delete;

  // Where the caller's changes go. Valid until the caller's next suspension.
  kv::Batch& batch();
  // Done: they are on disk. kv's errors: they are not, and never will be. Where the store itself
  // cannot tell (kUncertain), a later commit settles it and `proof` decides; only when the caller's
  // deadline or cancellation comes first the answer is kUncertain.
  rt::Task<Status> flush(Proof proof, rt::Deadline deadline);

  uint64_t commits() const { return commits_; }

  // Whether `batch` is what the next commit is gathered in.
  bool gathers(const kv::Batch& batch) const;
  // What is in batch() makes an entry at `when` in the index by time.
  void note(Time when, Time now);
  // What is in batch() changes a message.
  void note(model::QueueId id);
  // The earliest times noted for changes that readers may not see yet; Time::max() if there is
  // none.
  struct Lowest {
    Time any = Time::max();
    Time ahead = Time::max();  // of those that were in the future when they were noted
    void add(const Lowest& other) {
      any = std::min(any, other.any);
      ahead = std::min(ahead, other.ahead);
    }
    void add(Time when, Time now) { add({when, when > now ? when : Time::max()}); }
  };
  Lowest lowest_unsettled() const;

 private:
  struct Group;
  rt::Task<void> run();
  rt::Task<Status> settle(rt::Deadline deadline);
  rt::Task<void> find_out(Group& group);
  void answer_to(Group& group, Status result);
  std::shared_ptr<Group> take();

  rt::Loop& home_;
  kv::Partition& partition_;
  std::string name_;
  Settled settled_;
  std::shared_ptr<Group> open_;  // shared by everyone whose changes are in it
  std::deque<std::shared_ptr<Group>> full_;
  std::vector<std::shared_ptr<Group>> running_;  // committed, and not settled yet
  size_t runners_ = 0;
  size_t idle_runners_ = 0;  // spawned, have not taken a group yet
  uint64_t commits_ = 0;
  rt::Scope scope_;
};

}  // namespace ph::queue
