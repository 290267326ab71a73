// Segment files: the octets of large blobs, one record behind the other.
//
// A record is a header (magic, crc32c of the header, crc32c of the octets, length, blob id) and the
// octets. Each flush begins a block, so zeros may lie between two records. What lies behind the end
// that SegmentAccount keeps is garbage of a crash and is written over. Only the committer appends
// (see segment_writer.h); everybody may read.
#pragma once

#include <cstdint>
#include <functional>
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
inline constexpr uint64_t kBlockBytes = 4096;
constexpr uint64_t block_after(uint64_t offset) {
  return (offset + kBlockBytes - 1) / kBlockBytes * kBlockBytes;
}

// The error that errno tells of.
Error io_error(std::string_view what);
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
  // Makes a new file with `bytes` allocated, in the folder for good.
  Status create(SegmentNumber number, uint64_t bytes);
  // For writing whole blocks past the page cache, where the file system can do that.
  Result<std::unique_ptr<SegmentFile>> open_for_blocks(SegmentNumber number);
  void remove(SegmentNumber number);
  uint64_t free_bytes() const;
  // The same and the disk's size; kIo. It holds nothing of this, so it may run when this is gone.
  std::function<Result<kv::DiskSpace>()> space_look() const;

 private:
  std::string path_of(SegmentNumber number) const;

  static constexpr size_t kOpenFilesMax = 256;
  std::string path_;
  std::mutex mutex_;
  BoundedCache<uint64_t, std::shared_ptr<SegmentFile>> open_{kOpenFilesMax};
};

}  // namespace ph::kv_rocks
