// One encoder and one decoder for each record of records.h. A decoder reads all fields, then checks
// once; what it lets through is within the limits that the rest of the room relies on.
#include "state/store/detail/records.h"

#include <algorithm>

#include "base/check.h"
#include "base/digest.h"

namespace ph::store {
namespace {

std::string number_key(std::string_view prefix, uint64_t number) {
  return OrderedKey(prefix).u64(number).take();
}

uint32_t sum_of(std::string_view key, std::string_view body) { return crc32c(body, crc32c(key)); }

std::string seal(RecordWriter& out, std::string_view key) {
  std::string record = out.take();
  const uint32_t sum = sum_of(key, record);
  for (int shift = 0; shift < 32; shift += 8) record += static_cast<char>((sum >> shift) & 0xFF);
  return record;
}

// The record without its checksum; empty if that is wrong.
std::string_view opened(std::string_view key, std::string_view record) {
  if (record.size() < 5) return {};
  const std::string_view body = record.substr(0, record.size() - 4);
  uint32_t sum = 0;
  for (size_t i = 0; i < 4; ++i) {
    sum |= uint32_t{static_cast<unsigned char>(record[body.size() + i])} << (8 * i);
  }
  return sum == sum_of(key, body) ? body : std::string_view();
}

bool is_whole(const RecordReader& in, uint8_t newest = kFormat) {
  return in.ok() && in.version() >= kFormat && (in.at_end() || in.version() > newest);
}

template <class Narrow>
Narrow narrow(uint64_t value, bool& fits) {
  if (value > std::numeric_limits<Narrow>::max()) fits = false;
  return static_cast<Narrow>(value);
}

uint64_t notify_bits(const model::Notify& n) {
  return (n.never ? 1U : 0U) | (n.success ? 2U : 0U) | (n.failure ? 4U : 0U) | (n.delay ? 8U : 0U);
}

model::Notify notify_from(uint64_t bits) {
  return {(bits & 1) != 0, (bits & 2) != 0, (bits & 4) != 0, (bits & 8) != 0};
}

}  // namespace

std::string Guid::to_text() const {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string out;
  for (const uint8_t octet : octets) {
    out += kDigits[octet >> 4];
    out += kDigits[octet & 15];
  }
  return out;
}

std::string folder_key(FolderId id) { return number_key("f/", id.value); }
std::string counter_key(FolderId id) { return number_key("c/", id.value); }
std::string keyword_key(uint32_t index) { return OrderedKey("k/").u32(index).take(); }
std::string row_prefix(FolderId folder) { return number_key("p/", folder.value); }
std::string row_key(FolderId folder, Uid uid) {
  return OrderedKey("p/").u64(folder.value).u32(uid).take();
}
std::string content_key(MessageId id) { return number_key("m/", id.value); }
std::string placement_key(MessageId id) { return number_key("i/", id.value); }
std::string tombstone_prefix(FolderId folder) { return number_key("t/", folder.value); }
std::string tombstone_key(FolderId folder, Seq seq, Uid uid) {
  return OrderedKey("t/").u64(folder.value).u64(seq.value).u32(uid).take();
}
std::string gone_folder_key(Seq seq, FolderId folder) {
  return OrderedKey("g/").u64(seq.value).u64(folder.value).take();
}
std::string hand_over_key(std::string_view handover_id) {
  return OrderedKey("d/").text(handover_id).take();
}
std::string subscription_key(std::string_view name) { return OrderedKey("b/").text(name).take(); }
std::string open_submission_key(SubmissionId id) { return number_key("s/", id.value); }
std::string ended_submission_key(SubmissionId id) { return number_key("z/", id.value); }
std::string blob_tag(MessageId id) { return number_key("m", id.value); }

uint64_t Row::modseq() const { return std::max({created, content_seq, flags_seq, read_seq}); }

std::string encode(const HeaderRecord& r, std::string_view key) {
  RecordWriter out(kFormat);
  out.raw(r.guid.view()).raw(r.replica.view()).u64(r.commits).u64(r.seq).u64(r.next_number);
  out.u64(r.uid_validity).u64(r.tombstone_floor).u64(r.messages).u64(r.size_bytes);
  out.u64(r.quota_bytes).u64(r.quota_messages).time(r.created).time(r.swept);
  return seal(out, key);
}

std::optional<HeaderRecord> decode_header(std::string_view key, std::string_view record) {
  RecordReader in(opened(key, record));
  HeaderRecord r;
  bool fits = true;
  const auto guid = [&in](Guid& to) {
    std::ranges::copy(in.raw(to.octets.size()), reinterpret_cast<char*>(to.octets.data()));
  };
  guid(r.guid);
  guid(r.replica);
  r.commits = in.u64();
  r.seq = in.u64();
  r.next_number = in.u64();
  r.uid_validity = narrow<uint32_t>(in.u64(), fits);
  r.tombstone_floor = in.u64();
  r.messages = in.u64();
  r.size_bytes = in.u64();
  r.quota_bytes = in.u64();
  r.quota_messages = in.u64();
  r.created = in.time();
  r.swept = in.time();
  fits = fits && r.seq <= kNumberMax && r.next_number <= kNumberMax;
  if (!is_whole(in) || !fits) return std::nullopt;
  return r;
}

std::string encode(const FolderRecord& r, std::string_view key) {
  RecordWriter out(kFormat);
  out.u64(r.parent.value).bytes(r.leaf).u64(static_cast<uint8_t>(r.role));
  out.u64(static_cast<uint8_t>(r.kind)).u64(r.uid_validity).time(r.created).u64(r.changed);
  return seal(out, key);
}

std::optional<FolderRecord> decode_folder(std::string_view key, std::string_view record) {
  RecordReader in(opened(key, record));
  FolderRecord r;
  bool fits = true;
  r.id = key_folder(key);
  r.parent.value = in.u64();
  r.leaf = in.bytes();
  r.role = static_cast<Role>(narrow<uint8_t>(in.u64(), fits));
  r.kind = static_cast<FolderKind>(narrow<uint8_t>(in.u64(), fits));
  r.uid_validity = narrow<uint32_t>(in.u64(), fits);
  r.created = in.time();
  r.changed = in.u64();
  fits = fits && r.id.is_set() && !r.leaf.empty() && r.uid_validity != 0;
  fits = fits && r.role <= Role::outbox && r.kind <= FolderKind::leaving;
  if (!is_whole(in) || !fits) return std::nullopt;
  return r;
}

std::string encode(const CounterRecord& r, std::string_view key) {
  RecordWriter out(kFormat);
  out.u64(r.uid_next).u64(r.highest).u64(r.messages).u64(r.unseen).u64(r.deleted);
  out.u64(r.size_bytes).u64(r.recent_from);
  return seal(out, key);
}

std::optional<CounterRecord> decode_counter(std::string_view key, std::string_view record) {
  RecordReader in(opened(key, record));
  CounterRecord r;
  bool fits = true;
  r.uid_next = narrow<Uid>(in.u64(), fits);
  r.highest = in.u64();
  r.messages = in.u64();
  r.unseen = in.u64();
  r.deleted = in.u64();
  r.size_bytes = in.u64();
  r.recent_from = narrow<Uid>(in.u64(), fits);
  if (!is_whole(in) || !fits || r.uid_next == 0) return std::nullopt;
  return r;
}

std::string encode_keyword(std::string_view name, std::string_view key) {
  RecordWriter out(kFormat);
  return seal(out.bytes(name), key);
}

std::optional<std::string> decode_keyword(std::string_view key, std::string_view record) {
  RecordReader in(opened(key, record));
  std::string name(in.bytes());
  if (!is_whole(in) || name.empty()) return std::nullopt;
  return name;
}

std::string encode(const Row& r, std::string_view key) {
  RecordWriter out(kFormat);
  out.u64(r.id.value).u64(r.bits).u64(r.created);
  // Sequences as what they exceed `created` by: mostly 0, one octet.
  out.u64(r.content_seq - r.created).u64(r.flags_seq - r.created).u64(r.read_seq - r.created);
  out.u64(r.size_bytes).i64(r.internal_date_s).i64(r.saved_s);
  size_t words = KeywordBits::kWords;
  while (words > 0 && r.keywords.word(words - 1) == 0) --words;
  out.u64(words);
  for (size_t w = 0; w < words; ++w) out.u64(r.keywords.word(w));
  return seal(out, key);
}

std::optional<Row> decode_row(std::string_view key, std::string_view record) {
  RecordReader in(opened(key, record));
  Row r;
  bool fits = true;
  r.uid = row_key_uid(key);
  r.id.value = in.u64();
  r.bits = narrow<uint16_t>(in.u64(), fits);
  r.created = in.u64();
  r.content_seq = r.created + in.u64();
  r.flags_seq = r.created + in.u64();
  r.read_seq = r.created + in.u64();
  r.size_bytes = in.u64();
  r.internal_date_s = in.i64();
  r.saved_s = in.i64();
  const uint64_t words = in.count(KeywordBits::kWords);
  for (uint64_t w = 0; w < words; ++w) r.keywords.set_word(w, in.u64());
  fits = fits && r.uid != 0 && r.id.is_set() && r.id.value <= kNumberMax;
  fits = fits && r.modseq() <= kNumberMax && r.size_bytes <= kNumberMax;
  if (!is_whole(in) || !fits) return std::nullopt;
  return r;
}

std::string encode(const ContentRecord& r, std::string_view key) {
  RecordWriter out(kFormat);
  out.u64(r.email.value).u64(r.thread.value).raw(r.blob.view()).u64(r.blob_size);
  out.bytes(r.added_header).bytes(r.handover_id).time(r.received).u64(r.truth);
  return seal(out, key);
}

std::optional<ContentRecord> decode_content(std::string_view key, std::string_view record) {
  RecordReader in(opened(key, record));
  ContentRecord r;
  bool fits = true;
  r.email.value = in.u64();
  r.thread.value = in.u64();
  r.blob = kv::blob_id_from(in.raw(r.blob.digest.size()));
  r.blob_size = in.u64();
  r.added_header = in.bytes();
  r.handover_id = in.bytes();
  r.received = in.time();
  r.truth = narrow<uint8_t>(in.u64(), fits);
  if (!is_whole(in) || !fits) return std::nullopt;
  return r;
}

std::string encode(const PlacementRecord& r, std::string_view key) {
  RecordWriter out(kFormat);
  return seal(out.u64(r.folder.value).u64(r.uid), key);
}

std::optional<PlacementRecord> decode_placement(std::string_view key, std::string_view record) {
  RecordReader in(opened(key, record));
  PlacementRecord r;
  bool fits = true;
  r.folder.value = in.u64();
  r.uid = narrow<Uid>(in.u64(), fits);
  if (!is_whole(in) || !fits) return std::nullopt;
  return r;
}

std::string encode(const TombstoneRecord& r, std::string_view key) {
  RecordWriter out(kFormat);
  out.u64(static_cast<uint8_t>(r.how)).u64(r.message.value).u64(r.created).u64(r.target.value);
  return seal(out.time(r.when), key);
}

std::optional<TombstoneRecord> decode_tombstone(std::string_view key, std::string_view record) {
  RecordReader in(opened(key, record));
  TombstoneRecord r;
  bool fits = true;
  r.how = static_cast<Departure>(narrow<uint8_t>(in.u64(), fits));
  r.message.value = in.u64();
  r.created = in.u64();
  r.target.value = in.u64();
  r.when = in.time();
  if (!is_whole(in) || !fits) return std::nullopt;
  return r;
}

std::string encode(const HandOverRecord& r, std::string_view key) {
  RecordWriter out(kFormat);
  return seal(out.u64(r.folder.value).u64(r.uid).u64(r.message.value).time(r.when), key);
}

std::optional<HandOverRecord> decode_hand_over(std::string_view key, std::string_view record) {
  RecordReader in(opened(key, record));
  HandOverRecord r;
  bool fits = true;
  r.folder.value = in.u64();
  r.uid = narrow<Uid>(in.u64(), fits);
  r.message.value = in.u64();
  r.when = in.time();
  if (!is_whole(in) || !fits) return std::nullopt;
  return r;
}

std::string encode_time(Time when, std::string_view key) {
  RecordWriter out(kFormat);
  return seal(out.time(when), key);
}

std::optional<Time> decode_time(std::string_view key, std::string_view record) {
  RecordReader in(opened(key, record));
  const Time when = in.time();
  if (!is_whole(in)) return std::nullopt;
  return when;
}

std::string encode(const Submission& s, std::string_view key) {
  RecordWriter out(kSubmissionFormat);
  out.bytes(s.handover_id).u64(static_cast<uint8_t>(s.state)).u64(static_cast<uint8_t>(s.reason));
  out.bytes(s.words).time(s.since).time(s.submitted_at).time(s.next_action_at).u64(s.attempts);
  out.u64(s.message.value).u64(s.email.value).raw(s.blob.view()).u64(s.size_bytes);
  const model::Envelope& e = s.envelope;
  out.bytes(e.sender).bytes(e.auth_user).bytes(e.client_ip).bytes(e.client_helo);
  out.time(e.received_at).bytes(e.envelope_id).u64(static_cast<uint8_t>(e.dsn_return));
  out.u64(static_cast<uint8_t>(e.body)).boolean(e.smtp_utf8).u64(e.size_bytes);
  out.u64(static_cast<uint8_t>(e.origin)).u64(s.recipients.size());
  for (const model::Recipient& r : s.recipients) {
    out.bytes(r.address).u64(notify_bits(r.notify)).bytes(r.original_type);
    out.bytes(r.original_address);
  }
  out.i64(e.mt_priority).u64(static_cast<uint8_t>(e.deliver_by.mode)).time(e.deliver_by.at);
  out.boolean(e.deliver_by.trace).time(e.hold_until);
  return seal(out, key);
}

namespace {

// What format 2 has behind format 1.
bool read_wishes(RecordReader& in, model::Envelope& e) {
  const int64_t priority = in.i64();
  const uint64_t mode = in.u64();
  e.deliver_by.at = in.time();
  e.deliver_by.trace = in.boolean();
  e.hold_until = in.time();
  if (priority < -9 || priority > 9 || mode > 2) return false;
  e.mt_priority = static_cast<int>(priority);
  e.deliver_by.mode = static_cast<model::DeliverBy::Mode>(mode);
  return true;
}

}  // namespace

std::optional<Submission> decode_submission(std::string_view key, std::string_view record) {
  RecordReader in(opened(key, record));
  Submission s;
  bool fits = true;
  s.id.value = key_u64(key, 2);
  s.handover_id = in.bytes();
  s.state = static_cast<SubmissionState>(narrow<uint8_t>(in.u64(), fits));
  s.reason = static_cast<SubmissionReason>(narrow<uint8_t>(in.u64(), fits));
  s.words = in.bytes();
  s.since = in.time();
  s.submitted_at = in.time();
  s.next_action_at = in.time();
  s.attempts = narrow<uint32_t>(in.u64(), fits);
  s.message.value = in.u64();
  s.email.value = in.u64();
  s.blob = kv::blob_id_from(in.raw(s.blob.digest.size()));
  s.size_bytes = in.u64();
  model::Envelope& e = s.envelope;
  e.sender = in.bytes();
  e.auth_user = in.bytes();
  e.client_ip = in.bytes();
  e.client_helo = in.bytes();
  e.received_at = in.time();
  e.envelope_id = in.bytes();
  e.dsn_return = static_cast<model::DsnReturn>(narrow<uint8_t>(in.u64(), fits));
  e.body = static_cast<model::BodyType>(narrow<uint8_t>(in.u64(), fits));
  e.smtp_utf8 = in.boolean();
  e.size_bytes = in.u64();
  e.origin = static_cast<model::Origin>(narrow<uint8_t>(in.u64(), fits));
  const uint64_t count = in.count(kSubmissionRecipientsMax);
  for (uint64_t i = 0; i < count && in.ok(); ++i) {
    model::Recipient& r = s.recipients.emplace_back();
    r.address = in.bytes();
    r.notify = notify_from(in.u64());
    r.original_type = in.bytes();
    r.original_address = in.bytes();
  }
  fits = fits && s.state <= SubmissionState::cancelled && !to_text(s.reason).empty();
  fits = fits && e.dsn_return <= model::DsnReturn::headers && e.body <= model::BodyType::eight_bit;
  fits = fits && e.origin <= model::Origin::x400;
  if (in.version() >= kSubmissionFormat) fits = read_wishes(in, e) && fits;
  if (!is_whole(in, kSubmissionFormat) || !fits) return std::nullopt;
  return s;
}

}  // namespace ph::store
