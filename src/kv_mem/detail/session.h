// One life of a MemStore: its open partitions and the commits on their way.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "base/histogram.h"
#include "base/random.h"
#include "kv/pending.h"
#include "kv/store.h"
#include "kv_mem/detail/disk_core.h"
#include "rt/loop.h"
#include "rt/timers.h"

namespace ph::kv_mem {

// The disk's mutex guards `versions` and `opened`.
struct OpenTable {
  std::string name;
  rt::Loop* home = nullptr;
  kv::VersionCount versions;
  bool opened = false;
};

struct Request {
  std::shared_ptr<OpenTable> table;  // shared: a partition may be closed before its last answer
  kv::Batch batch;
  std::optional<kv::Version> expected;
  uint64_t version = 0;
  uint64_t order = 0;  // of the call, over all loops
  Instant called;
  std::shared_ptr<kv::Pending> pending;
};

// Gathers, syncs and answers the commits of one loop. Home loop only.
class Syncer final : private rt::Timer {
 public:
  Syncer(Session& session, rt::Loop& loop) : session_(session), loop_(loop) {}
  void add(Request request);
  void stall(Instant until);
  void drop_all();
  const std::deque<Request>& syncing() const { return syncing_; }
  const std::deque<Request>& gathering() const { return gathering_; }

 private:
  void begin();
  void fired() override;
  // False when a hook crashed the disk.
  bool make_durable(Request& request, Result<kv::Version>& answer);

  Session& session_;
  rt::Loop& loop_;
  std::deque<Request> gathering_;
  std::deque<Request> syncing_;
};

class Session {
 public:
  explicit Session(std::shared_ptr<DiskCore> disk);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  DiskCore& disk() { return *disk_; }
  bool dead() const { return dead_; }
  // Nothing is made durable or answered from now on.
  void die();
  // Of the commits on their way keeps a random prefix per partition (none without `random`), and
  // dies.
  void crash(Random* random);
  void stall_for(Duration d);

  Result<std::shared_ptr<OpenTable>> open(rt::Loop& home, std::string_view name);
  void close(OpenTable& table);
  rt::Task<Result<kv::Version>> commit(rt::Loop& home, std::shared_ptr<OpenTable> table,
                                       kv::Batch batch, kv::CommitOptions options);
  // With the disk's mutex held.
  size_t waiting() const;
  std::optional<Instant> oldest_commit() const;
  DurationHistogram::Counts commit_times() const { return commit_times_.counts(); }
  // Frees the timers; no loop may run then.
  void detach();
  // A commit has its answer; with the disk's mutex held.
  void settled(Instant called) { unanswered_.erase(unanswered_.find(called)); }
  void durable(Duration took) { commit_times_.add(took); }

 private:
  std::shared_ptr<DiskCore> disk_;  // shared: the disk outlives the store, and the reverse in tests
  std::map<std::string, std::shared_ptr<OpenTable>, std::less<>> tables_;
  std::map<size_t, std::unique_ptr<Syncer>> syncers_;  // by loop index, so order is the same
  rt::Loop* any_loop_ = nullptr;
  uint64_t next_order_ = 1;
  std::multiset<Instant> unanswered_;  // when each was called; guarded by the disk's mutex
  DurationHistogram commit_times_;
  bool dead_ = false;
};

}  // namespace ph::kv_mem
