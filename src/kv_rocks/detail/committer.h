// The one writer: a thread that takes what all loops have asked for since it last looked, makes it
// durable with one write and one sync, and answers. While it syncs, the next group gathers.
//
// Nothing else writes to the database or the segments, so what it decides needs no lock. The queue
// (and what OpenTable says is guarded by it) is shared with the loops under one mutex.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/histogram.h"
#include "base/result.h"
#include "kv_rocks/detail/blob_cache.h"
#include "kv_rocks/detail/compaction.h"
#include "kv_rocks/detail/database.h"
#include "kv_rocks/detail/group.h"
#include "kv_rocks/detail/patience.h"
#include "kv_rocks/detail/segment.h"
#include "kv_rocks/detail/segment_writer.h"
#include "kv_rocks/store.h"

namespace ph::kv_rocks {

class Committer {
 public:
  // Starts reading a slice on another thread; false if that cannot be done now. The result comes
  // back through offer().
  using SliceReader = std::function<bool(SegmentNumber segment, uint64_t offset, uint64_t end)>;

  Committer(const RocksOptions& options, Database& database, SegmentFolder& folder,
            BlobCache& cache, const Patience& patience);
  ~Committer();
  Committer(const Committer&) = delete;
  Committer& operator=(const Committer&) = delete;

  // Reads the accounts of segments, removes files nobody names; before start().
  Status load();
  void start(SliceReader reader);
  // Makes what is queued durable, answers it, and ends the thread.
  void stop();

  // From any loop.
  Result<std::shared_ptr<OpenTable>> open_table(std::string_view name);
  void close_table(OpenTable& table);
  kv::Version version_of(const OpenTable& table) const;
  // kBusy, kDiskFull, kStopping. On success the request is on its way.
  Status enqueue(Request request);
  void offer(Slice slice);
  void add_figures(kv::StoreFigures& figures) const;

 private:
  void run();
  bool wait_for_work(std::vector<Request>& group, std::optional<Slice>& slice);
  void process(std::vector<Request>& group);
  // Plans the group and syncs its segments; absent (with every request refused) when it cannot.
  std::unique_ptr<Group> prepare(std::vector<Request>& group);
  void accept(Group& group);
  void answer(std::vector<Request>& group);
  void move(Slice slice);
  Status move_records(const Slice& slice);
  void compact();
  void set_account(SegmentNumber number, const SegmentAccount& account);
  void drop_account(SegmentNumber number);

  const RocksOptions& options_;
  Database& database_;
  SegmentFolder& folder_;
  BlobCache& cache_;
  const Patience& patience_;
  SliceReader reader_;

  // The committer's own.
  SegmentWriter writer_;
  SegmentAccounts accounts_;
  Compaction compaction_;
  uint64_t group_number_ = 0;
  uint64_t free_bytes_ = 0;  // on the disk, when last looked

  mutable std::mutex mutex_;
  std::condition_variable work_;
  // Guarded by mutex_.
  std::deque<Request> queue_;
  uint64_t queue_bytes_ = 0;
  std::optional<Slice> slice_;
  std::map<std::string, std::shared_ptr<OpenTable>, std::less<>> tables_;
  PartitionId next_id_{1};
  std::optional<Instant> oldest_in_work_;  // when the oldest of the group in work was called
  bool idle_ = false;
  bool stopping_ = false;

  std::atomic<uint64_t> commits_ = 0;
  std::atomic<uint64_t> syncs_ = 0;
  std::atomic<uint64_t> bytes_ = 0;
  std::atomic<uint64_t> segment_bytes_ = 0;
  std::atomic<uint64_t> segment_bytes_dead_ = 0;
  struct Times {
    std::atomic<int64_t> last_us = 0;
    DurationHistogram all;
  };
  // Shared with answers on their way, which may outlive the store.
  std::shared_ptr<Times> times_ = std::make_shared<Times>();

  std::thread thread_;
};

}  // namespace ph::kv_rocks
