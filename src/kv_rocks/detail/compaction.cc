#include "kv_rocks/detail/compaction.h"

#include <algorithm>

#include "base/digest.h"
#include "kv/errors.h"

namespace ph::kv_rocks {

namespace {

constexpr uint64_t kSliceBytes = 4 * 1024 * 1024;
constexpr size_t kSliceRecords = 4096;  // looked at, living or dead

// Whether the index still names the record at `from`; a failing read counts as damage.
Result<bool> lives(const Database& database, const kv::BlobId& id, const Location& from) {
  PH_TRY(const auto found, database.get(Family::index, id.view(), Tier::disk));
  if (!found.has_value()) return false;
  const auto record = decode_blob_record(*found);
  if (!record.has_value()) return fail(kv::kDamaged, "the record of a blob");
  return record->location.segment == from.segment && record->location.offset == from.offset;
}

Status read_into(Slice& slice, const Database& database, const SegmentFile& file, uint64_t end) {
  uint64_t bytes = 0;
  for (size_t i = 0; i < kSliceRecords && bytes < kSliceBytes && slice.next_offset < end; ++i) {
    PH_TRY(const auto octets, file.read(slice.next_offset, kRecordHeaderBytes));
    const auto header = decode_record_header(octets);
    const uint64_t block = block_after(slice.next_offset);
    if (!header.has_value() && block != slice.next_offset) {
      slice.next_offset = std::min(block, end);  // what filled up a block
      continue;
    }
    if (!header.has_value()) return fail(kv::kDamaged, "the header of a record");
    const Location from{slice.segment, slice.next_offset, header->length, header->crc};
    slice.next_offset += record_bytes(from);
    if (slice.next_offset > end) return fail(kv::kDamaged, "the length of a record");
    PH_TRY(const bool living, lives(database, header->id, from));
    if (!living) continue;
    PH_TRY(auto content, file.read(from.offset + kRecordHeaderBytes, from.length));
    if (crc32c(content) != from.crc) return fail(kv::kDamaged, "the octets of a blob");
    bytes += content.size();
    slice.records.push_back(
        {header->id, from, std::make_shared<const std::string>(std::move(content))});
  }
  return {};
}

}  // namespace

Slice read_slice(const Database& database, SegmentFolder& folder, SegmentNumber segment,
                 uint64_t offset, uint64_t end) {
  Slice slice;
  slice.segment = segment;
  slice.next_offset = offset;
  const auto file = folder.open(segment);
  slice.damaged = !file.has_value() || !read_into(slice, database, **file, end).has_value();
  return slice;
}

bool Compaction::pick(const SegmentAccounts& accounts, SegmentNumber current) {
  if (paused_) return false;
  if (active()) return true;
  for (const auto& [number, account] : accounts) {
    if (!account.sealed || number == current.value || given_up_.contains(number)) continue;
    if (account.dead < account.end && account.dead * 100 <= account.end * dead_percent_) continue;
    segment_ = {number};
    offset_ = 0;
    return true;
  }
  return false;
}

void Compaction::give_up() {
  given_up_.insert(segment_.value);
  end();
}

}  // namespace ph::kv_rocks
