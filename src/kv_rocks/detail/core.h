// The parts of an open store, and the gate that keeps them open while somebody uses them.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

#include "base/result.h"
#include "kv/store.h"
#include "kv_rocks/detail/blob_cache.h"
#include "kv_rocks/detail/committer.h"
#include "kv_rocks/detail/database.h"
#include "kv_rocks/detail/patience.h"
#include "kv_rocks/detail/segment.h"
#include "kv_rocks/store.h"
#include "rt/runtime.h"

namespace ph::kv_rocks {

// Reads on the pool may outlive the activity that asked for them, and even the store. Whoever
// touches the database holds a Pass; close() waits for all of them, and none is given afterwards.
class Gate {
 public:
  class Pass {
   public:
    explicit Pass(Gate& gate);
    ~Pass();
    Pass(const Pass&) = delete;
    Pass& operator=(const Pass&) = delete;
    bool granted() const { return granted_; }

   private:
    Gate& gate_;
    bool granted_;
  };
  void close();

 private:
  static constexpr uint64_t kClosed = uint64_t{1} << 63;
  std::atomic<uint64_t> users_ = 0;
};

struct Core {
  Core(rt::Runtime& runtime, RocksOptions options);
  Status open();
  void close();

  rt::Runtime& runtime;
  const RocksOptions options;
  SegmentFolder segments;
  BlobCache cache;
  Patience patience;
  std::unique_ptr<Database> database;    // absent before open() and after close()
  std::unique_ptr<Committer> committer;  // as long as the database, and then some (its tables)
  Gate gate;
};

// The octets [offset, offset + length) of a blob. With Tier::memory answers rt::kWouldBlock when it
// would have to read a file. The caller holds a Pass.
Result<kv::BlobBytes> read_blob_now(Core& core, kv::BlobId id, uint64_t offset, uint64_t length,
                                    Tier tier);

}  // namespace ph::kv_rocks
