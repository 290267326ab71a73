// Problem: a defect anywhere in the queue must not become a message that nobody thinks of any more.
// Idea: one walk over one snapshot that trusts nothing in memory. Rows come in the order of their
// messages, so the counts of open rows can be compared page by page; the index is compared by a
// sum over its keys first, and searched entry by entry only if the sums differ. What is found is
// looked at again under the message's guard before it is mended.
#include "service/queue/detail/auditor.h"

#include <algorithm>
#include <array>
#include <map>

#include "base/check.h"
#include "base/digest.h"
#include "base/record.h"
#include "base/text.h"
#include "kv/errors.h"
#include "service/queue/detail/records.h"

namespace ph::queue {
namespace {

using model::QueueId;
using model::QueueReason;
using model::QueueRow;
using model::QueueState;

constexpr size_t kPage = 500;
constexpr size_t kRepairsMax = 10'000;  // in one sweep; the next one goes on
constexpr size_t kForgottenAtOnce = 100;
constexpr int64_t kRest = 4;  // times as long as a gentle sweep has worked
constexpr Duration kRestMax = Duration::milliseconds(100);
constexpr Duration kClockStep = Duration::seconds(30);
constexpr Duration kTolerance = Duration::minutes(2);
constexpr Duration kLeaseSlack = Duration::seconds(1);  // between a death and its being noted

// A sum that does not depend on the order of its parts.
struct KeySum {
  uint64_t count = 0;
  uint64_t sum = 0;

  void add(std::string_view key) {
    const uint64_t low = crc32c(key);
    const uint64_t high = crc32c(key, 0x9E3779B9U);
    sum += (high << 32 | low) * 0x9E3779B97F4A7C15ULL;
    ++count;
  }
  bool operator==(const KeySum&) const = default;
};

struct Tally {
  uint64_t rows = 0;
  Time oldest = Time::max();
};

}  // namespace

struct Auditor::Walk {
  std::unique_ptr<kv::Snapshot> snapshot;
  Pace pace = Pace::gentle;
  Instant went_on;  // when it last began to work again
  Time now;
  SweepFindings findings;
  KeySum expected;
  KeySum found;
  std::map<uint64_t, uint64_t> resting_of;  // message: its resting rows, of the page at hand
  std::map<std::pair<QueueState, QueueReason>, Tally> tallies;
  uint64_t ended_messages = 0;
  Time earliest = Time::max();
  std::unordered_set<uint64_t> dead;  // attempts in flight whose worker is dead
  std::vector<RowName> rows_to_repair;
  std::vector<std::string> entries_to_repair;
  std::vector<std::string> to_set_aside;
  std::vector<QueueId> to_recount;
  std::vector<std::pair<RowName, model::Lease>> takeovers;
  std::vector<RowName> from_future;

  bool is_full() const {
    return rows_to_repair.size() + entries_to_repair.size() + to_set_aside.size() +
               to_recount.size() >=
           kRepairsMax;
  }
};

Auditor::Auditor(Core& core, Clerk& clerk, Scheduler& scheduler)
    : core_(core), clerk_(clerk), scheduler_(scheduler), scope_(core.home, "auditor") {}

Auditor::~Auditor() = default;

void Auditor::start() { scope_.spawn("auditor of the queue", run()); }

void Auditor::stop() { scope_.cancel(); }

rt::Task<void> Auditor::run() {
  while (true) {
    auto findings = co_await sweep(Pace::gentle);
    if (!findings.has_value()) {
      core_.ports.log.warning("queue.sweep_failed", {{"error", findings.error().to_text()}});
    }
    const Duration pause = core_.values().get(kSweep);
    const rt::Woken woken =
        co_await rt::sleep(core_.home, core_.home.in(pause), "the auditor's next sweep");
    if (woken == rt::Woken::cancelled) break;
  }
}

rt::Task<Result<SweepFindings>> Auditor::sweep(Pace pace) {
  Walk state;
  state.pace = pace;
  state.went_on = core_.home.now();
  state.snapshot = core_.ledger.partition().read();
  state.now = core_.now();
  PH_CO_TRY_STATUS(co_await walk(state));
  state.snapshot.reset();
  if (core_.accepting_work && core_.home.now() - scheduler_.last_progress() > kTolerance) {
    core_.ports.log.error("queue.scheduler_lost");
    ++state.findings.overdue;
    ++state.findings.repaired;
    scheduler_.restart();
  }
  const SlotFindings slots = scheduler_.dispatcher().audit();
  state.findings.slots_leaked += slots.leaked;
  state.findings.repaired += slots.leaked;
  PH_CO_TRY_STATUS(co_await repair(state));
  PH_CO_TRY_STATUS(co_await tidy_ended());
  publish(state);
  co_return state.findings;
}

// ---- the walk ----

// Between two pages. A walk over a million rows is seconds of work, just when a start has the most
// to do.
rt::Task<void> Auditor::rest(Walk& state) {
  const Duration worked = core_.home.now() - state.went_on;
  if (state.pace == Pace::gentle && worked > Duration{}) {
    const rt::Deadline until = core_.home.in(std::min(worked * kRest, kRestMax));
    co_await rt::sleep(core_.home, until, "the others, in a sweep of the auditor");
  } else {
    co_await rt::yield(core_.home);
  }
  state.went_on = core_.home.now();
}

rt::Task<Status> Auditor::walk(Walk& state) {
  PH_CO_TRY_STATUS(co_await walk_rows(state));
  PH_CO_TRY_STATUS(co_await walk_index(state));
  if (state.expected != state.found) PH_CO_TRY_STATUS(co_await search_index(state));
  co_return Status{};
}

rt::Task<Status> Auditor::walk_rows(Walk& state) {
  std::optional<kv::Range> range = kv::prefix_range(kRowPrefix);
  uint64_t compared = 0;  // messages below this id are done
  while (range.has_value() && !state.is_full()) {
    range->entries_max = kPage;
    PH_CO_TRY(kv::Page page, co_await state.snapshot->scan(std::move(*range)));
    uint64_t last = compared;
    for (kv::Entry& entry : page.entries) {
      ++state.findings.rows;
      const auto place = row_place(entry.key);
      const auto row = place.has_value() ? decode_row(*place, entry.value) : std::nullopt;
      if (place.has_value()) last = place->id.value;
      if (!row.has_value()) {
        state.to_set_aside.push_back(std::move(entry.key));
        continue;
      }
      state.resting_of[last] += model::is_end(row->state) ? 0 : 1;
      check_row(state, *row);
    }
    range = std::move(page.rest);
    // The last message of a page may go on in the next one.
    const uint64_t to = range.has_value() ? last : UINT64_MAX;
    PH_CO_TRY_STATUS(co_await compare_messages(state, compared, to));
    compared = to;
    co_await rest(state);
  }
  co_return Status{};
}

void Auditor::check_row(Walk& state, const QueueRow& row) {
  Tally& tally = state.tallies[{row.state, row.reason}];
  ++tally.rows;
  tally.oldest = std::min(tally.oldest, row.since);
  const bool rests = !model::is_end(row.state);
  if (rests) {
    ++state.findings.resting;
    state.earliest = std::min(state.earliest, row.next_action_at);
    state.expected.add(due_key(row.next_action_at, row.id, row.index));
  }
  const RowName name{row.id, row.index};
  if (!model::fault_of(row).empty()) {
    const bool beyond =
        rests && row.state != QueueState::in_flight && row.next_action_at > row.expires_at;
    ++(beyond ? state.findings.beyond_expiry : state.findings.faulty);
    core_.ports.log.error("queue.faulty_row",
                          {{"id", model::to_text(row.id)}, {"fault", model::fault_of(row)}});
    state.rows_to_repair.push_back(name);
  } else if (rests && is_overdue(state, row)) {
    ++state.findings.overdue;
    core_.ports.log.error("queue.overdue_row", {{"id", model::to_text(row.id)},
                                                {"state", model::to_text(row.state)},
                                                {"due", to_iso8601(row.next_action_at)}});
    state.rows_to_repair.push_back(name);
  } else if (rests && row.since > state.now + kClockStep) {
    state.from_future.push_back(name);
  } else if (row.state == QueueState::in_flight) {
    check_lease(state, row);
  }
}

// Only its owner renews a lease. One that runs longer than its dead worker could have asked for was
// renewed by somebody else, and would be for ever.
void Auditor::check_lease(Walk& state, const QueueRow& row) {
  const RowName name{row.id, row.index};
  if (row.lease.owner != core_.incarnation) {
    ++state.findings.takeovers;
    state.takeovers.emplace_back(name, row.lease);
    return;
  }
  const std::optional<Time> died = core_.running.died_at(row.lease.attempt);
  if (!died.has_value()) return;
  state.dead.insert(row.lease.attempt);
  const bool excused = core_.delay_is_excused() || core_.clock_has_stepped();
  const Duration longest = core_.longest_lease() + kLeaseSlack;
  if (excused || row.lease.until <= *died + longest) return;
  if (row.lease.until > state.now + longest) return;  // given by a clock that was set back since
  ++state.findings.leases_stolen;
  ++state.findings.repaired;
  core_.ports.log.error("queue.lease_stolen", {{"id", model::to_text(row.id)},
                                               {"died", to_iso8601(*died)},
                                               {"until", to_iso8601(row.lease.until)}});
  state.takeovers.emplace_back(name, row.lease);
}

// The scheduler has been over everything that was due at pass_began(): what was due well before
// that and, when the sweep began, still was, was forgotten.
bool Auditor::is_overdue(const Walk& state, const QueueRow& row) const {
  const bool excused = core_.delay_is_excused() || core_.clock_has_stepped();
  if (!core_.accepting_work || excused) return false;
  // What the window holds waits in a lane for its turn, which the clock ends soon enough.
  const bool is_held = core_.window.holds({row.id, row.index}, core_.home.now());
  const Duration patience = is_held ? kTolerance + kWindowTime * 2 : kTolerance;
  return row.next_action_at + patience < std::min(scheduler_.pass_began(), state.now);
}

// Messages with from <= id < to against the rows counted so far.
rt::Task<Status> Auditor::compare_messages(Walk& state, uint64_t from, uint64_t to) {
  std::optional<kv::Range> range = kv::prefix_range(kMessagePrefix);
  range->from = message_key(QueueId{from});
  if (to != UINT64_MAX) range->to = message_key(QueueId{to});
  while (range.has_value()) {
    range->entries_max = kPage;
    PH_CO_TRY(kv::Page page, co_await state.snapshot->scan(std::move(*range)));
    for (kv::Entry& entry : page.entries) {
      const auto id = message_place(entry.key);
      const auto facts = id.has_value() ? decode_message(*id, entry.value) : std::nullopt;
      if (!facts.has_value()) {
        if (id.has_value()) state.resting_of.erase(id->value);
        state.to_set_aside.push_back(std::move(entry.key));
        continue;
      }
      if (facts->open == 0) ++state.ended_messages;
      const auto counted = state.resting_of.find(id->value);
      const uint64_t resting = counted == state.resting_of.end() ? 0 : counted->second;
      if (resting != facts->open) state.to_recount.push_back(*id);
      if (counted != state.resting_of.end()) state.resting_of.erase(counted);
    }
    range = std::move(page.rest);
  }
  // Rows without a message.
  const auto end = state.resting_of.lower_bound(to);
  for (auto at = state.resting_of.begin(); at != end; ++at) {
    state.to_recount.push_back(QueueId{at->first});
  }
  state.resting_of.erase(state.resting_of.begin(), end);
  co_return Status{};
}

rt::Task<Status> Auditor::walk_index(Walk& state) {
  std::optional<kv::Range> range = kv::prefix_range(kDuePrefix);
  while (range.has_value()) {
    range->entries_max = kPage;
    PH_CO_TRY(kv::Page page, co_await state.snapshot->scan(std::move(*range)));
    for (const kv::Entry& entry : page.entries) state.found.add(entry.key);
    range = std::move(page.rest);
    co_await rest(state);
  }
  co_return Status{};
}

// The sums differ: every entry against its row, every row against its entry.
rt::Task<Status> Auditor::search_index(Walk& state) {
  std::optional<kv::Range> range = kv::prefix_range(kDuePrefix);
  while (range.has_value() && !state.is_full()) {
    range->entries_max = kPage;
    PH_CO_TRY(kv::Page page, co_await state.snapshot->scan(std::move(*range)));
    for (kv::Entry& entry : page.entries) {
      const auto place = due_place(entry.key);
      bool fits = false;
      if (place.has_value()) {
        PH_CO_TRY(const auto record,
                  co_await state.snapshot->get(row_key(place->row.id, place->row.index)));
        const auto row = record.has_value() ? decode_row(place->row, *record) : std::nullopt;
        fits = row.has_value() && !model::is_end(row->state) && row->next_action_at == place->when;
      }
      if (!fits) state.entries_to_repair.push_back(std::move(entry.key));
    }
    range = std::move(page.rest);
  }
  range = kv::prefix_range(kRowPrefix);
  while (range.has_value() && !state.is_full()) {
    range->entries_max = kPage;
    PH_CO_TRY(kv::Page page, co_await state.snapshot->scan(std::move(*range)));
    for (const kv::Entry& entry : page.entries) {
      const auto place = row_place(entry.key);
      const auto row = place.has_value() ? decode_row(*place, entry.value) : std::nullopt;
      if (!row.has_value() || model::is_end(row->state)) continue;
      PH_CO_TRY(const auto there,
                co_await state.snapshot->get(due_key(row->next_action_at, row->id, row->index)));
      if (there.has_value()) continue;
      ++state.findings.index_missing;
      state.rows_to_repair.push_back({row->id, row->index});
    }
    range = std::move(page.rest);
    co_await rest(state);
  }
  co_return Status{};
}

// ---- repair ----

rt::Task<Status> Auditor::repair(Walk& state) {
  for (std::string& key : state.to_set_aside) {
    PH_CO_TRY_STATUS(co_await set_aside(std::move(key), state.findings));
  }
  for (const RowName& name : state.rows_to_repair) {
    PH_CO_TRY_STATUS(co_await repair_row(name, state.findings));
  }
  for (std::string& key : state.entries_to_repair) {
    PH_CO_TRY_STATUS(co_await repair_entry(std::move(key), state.findings));
  }
  for (const QueueId id : state.to_recount) {
    PH_CO_TRY_STATUS(co_await recount(id, state.findings));
  }
  for (const auto& [name, lease] : state.takeovers) {
    std::vector<RowChange> changes(1);
    changes.front().index = name.index;
    changes.front().lease = lease;
    changes.front().happening.event = model::QueueEvent::lease_ended;
    auto done =
        co_await clerk_.apply(name.id, std::move(changes), nullptr, core_.home.in(kStoreTime));
    if (!done.has_value() && done.error().disposition() != Disposition::permanent) {
      co_return std::move(done).error();
    }
  }
  // The wall clock was set back: that is nobody's defect.
  const Time now = core_.now();
  co_await clerk_.follow(std::move(state.from_future), [this, now](const QueueRow& row) {
    return model::follow_clock(row, row.since, now, core_.policy());
  });
  const bool changed = state.findings.repaired + state.findings.takeovers > 0;
  if (changed) scheduler_.hint();
  co_return Status{};
}

// Writes the row anew, with a sound state if it had none, and a clock of now.
rt::Task<Status> Auditor::repair_row(RowName name, SweepFindings& findings) {
  PH_CO_TRY(const MessageGuard guard,
            co_await core_.ledger.guard(name.id, core_.home.in(kStoreTime)));
  auto was = co_await core_.ledger.row(name.id, name.index);
  if (!was.has_value()) co_return Status{};
  const QueueRow row = model::mended(*was, core_.now(), core_.policy());
  core_.window.drop(name);
  kv::Batch& batch = core_.ledger.batch(Ledger::Way::changes);
  core_.ledger.change_row(batch, *was, row);
  ++findings.repaired;
  co_return co_await core_.ledger.commit(Ledger::Way::changes, Ledger::proof_of(row),
                                         core_.home.in(kStoreTime));
}

rt::Task<Status> Auditor::repair_entry(std::string key, SweepFindings& findings) {
  const auto place = due_place(key);
  MessageGuard guard;
  if (place.has_value()) {
    PH_CO_TRY(guard, co_await core_.ledger.guard(place->row.id, core_.home.in(kStoreTime)));
    auto row = co_await core_.ledger.row(place->row.id, place->row.index);
    const bool fits =
        row.has_value() && !model::is_end(row->state) && row->next_action_at == place->when;
    if (fits) co_return Status{};
    PH_CO_TRY(const auto there, co_await core_.ledger.partition().get(key));
    if (!there.has_value()) co_return Status{};  // gone meanwhile
  }
  ++findings.index_stray;
  ++findings.repaired;
  core_.ledger.batch(Ledger::Way::changes).erase(key);
  co_return co_await core_.ledger.commit(Ledger::Way::changes, {}, core_.home.in(kStoreTime));
}

rt::Task<Status> Auditor::set_aside(std::string key, SweepFindings& findings) {
  PH_CO_TRY(const auto record, co_await core_.ledger.partition().get(key));
  if (!record.has_value()) co_return Status{};
  core_.ports.log.error("queue.undecodable", {{"key", hex_encode(key)}});
  ++findings.undecodable;
  ++findings.repaired;
  kv::Batch& batch = core_.ledger.batch(Ledger::Way::changes);
  batch.put(aside_key(key), *record);
  batch.erase(key);
  Proof proof{aside_key(key), *record};
  co_return co_await core_.ledger.commit(Ledger::Way::changes, std::move(proof),
                                         core_.home.in(kStoreTime));
}

// The message's count of open rows, from its rows. Rows set aside count as open, so that the octets
// stay for whoever repairs them. Rows whose message is gone are set aside themselves.
rt::Task<Status> Auditor::recount(QueueId id, SweepFindings& findings) {
  PH_CO_TRY(const MessageGuard guard, co_await core_.ledger.guard(id, core_.home.in(kStoreTime)));
  auto facts = co_await core_.ledger.message(id);
  PH_CO_TRY(const std::vector<QueueRow> rows, co_await core_.ledger.rows(id, 0, SIZE_MAX));
  if (!facts.has_value()) {
    if (!facts.error().is(kNoSuchMessage)) co_return Status{};  // set aside in the next sweep
    if (rows.empty()) co_return Status{};
    kv::Batch& batch = core_.ledger.batch(Ledger::Way::changes);
    for (const QueueRow& row : rows) {
      ++findings.orphans;
      ++findings.repaired;
      batch.put(aside_key(row_key(row.id, row.index)), encode(row));
      batch.erase(row_key(row.id, row.index));
      if (!model::is_end(row.state)) {
        batch.erase(due_key(row.next_action_at, row.id, row.index));
      }
    }
    co_return co_await core_.ledger.commit(Ledger::Way::changes, {}, core_.home.in(kStoreTime));
  }
  kv::Range aside = kv::prefix_range(aside_key(rows_prefix(id)));
  aside.entries_max = kRecipientsMax;
  PH_CO_TRY(const kv::Page put_aside, co_await core_.ledger.partition().scan(std::move(aside)));
  const auto resting =
      std::ranges::count_if(rows, [](const QueueRow& row) { return !model::is_end(row.state); });
  const auto open = static_cast<uint32_t>(static_cast<size_t>(resting) + put_aside.entries.size());
  if (open == facts->open) co_return Status{};
  ++findings.orphans;
  ++findings.repaired;
  core_.ports.log.error("queue.count_wrong",
                        {{"id", model::to_text(id)}, {"was", facts->open}, {"is", open}});
  const bool had_ended = facts->open == 0;
  facts->open = open;
  if (had_ended) facts->ended_at = {};
  kv::Batch& batch = core_.ledger.batch(Ledger::Way::changes);
  core_.ledger.settle_message(batch, *facts, core_.now());
  co_return co_await core_.ledger.commit(Ledger::Way::changes, Ledger::proof_of(*facts),
                                         core_.home.in(kStoreTime));
}

// ---- the end ----

// Ended messages are forgotten when they are old or too many, the oldest first.
rt::Task<Status> Auditor::tidy_ended() {
  const Time keep_from = core_.now() - core_.values().get(kKeepEnded);
  const uint64_t cap = core_.values().get(kKeepEndedMax);
  uint64_t surplus = ended_messages_ > cap ? ended_messages_ - cap : 0;
  while (true) {
    kv::Range range = kv::prefix_range(kEndedPrefix);
    range.entries_max = kForgottenAtOnce;
    PH_CO_TRY(const kv::Page page, co_await core_.ledger.partition().scan(std::move(range)));
    std::vector<MessageFacts> forgotten;
    std::vector<std::string> strays;
    for (const kv::Entry& entry : page.entries) {
      const auto place = ended_place(entry.key);
      if (place.has_value() && place->when >= keep_from && surplus == 0) break;
      if (surplus > 0) --surplus;
      auto facts = co_await core_.ledger.message(place.has_value() ? place->id : QueueId{});
      const bool fits = facts.has_value() && facts->open == 0 && place.has_value() &&
                        facts->ended_at == place->when;
      if (fits) {
        forgotten.push_back(std::move(*facts));
      } else {
        strays.push_back(entry.key);
      }
    }
    if (forgotten.empty() && strays.empty()) break;
    kv::Batch& batch = core_.ledger.batch(Ledger::Way::changes);
    for (const MessageFacts& facts : forgotten) {
      core_.ledger.forget(batch, facts, facts.recipients);
    }
    for (std::string& key : strays) batch.erase(std::move(key));
    PH_CO_TRY_STATUS(
        co_await core_.ledger.commit(Ledger::Way::changes, {}, core_.home.in(kStoreTime)));
    ended_messages_ -= std::min<uint64_t>(ended_messages_, forgotten.size());
  }
  co_return Status{};
}

// What is in the table, by state and reason, for whoever watches from outside.
void Auditor::publish(Walk& state) {
  ended_messages_ = state.ended_messages;
  core_.running.tidy(state.now - kTolerance, state.dead);
  core_.figures.auditor_hits.add(state.findings.defects());
  obs::Metrics& metrics = core_.ports.metrics;
  const std::string shard = "shard=\"" + std::to_string(core_.ledger.shard()) + "\"";
  for (size_t s = 0; s < model::kQueueStates; ++s) {
    const auto status = static_cast<QueueState>(s);
    for (size_t r = 0; r < model::kQueueReasons; ++r) {
      const auto reason = static_cast<QueueReason>(r);
      if (!model::kQueueTable.reasons_in(status).has(reason)) continue;
      const auto tally = state.tallies.find({status, reason});
      const bool any = tally != state.tallies.end();
      const std::string labels = "state=\"" + std::string(model::to_text(status)) + "\",reason=\"" +
                                 std::string(model::to_text(reason)) + "\"," + shard;
      const uint64_t rows = any ? tally->second.rows : 0;
      metrics.gauge("posthorn_queue_rows", labels).set(static_cast<int64_t>(rows));
      if (model::is_end(status)) continue;
      const Duration age = any ? state.now - tally->second.oldest : Duration();
      metrics.gauge("posthorn_queue_oldest_seconds", labels).set(age.s());
    }
  }
  const bool waits = state.earliest != Time::max();
  const Duration late = waits ? state.now - state.earliest : Duration();
  metrics.gauge("posthorn_queue_next_action_seconds", shard).set(waits ? -late.s() : 0);
  metrics.gauge("posthorn_queue_overdue_seconds", shard).set(std::max<int64_t>(late.s(), 0));
  metrics.gauge("posthorn_queue_ended_messages_kept", shard)
      .set(static_cast<int64_t>(state.ended_messages));
  std::map<LaneHealth, int64_t> lanes;
  for (const LaneView& lane : scheduler_.dispatcher().view()) ++lanes[lane.health];
  for (const auto health : {LaneHealth::healthy, LaneHealth::failing, LaneHealth::resting,
                            LaneHealth::probing, LaneHealth::suspended}) {
    const std::string labels = "health=\"" + std::string(to_text(health)) + "\"," + shard;
    metrics.gauge("posthorn_queue_lanes", labels).set(lanes[health]);
  }
  if (state.findings.defects() > 0) {
    core_.ports.log.error("queue.auditor_hits", {{"shard", core_.ledger.shard()},
                                                 {"defects", state.findings.defects()},
                                                 {"repaired", state.findings.repaired}});
  }
}

}  // namespace ph::queue
