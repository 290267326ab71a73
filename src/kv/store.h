// The storage interface: named partitions and content-addressed blobs. Nothing else is asked of an
// engine (RocksDB, memory, later Ceph RADOS), so no operation ever needs two partitions at once.
//
// A Partition is an ordered map of byte strings with a version that every commit increases. A
// commit is atomic and durable when it is answered (law 12), or it answers an error and changes
// nothing; the only third case is kUncertain. Commits of one partition become visible and durable
// in the order in which commit() was called; callers need not wait for one before they start the
// next.
//
// A blob is an immutable string of octets named by its SHA-256. It lives as long as somebody refers
// to it: a reference is (partition, blob, tag), added and dropped by commits of that partition. A
// blob without references is removed in the background.
//
// All calls are made on a loop of the Runtime that the Store was given; a Store serves all of them.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/digest.h"
#include "base/histogram.h"
#include "base/result.h"
#include "rt/deadline.h"
#include "rt/loop.h"
#include "rt/task.h"

namespace ph::kv {

struct BlobId {
  Sha256Digest digest{};

  auto operator<=>(const BlobId&) const = default;
  std::string_view view() const { return as_text(digest); }
};

BlobId blob_id_of(std::string_view bytes);
// From the 32 octets that view() gives; all zeros if the length is wrong.
BlobId blob_id_from(std::string_view octets);

// Shared because several readers, a cache and the committer may hold the same immutable octets.
using BlobBytes = std::shared_ptr<const std::string>;

inline constexpr size_t kKeyBytesMax = 1024;
inline constexpr size_t kValueBytesMax = 4 * 1024 * 1024;
inline constexpr size_t kTagBytesMax = 64;
inline constexpr size_t kBatchBytesMax = 64 * 1024 * 1024;  // keys and values, blobs not counted
inline constexpr size_t kBlobBytesMax = 1024 * 1024 * 1024;
inline constexpr size_t kPartitionNameBytesMax = 200;

// What one commit does, in order: a later change to a key wins over an earlier one.
class Batch {
 public:
  struct Change {
    std::string key;
    std::optional<std::string> value;  // absent: erase
  };
  struct BlobChange {
    enum class Kind : uint8_t { add, link, unlink } kind = Kind::link;
    BlobId id;
    std::string tag;
    BlobBytes bytes;  // add only
  };

  void put(std::string key, std::string value);
  void erase(std::string key);
  // Stores `bytes` under `id` (which must be their id) unless they are there, and refers to them.
  void add_blob(BlobId id, BlobBytes bytes, std::string tag);
  // Refers to a blob that is there: one that this caller already refers to, or learned of from
  // someone who keeps a reference until this commit is answered. Answers kNoBlob if it is not.
  void link_blob(BlobId id, std::string tag);
  void unlink_blob(BlobId id, std::string tag);  // absent is fine

  const std::vector<Change>& changes() const { return changes_; }
  const std::vector<BlobChange>& blob_changes() const { return blob_changes_; }
  bool empty() const { return changes_.empty() && blob_changes_.empty(); }
  size_t bytes() const { return bytes_; }

 private:
  std::vector<Change> changes_;
  std::vector<BlobChange> blob_changes_;
  size_t bytes_ = 0;
};

struct Version {
  uint64_t value = 0;
  auto operator<=>(const Version&) const = default;
};

struct Entry {
  std::string key;
  std::string value;
};

// Keys with from <= key < to ("" as `to`: to the end), in order, or in falling order when
// backwards.
struct Range {
  std::string from;
  std::string to;
  enum class Order : uint8_t { rising, falling } order = Order::rising;
  size_t entries_max = 1000;
  size_t bytes_max = 1024 * 1024;
};
Range prefix_range(std::string_view prefix);

struct Page {
  std::vector<Entry> entries;
  // The range that goes on behind this page; absent at the end.
  std::optional<Range> rest;
};

// A consistent view of one partition at the time it was taken. Short-lived: keep none over a wait
// on anything but the store.
class Snapshot {
 public:
  virtual ~Snapshot() = default;
  virtual rt::Task<Result<std::optional<std::string>>> get(std::string key) = 0;
  virtual rt::Task<Result<Page>> scan(Range range) = 0;
};

struct CommitOptions {
  // When set, the commit is refused with kConflict unless this is the version after all commits
  // called before it.
  std::optional<Version> expected;
  rt::Deadline deadline;
};

class Partition {
 public:
  virtual ~Partition() = default;
  virtual const std::string& name() const = 0;
  // After all commits called so far, durable or on their way. Rises with every commit, not always
  // by one: the number of a failed commit is not used again.
  virtual Version version() const = 0;
  virtual std::unique_ptr<Snapshot> read() = 0;
  // get and scan of the newest answered state.
  virtual rt::Task<Result<std::optional<std::string>>> get(std::string key) = 0;
  virtual rt::Task<Result<Page>> scan(Range range) = 0;
  // The commit is on its way when this returns; the Task only waits for the answer (dropping it
  // does not undo anything). kBusy when too many wait for the disk.
  virtual rt::Task<Result<Version>> commit(Batch batch, CommitOptions options) = 0;
};

struct StoreFigures {
  uint64_t commits = 0;
  uint64_t syncs = 0;          // a sync may carry many commits
  uint64_t bytes_written = 0;  // log and segments
  uint64_t blobs = 0;          // estimate
  uint64_t segment_bytes = 0;
  uint64_t segment_bytes_dead = 0;
  uint64_t commit_queue = 0;  // batches waiting for the committer now
  Duration last_commit;
  // From the call of commit() to its answer, of the commits that became durable.
  DurationHistogram::Counts commit_times;
  // When the oldest commit that has no answer yet was called: what a disk that stands still shows.
  std::optional<Instant> oldest_commit;
};

struct DiskSpace {
  uint64_t free_bytes = 0;  // for this process
  uint64_t size_bytes = 0;  // free ones and those in use
};

class Store {
 public:
  virtual ~Store() = default;
  // Opens or makes a partition whose home is `home`. One opener per name at a time (a second one
  // gets kConflict); the Store must outlive it. Names are [a-z0-9/_.-]{1,200}, else kBadName.
  virtual Result<std::unique_ptr<Partition>> open(rt::Loop& home, std::string_view name) = 0;
  // The names of all partitions that hold a key, with this prefix, in order; at most `limit`.
  virtual Result<std::vector<std::string>> partitions(std::string_view prefix, size_t limit) = 0;
  // The octets [offset, offset+length) of a blob (to its end when it is shorter). kNoBlob,
  // kDamaged.
  virtual rt::Task<Result<BlobBytes>> read_blob(rt::Loop& loop, BlobId id, uint64_t offset,
                                                uint64_t length) = 0;
  virtual StoreFigures figures() const = 0;
  // Free octets on the disk that holds the store.
  virtual uint64_t free_bytes() const = 0;
  // The same looked up without keeping the loop waiting for the disk. While an earlier look has no
  // answer, kBusy: a disk that hangs holds up one look, not a pool full of them.
  virtual rt::Task<Result<DiskSpace>> space(rt::Loop& loop, rt::Deadline deadline) = 0;
};

inline constexpr uint64_t kWholeBlob = UINT64_MAX;

}  // namespace ph::kv
