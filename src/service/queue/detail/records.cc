#include "service/queue/detail/records.h"

#include "base/digest.h"
#include "base/record.h"
#include "base/text.h"
#include "service/queue/ledger.h"

namespace ph::queue {
namespace {

using model::QueueId;
using model::QueueRow;
using model::ReplyRecord;

constexpr uint8_t kRowVersion = 2;
constexpr uint8_t kMessageVersion = 2;
constexpr uint8_t kSuspensionVersion = 1;
constexpr uint8_t kAuditVersion = 1;
constexpr uint8_t kPolicyVersion = 1;
constexpr size_t kMessageKeySize = 1 + 8;
constexpr size_t kRowKeySize = 1 + 8 + 4;
constexpr size_t kDueKeySize = 1 + 8 + 8 + 4;
constexpr size_t kEndedKeySize = 1 + 8 + 8;
constexpr uint64_t kStagesMax = static_cast<uint64_t>(model::Stage::mailbox) + 1;

bool is_key(std::string_view key, std::string_view prefix, size_t size) {
  return key.size() == size && key.starts_with(prefix);
}

// Read to its end; a newer version may have more behind what we know.
bool is_whole(const RecordReader& in, uint8_t ours) {
  return in.ok() && in.version() >= 1 && (in.at_end() || in.version() > ours);
}

void write(RecordWriter& w, const ReplyRecord& r) {
  w.time(r.when).bytes(r.host).u64(static_cast<uint64_t>(r.stage)).u64(r.code);
  w.u64(r.enhanced.kind).u64(r.enhanced.subject).u64(r.enhanced.detail).bytes(r.text);
}

bool read(RecordReader& in, ReplyRecord& r) {
  r.when = in.time();
  r.host = in.bytes();
  const uint64_t stage = in.u64();
  r.stage = static_cast<model::Stage>(stage);
  r.code = static_cast<uint16_t>(in.u64());
  r.enhanced.kind = static_cast<uint8_t>(in.u64());
  r.enhanced.subject = static_cast<uint16_t>(in.u64());
  r.enhanced.detail = static_cast<uint16_t>(in.u64());
  r.text = in.bytes();
  return in.ok() && stage < kStagesMax;
}

uint64_t notify_bits(const model::Notify& n) {
  return (n.never ? 1U : 0U) | (n.success ? 2U : 0U) | (n.failure ? 4U : 0U) | (n.delay ? 8U : 0U);
}

model::Notify notify_from(uint64_t bits) {
  return {.never = (bits & 1) != 0,
          .success = (bits & 2) != 0,
          .failure = (bits & 4) != 0,
          .delay = (bits & 8) != 0};
}

bool read_lease(RecordReader& in, model::Lease& lease) {
  lease.owner = in.u64();
  lease.attempt = in.u64();
  lease.until = in.time();
  const uint64_t repeat = in.u64();
  lease.repeat = static_cast<model::Lease::Repeat>(repeat);
  return repeat <= 1;
}

// What only some rows have is there only when its flag is set.
enum RowFlag : uint64_t {
  kHasNotice = 1,
  kHasNotBefore = 2,
  kHasGrace = 4,
  kHasDeliverBy = 8,
  kHasVia = 16,
  kDelayTold = 32,
};

bool read_deliver_by(RecordReader& in, model::DeliverBy& by) {
  const uint64_t mode = in.u64();
  by.mode = static_cast<model::DeliverBy::Mode>(mode);
  by.at = in.time();
  by.trace = in.boolean();
  return mode <= 2;
}

void write_deliver_by(RecordWriter& w, const model::DeliverBy& by) {
  w.u64(static_cast<uint64_t>(by.mode)).time(by.at).boolean(by.trace);
}

// The trail's times are told by their distance in milliseconds: they are many and close together.
void write_trail(RecordWriter& w, const QueueRow& row) {
  w.u64(row.trail.size());
  Time last = row.accepted_at;
  for (const model::TrailStep& step : row.trail) {
    w.i64((step.when - last).ms()).u64(static_cast<uint64_t>(step.state));
    w.u64(static_cast<uint64_t>(step.reason));
    last = last + Duration::milliseconds((step.when - last).ms());
  }
}

bool read_trail(RecordReader& in, QueueRow& row) {
  row.trail.resize(in.count(model::kTrailKept));
  Time last = row.accepted_at;
  for (model::TrailStep& step : row.trail) {
    last = last + Duration::milliseconds(in.i64());
    const auto state = model::queue_state_from(in.u64());
    const auto reason = model::queue_reason_from(in.u64());
    if (!state.has_value() || !reason.has_value()) return false;
    step = {last, *state, *reason};
  }
  return in.ok();
}

// Second version: further clocks, limits, the trail.
void write_second(RecordWriter& w, const QueueRow& row) {
  const uint64_t flags = (row.notice_at != Time{} ? kHasNotice : 0U) |
                         (row.not_before != Time{} ? kHasNotBefore : 0U) |
                         (row.grace_until != Time{} ? kHasGrace : 0U) |
                         (row.deliver_by.is_set() ? kHasDeliverBy : 0U) |
                         (!row.recipient.via.empty() ? kHasVia : 0U) |
                         (row.delay_told ? kDelayTold : 0U);
  w.u64(flags).time(row.clock_at).u64(static_cast<uint64_t>(row.priority));
  w.u64(static_cast<uint64_t>(row.end_state)).u64(static_cast<uint64_t>(row.end_reason));
  if ((flags & kHasNotice) != 0) w.time(row.notice_at);
  if ((flags & kHasNotBefore) != 0) w.time(row.not_before);
  if ((flags & kHasGrace) != 0) w.time(row.grace_until);
  if ((flags & kHasDeliverBy) != 0) write_deliver_by(w, row.deliver_by);
  if ((flags & kHasVia) != 0) w.bytes(row.recipient.via);
  write_trail(w, row);
}

bool read_second(RecordReader& in, QueueRow& row) {
  const uint64_t flags = in.u64();
  row.clock_at = in.time();
  const uint64_t priority = in.u64();
  const auto end_state = model::queue_state_from(in.u64());
  const auto end_reason = model::queue_reason_from(in.u64());
  if ((flags & kHasNotice) != 0) row.notice_at = in.time();
  if ((flags & kHasNotBefore) != 0) row.not_before = in.time();
  if ((flags & kHasGrace) != 0) row.grace_until = in.time();
  if ((flags & kHasDeliverBy) != 0 && !read_deliver_by(in, row.deliver_by)) return false;
  if ((flags & kHasVia) != 0) row.recipient.via = in.bytes();
  row.delay_told = (flags & kDelayTold) != 0;
  if (priority > 2 || !end_state.has_value() || !end_reason.has_value()) return false;
  row.priority = static_cast<model::Priority>(priority);
  row.end_state = *end_state;
  row.end_reason = *end_reason;
  return read_trail(in, row);
}

}  // namespace

std::string message_key(QueueId id) { return OrderedKey(kMessagePrefix).u64(id.value).take(); }

std::string row_key(QueueId id, uint32_t index) {
  return OrderedKey(kRowPrefix).u64(id.value).u32(index).take();
}

std::string rows_prefix(QueueId id) { return OrderedKey(kRowPrefix).u64(id.value).take(); }

std::string due_key(Time when, QueueId id, uint32_t index) {
  return OrderedKey(kDuePrefix).time(when).u64(id.value).u32(index).take();
}

std::string ended_key(Time when, QueueId id) {
  return OrderedKey(kEndedPrefix).time(when).u64(id.value).take();
}

std::string message_id_prefix(std::string_view message_id) {
  const Sha256Digest digest = sha256(message_id);
  return std::string(kMessageIdPrefix) + std::string(as_text(digest).substr(0, 8));
}

std::string message_id_key(std::string_view message_id, QueueId id) {
  return OrderedKey(message_id_prefix(message_id)).u64(id.value).take();
}

std::string handover_key(std::string_view handover_id) {
  return OrderedKey(kHandoverPrefix).text(handover_id).take();
}

std::string aside_key(std::string_view key) { return OrderedKey(kAsidePrefix).text(key).take(); }

std::string suspension_key(std::string_view lane) {
  return OrderedKey(kSuspensionPrefix).text(lane).take();
}

std::string audit_key(Time when, uint64_t number) {
  return OrderedKey(kAuditPrefix).time(when).u64(number).take();
}

std::string report_handover_prefix(QueueId about) {
  return "report-on:" + model::to_text(about) + ":";
}

std::string report_handover_id(QueueId about, QueueId report) {
  return report_handover_prefix(about) + model::to_text(report);
}

std::string blob_tag(QueueId id) { return OrderedKey("q").u64(id.value).take(); }

std::optional<RowPlace> row_place(std::string_view key) {
  if (!is_key(key, kRowPrefix, kRowKeySize)) return std::nullopt;
  return RowPlace{QueueId{key_u64(key, 1)}, key_u32(key, 9)};
}

std::optional<QueueId> message_place(std::string_view key) {
  if (!is_key(key, kMessagePrefix, kMessageKeySize)) return std::nullopt;
  return QueueId{key_u64(key, 1)};
}

std::optional<DuePlace> due_place(std::string_view key) {
  if (!is_key(key, kDuePrefix, kDueKeySize)) return std::nullopt;
  return DuePlace{key_time(key, 1), {QueueId{key_u64(key, 9)}, key_u32(key, 17)}};
}

std::optional<EndedPlace> ended_place(std::string_view key) {
  if (!is_key(key, kEndedPrefix, kEndedKeySize)) return std::nullopt;
  return EndedPlace{key_time(key, 1), QueueId{key_u64(key, 9)}};
}

std::string due_value(const QueueRow& row) {
  DueHint hint = DueHint::own_time;
  const bool waits = row.state == model::QueueState::waiting_retry;
  if (waits && model::kLaneReasons.has(row.reason)) hint = DueHint::lane_fault;
  if (row.state == model::QueueState::held && row.reason == model::QueueReason::lane_suspended) {
    hint = DueHint::lane_fault;
  }
  const bool is_busy =
      row.reason == model::QueueReason::lane_busy || row.reason == model::QueueReason::rate_limited;
  if (is_busy) hint = DueHint::lane_busy;
  std::string prefix(1, static_cast<char>(hint));
  return OrderedKey(prefix).u32(lane_hash(row.lane)).take();
}

DueValue read_due_value(std::string_view value) {
  if (value.size() != 5 || value[0] < 0 || value[0] > 2) return {};
  return {key_u32(value, 1), static_cast<DueHint>(value[0])};
}

std::string encode(const QueueRow& row) {
  RecordWriter w(kRowVersion);
  w.bytes(row.recipient.address).u64(notify_bits(row.recipient.notify));
  w.bytes(row.recipient.original_type).bytes(row.recipient.original_address);
  w.u64(static_cast<uint64_t>(row.state)).u64(static_cast<uint64_t>(row.reason));
  w.time(row.accepted_at).time(row.since).time(row.next_action_at).time(row.expires_at);
  w.u64(row.attempts).u64(row.step).u64(row.lost).u64(row.expansions);
  w.boolean(row.maybe_delivered).bytes(row.lane);
  w.u64(row.lease.owner).u64(row.lease.attempt).time(row.lease.until);
  w.u64(static_cast<uint64_t>(row.lease.repeat)).bytes(row.held_by);
  w.u64(row.history.size());
  for (const ReplyRecord& reply : row.history) write(w, reply);
  write_second(w, row);
  return w.take();
}

std::optional<QueueRow> decode_row(RowPlace place, std::string_view record) {
  RecordReader in(record);
  QueueRow row;
  row.id = place.id;
  row.index = place.index;
  row.recipient.address = in.bytes();
  row.recipient.notify = notify_from(in.u64());
  row.recipient.original_type = in.bytes();
  row.recipient.original_address = in.bytes();
  const auto state = model::queue_state_from(in.u64());
  const auto reason = model::queue_reason_from(in.u64());
  row.accepted_at = in.time();
  row.since = in.time();
  row.next_action_at = in.time();
  row.expires_at = in.time();
  row.attempts = static_cast<uint32_t>(in.u64());
  row.step = static_cast<uint32_t>(in.u64());
  row.lost = static_cast<uint32_t>(in.u64());
  row.expansions = static_cast<uint32_t>(in.u64());
  row.maybe_delivered = in.boolean();
  row.lane = in.bytes();
  const bool lease_ok = read_lease(in, row.lease);
  row.held_by = in.bytes();
  row.history.resize(in.count(model::kRepliesKept));
  for (ReplyRecord& reply : row.history) {
    if (!read(in, reply)) return std::nullopt;
  }
  row.clock_at = row.next_action_at;  // what the first version knew
  if (in.version() >= 2 && !read_second(in, row)) return std::nullopt;
  if (!is_whole(in, kRowVersion)) return std::nullopt;
  if (!state.has_value() || !reason.has_value() || !lease_ok) return std::nullopt;
  row.state = *state;
  row.reason = *reason;
  return row;
}

std::optional<RowGlance> glance_at_row(std::string_view record) {
  RecordReader in(record);
  RowGlance out{};
  out.address = in.bytes();
  in.u64();    // notify
  in.bytes();  // original recipient
  in.bytes();
  const auto state = model::queue_state_from(in.u64());
  const auto reason = model::queue_reason_from(in.u64());
  out.accepted_at = in.time();
  in.time();  // since, next action, expiry
  in.time();
  in.time();
  for (int counter = 0; counter < 4; ++counter) in.u64();
  in.boolean();
  out.lane = in.bytes();
  if (!in.ok() || !state.has_value() || !reason.has_value()) return std::nullopt;
  out.state = *state;
  out.reason = *reason;
  return out;
}

std::string encode(const MessageFacts& facts) {
  const model::Envelope& e = facts.envelope;
  RecordWriter w(kMessageVersion);
  w.bytes(e.sender).bytes(e.auth_user).bytes(e.client_ip).bytes(e.client_helo);
  w.time(e.received_at).bytes(e.envelope_id).u64(static_cast<uint64_t>(e.dsn_return));
  w.u64(static_cast<uint64_t>(e.body)).boolean(e.smtp_utf8).u64(e.size_bytes);
  w.u64(static_cast<uint64_t>(e.origin)).bytes(facts.message_id).bytes(facts.handover_id);
  w.raw(facts.blob.view()).u64(facts.recipients).u64(facts.open).time(facts.ended_at);
  w.bytes(facts.subject).i64(e.mt_priority).time(e.hold_until);
  write_deliver_by(w, e.deliver_by);
  return w.take();
}

std::optional<MessageFacts> decode_message(QueueId id, std::string_view record) {
  RecordReader in(record);
  MessageFacts facts;
  facts.id = id;
  model::Envelope& e = facts.envelope;
  e.sender = in.bytes();
  e.auth_user = in.bytes();
  e.client_ip = in.bytes();
  e.client_helo = in.bytes();
  e.received_at = in.time();
  e.envelope_id = in.bytes();
  const uint64_t dsn_return = in.u64();
  const uint64_t body = in.u64();
  e.smtp_utf8 = in.boolean();
  e.size_bytes = in.u64();
  const uint64_t origin = in.u64();
  facts.message_id = in.bytes();
  facts.handover_id = in.bytes();
  facts.blob = kv::blob_id_from(in.raw(sizeof(Sha256Digest)));
  facts.recipients = static_cast<uint32_t>(in.u64());
  facts.open = static_cast<uint32_t>(in.u64());
  facts.ended_at = in.time();
  if (in.version() >= 2) {
    facts.subject = in.bytes();
    const int64_t mt_priority = in.i64();
    if (mt_priority < -9 || mt_priority > 9) return std::nullopt;
    e.mt_priority = static_cast<int>(mt_priority);
    e.hold_until = in.time();
    if (!read_deliver_by(in, e.deliver_by)) return std::nullopt;
  }
  if (!is_whole(in, kMessageVersion)) return std::nullopt;
  if (dsn_return > 2 || body > 2 || origin > 4) return std::nullopt;
  e.dsn_return = static_cast<model::DsnReturn>(dsn_return);
  e.body = static_cast<model::BodyType>(body);
  e.origin = static_cast<model::Origin>(origin);
  return facts;
}

std::string encode(const Suspension& s) {
  return RecordWriter(kSuspensionVersion).bytes(s.by).time(s.since).time(s.until).take();
}

std::optional<Suspension> decode_suspension(std::string_view key, std::string_view record) {
  if (!key.starts_with(kSuspensionPrefix)) return std::nullopt;
  RecordReader in(record);
  Suspension out;
  out.lane = key.substr(kSuspensionPrefix.size());
  out.by = in.bytes();
  out.since = in.time();
  out.until = in.time();
  if (!is_whole(in, kSuspensionVersion)) return std::nullopt;
  return out;
}

std::string encode(const AuditEntry& e) {
  RecordWriter w(kAuditVersion);
  return w.time(e.when).bytes(e.by).bytes(e.what).bytes(e.subject).u64(e.rows).take();
}

std::optional<AuditEntry> decode_audit(std::string_view record) {
  RecordReader in(record);
  AuditEntry out;
  out.when = in.time();
  out.by = in.bytes();
  out.what = in.bytes();
  out.subject = in.bytes();
  out.rows = in.u64();
  if (!is_whole(in, kAuditVersion)) return std::nullopt;
  return out;
}

std::string policy_mark(const model::QueuePolicy& policy) {
  RecordWriter w(kPolicyVersion);
  const auto schedule = [&w](const std::vector<Duration>& delays) {
    w.u64(delays.size());
    for (const Duration delay : delays) w.i64(delay.us());
  };
  const auto own = [&](const model::QueuePolicy::Class& c) {
    schedule(c.schedule);
    w.i64(c.expiry.value_or(Duration()).us()).i64(c.delay_notice.value_or(Duration()).us());
  };
  schedule(policy.schedule);
  w.u64(policy.jitter_percent).i64(policy.expiry.us()).i64(policy.delay_notice.us());
  own(policy.low);
  own(policy.high);
  for (const auto& route : policy.routes) {
    w.bytes(route.lane);
    schedule(route.schedule);
  }
  const std::string octets = w.take();
  return std::string(as_text(sha256(octets)));
}

std::string normal_message_id(std::string_view message_id) {
  message_id = trim(message_id);
  if (message_id.starts_with('<')) message_id.remove_prefix(1);
  if (message_id.ends_with('>')) message_id.remove_suffix(1);
  return printable(message_id, kMessageIdMax);
}

}  // namespace ph::queue
