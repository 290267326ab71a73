// How the store's facts are written in RocksDB.
//
//   meta   "n/" name            -> PartitionRecord      "i" -> next partition id
//          "v/" id              -> version              "s/" segment number -> SegmentAccount
//   data   id key               -> value                (id: four octets, big-endian)
//   index  blob id              -> BlobRecord           (where its octets are, first references)
//   blob   blob id              -> octets               (small blobs)
//   refs   blob id, id, tag     -> ""                   (references that the record has no room
//   for)
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.h"
#include "kv/store.h"

namespace ph::kv_rocks {

using PartitionId = StrongId<struct PartitionIdTag>;
using SegmentNumber = StrongId<struct SegmentNumberTag>;

inline constexpr std::string_view kNextIdKey = "i";
std::string name_key(std::string_view name);
std::string version_key(PartitionId id);
std::string segment_key(SegmentNumber number);
SegmentNumber segment_of_key(std::string_view key);
std::string data_prefix(PartitionId id);
// A reference: who refers (id), and under which tag.
std::string ref_of(PartitionId id, std::string_view tag);
std::string ref_key(const kv::BlobId& blob, std::string_view ref);

std::string encode_number(uint64_t value);
std::optional<uint64_t> decode_number(std::string_view record);

// Where a blob's octets are: in the family `blob` when segment is not set.
struct Location {
  SegmentNumber segment;
  uint64_t offset = 0;  // of the record's header
  uint64_t length = 0;  // of the octets
  uint32_t crc = 0;     // crc32c of the octets
  bool operator==(const Location&) const = default;
};

// Nearly every blob has few references, and those are in its record: one write, not two.
inline constexpr size_t kRefsInRecordMax = 4;

struct BlobRecord {
  Location location;
  std::vector<std::string> refs;
  uint64_t refs_elsewhere = 0;

  bool alive() const { return refs_elsewhere > 0 || !refs.empty(); }
};
std::string encode(const BlobRecord& record);
std::optional<BlobRecord> decode_blob_record(std::string_view record);

inline constexpr size_t kRecordHeaderBytes = 56;  // before the octets in a segment
inline uint64_t record_bytes(const Location& at) { return kRecordHeaderBytes + at.length; }

struct SegmentAccount {
  uint64_t end = 0;   // all records that commits name lie before this
  uint64_t dead = 0;  // octets of records that nothing names any more
  bool sealed = false;
};
// Counts the record in. What a failed write left before it is dead.
void grow(SegmentAccount& account, const Location& record);
std::string encode(const SegmentAccount& account);
std::optional<SegmentAccount> decode_segment_account(std::string_view record);

}  // namespace ph::kv_rocks
