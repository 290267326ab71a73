#include "kv_rocks/detail/core.h"

#include <algorithm>
#include <filesystem>
#include <utility>

#include "base/digest.h"
#include "kv/errors.h"
#include "rt/errors.h"

namespace ph::kv_rocks {

Gate::Pass::Pass(Gate& gate) : gate_(gate), granted_((gate.users_.fetch_add(1) & kClosed) == 0) {}

Gate::Pass::~Pass() {
  if (gate_.users_.fetch_sub(1) - 1 == kClosed) gate_.users_.notify_all();
}

void Gate::close() {
  uint64_t users = users_.fetch_or(kClosed) | kClosed;
  while (users != kClosed) {
    users_.wait(users);
    users = users_.load();
  }
}

Core::Core(rt::Runtime& given, RocksOptions chosen)
    : runtime(given),
      options(std::move(chosen)),
      segments(options.folder + "/segments"),
      cache(options.blob_cache_bytes),
      patience(options.folder) {}

Status Core::open() {
  std::error_code code;
  std::filesystem::create_directories(options.folder, code);
  if (code) return fail(kv::kIo, options.folder + ": " + code.message());
  PH_TRY_STATUS(segments.make());
  PH_TRY(database, Database::open(options, patience.env()));
  committer = std::make_unique<Committer>(options, *database, segments, cache, patience);
  return committer->load();
}

void Core::close() {
  patience.stop();
  if (committer != nullptr) committer->stop();
  gate.close();
  database.reset();
}

namespace {

kv::BlobBytes part_of(const kv::BlobBytes& bytes, uint64_t offset, uint64_t length) {
  if (offset == 0 && length >= bytes->size()) return bytes;
  if (offset >= bytes->size()) return std::make_shared<const std::string>();
  const uint64_t there = std::min<uint64_t>(length, bytes->size() - offset);
  return std::make_shared<const std::string>(*bytes, offset, there);
}

Result<kv::BlobBytes> read_inline(Core& core, const kv::BlobId& id, Tier tier) {
  PH_TRY(auto octets, core.database->get(Family::blob, id.view(), tier));
  if (!octets.has_value()) return fail(kv::kNoBlob, "removed meanwhile");
  return std::make_shared<const std::string>(std::move(*octets));
}

Result<kv::BlobBytes> read_segment(Core& core, const Location& at, uint64_t offset,
                                   uint64_t length) {
  PH_TRY(const auto file, core.segments.open(at.segment));
  const uint64_t from = std::min(offset, at.length);
  const uint64_t count = std::min(length, at.length - from);
  PH_TRY(auto octets, file->read(at.offset + kRecordHeaderBytes + from, count));
  if (count == at.length && crc32c(octets) != at.crc) {
    return fail(kv::kDamaged, "the checksum of a blob");
  }
  return std::make_shared<const std::string>(std::move(octets));
}

}  // namespace

Result<kv::BlobBytes> read_blob_now(Core& core, kv::BlobId id, uint64_t offset, uint64_t length,
                                    Tier tier) {
  if (const kv::BlobBytes cached = core.cache.find(id)) return part_of(cached, offset, length);
  const uint64_t removals = core.cache.removals();
  // A compaction may move the blob, or a commit remove it, between the look at its record and the
  // look at its octets: then the record is read again.
  constexpr int kTriesMax = 4;
  for (int i = 0; i < kTriesMax; ++i) {
    PH_TRY(const auto found, core.database->get(Family::index, id.view(), tier));
    if (!found.has_value()) return fail(kv::kNoBlob);
    const auto record = decode_blob_record(*found);
    if (!record.has_value()) return fail(kv::kDamaged, "the record of a blob");
    const bool in_batch = !record->location.segment.is_set();
    if (!in_batch && tier == Tier::memory) return fail(rt::kWouldBlock);
    auto octets = in_batch ? read_inline(core, id, tier)
                           : read_segment(core, record->location, offset, length);
    if (!octets.has_value() && octets.error().is(kv::kNoBlob)) continue;
    if (!octets.has_value()) return octets;
    const bool whole = (*octets)->size() == record->location.length;
    if (whole) core.cache.put_if_current(id, *octets, removals);
    return in_batch ? part_of(*octets, offset, length) : octets;
  }
  return fail(kv::kDamaged, "its octets are not where its record says");
}

}  // namespace ph::kv_rocks
