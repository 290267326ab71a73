// Segment files: the octets of large blobs, one record behind the other.
//
// A record is a header (magic, crc32c of the header, crc32c of the octets, length, blob id) and the
// octets. What lies behind the end that SegmentAccount keeps is garbage of a crash and is written
// over. Only the committer appends; everybody may read.
#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bounded.h"
#include "base/result.h"
#include "kv/store.h"
#include "kv_rocks/detail/keys.h"

namespace ph::kv_rocks {

struct RecordHeader {
  kv::BlobId id;
  uint64_t length = 0;
  uint32_t crc = 0;
};
std::string encode(const RecordHeader& header);
std::optional<RecordHeader> decode_record_header(std::string_view octets);

// An open descriptor. The file may be removed meanwhile; its octets stay readable.
class SegmentFile {
 public:
  explicit SegmentFile(int descriptor) : descriptor_(descriptor) {}
  ~SegmentFile();
  SegmentFile(const SegmentFile&) = delete;
  SegmentFile& operator=(const SegmentFile&) = delete;

  int descriptor() const { return descriptor_; }
  // Exactly the octets [offset, offset + length); kDamaged when the file is shorter.
  Result<std::string> read(uint64_t offset, uint64_t length) const;

 private:
  int descriptor_;
};

// The folder of segments with a bounded number of open files. Any thread.
class SegmentFolder {
 public:
  explicit SegmentFolder(std::string path);
  Status make();
  std::vector<SegmentNumber> list() const;
  // Shared by the readers that use it now and the table of open files. kNoBlob when it is gone.
  Result<std::shared_ptr<SegmentFile>> open(SegmentNumber number);
  // A new file with `bytes` allocated, in the folder for good.
  Result<std::shared_ptr<SegmentFile>> create(SegmentNumber number, uint64_t bytes);
  void remove(SegmentNumber number);
  uint64_t free_bytes() const;

 private:
  std::string path_of(SegmentNumber number) const;

  static constexpr size_t kOpenFilesMax = 256;
  std::string path_;
  std::mutex mutex_;
  BoundedCache<uint64_t, std::shared_ptr<SegmentFile>> open_{kOpenFilesMax};
};

// The segment that grows. Committer only.
class SegmentWriter {
 public:
  SegmentWriter(SegmentFolder& folder, uint64_t segment_bytes)
      : folder_(folder), segment_bytes_(segment_bytes) {}

  // Goes on in `number` at `end`.
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
  uint64_t end() const { return end_; }

 private:
  struct Placed {
    std::string header;
    kv::BlobBytes bytes;
  };
  Status rotate();
  Status write_placed();

  SegmentFolder& folder_;
  uint64_t segment_bytes_;
  SegmentNumber number_;
  SegmentNumber next_{1};
  std::shared_ptr<SegmentFile> file_;  // shared with readers
  uint64_t end_ = 0;                   // with what is placed
  uint64_t written_ = 0;               // without
  std::vector<Placed> placed_;
  std::vector<SegmentNumber> sealed_;
};

}  // namespace ph::kv_rocks
