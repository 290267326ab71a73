// Compaction of a sealed segment: what still lives in it is appended to the present segment, then
// the file is removed. A pool thread reads a slice of it; the committer, which alone knows what
// lives, writes that slice anew. Nothing durable says that a compaction runs: after a crash it just
// begins again.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <unordered_set>
#include <vector>

#include "base/result.h"
#include "kv_rocks/detail/database.h"
#include "kv_rocks/detail/group.h"
#include "kv_rocks/detail/keys.h"
#include "kv_rocks/detail/segment.h"

namespace ph::kv_rocks {

struct LiveRecord {
  kv::BlobId id;
  Location from;
  kv::BlobBytes bytes;
};

struct Slice {
  SegmentNumber segment;
  uint64_t next_offset = 0;  // where the next slice begins
  std::vector<LiveRecord> records;
  bool damaged = false;  // a header or octets: the segment must stay as it is
};

// Reads what seems to live in [offset, end) of the segment, up to a few MiB of it.
Slice read_slice(const Database& database, SegmentFolder& folder, SegmentNumber segment,
                 uint64_t offset, uint64_t end);

// Which segment is being compacted, and how far. Committer only.
class Compaction {
 public:
  explicit Compaction(uint32_t dead_percent) : dead_percent_(dead_percent) {}

  // Picks a sealed segment that is worth it, if none is at work.
  bool pick(const SegmentAccounts& accounts, SegmentNumber current);
  bool active() const { return segment_.is_set(); }
  bool reading() const { return reading_; }
  void set_reading(bool reading) { reading_ = reading; }
  SegmentNumber segment() const { return segment_; }
  uint64_t offset() const { return offset_; }
  void advance(uint64_t offset) { offset_ = offset; }
  void end() { segment_ = {}; }
  // Stops until resume(), then begins the segment again.
  void pause() {
    paused_ = true;
    end();
  }
  void resume() { paused_ = false; }
  void give_up();  // on this segment, until the store is opened again

 private:
  uint32_t dead_percent_;
  SegmentNumber segment_;
  uint64_t offset_ = 0;
  bool reading_ = false;
  bool paused_ = false;
  std::unordered_set<uint64_t> given_up_;
};

}  // namespace ph::kv_rocks
