#include "kv_rocks/detail/segment.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/check.h"
#include "base/digest.h"
#include "base/record.h"
#include "base/text.h"
#include "kv/errors.h"
#include "rt/errors.h"

namespace ph::kv_rocks {

namespace {

constexpr std::string_view kMagic = "PHs1";
constexpr std::string_view kSuffix = ".seg";

Status sync_folder(const std::string& path) {
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) return io_error("opening the folder of segments");
  const int result = fsync(descriptor);
  const Error error = io_error("syncing the folder of segments");
  close(descriptor);
  if (result != 0) return error;
  return {};
}

}  // namespace

Error io_error(std::string_view what) {
  const int code = errno;
  const bool full = code == ENOSPC || code == EDQUOT;
  return fail(full ? kv::kDiskFull : kv::kIo, std::string(what) + ": " + std::strerror(code));
}

std::string encode(const RecordHeader& header) {
  const std::string rest =
      OrderedKey("").u32(header.crc).u32(0).u64(header.length).text(header.id.view()).take();
  std::string out = OrderedKey(kMagic).u32(crc32c(rest)).text(rest).take();
  PH_CHECK(out.size() == kRecordHeaderBytes);
  return out;
}

std::optional<RecordHeader> decode_record_header(std::string_view octets) {
  if (octets.size() < kRecordHeaderBytes || !octets.starts_with(kMagic)) return std::nullopt;
  const std::string_view rest = octets.substr(8, kRecordHeaderBytes - 8);
  if (key_u32(octets, 4) != crc32c(rest)) return std::nullopt;
  return RecordHeader{kv::blob_id_from(rest.substr(16)), key_u64(rest, 8), key_u32(rest, 0)};
}

SegmentFile::~SegmentFile() { close(descriptor_); }

Result<std::string> SegmentFile::read(uint64_t offset, uint64_t length) const {
  std::string out(length, '\0');
  size_t done = 0;
  while (done < length) {
    const ssize_t count =
        pread(descriptor_, out.data() + done, length - done, static_cast<off_t>(offset + done));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return io_error("reading a segment");
    if (count == 0) return fail(kv::kDamaged, "a segment is too short");
    done += static_cast<size_t>(count);
  }
  return out;
}

SegmentFolder::SegmentFolder(std::string path) : path_(std::move(path)) {}

Status SegmentFolder::make() {
  if (mkdir(path_.c_str(), 0700) != 0 && errno != EEXIST) return io_error("making " + path_);
  return {};
}

std::string SegmentFolder::path_of(SegmentNumber number) const {
  return path_ + "/" + hex_encode(OrderedKey("").u64(number.value).take()) + std::string(kSuffix);
}

std::vector<SegmentNumber> SegmentFolder::list() const {
  std::vector<SegmentNumber> out;
  DIR* const folder = opendir(path_.c_str());
  if (folder == nullptr) return out;
  while (const dirent* entry = readdir(folder)) {
    const std::string_view name = entry->d_name;
    if (name.size() != 16 + kSuffix.size() || !name.ends_with(kSuffix)) continue;
    const auto octets = hex_decode(name.substr(0, 16));
    if (octets.has_value()) out.push_back({key_u64(*octets, 0)});
  }
  closedir(folder);
  std::ranges::sort(out);
  return out;
}

Result<std::shared_ptr<SegmentFile>> SegmentFolder::open(SegmentNumber number) {
  const std::lock_guard lock(mutex_);
  if (auto* const file = open_.find(number.value)) return *file;
  const int descriptor = ::open(path_of(number).c_str(), O_RDWR | O_CLOEXEC);
  if (descriptor < 0 && errno == ENOENT) return fail(kv::kNoBlob, "its segment is gone");
  if (descriptor < 0) return io_error("opening a segment");
  auto file = std::make_shared<SegmentFile>(descriptor);
  open_.put(number.value, file);
  return file;
}

Status SegmentFolder::create(SegmentNumber number, uint64_t bytes) {
  const std::string path = path_of(number);
  const int descriptor = ::open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (descriptor < 0) return io_error("making a segment");
  const SegmentFile file(descriptor);
  // Allocated at once, so that later syncs need not write the file's metadata.
  const int code = posix_fallocate(descriptor, 0, static_cast<off_t>(bytes));
  errno = code;
  if (code != 0 && code != EOPNOTSUPP && code != EINVAL) {
    Error error = io_error("allocating a segment");
    unlink(path.c_str());
    return error;
  }
  if (fsync(descriptor) != 0) return io_error("syncing a segment");
  return sync_folder(path_);
}

Result<std::unique_ptr<SegmentFile>> SegmentFolder::open_for_blocks(SegmentNumber number) {
  const std::string path = path_of(number);
  int descriptor = ::open(path.c_str(), O_RDWR | O_DIRECT | O_CLOEXEC);
  if (descriptor < 0 && errno == EINVAL) descriptor = ::open(path.c_str(), O_RDWR | O_CLOEXEC);
  if (descriptor < 0) return io_error("opening a segment");
  return std::make_unique<SegmentFile>(descriptor);
}

void SegmentFolder::remove(SegmentNumber number) {
  const std::lock_guard lock(mutex_);
  open_.erase(number.value);
  unlink(path_of(number).c_str());
}

std::function<Result<kv::DiskSpace>()> SegmentFolder::space_look() const {
  return [path = path_]() -> Result<kv::DiskSpace> {
    struct statvfs figures{};
    if (statvfs(path.c_str(), &figures) != 0) return fail(rt::kIo, "statvfs " + path);
    const uint64_t unit = figures.f_frsize;
    // What only the superuser may fill is neither free nor in use, as df counts it.
    const uint64_t kept_back = figures.f_bfree - figures.f_bavail;
    return kv::DiskSpace{figures.f_bavail * unit, (figures.f_blocks - kept_back) * unit};
  };
}

uint64_t SegmentFolder::free_bytes() const {
  struct statvfs figures{};
  if (statvfs(path_.c_str(), &figures) != 0) return 0;
  return static_cast<uint64_t>(figures.f_bavail) * figures.f_frsize;
}

}  // namespace ph::kv_rocks
