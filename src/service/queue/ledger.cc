#include "service/queue/ledger.h"

#include <algorithm>
#include <deque>

#include "base/check.h"
#include "base/digest.h"
#include "base/record.h"
#include "service/queue/detail/records.h"

namespace ph::queue {
namespace {

using model::QueueId;
using model::QueueRow;

// Ids are microseconds of the wall clock, or one more than the last: one durable reservation
// covers the ids of this time.
constexpr uint64_t kReserve = 60'000'000;
constexpr uint8_t kNumberVersion = 1;
constexpr size_t kDuePageBytes = 256 * 1024;
constexpr size_t kAuditTidied = 64;  // entries that one new entry may push out
constexpr size_t kReportsTold = 1000;

}  // namespace

uint32_t lane_hash(std::string_view lane) { return crc32c(lane); }

// ---- guards and watches ----

struct Ledger::Guarded {
  std::deque<rt::Parking*> waiting;
  size_t unsettled = 0;  // changes on their way
  bool is_released = false;
};

void MessageGuard::release() {
  if (ledger_ != nullptr) std::exchange(ledger_, nullptr)->unguard(id_);
}

MessageGuard& MessageGuard::operator=(MessageGuard&& other) noexcept {
  if (this != &other) {
    release();
    ledger_ = std::exchange(other.ledger_, nullptr);
    id_ = other.id_;
  }
  return *this;
}

Watch::Watch(Ledger& ledger, QueueId id) : ledger_(&ledger), id_(id) {
  ++ledger.watched_[id].watchers;
  refresh();
}

Watch& Watch::operator=(Watch&& other) noexcept {
  if (this != &other) {
    release();
    ledger_ = std::exchange(other.ledger_, nullptr);
    id_ = other.id_;
    seen_ = other.seen_;
  }
  return *this;
}

void Watch::release() {
  if (ledger_ == nullptr) return;
  const auto at = ledger_->watched_.find(id_);
  if (--at->second.watchers == 0) ledger_->watched_.erase(at);
  ledger_ = nullptr;
}

bool Watch::is_fresh() const {
  return ledger_ != nullptr && ledger_->watched_.at(id_).generation == seen_;
}

void Watch::refresh() {
  if (ledger_ != nullptr) seen_ = ledger_->watched_.at(id_).generation;
}

void Ledger::touched(const kv::Batch& batch, QueueId id) {
  const auto at = watched_.find(id);
  if (at != watched_.end()) at->second.generation = ++generations_;
  const auto guarded = guarded_.find(id);
  Gatherer* const gatherer = gatherer_of(batch);
  if (guarded == guarded_.end() || gatherer == nullptr) return;
  ++guarded->second->unsettled;
  gatherer->note(id);
}

void Ledger::settled(const std::vector<QueueId>& messages) {
  for (const QueueId id : messages) {
    Guarded& guarded = *guarded_.at(id);
    if (--guarded.unsettled == 0 && guarded.is_released) unguard(id);
  }
}

MessageGuard Ledger::try_guard(QueueId id) {
  auto [at, is_new] = guarded_.try_emplace(id);
  if (!is_new) return {};
  at->second = std::make_unique<Guarded>();
  return {*this, id};
}

rt::Task<Result<MessageGuard>> Ledger::guard(QueueId id, rt::Deadline deadline) {
  while (true) {
    MessageGuard held = try_guard(id);
    if (held.is_held()) co_return std::move(held);
    rt::Parking parking(home_);
    struct Attachment {
      Ledger& ledger;
      QueueId id;
      rt::Parking* parking;
      ~Attachment() {
        const auto at = ledger.guarded_.find(id);
        if (at != ledger.guarded_.end()) std::erase(at->second->waiting, parking);
      }
    };
    guarded_.at(id)->waiting.push_back(&parking);
    const Attachment attachment{*this, id, &parking};
    const rt::Woken woken = co_await parking.park(deadline, "another change of this message");
    if (woken != rt::Woken::hint) co_return fail(kBusy, "the message is being changed");
  }
}

// Everyone who waits looks again: the first to run gets it. Few ever wait for one message.
void Ledger::unguard(QueueId id) {
  Guarded& guarded = *guarded_.at(id);
  guarded.is_released = true;
  if (guarded.unsettled > 0) return;
  auto node = guarded_.extract(id);
  for (rt::Parking* parking : node.mapped()->waiting) parking->wake();
}

// ---- life and ids ----

Ledger::Ledger(rt::Loop& home, kv::Store& store, std::unique_ptr<kv::Partition> partition,
               uint32_t shard)
    : home_(home),
      store_(store),
      partition_(std::move(partition)),
      shard_(shard),
      intake_(home, *partition_, "commit of new messages",
              [this](const std::vector<QueueId>& messages) { settled(messages); }),
      changes_(home, *partition_, "commit of changes",
               [this](const std::vector<QueueId>& messages) { settled(messages); }) {}

Ledger::~Ledger() = default;

rt::Task<Status> Ledger::load() {
  auto stored = co_await partition_->get(std::string(kNumberKey));
  if (!stored.has_value()) co_return std::move(stored).error();
  if (stored->has_value()) {
    RecordReader in(**stored);
    reserved_ = in.u64();
    if (!in.ok()) co_return fail(kUndecodable, "the reservation of queue ids");
  }
  kv::Range newest = kv::prefix_range(kMessagePrefix);
  newest.order = kv::Range::Order::falling;
  newest.entries_max = 1;
  PH_CO_TRY(const kv::Page page, co_await partition_->scan(newest));
  if (!page.entries.empty()) {
    const auto id = message_place(page.entries.front().key);
    if (id.has_value()) last_number_ = model::number_of(*id);
  }
  last_number_ = std::max(last_number_, reserved_);
  co_return co_await load_audit();
}

QueueId Ledger::next_id(kv::Batch& batch) {
  const int64_t now = home_.wall().unix_us();
  const uint64_t by_clock = now > 0 ? static_cast<uint64_t>(now) : 1;
  last_number_ = std::min(std::max(last_number_ + 1, by_clock), model::kQueueNumberMax);
  if (last_number_ >= reserved_) {
    const uint64_t up_to = last_number_ + kReserve;
    batch.put(std::string(kNumberKey), RecordWriter(kNumberVersion).u64(up_to).take());
  }
  return model::make_queue_id(shard_, last_number_);
}

void Ledger::confirm(QueueId id) {
  const uint64_t number = model::number_of(id);
  if (number >= reserved_) reserved_ = number + kReserve;
}

// ---- reading ----

rt::Task<Result<MessageFacts>> Ledger::message(QueueId id) {
  auto found = co_await partition_->get(message_key(id));
  if (!found.has_value()) co_return std::move(found).error();
  if (!found->has_value()) co_return fail(kNoSuchMessage, model::to_text(id));
  auto facts = decode_message(id, **found);
  if (!facts.has_value()) co_return fail(kUndecodable, model::to_text(id));
  co_return std::move(*facts);
}

rt::Task<Result<QueueRow>> Ledger::row(QueueId id, uint32_t index) {
  auto found = co_await partition_->get(row_key(id, index));
  if (!found.has_value()) co_return std::move(found).error();
  if (!found->has_value()) co_return fail(kNoSuchMessage, model::to_text(id));
  auto row = decode_row({id, index}, **found);
  if (!row.has_value()) co_return fail(kUndecodable, model::to_text(id));
  co_return std::move(*row);
}

rt::Task<Result<std::vector<QueueRow>>> Ledger::rows(QueueId id, uint32_t first, size_t limit) {
  std::vector<QueueRow> out;
  std::optional<kv::Range> range = kv::prefix_range(rows_prefix(id));
  range->from = row_key(id, first);
  while (range.has_value() && out.size() < limit) {
    range->entries_max = std::min<size_t>(limit - out.size(), 500);
    PH_CO_TRY(kv::Page page, co_await partition_->scan(*range));
    for (const kv::Entry& entry : page.entries) {
      const auto place = row_place(entry.key);
      if (!place.has_value()) continue;
      auto row = decode_row(*place, entry.value);
      if (row.has_value()) out.push_back(std::move(*row));
    }
    range = std::move(page.rest);
  }
  co_return std::move(out);
}

Ledger::FloorMark Ledger::mark_floor() {
  noted_ = {};
  FloorMark mark{intake_.lowest_unsettled()};
  mark.unsettled.add(changes_.lowest_unsettled());
  return mark;
}

void Ledger::raise_floor(const FloorMark& mark, Time first_found) {
  floor_ = std::max(floor_, std::min({first_found, mark.unsettled.any, noted_.any}));
}

void Ledger::raise_floor_ahead(const FloorMark& mark, Time first_found) {
  floor_ahead_ =
      std::max(floor_ahead_, std::min({first_found, mark.unsettled.ahead, noted_.ahead}));
}

Gatherer* Ledger::gatherer_of(const kv::Batch& batch) {
  for (Gatherer* gatherer : {&changes_, &intake_}) {
    if (gatherer->gathers(batch)) return gatherer;
  }
  return nullptr;
}

void Ledger::note_due(const kv::Batch& batch, Time when) {
  const Time now = home_.wall();
  if (Gatherer* const gatherer = gatherer_of(batch)) gatherer->note(when, now);
  floor_ = std::min(floor_, when);
  if (when > now) floor_ahead_ = std::min(floor_ahead_, when);
  noted_.add(when, now);
}

kv::Range Ledger::due_range(Time until, size_t limit) const {
  kv::Range range = kv::prefix_range(kDuePrefix);
  if (floor_ > Time()) range.from = OrderedKey(kDuePrefix).time(floor_).take();
  if (until < Time::max()) {
    range.to = OrderedKey(kDuePrefix).time(until + Duration::microseconds(1)).take();
  }
  range.entries_max = limit;
  range.bytes_max = kDuePageBytes;
  return range;
}

kv::Range Ledger::due_range_ahead(Time now, size_t limit) const {
  kv::Range range = due_range(Time::max(), limit);
  range.from = std::max(range.from, due_key(std::max(now, floor_ahead_), QueueId{0}, 0));
  return range;
}

rt::Task<Result<DuePage>> Ledger::due(kv::Range range) {
  DuePage out;
  PH_CO_TRY(kv::Page page, co_await partition_->scan(std::move(range)));
  out.entries.reserve(page.entries.size());
  for (kv::Entry& entry : page.entries) {
    const auto place = due_place(entry.key);
    if (!place.has_value()) {
      out.strays.push_back(std::move(entry.key));
      continue;
    }
    const DueValue value = read_due_value(entry.value);
    out.entries.push_back({place->when, place->row.id, place->row.index, value.lane_hash,
                           value.hint != DueHint::own_time});
  }
  out.rest = std::move(page.rest);
  co_return std::move(out);
}

rt::Task<Result<std::vector<QueueId>>> Ledger::by_message_id(std::string message_id, size_t limit) {
  const std::string prefix = message_id_prefix(message_id);
  kv::Range range = kv::prefix_range(prefix);
  range.entries_max = std::max<size_t>(limit, 1);
  range.order = kv::Range::Order::falling;
  PH_CO_TRY(const kv::Page page, co_await partition_->scan(std::move(range)));
  std::vector<QueueId> out;
  for (const kv::Entry& entry : page.entries) {
    if (entry.key.size() != prefix.size() + 8) continue;
    const QueueId id{key_u64(entry.key, prefix.size())};
    auto facts = co_await message(id);
    if (facts.has_value() && facts->message_id == message_id) out.push_back(id);
  }
  std::ranges::reverse(out);
  co_return std::move(out);
}

rt::Task<Result<std::optional<QueueId>>> Ledger::by_handover(std::string handover_id) {
  auto found = co_await partition_->get(handover_key(handover_id));
  if (!found.has_value()) co_return std::move(found).error();
  if (!found->has_value() || (*found)->size() != 8) co_return std::optional<QueueId>();
  co_return std::optional<QueueId>(QueueId{key_u64(**found, 0)});
}

// ---- changing ----

void Ledger::add_message(kv::Batch& batch, const MessageFacts& facts, kv::BlobBytes raw) {
  batch.add_blob(facts.blob, std::move(raw), blob_tag(facts.id));
  if (!facts.message_id.empty()) batch.put(message_id_key(facts.message_id, facts.id), "");
  if (!facts.handover_id.empty()) {
    batch.put(handover_key(facts.handover_id), OrderedKey("").u64(facts.id.value).take());
  }
  put_message(batch, facts);
}

void Ledger::put_message(kv::Batch& batch, const MessageFacts& facts) {
  batch.put(message_key(facts.id), encode(facts));
  touched(batch, facts.id);
}

void Ledger::add_row(kv::Batch& batch, const QueueRow& row) {
  PH_CHECK(model::fault_of(row).empty());
  batch.put(row_key(row.id, row.index), encode(row));
  if (!model::is_end(row.state)) {
    batch.put(due_key(row.next_action_at, row.id, row.index), due_value(row));
    note_due(batch, row.next_action_at);
  }
  touched(batch, row.id);
}

void Ledger::change_row(kv::Batch& batch, const QueueRow& was, const QueueRow& is) {
  PH_CHECK(was.id == is.id);
  PH_CHECK(was.index == is.index);
  if (!model::is_end(was.state)) batch.erase(due_key(was.next_action_at, was.id, was.index));
  add_row(batch, is);
}

void Ledger::settle_message(kv::Batch& batch, MessageFacts& facts, Time now) {
  if (facts.open == 0) {
    facts.ended_at = now;
    batch.unlink_blob(facts.blob, blob_tag(facts.id));
    batch.put(ended_key(now, facts.id), "");
  }
  put_message(batch, facts);
}

void Ledger::forget(kv::Batch& batch, const MessageFacts& facts, uint32_t rows) {
  PH_CHECK(facts.open == 0);
  for (uint32_t index = 0; index < rows; ++index) batch.erase(row_key(facts.id, index));
  if (!facts.message_id.empty()) batch.erase(message_id_key(facts.message_id, facts.id));
  if (!facts.handover_id.empty()) batch.erase(handover_key(facts.handover_id));
  batch.erase(ended_key(facts.ended_at, facts.id));
  batch.erase(message_key(facts.id));
  touched(batch, facts.id);
}

// ---- suspensions and the audit log ----

void Ledger::put_suspension(kv::Batch& batch, const Suspension& suspension) {
  batch.put(suspension_key(suspension.lane), encode(suspension));
}

void Ledger::erase_suspension(kv::Batch& batch, std::string_view lane) {
  batch.erase(suspension_key(lane));
}

Proof Ledger::proof_of(const Suspension& suspension) {
  return {suspension_key(suspension.lane), encode(suspension)};
}

rt::Task<Status> Ledger::load_audit() {
  std::optional<kv::Range> range = kv::prefix_range(kAuditPrefix);
  while (range.has_value()) {
    PH_CO_TRY(kv::Page page, co_await partition_->scan(std::move(*range)));
    audit_kept_ += page.entries.size();
    for (const kv::Entry& entry : page.entries) {
      audit_number_ = std::max(audit_number_, key_u64(entry.key, kAuditPrefix.size() + 8));
    }
    range = std::move(page.rest);
  }
  co_return Status{};
}

rt::Task<Status> Ledger::note(AuditEntry entry, Time oldest, rt::Deadline deadline) {
  Proof proof{audit_key(entry.when, ++audit_number_), encode(entry)};
  ++audit_kept_;
  batch(Way::changes).put(proof.key, proof.value);
  PH_CO_TRY_STATUS(co_await commit(Way::changes, std::move(proof), deadline));
  const Status tidied = co_await tidy_audit(oldest, deadline);
  static_cast<void>(tidied);  // what is kept too long goes with a later entry
  co_return Status{};
}

// One at a time: two of them would find, and count, the same entries.
rt::Task<Status> Ledger::tidy_audit(Time oldest, rt::Deadline deadline) {
  if (audit_tidying_) co_return Status{};
  struct Busy {
    bool& flag;
    explicit Busy(bool& f) : flag(f) { flag = true; }
    ~Busy() { flag = false; }
  };
  const Busy busy(audit_tidying_);
  kv::Range range = kv::prefix_range(kAuditPrefix);
  range.entries_max = kAuditTidied;
  PH_CO_TRY(const kv::Page page, co_await partition_->scan(std::move(range)));
  std::vector<std::string> gone;
  for (const kv::Entry& entry : page.entries) {
    const bool is_surplus = audit_kept_ - gone.size() > kAuditKept;
    if (!is_surplus && key_time(entry.key, kAuditPrefix.size()) >= oldest) break;
    gone.push_back(entry.key);
  }
  if (gone.empty()) co_return Status{};
  for (const std::string& key : gone) batch(Way::changes).erase(key);
  PH_CO_TRY_STATUS(co_await commit(Way::changes, {gone.front(), ""}, deadline));
  audit_kept_ -= gone.size();
  co_return Status{};
}

rt::Task<Result<std::vector<AuditEntry>>> Ledger::audit(size_t limit, std::string subject) {
  std::vector<AuditEntry> out;
  std::optional<kv::Range> range = kv::prefix_range(kAuditPrefix);
  range->order = kv::Range::Order::falling;
  while (range.has_value() && out.size() < limit) {
    range->entries_max = std::min<size_t>(subject.empty() ? limit - out.size() : 500, 500);
    PH_CO_TRY(kv::Page page, co_await partition_->scan(std::move(*range)));
    for (const kv::Entry& kept : page.entries) {
      auto entry = decode_audit(kept.value);
      const bool fits = entry.has_value() && (subject.empty() || entry->subject == subject);
      if (fits && out.size() < limit) out.push_back(std::move(*entry));
    }
    range = std::move(page.rest);
  }
  co_return std::move(out);
}

rt::Task<Result<std::vector<QueueId>>> Ledger::reports_on(QueueId id) {
  kv::Range range = kv::prefix_range(handover_key(report_handover_prefix(id)));
  range.entries_max = kReportsTold;
  PH_CO_TRY(const kv::Page page, co_await partition_->scan(std::move(range)));
  std::vector<QueueId> out;
  for (const kv::Entry& entry : page.entries) {
    if (entry.value.size() == 8) out.emplace_back(key_u64(entry.value, 0));
  }
  co_return std::move(out);
}

Proof Ledger::proof_of(const QueueRow& row) { return {row_key(row.id, row.index), encode(row)}; }

Proof Ledger::proof_of(const MessageFacts& facts) { return {message_key(facts.id), encode(facts)}; }

}  // namespace ph::queue
