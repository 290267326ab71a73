#include "kv_rocks/detail/keys.h"

#include "base/record.h"

namespace ph::kv_rocks {

namespace {

constexpr uint8_t kFormat = 1;

}  // namespace

std::string name_key(std::string_view name) { return "n/" + std::string(name); }

std::string version_key(PartitionId id) {
  return OrderedKey("v/").u32(static_cast<uint32_t>(id.value)).take();
}

std::string segment_key(SegmentNumber number) { return OrderedKey("s/").u64(number.value).take(); }

SegmentNumber segment_of_key(std::string_view key) { return {key_u64(key, 2)}; }

std::string data_prefix(PartitionId id) {
  return OrderedKey("").u32(static_cast<uint32_t>(id.value)).take();
}

std::string ref_of(PartitionId id, std::string_view tag) { return data_prefix(id).append(tag); }

std::string ref_key(const kv::BlobId& blob, std::string_view ref) {
  return std::string(blob.view()).append(ref);
}

std::string encode_number(uint64_t value) { return RecordWriter(kFormat).u64(value).take(); }

std::optional<uint64_t> decode_number(std::string_view record) {
  RecordReader reader(record);
  const uint64_t value = reader.u64();
  if (!reader.ok()) return std::nullopt;
  return value;
}

std::string encode(const BlobRecord& record) {
  const Location& at = record.location;
  RecordWriter out(kFormat);
  out.u64(at.segment.value).u64(at.offset).u64(at.length).u64(at.crc);
  out.u64(record.refs_elsewhere).u64(record.refs.size());
  for (const std::string& ref : record.refs) out.bytes(ref);
  return out.take();
}

std::optional<BlobRecord> decode_blob_record(std::string_view record) {
  RecordReader reader(record);
  BlobRecord out;
  out.location.segment = {reader.u64()};
  out.location.offset = reader.u64();
  out.location.length = reader.u64();
  out.location.crc = static_cast<uint32_t>(reader.u64());
  out.refs_elsewhere = reader.u64();
  const uint64_t count = reader.count(kRefsInRecordMax);
  for (uint64_t i = 0; i < count; ++i) out.refs.emplace_back(reader.bytes());
  if (!reader.ok()) return std::nullopt;
  return out;
}

void grow(SegmentAccount& account, const Location& record) {
  if (record.offset > account.end) account.dead += record.offset - account.end;
  account.end = record.offset + record_bytes(record);
}

std::string encode(const SegmentAccount& account) {
  return RecordWriter(kFormat).u64(account.end).u64(account.dead).boolean(account.sealed).take();
}

std::optional<SegmentAccount> decode_segment_account(std::string_view record) {
  RecordReader reader(record);
  SegmentAccount out;
  out.end = reader.u64();
  out.dead = reader.u64();
  out.sealed = reader.boolean();
  if (!reader.ok()) return std::nullopt;
  return out;
}

}  // namespace ph::kv_rocks
