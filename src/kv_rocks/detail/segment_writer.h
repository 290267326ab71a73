// The segment that grows: where the committer appends large blobs.
//
// Records are gathered in one aligned buffer and written past the page cache in whole blocks: that
// costs a third of the processor time that cached writes cost, and leaves the cache to readers.
// Committer only.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "kv/store.h"
#include "kv_rocks/detail/keys.h"
#include "kv_rocks/detail/segment.h"

namespace ph::kv_rocks {

class SegmentWriter {
 public:
  SegmentWriter(SegmentFolder& folder, uint64_t segment_bytes);

  // Goes on in `number` behind `end`.
  Status resume(SegmentNumber number, uint64_t end);
  void set_next(SegmentNumber number) { next_ = number; }

  // A place for the record, in the present segment or a fresh one; nothing is written yet.
  Result<Location> place(kv::BlobId id, kv::BlobBytes bytes);
  // Writes and syncs all that was placed. On failure nothing of it counts.
  Status flush();
  // Forgets what was placed since the last flush.
  void discard();
  // Segments that were full and will not grow any more; until their accounts say so durably.
  const std::vector<SegmentNumber>& sealed() const { return sealed_; }
  void forget_sealed() { sealed_.clear(); }
  SegmentNumber current() const { return number_; }

 private:
  struct Placed {
    std::string header;
    kv::BlobBytes bytes;
  };
  struct Free {
    void operator()(char* bytes) const { std::free(bytes); }
  };
  Status rotate();
  Status write_placed();
  Status gather(std::string_view octets);
  Status write_buffer();

  SegmentFolder& folder_;
  uint64_t segment_bytes_;
  SegmentNumber number_;
  SegmentNumber next_{1};
  std::unique_ptr<SegmentFile> file_;
  uint64_t end_ = 0;      // with what is placed
  uint64_t written_ = 0;  // without; at the start of a block
  std::vector<Placed> placed_;
  std::vector<SegmentNumber> sealed_;

  std::unique_ptr<char, Free> buffer_;
  size_t gathered_ = 0;  // octets in the buffer
  uint64_t at_ = 0;      // where the buffer goes
};

}  // namespace ph::kv_rocks
