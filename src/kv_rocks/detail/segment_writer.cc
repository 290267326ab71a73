#include "kv_rocks/detail/segment_writer.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/check.h"
#include "base/digest.h"
#include "kv/errors.h"

namespace ph::kv_rocks {

namespace {

constexpr size_t kBufferBytes = 1024 * 1024;

}  // namespace

SegmentWriter::SegmentWriter(SegmentFolder& folder, uint64_t segment_bytes)
    : folder_(folder),
      segment_bytes_(segment_bytes),
      buffer_(static_cast<char*>(std::aligned_alloc(kBlockBytes, kBufferBytes))) {
  PH_CHECK(buffer_ != nullptr);
}

Status SegmentWriter::resume(SegmentNumber number, uint64_t end) {
  PH_TRY(file_, folder_.open_for_blocks(number));
  number_ = number;
  end_ = block_after(end);
  written_ = end_;
  return {};
}

Status SegmentWriter::write_buffer() {
  PH_CHECK(gathered_ % kBlockBytes == 0);
  size_t done = 0;
  while (done < gathered_) {
    const ssize_t count = pwrite(file_->descriptor(), buffer_.get() + done, gathered_ - done,
                                 static_cast<off_t>(at_ + done));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return io_error("writing a segment");
    // What a short write left of a block is written again: the next one must begin a block too.
    const auto blocks = static_cast<size_t>(count) / kBlockBytes * kBlockBytes;
    if (blocks == 0) return fail(kv::kIo, "writing a segment: no whole block was taken");
    done += blocks;
  }
  at_ += gathered_;
  gathered_ = 0;
  return {};
}

Status SegmentWriter::gather(std::string_view octets) {
  while (!octets.empty()) {
    const size_t fits = std::min(octets.size(), kBufferBytes - gathered_);
    std::memcpy(buffer_.get() + gathered_, octets.data(), fits);
    gathered_ += fits;
    octets.remove_prefix(fits);
    if (gathered_ == kBufferBytes) PH_TRY_STATUS(write_buffer());
  }
  return {};
}

Status SegmentWriter::write_placed() {
  if (placed_.empty()) return {};
  at_ = written_;
  gathered_ = 0;
  for (const Placed& record : placed_) {
    PH_TRY_STATUS(gather(record.header));
    PH_TRY_STATUS(gather(*record.bytes));
  }
  const size_t whole = block_after(gathered_);
  std::memset(buffer_.get() + gathered_, 0, whole - gathered_);
  gathered_ = whole;
  PH_TRY_STATUS(write_buffer());
  if (fdatasync(file_->descriptor()) != 0) return io_error("syncing a segment");
  end_ = block_after(end_);
  PH_CHECK(at_ == end_);
  written_ = end_;
  placed_.clear();
  return {};
}

Status SegmentWriter::rotate() {
  PH_TRY_STATUS(write_placed());
  PH_TRY_STATUS(folder_.create(next_, segment_bytes_));
  PH_TRY(auto fresh, folder_.open_for_blocks(next_));
  if (file_ != nullptr) {
    sealed_.push_back(number_);
    // Gives back what was allocated and not needed; failing costs room only.
    [[maybe_unused]] const int ignored =
        ftruncate(file_->descriptor(), static_cast<off_t>(written_));
  }
  file_ = std::move(fresh);
  number_ = next_;
  ++next_.value;
  end_ = 0;
  written_ = 0;
  return {};
}

Result<Location> SegmentWriter::place(kv::BlobId id, kv::BlobBytes bytes) {
  const uint64_t size = kRecordHeaderBytes + bytes->size();
  const bool full = end_ > 0 && end_ + size > segment_bytes_;
  if (file_ == nullptr || full) PH_TRY_STATUS(rotate());
  Location at{number_, end_, bytes->size(), crc32c(*bytes)};
  placed_.push_back({encode(RecordHeader{id, at.length, at.crc}), std::move(bytes)});
  end_ += size;
  return at;
}

Status SegmentWriter::flush() {
  Status done = write_placed();
  if (!done.has_value()) discard();
  return done;
}

void SegmentWriter::discard() {
  placed_.clear();
  end_ = written_;
}

}  // namespace ph::kv_rocks
