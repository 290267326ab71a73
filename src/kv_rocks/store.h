// The embedded storage engine: RocksDB for what is small, segment files for message bytes.
//
// Batches of all loops are gathered into one log write and one sync. Small blobs travel in the
// batch; larger ones are appended once to a checksummed segment file, which is synced before the
// batch that names them. See README.md for the files and what a crash leaves.
//
// A full or failing disk makes commits answer kDiskFull or kIo and changes nothing; once there is
// room again commits succeed again, without a restart. Destroy the Store after its Partitions and
// before the Runtime; the destructor waits for the commits on their way.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/result.h"
#include "kv/store.h"
#include "rt/runtime.h"

namespace ph::kv_rocks {

struct RocksOptions {
  std::string folder;  // made if absent; one Store at a time
  // Memory.
  uint64_t block_cache_bytes = uint64_t{128} << 20;
  uint64_t write_buffer_bytes = uint64_t{128} << 20;  // all memtables together
  uint64_t blob_cache_bytes = uint64_t{32} << 20;
  uint64_t commit_queue_bytes_max = uint64_t{256} << 20;  // then commit answers kBusy
  // Files.
  uint64_t segment_bytes = uint64_t{256} << 20;
  // Blobs up to this size travel in the batch, unless those of one group are more than the second
  // number: then appending them to a segment, with a sync of its own, is cheaper.
  uint64_t inline_blob_bytes_max = 8 * 1024;
  uint64_t inline_group_bytes_max = 64 * 1024;
  // With less free space than this, commits that add blobs answer kDiskFull and others go on.
  uint64_t reserve_bytes = uint64_t{512} << 20;
  // With less than this every commit answers kDiskFull. It is what RocksDB may need to write down
  // all that it holds in memory, so that RocksDB itself never meets a full disk, unless somebody
  // else fills it.
  uint64_t floor_bytes = uint64_t{160} << 20;
  // A sealed segment is compacted when more than this share of it is dead.
  uint32_t compact_at_dead_percent = 50;
};

// kIo when the folder cannot be used, kDamaged when what is in it cannot be read.
Result<std::unique_ptr<kv::Store>> open_rocks(rt::Runtime& runtime, RocksOptions options);

}  // namespace ph::kv_rocks
