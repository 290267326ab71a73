// Problem: due rows may be many more than memory should hold, some need slow look-ups, some go to
// lanes that are full or closed; none may hide another. Idea: whatever cannot go on now is moved to
// a later time in the table, so the due end of the index is always what really can be worked on,
// and reading it from the front is enough.
#include "service/queue/detail/scheduler.h"

#include <algorithm>
#include <map>

#include "base/check.h"
#include "base/text.h"
#include "rt/bounded.h"
#include "service/queue/detail/records.h"

namespace ph::queue {
namespace {

using model::QueueEvent;
using model::QueueHappening;
using model::QueueReason;
using model::QueueRow;
using model::QueueState;

constexpr size_t kPage = 500;
constexpr size_t kPlacementsMax = 512;
constexpr Duration kBusyRecheck = Duration::seconds(1);
constexpr Duration kLeastPause = Duration::milliseconds(1);
constexpr Duration kBusyPause = Duration::milliseconds(200);
constexpr Duration kWholePassEvery = Duration::seconds(60);
constexpr Duration kLookAheadPause = Duration::milliseconds(20);
constexpr int64_t kLookAheadRest = 4;  // times as long as reading took
constexpr Duration kRouteTime = Duration::seconds(30);
constexpr Duration kRouteHang = Duration::seconds(40);  // the router has not kept its word
constexpr Duration kTryAgain = Duration::seconds(5);    // what the store did not take
constexpr Duration kRoutePostponed = Duration::seconds(5);
constexpr size_t kStumblesMax = 10'000;
constexpr Duration kAsleep = Duration::days(30);  // Defect::lost_wake_up

// What is asked of DNS for a recipient, about: those with the same name wait for the same answer.
std::string slow_name_of(const model::Recipient& recipient) {
  return recipient.via.empty() ? to_lower(model::domain_of(recipient.address)) : recipient.via;
}

}  // namespace

// One message's rows on their way from the index to lanes or to new times.
struct Scheduler::Placed {
  Watch watch;  // of facts and rows
  MessageFacts facts;
  std::vector<QueueRow> rows;
  std::vector<RowChange> changes;
  struct ToLane {
    NextHop hop;
    Item item;
  };
  std::map<std::string, ToLane> lanes;
  std::vector<Taken> taken;  // of rows that change: until that is durable
};

Scheduler::Scheduler(Core& core, Clerk& clerk, Dispatcher& dispatcher)
    : core_(core), clerk_(clerk), dispatcher_(dispatcher), hint_(core.home), room_(core.home) {
  core_.hint_work = [this] { hint_.wake(); };
}

Scheduler::~Scheduler() {
  core_.hint_work = [] {};
}

void Scheduler::start() {
  last_progress_ = core_.home.now();
  followed_ = core_.policy();
  placements_ = std::make_unique<rt::Scope>(core_.home, "placements");
  scope_ = std::make_unique<rt::Scope>(core_.home, "scheduler");
  scope_->spawn("scheduler of the queue", run());
  dispatcher_.start();
}

void Scheduler::stop() {
  if (scope_ != nullptr) scope_->cancel();
  hint_.wake();
  room_.wake();
}

bool Scheduler::stopped() const {
  return scope_ == nullptr || (scope_->active() == 0 && placements_->active() == 0);
}

void Scheduler::restart() {
  scope_.reset();
  placements_.reset();
  start();
}

Scheduler::Charge::Charge(Scheduler& scheduler, model::QueueId id)
    : scheduler_(scheduler), id_(id) {
  const auto at = scheduler_.stumbles_.find(id);
  if (at != scheduler_.stumbles_.end()) before_ = at->second;
}

Scheduler::Charge::~Charge() {
  auto& stumbles = scheduler_.stumbles_;
  if (is_done_ || (stumbles.size() >= kStumblesMax && !stumbles.contains(id_))) return;
  ++stumbles[id_];
}

rt::Task<void> Scheduler::run() {
  placements_->spawn("rows follow the settings of this start", follow_policy_of_last_start());
  while (core_.accepting_work) {
    last_progress_ = core_.home.now();
    const Duration clock_step = core_.watch_clock();
    if (clock_step != Duration{}) co_await follow_clock(clock_step);
    dispatcher_.tend();
    core_.window.tidy(core_.home.now());
    if (followed_ != core_.policy()) {
      followed_ = core_.policy();
      placements_->spawn("rows follow the new settings", follow_policy());
    }
    const Time now = core_.now();
    const Pass result = co_await pass(now);
    if (core_.home.now() >= next_look_ahead_) {
      const Duration reading = co_await look_ahead(now);
      next_look_ahead_ = core_.home.now() + std::max(kLookAheadPause, reading * kLookAheadRest);
    }
    const Instant wanted = co_await next_wake(result, now);
    const Instant wake = std::max(wanted, core_.home.now() + kLeastPause);  // reading takes a while
    if (core_.ports.defect == Defect::lost_wake_up) {
      co_await rt::sleep(core_.home, core_.home.in(kAsleep), "nothing, on purpose");
    }
    const rt::Woken woken = co_await hint_.park(rt::Deadline::at(wake), "the next row's time");
    if (woken == rt::Woken::cancelled) break;
  }
}

// ---- reading the index ----

rt::Task<Scheduler::Pass> Scheduler::pass(Time now) {
  const bool full = cursor_.empty() || core_.home.now() >= next_full_pass_;
  if (full) {
    cursor_.clear();
    saw_due_ = false;
    next_full_pass_ = core_.home.now() + kBusyRecheck;
  }
  if (full && core_.home.now() >= next_whole_pass_) {
    core_.ledger.forget_floors();
    next_whole_pass_ = core_.home.now() + kWholePassEvery;
  }
  const Ledger::FloorMark mark = core_.ledger.mark_floor();
  bool at_front = cursor_.empty();
  if (at_front && core_.ledger.floor() > now) {
    pass_began_ = now;
    co_return Pass::complete;
  }
  std::optional<kv::Range> range = core_.ledger.due_range(now, kPage);
  if (!cursor_.empty()) range->from = std::max(range->from, cursor_);
  while (range.has_value()) {
    auto page = co_await core_.ledger.due(std::move(*range));
    if (!page.has_value()) co_return Pass::failed;
    if (std::exchange(at_front, false) && page->strays.empty()) {
      const bool found = !page->entries.empty();
      if (found || !page->rest) {
        core_.ledger.raise_floor(mark, found ? page->entries.front().when : now);
      }
    }
    last_progress_ = core_.home.now();
    Group group;
    for (const DueEntry& entry : page->entries) {
      saw_due_ = true;
      const Instant at = core_.home.now();
      if (core_.window.size() >= core_.values().get(kWindow)) co_return Pass::window_full;
      cursor_ = due_key(entry.when, entry.id, entry.index) + '\0';
      const bool joins = group.id == entry.id && !group.indexes.empty() &&
                         group.indexes.size() < dispatcher_.recipients_most();
      if (!joins && !group.indexes.empty()) {
        if (!co_await start_group(std::exchange(group, {}), Reach::due)) co_return Pass::failed;
      }
      Taken taken = core_.window.take({entry.id, entry.index}, at, at + kWindowTime);
      if (!taken) continue;
      group.id = entry.id;
      group.indexes.push_back(entry.index);
      group.taken.push_back(std::move(taken));
    }
    if (!group.indexes.empty()) {
      if (!co_await start_group(std::move(group), Reach::due)) co_return Pass::failed;
    }
    range = std::move(page->rest);
  }
  if (full) pass_began_ = now;
  co_return Pass::complete;
}

// Rows whose lane was full or closed may go before their time when it has room. Returns how long
// the index was read, without the waiting for placements.
rt::Task<Duration> Scheduler::look_ahead(Time now) {
  Duration reading;
  std::unordered_map<uint32_t, size_t> wants = dispatcher_.wants();
  begin_ahead(wants);
  while (!wants.empty()) {
    kv::Range range = core_.ledger.due_range_ahead(now, kPage);
    range.from = std::max(range.from, ahead_cursor_);
    const Instant began = core_.home.now();
    auto page = co_await core_.ledger.due(std::move(range));
    reading = reading + (core_.home.now() - began);
    if (!page.has_value()) co_return reading;
    for (const DueEntry& entry : page->entries) {
      const auto want = entry.waits_for_lane ? wants.find(entry.lane_hash) : wants.end();
      if (want != wants.end()) {
        const Instant at = core_.home.now();
        if (core_.window.size() >= core_.values().get(kWindow)) co_return reading;
        Taken taken = core_.window.take({entry.id, entry.index}, at, at + kWindowTime);
        if (taken) {
          Group group{.id = entry.id, .indexes = {entry.index}, .taken = {}};
          group.taken.push_back(std::move(taken));
          if (!co_await start_group(std::move(group), Reach::ahead)) co_return reading;
          if (--want->second == 0) {
            ahead_since_.erase(want->first);  // others of it may be behind the cursor
            wants.erase(want);
          }
        }
      }
      ahead_cursor_ = due_key(entry.when, entry.id, entry.index) + '\0';
    }
    last_progress_ = core_.home.now();
    if (!page->rest.has_value()) {
      end_ahead_round();
      co_return reading;
    }
    co_await rt::yield(core_.home);
  }
  co_return reading;
}

// From which round on everything was looked at for each lane.
void Scheduler::begin_ahead(const std::unordered_map<uint32_t, size_t>& wants) {
  std::erase_if(ahead_since_, [&](const auto& entry) { return !wants.contains(entry.first); });
  const uint64_t first = ahead_cursor_.empty() ? ahead_round_ : ahead_round_ + 1;
  for (const auto& [hash, count] : wants) ahead_since_.try_emplace(hash, first);
}

// What was not found in a whole round is not there.
void Scheduler::end_ahead_round() {
  for (auto at = ahead_since_.begin(); at != ahead_since_.end();) {
    if (at->second > ahead_round_) {
      ++at;
      continue;
    }
    dispatcher_.nothing_more(at->first);
    at = ahead_since_.erase(at);
  }
  ++ahead_round_;
  ahead_cursor_.clear();
}

rt::Task<bool> Scheduler::start_group(Group group, Reach reach) {
  while (placements_->active() >= kPlacementsMax) {
    const rt::Woken woken = co_await room_.park(core_.home.in(kBusyRecheck), "a free placement");
    if (woken == rt::Woken::cancelled) co_return false;
    last_progress_ = core_.home.now();
  }
  placements_->spawn("placement of rows", place(std::move(group), reach));
  co_return true;
}

rt::Task<Instant> Scheduler::next_wake(Pass result, Time now) {
  const Instant at = core_.home.now();
  const bool is_busy = result != Pass::complete || saw_due_;
  Instant latest = at + (is_busy ? kBusyRecheck : rt::kIdleRecheck);
  // Lanes that have room for rows that wait for them.
  if (!dispatcher_.wants().empty()) {
    latest = std::min({latest, next_look_ahead_, at + kBusyRecheck});
  }
  if (result != Pass::complete) co_return latest;
  const Ledger::FloorMark mark = core_.ledger.mark_floor();
  // What is being worked on is due already: the next one is behind it.
  kv::Range range =
      saw_due_ ? core_.ledger.due_range_ahead(now, 1) : core_.ledger.due_range(Time::max(), 1);
  auto page = co_await core_.ledger.due(std::move(range));
  if (!page.has_value()) co_return at + kBusyRecheck;
  if (page->entries.empty()) co_return latest;
  const Time first = page->entries.front().when;
  if (page->strays.empty()) {
    if (!saw_due_) core_.ledger.raise_floor(mark, first);
    if (first > now) core_.ledger.raise_floor_ahead(mark, first);
  }
  const Duration wait = first - now;
  // While much is due, several rows are worth a look.
  const Duration least = is_busy ? kBusyPause : kLeastPause;
  co_return std::min(latest, at + std::max(wait, least));
}

// ---- placing rows ----

rt::Task<void> Scheduler::place(Group group, Reach reach) {
  struct Done {
    rt::Parking& room;
    ~Done() { room.wake(); }
  };
  const Done done{room_};
  Charge charge(*this, group.id);
  if (charge.is_poison()) {
    co_await isolate(std::move(group));
    charge.done();
    co_return;
  }
  Placed placed;
  Status got = co_await read_rows(group, placed);
  if (!got.has_value()) {
    give_up(group.taken, got.error(), group.id);
    charge.done();
    co_return;
  }
  for (size_t i = 0; i < placed.rows.size(); ++i) {
    const QueueRow row = placed.rows[i];
    std::optional<RowChange> change = due_change(row, reach);
    if (!change.has_value()) {
      if (!is_to_try(row, reach)) continue;
      std::optional<Route> known = core_.ports.router.peek(row.recipient, placed.facts.envelope);
      if (known.has_value()) {
        place_resting(placed, row, std::move(group.taken[i]), std::move(*known));
        continue;
      }
      std::string name = slow_name_of(row.recipient);
      if (slow_routes_.has_room(name)) {
        placements_->spawn("placement of a row by DNS",
                           place_slowly(slow_routes_.take(std::move(name)), placed.facts, row,
                                        std::move(group.taken[i])));
        continue;
      }
      change.emplace();
      change->index = row.index;
      change->happening.event = QueueEvent::postpone;
      change->happening.reason = QueueReason::routing_busy;
      change->happening.until = core_.now() + kRoutePostponed;
    }
    placed.changes.push_back(std::move(*change));
    placed.taken.push_back(std::move(group.taken[i]));
  }
  co_await finish(std::move(placed));
  charge.done();
}

// A message that is being changed, or a store that does not answer, is tried again soon. What
// cannot be read the auditor repairs or sets aside; until then it is not looked at again.
void Scheduler::give_up(std::vector<Taken>& all, const Error& error, model::QueueId id) {
  if (error.disposition() == Disposition::transient) {
    for (Taken& taken : all) taken.abandon(core_.home.now() + kTryAgain);
    core_.ports.log.info("queue.read_put_off",
                         {{"id", model::to_text(id)}, {"error", error.to_text()}});
    return;
  }
  for (Taken& taken : all) taken.abandon();
  core_.ports.log.warning("queue.message_unreadable",
                          {{"id", model::to_text(id)}, {"error", error.to_text()}});
}

// Working on this message has failed twice without an answer: its rows rest, visibly, and the
// others go on.
rt::Task<void> Scheduler::isolate(Group group) {
  std::vector<RowChange> changes;
  for (const uint32_t index : group.indexes) {
    RowChange change;
    change.index = index;
    change.happening.event = QueueEvent::hold;
    change.happening.reason = QueueReason::internal_error;
    change.happening.until = core_.now() + core_.policy().poison_review;
    change.happening.by = "Posthorn, which failed on it twice";
    changes.push_back(std::move(change));
  }
  core_.ports.log.error("queue.isolated", {{"id", model::to_text(group.id)}});
  stumbles_.erase(group.id);
  auto done =
      co_await clerk_.apply(group.id, std::move(changes), nullptr, core_.home.in(kStoreTime));
  if (!done.has_value()) core_.note_delay();
}

// A row whose next hop must be looked up: apart from its siblings, so that a silent DNS delays no
// other recipient of the message. They may have changed meanwhile, so the row is read anew.
rt::Task<void> Scheduler::place_slowly(SlowRoutes::Place held, MessageFacts facts, QueueRow row,
                                       Taken taken) {
  const SlowRoutes::Place slow = std::move(held);
  Charge charge(*this, row.id);
  auto asking = core_.ports.router.route(core_.home, row.recipient, facts.envelope,
                                         core_.home.in(kRouteTime));
  std::optional<Route> found =
      co_await rt::bounded(core_.home, "a route", std::move(asking), core_.home.in(kRouteHang));
  if (!found.has_value()) {
    core_.ports.log.error("queue.route_failed", {{"id", model::to_text(row.id)}});
    co_return;  // charged
  }
  charge.done();
  Group group{.id = row.id, .indexes = {row.index}, .taken = {}};
  group.taken.push_back(std::move(taken));
  Placed placed;
  const Status got = co_await read_rows(group, placed);
  // What cannot be read is the auditor's. What has changed is let go, so that it is taken again as
  // soon as it is due: perhaps somebody has just asked for an attempt.
  if (!got.has_value() || placed.rows.empty()) {
    for (Taken& left : group.taken) left.abandon();
    co_return;
  }
  if (placed.rows.front() != row) {
    group.taken.clear();
    hint_.wake();
    co_return;
  }
  place_resting(placed, row, std::move(group.taken.front()), std::move(*found));
  co_await finish(std::move(placed));
}

// Gives to lanes what goes there, and writes what changes.
rt::Task<void> Scheduler::finish(Placed placed) {
  offer(placed);
  if (placed.changes.empty()) co_return;
  // What went to lanes from the same message is out of date now; it is looked at again at once.
  if (!placed.lanes.empty()) next_full_pass_ = core_.home.now();
  const rt::Deadline deadline = core_.home.in(kStoreTime);
  const model::QueueId id = placed.facts.id;
  auto applied = co_await clerk_.apply(id, std::move(placed.changes), nullptr, deadline);
  if (!applied.has_value()) {
    core_.note_delay();
    for (Taken& taken : placed.taken) taken.abandon(core_.home.now() + kTryAgain);
    core_.ports.log.warning("queue.change_failed",
                            {{"id", model::to_text(id)}, {"error", applied.error().to_text()}});
  }
  hint_.wake();
}

// Under the guard, so that what is read is not about to change. placed.rows stay beside
// group.taken; a row that cannot be read is left to the auditor.
rt::Task<Status> Scheduler::read_rows(Group& group, Placed& placed) {
  PH_CO_TRY(const MessageGuard guard,
            co_await core_.ledger.guard(group.id, core_.home.in(kStoreTime)));
  placed.watch = core_.ledger.watch(group.id);
  PH_CO_TRY(placed.facts, co_await core_.ledger.message(group.id));
  std::vector<Taken> kept;
  for (size_t i = 0; i < group.indexes.size(); ++i) {
    auto row = co_await core_.ledger.row(group.id, group.indexes[i]);
    if (!row.has_value()) {
      group.taken[i].abandon();
      continue;
    }
    placed.rows.push_back(std::move(*row));
    kept.push_back(std::move(group.taken[i]));
  }
  group.taken = std::move(kept);
  co_return Status{};
}

bool Scheduler::is_to_try(const QueueRow& row, Reach reach) const {
  if (row.state != QueueState::ready && row.state != QueueState::waiting_retry) return false;
  return reach == Reach::ahead || row.clock_at <= core_.now();
}

// What the clocks alone do to a row; nothing if it is not its time or if it is to be tried.
std::optional<RowChange> Scheduler::due_change(const QueueRow& row, Reach reach) {
  const Time now = core_.now();
  if (model::is_end(row.state)) return std::nullopt;
  RowChange change;
  change.index = row.index;
  const bool waits_for_lane =
      row.state == QueueState::held && row.reason == QueueReason::lane_suspended;
  if (reach == Reach::ahead && waits_for_lane && core_.suspension_of(row.lane) == nullptr) {
    change.happening.event = QueueEvent::lane_opened;
    return change;
  }
  // Also when a lane reaches ahead: the row may have been held since the index said that it waits.
  if (row.next_action_at > now) return std::nullopt;
  if (row.state == QueueState::in_flight) return lease_change(row);
  if (row.expires_at <= now) {
    change.happening.event = QueueEvent::expire;
    return change;
  }
  if (model::is_notice_due(row, now)) {
    change.happening.event = QueueEvent::tell_delay;
    return change;
  }
  if (row.clock_at > now) return std::nullopt;
  if (row.state == QueueState::held || row.state == QueueState::scheduled) {
    change.happening.event = QueueEvent::review;
    return change;
  }
  if (row.state == QueueState::reporting) {
    change.happening.event = QueueEvent::report;
    return change;
  }
  return std::nullopt;
}

// The end of a running attempt's lease: its worker may live and need longer, up to the row's
// expiry; else it is lost.
std::optional<RowChange> Scheduler::lease_change(const QueueRow& row) {
  const Time now = core_.now();
  RowChange change;
  change.index = row.index;
  change.lease = row.lease;
  if (row.clock_at > now) {
    if (!model::is_notice_due(row, now)) return std::nullopt;
    change.happening.event = QueueEvent::tell_delay;
    return change;
  }
  const bool is_ours = row.lease.owner == core_.incarnation;
  const bool lives = is_ours && core_.running.lives(row.lease.attempt);
  const bool stolen = is_ours && core_.ports.defect == Defect::stolen_lease;
  if ((lives || stolen) && row.expires_at + model::kAttemptPastExpiry > now) {
    change.happening.event = QueueEvent::renew;
    change.happening.lease = row.lease;
    change.happening.lease.until = now + core_.policy().lease;
    return change;
  }
  const bool over = row.expires_at <= now && !model::has_grace(row);
  change.happening.event = over ? QueueEvent::expire : QueueEvent::lease_ended;
  return change;
}

// A row that is due, with the answer of the router.
void Scheduler::place_resting(Placed& placed, const QueueRow& row, Taken taken, Route route) {
  const Suspension* suspension =
      route.kind == Route::Kind::hop ? core_.suspension_of(route.hop.lane) : nullptr;
  if (suspension != nullptr) {
    RowChange held{.index = row.index, .happening = suspended_by(*suspension)};
    placed.changes.push_back(std::move(held));
    placed.taken.push_back(std::move(taken));
    return;
  }
  if (route.kind == Route::Kind::hop) {
    auto [at, is_new] = placed.lanes.try_emplace(route.hop.lane);
    Item& item = at->second.item;
    if (is_new) {
      at->second.hop = std::move(route.hop);
      item.facts = placed.facts;
      item.content =
          Content(core_.ports.store, placed.facts.blob, placed.facts.envelope.size_bytes);
      item.watch = core_.ledger.watch(placed.facts.id);
    }
    item.rows.push_back(row);
    item.mailboxes.push_back(route.mailbox);
    item.taken.push_back(std::move(taken));
    return;
  }
  RowChange change{.index = row.index, .happening = {}, .attempt = 0};
  change.happening.reason = route.reason;
  switch (route.kind) {
    case Route::Kind::expand:
      change.happening.event = QueueEvent::expand;
      change.members = std::move(route.members);
      break;
    case Route::Kind::failed:
      change.happening.event = QueueEvent::fail_for_good;
      if (!model::kFailReasons.has(route.reason)) {
        change.happening.reason = QueueReason::not_routable;
      }
      break;
    default:
      change.happening.event = QueueEvent::fail_for_now;
      if (!model::kWaitReasons.has(route.reason)) {
        change.happening.reason = QueueReason::internal_error;
      }
      break;
  }
  if (route.kind != Route::Kind::expand) {
    if (route.reply.when == Time{}) route.reply.when = core_.now();
    change.happening.replies.push_back(std::move(route.reply));
  }
  placed.changes.push_back(std::move(change));
  placed.taken.push_back(std::move(taken));
}

// Gives the items to their lanes; what a lane does not take gets a later time.
void Scheduler::offer(Placed& placed) {
  for (auto& [name, to] : placed.lanes) {
    if (dispatcher_.offer(to.hop, to.item) == Dispatcher::Offer::taken) continue;
    const QueueHappening happening = dispatcher_.full(name);
    for (const QueueRow& row : to.item.rows) {
      placed.changes.push_back({.index = row.index, .happening = happening, .attempt = 0});
    }
    for (Taken& taken : to.item.taken) placed.taken.push_back(std::move(taken));
  }
}

// ---- settings ----

// A new schedule or expiry acts on rows that wait already.
rt::Task<void> Scheduler::follow_policy() {
  const Time now = core_.now();
  std::string mark = policy_mark(core_.policy());
  co_await clerk_.follow_all(
      [this, now](const QueueRow& row) { return model::follow_policy(row, now, core_.policy()); });
  hint_.wake();
  co_await remember_policy(std::move(mark));
}

// The settings may have changed while no server ran, or their defaults with the program: the table
// remembers which policy its rows follow.
rt::Task<void> Scheduler::follow_policy_of_last_start() {
  const std::string mark = policy_mark(core_.policy());
  auto known = co_await core_.ledger.partition().get(std::string(kPolicyKey));
  if (!known.has_value()) co_return;
  if (!known->has_value()) {
    co_await remember_policy(mark);
  } else if (**known != mark) {
    co_await follow_policy();
  }
}

rt::Task<void> Scheduler::remember_policy(std::string mark) {
  Proof proof{std::string(kPolicyKey), mark};
  core_.ledger.batch(Ledger::Way::changes).put(std::string(kPolicyKey), std::move(mark));
  const Status done = co_await core_.ledger.commit(Ledger::Way::changes, std::move(proof),
                                                   core_.home.in(kStoreTime));
  if (!done.has_value()) core_.note_delay();  // the next start does it again
}

// The wall clock went forwards by itself: nothing has become older by that. Before anything is
// looked at that this could make expire. (Steps backwards are the auditor's: rows from the future.)
rt::Task<void> Scheduler::follow_clock(Duration step) {
  pass_began_ = {};  // by the old clock
  core_.ledger.forget_floors();
  core_.ports.log.warning("queue.clock_step", {{"seconds", step.s()}});
  if (step < Duration{}) co_return;
  const Time now = core_.now();
  const Time before = now - step;
  co_await clerk_.follow_all([this, before, now](const QueueRow& row) {
    return model::follow_clock(row, before, now, core_.policy());
  });
}

}  // namespace ph::queue
