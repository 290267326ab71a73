// What a MemDisk holds, and how a batch changes it.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include "base/random.h"
#include "base/result.h"
#include "kv/store.h"
#include "kv_mem/store.h"

namespace ph::kv_mem {

class Session;

using Entries = std::map<std::string, std::string, std::less<>>;

struct Table {
  uint64_t version = 0;
  // Shared with snapshots; copied before a change while one exists.
  std::shared_ptr<Entries> entries = std::make_shared<Entries>();
};

struct StoredBlob {
  kv::BlobBytes bytes;
  std::set<std::pair<std::string, std::string>> refs;  // partition, tag
  bool damaged = false;
};

struct DiskCore {
  explicit DiskCore(MemDiskOptions given) : options(given), random(given.seed) {}

  // Guards all below: partitions of several real loops may use one disk.
  mutable std::mutex mutex;
  MemDiskOptions options;
  Random random;
  Space space = Space::plenty;
  size_t failures_due = 0;
  std::optional<Duration> stall_due;  // asked for while no loop was known
  Instant stalled_until;
  MemDisk::Hook hook;

  std::map<std::string, Table, std::less<>> tables;
  std::map<kv::BlobId, StoredBlob> blobs;
  uint64_t blob_bytes = 0;
  uint64_t commits = 0;
  uint64_t syncs = 0;
  uint64_t bytes_written = 0;

  Session* session = nullptr;  // the store that uses the disk now; absent after a crash

  // With the mutex held. All or nothing; on success the table's version is `version`.
  Status apply(std::string_view partition, const kv::Batch& batch,
               std::optional<kv::Version> expected, uint64_t version);
  // What the faults and the room on the disk say to this batch; uses up a due failure.
  Status admit(const kv::Batch& batch);
  kv::Page scan(const Entries& entries, const kv::Range& range) const;

 private:
  Status check_links(std::string_view partition, const kv::Batch& batch) const;
  void change_blobs(std::string_view partition, const kv::Batch& batch);
};

}  // namespace ph::kv_mem
