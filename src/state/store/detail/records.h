// Every key and record of a mailbox's partition.
//
//   h                         HeaderRecord      rewritten by every commit
//   f/<folder>                FolderRecord      name, role, UIDVALIDITY
//   c/<folder>                CounterRecord     UIDNEXT, counts; rewritten when the folder changes
//   k/<index, 4 octets>       KeywordRecord     a keyword's spelling
//   p/<folder><uid>           Row               placement: flags and sequences of one message
//   m/<message>               ContentRecord     what a placement shows; not changed by flags or
//   moves i/<message>               PlacementRecord   where a message is now t/<folder><seq><uid>
//   TombstoneRecord   a message that left the folder g/<seq><folder>           GoneFolderRecord  a
//   folder that was deleted d/<hand-over id>          HandOverRecord    a delivery that was made
//   b/<name>                  (empty record)    a subscription
//   s/<submission>            Submission        open
//   z/<submission>            Submission        ended
//   x/<key>                   octets            a damaged record that had to be replaced
//
// Numbers in keys are 8 octets big-endian (UIDs 4). Every record ends with a CRC-32C over its key
// and itself, so that a flipped octet is found in any of them. Blobs are referred to under the tag
// "m<message>".
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/record.h"
#include "base/time.h"
#include "kv/store.h"
#include "state/store/folder.h"
#include "state/store/ids.h"
#include "state/store/submission.h"

namespace ph::store {

inline constexpr uint8_t kFormat = 1;
inline constexpr uint8_t kSubmissionFormat = 2;  // 2: priority, deliver-by and hold of the envelope

inline constexpr std::string_view kHeaderKey = "h";
std::string folder_key(FolderId id);
std::string counter_key(FolderId id);
std::string keyword_key(uint32_t index);
std::string row_prefix(FolderId folder);
std::string row_key(FolderId folder, Uid uid);
std::string content_key(MessageId id);
std::string placement_key(MessageId id);
std::string tombstone_prefix(FolderId folder);
std::string tombstone_key(FolderId folder, Seq seq, Uid uid);
std::string gone_folder_key(Seq seq, FolderId folder);
std::string hand_over_key(std::string_view handover_id);
std::string subscription_key(std::string_view name);
std::string open_submission_key(SubmissionId id);
std::string ended_submission_key(SubmissionId id);
std::string blob_tag(MessageId id);

// One bit for each keyword of the mailbox.
class KeywordBits {
 public:
  bool has(uint32_t i) const { return ((words_[i / 64] >> (i % 64)) & 1) != 0; }
  void set(uint32_t i) { words_[i / 64] |= uint64_t{1} << (i % 64); }
  void clear(uint32_t i) { words_[i / 64] &= ~(uint64_t{1} << (i % 64)); }
  uint64_t word(size_t w) const { return words_[w]; }
  void set_word(size_t w, uint64_t value) { words_[w] = value; }
  bool operator==(const KeywordBits&) const = default;
  static constexpr size_t kWords = 4;

 private:
  std::array<uint64_t, kWords> words_{};
};

struct HeaderRecord {
  Guid guid;
  Guid replica;
  uint64_t commits = 0;
  uint64_t seq = 0;
  uint64_t next_number = 1;   // for folders, messages and submissions
  uint32_t uid_validity = 0;  // the last one given out
  uint64_t tombstone_floor = 0;
  uint64_t messages = 0;
  uint64_t size_bytes = 0;
  uint64_t quota_bytes = 0;     // reserved; 0: none
  uint64_t quota_messages = 0;  // reserved; 0: none
  Time created;
  Time swept;
};

// Stored: never change a value.
enum class FolderKind : uint8_t { normal = 0, level_only = 1, leaving = 2 };

struct FolderRecord {
  FolderId id;
  FolderId parent;  // not set: top
  std::string leaf;
  Role role = Role::none;
  FolderKind kind = FolderKind::normal;
  uint32_t uid_validity = 0;
  Time created;
  uint64_t changed = 0;  // seq of the last change to this record
};

struct CounterRecord {
  Uid uid_next = 1;
  uint64_t highest = 0;
  uint64_t messages = 0;
  uint64_t unseen = 0;
  uint64_t deleted = 0;
  uint64_t size_bytes = 0;
  Uid recent_from = 1;
};

struct Row {
  Uid uid = 0;
  MessageId id;
  uint16_t bits = 0;
  KeywordBits keywords;
  uint64_t created = 0;
  uint64_t content_seq = 0;
  uint64_t flags_seq = 0;
  uint64_t read_seq = 0;
  uint64_t size_bytes = 0;
  int64_t internal_date_s = 0;
  int64_t saved_s = 0;

  uint64_t modseq() const;
};

struct ContentRecord {
  EmailId email;
  ThreadId thread;
  kv::BlobId blob;
  uint64_t blob_size = 0;
  std::string added_header;
  std::string handover_id;
  Time received;
  uint8_t truth = 0;  // 0: the octets are the message; others reserved
};

struct PlacementRecord {
  FolderId folder;
  Uid uid = 0;
};

// Stored: never change a value.
enum class Departure : uint8_t {
  expunged = 1,
  moved = 2,
  folder_deleted = 3,
  submission_ended = 4
};

struct TombstoneRecord {
  Departure how = Departure::expunged;
  MessageId message;
  uint64_t created = 0;  // when it had come into the folder
  FolderId target;       // moved
  Time when;
};

struct HandOverRecord {
  FolderId folder;
  Uid uid = 0;
  MessageId message;
  Time when;
};

// `key` must be the one under which the record is (to be) stored.
std::string encode(const HeaderRecord& r, std::string_view key);
std::string encode(const FolderRecord& r, std::string_view key);
std::string encode(const CounterRecord& r, std::string_view key);
std::string encode_keyword(std::string_view name, std::string_view key);
std::string encode(const Row& r, std::string_view key);
std::string encode(const ContentRecord& r, std::string_view key);
std::string encode(const PlacementRecord& r, std::string_view key);
std::string encode(const TombstoneRecord& r, std::string_view key);
std::string encode(const HandOverRecord& r, std::string_view key);
std::string encode(const Submission& s, std::string_view key);
std::string encode_time(Time when, std::string_view key);  // subscriptions, gone folders

// nullopt: damaged.
std::optional<HeaderRecord> decode_header(std::string_view key, std::string_view record);
std::optional<FolderRecord> decode_folder(std::string_view key, std::string_view record);
std::optional<CounterRecord> decode_counter(std::string_view key, std::string_view record);
std::optional<std::string> decode_keyword(std::string_view key, std::string_view record);
std::optional<Row> decode_row(std::string_view key, std::string_view record);
std::optional<ContentRecord> decode_content(std::string_view key, std::string_view record);
std::optional<PlacementRecord> decode_placement(std::string_view key, std::string_view record);
std::optional<TombstoneRecord> decode_tombstone(std::string_view key, std::string_view record);
std::optional<HandOverRecord> decode_hand_over(std::string_view key, std::string_view record);
std::optional<Submission> decode_submission(std::string_view key, std::string_view record);
std::optional<Time> decode_time(std::string_view key, std::string_view record);

// Of the keys above.
inline FolderId key_folder(std::string_view key) { return FolderId{key_u64(key, 2)}; }
inline Uid row_key_uid(std::string_view key) { return key_u32(key, 10); }
inline Seq tombstone_key_seq(std::string_view key) { return Seq{key_u64(key, 10)}; }
inline Uid tombstone_key_uid(std::string_view key) { return key_u32(key, 18); }

}  // namespace ph::store
