// The clock of the lanes: what hangs is ended, what waits is woken, what is empty is forgotten; and
// what they look like to people and to the auditor.
#include <algorithm>
#include <utility>

#include "service/queue/detail/dispatcher.h"

namespace ph::queue {

using model::QueueEvent;
using model::QueueHappening;
using model::QueueReason;

namespace {

constexpr Duration kLookAgain = Duration::seconds(1);
constexpr Duration kLeastPause = Duration::milliseconds(10);
constexpr Duration kQueuedMax = Duration::seconds(60);
constexpr Duration kLaneMemory = Duration::minutes(10);
constexpr Duration kTidyEvery = Duration::minutes(10);
constexpr Duration kBreakerKept = Duration::hours(26);
constexpr size_t kBreakersMax = 50'000;
// By the auditor: a lease that ended so long ago should have been noticed, and none is so long.
constexpr Duration kLeaseTolerance = Duration::seconds(30);
constexpr Duration kLeaseMost = Duration::minutes(20);  // beyond that of an attempt

}  // namespace

void Dispatcher::start() {
  started_ = core_.home.now();
  if (upkeep_.active() == 0) upkeep_.spawn("upkeep of the lanes", upkeep());
}

rt::Task<void> Dispatcher::upkeep() {
  while (core_.accepting_work) {
    tend();
    const Instant now = core_.home.now();
    sleeps_until_ = now + rt::kIdleRecheck;
    if (!agenda_.empty()) sleeps_until_ = std::min(sleeps_until_, agenda_.begin()->first.first);
    const rt::Woken woken =
        co_await news_.park(rt::Deadline::at(sleeps_until_), "a lane that needs something");
    if (woken == rt::Woken::cancelled) break;
  }
}

// The lane is looked at by then; earlier calls stand.
void Dispatcher::attend(Lane& lane, Instant when) {
  if (lane.agenda_at.has_value()) {
    if (*lane.agenda_at <= when) return;
    agenda_.erase({*lane.agenda_at, lane.number});
  }
  lane.agenda_at = when;
  agenda_.emplace(std::pair(when, lane.number), &lane);
  if (when < sleeps_until_) news_.wake();
}

void Dispatcher::lease_changed(Lane& lane, const Worker& worker) {
  attend(lane, worker.lease_until + Duration::microseconds(1));
}

Instant Dispatcher::attention_of(Lane& lane) {
  const Instant now = core_.home.now();
  Instant at = Instant::max();
  for (const Worker& worker : lane.workers) {
    at = std::min(at, worker.done ? now : worker.lease_until + Duration::microseconds(1));
  }
  const bool is_busy = lane.has_work() || lane.ended > 0 || lane.rate > 0;
  if (is_busy) at = std::min(at, now + kLookAgain);
  if (!lane.queue.empty() && lane.rules.per_second > 0) {
    at = std::min(at, lane.bucket.next(lane.rules.per_second, now));
  }
  if (at == Instant::max()) at = lane.last_used + kLaneMemory;
  return std::max(at, now + kLeastPause);  // whatever is wrong with it, there is a pause
}

void Dispatcher::tend() {
  const Instant now = core_.home.now();
  // Also lanes that expect nothing for long have new rules at once.
  const uint64_t epoch = core_.values().epoch();
  if (std::exchange(tended_epoch_, epoch) != epoch) {
    for (const auto& [name, lane] : lanes_) attend(*lane, now);
  }
  while (!agenda_.empty() && agenda_.begin()->first.first <= now) {
    Lane& lane = *agenda_.begin()->second;
    agenda_.erase(agenda_.begin());
    lane.agenda_at.reset();
    tend_lane(lane);
  }
  give_places();
  if (now >= next_tidy_) tidy_kept();
}

void Dispatcher::tend_lane(Lane& lane) {
  const Instant now = core_.home.now();
  follow_rules(lane);
  end_lost_workers(lane);
  std::erase_if(lane.workers, [](const Worker& w) { return w.done; });
  lane.measure(now);
  const QueueHappening undone{.event = QueueEvent::give_back, .reason = QueueReason::lane_busy};
  if (lane.queue.oldest() + kQueuedMax <= now) {
    for (Item& item : lane.queue.take_until(now - kQueuedMax)) {
      results_.hand_back(std::move(item), full(lane.name));
    }
    note_full(lane);
  }
  while (!lane.granted.empty() && lane.granted.front().queued_at + kQueuedMax < now) {
    Item item = std::move(lane.granted.front());
    lane.granted.pop_front();
    results_.hand_back(std::move(item), undone);
  }
  note_work(lane);
  if (lane.has_work()) wake_all(lane);
  if (!lane.has_work() && lane.workers.empty()) lane.hop.reset();
  if (forget(lane)) return;
  attend(lane, attention_of(lane));
}

void Dispatcher::end_lost_workers(Lane& lane) {
  const Instant now = core_.home.now();
  for (Worker& worker : lane.workers) {
    // One that ended without a word is as lost as one whose lease has run out.
    if (worker.done || (worker.is_running() && worker.lease_until >= now)) continue;
    core_.ports.log.error("queue.worker_lost", {{"lane", lane.name}});
    core_.figures.lost_workers.add();
    worker.scope.reset();  // frees what it held; its attempts end with their leases
    worker.done = true;
    worker.place.release();
    if (!worker.carrying.has_value()) continue;  // it waited for us, not for the hop
    CarryResult silence;
    silence.lane_fault = QueueReason::timed_out;
    silence.fault = {.when = core_.now(), .text = "no answer at all"};
    note_failure(lane, silence, worker.attempt_began);
  }
}

// Whether it was forgotten. What is known of its health is kept apart, in less room.
bool Dispatcher::forget(Lane& lane) {
  const Instant now = core_.home.now();
  if (lane.has_work() || !lane.workers.empty() || now < lane.last_used + kLaneMemory) return false;
  if (lane.breaker.rests && kept_.size() < kBreakersMax) {
    kept_.insert_or_assign(lane.name, std::move(lane.breaker));
  }
  clear_more(lane);
  leave_line(lane);
  active_.erase(lane.number);
  if (lane.agenda_at.has_value()) agenda_.erase({*lane.agenda_at, lane.number});
  const std::string name = lane.name;
  lanes_.erase(name);
  return true;
}

void Dispatcher::tidy_kept() {
  const Instant now = core_.home.now();
  next_tidy_ = now + kTidyEvery;
  std::erase_if(
      kept_, [now](const auto& entry) { return entry.second.closed_until + kBreakerKept < now; });
}

// ---- the end ----

size_t Dispatcher::workers() const {
  size_t n = 0;
  for (const auto& [name, lane] : lanes_) {
    n += static_cast<size_t>(
        std::ranges::count_if(lane->workers, [](const Worker& w) { return w.is_running(); }));
  }
  return n;
}

bool Dispatcher::drained() {
  news_.wake();
  for (const auto& [name, lane] : lanes_) {
    (void)lane->queue.take_until(Instant::max());  // not begun: they simply stay in the table
    for (Item& item : lane->granted) {
      results_.hand_back(std::move(item),
                         {.event = QueueEvent::give_back, .reason = QueueReason::stopping});
    }
    lane->granted.clear();
    while (Worker* worker = lane->idle_worker()) {
      rt::Parking* parking = worker->idle;
      busy_again(*worker);
      parking->wake();
    }
  }
  return workers() == 0 && results_.active() == 0 && upkeep_.active() == 0;
}

void Dispatcher::cancel_workers() {
  for (const auto& [name, lane] : lanes_) {
    for (Worker& worker : lane->workers) {
      if (worker.scope != nullptr) worker.scope->cancel();
    }
  }
}

bool Dispatcher::kill_worker(uint64_t pick) {
  const size_t living = workers();
  if (living == 0) return false;
  size_t place = pick % living;
  for (const auto& [name, lane] : lanes_) {
    for (Worker& worker : lane->workers) {
      if (!worker.is_running() || place-- > 0) continue;
      worker.scope.reset();
      return true;
    }
  }
  return false;
}

// ---- for people ----

LaneView Dispatcher::view_of(const Lane& lane) const {
  const Instant now = core_.home.now();
  const Breaker& breaker = lane.breaker;
  LaneView view;
  view.lane = lane.name;
  view.waiting = lane.queue.rows();
  for (const Item& item : lane.granted) view.waiting += item.rows.size();
  view.connections = lane.live_workers(now);
  view.connections_allowed = breaker.rests ? 1 : lane.connections_allowed();
  view.rate = lane.rate;
  view.failures = breaker.failures;
  if (breaker.failures > 0 || breaker.rests) view.fault = breaker.words;
  if (breaker.rests) {
    view.health = lane.live_probes(now) > 0 ? LaneHealth::probing : LaneHealth::resting;
    view.next_action_at = core_.now();
    if (breaker.is_closed(now)) {
      view.next_action_at = view.next_action_at + (breaker.closed_until - now);
    }
  } else if (breaker.failures > 0) {
    view.health = LaneHealth::failing;
  }
  return view;
}

std::vector<LaneView> Dispatcher::view() const {
  std::vector<LaneView> out;
  for (const auto& [name, lane] : lanes_) out.push_back(view_of(*lane));
  for (const auto& [name, breaker] : kept_) {
    Lane lane(name, 0);
    lane.breaker = breaker;
    out.push_back(view_of(lane));
    out.back().connections_allowed = 1;
  }
  for (const auto& [name, suspension] : core_.suspensions) {
    if (core_.suspension_of(name) == nullptr) continue;
    auto at = std::ranges::find(out, name, &LaneView::lane);
    if (at == out.end()) {
      at = out.insert(out.end(), LaneView());
      at->lane = name;
    }
    at->health = LaneHealth::suspended;
    at->suspension = suspension;
    at->next_action_at = suspension.until;
  }
  std::ranges::sort(out, {}, &LaneView::lane);
  return out;
}

// ---- for the auditor ----

SlotFindings Dispatcher::audit() {
  SlotFindings findings;
  std::vector<Lane*> lanes;
  for (const auto& [name, lane] : lanes_) lanes.push_back(lane.get());
  for (Lane* lane : lanes) findings.leaked += audit_lane(*lane);
  findings.leaked += audit_places();
  if (findings.leaked > 0) {
    core_.ports.log.error("queue.slots_leaked", {{"places", findings.leaked}});
    give_places();
    for (Lane* lane : lanes) attend(*lane, core_.home.now());
  }
  return findings;
}

uint64_t Dispatcher::audit_lane(Lane& lane) {
  const Instant now = core_.home.now();
  const Instant latest = now + core_.policy().lease + kLeaseMost;
  uint64_t leaked = 0;
  for (Worker& worker : lane.workers) {
    if (worker.done) continue;
    // What was killed is freed by its lease: only a lease that nobody ends is a defect.
    const bool is_endless = !worker.is_running() && worker.lease_until > latest;
    if (!is_endless && worker.lease_until + kLeaseTolerance >= now) continue;
    ++leaked;
    worker.scope.reset();
    worker.done = true;
    worker.place.release();
  }
  const bool may_work = core_.accepting_work && core_.suspension_of(lane.name) == nullptr;
  const bool waits = lane.has_work() && lane.live_workers(now) == 0 && !lane.in_line.has_value();
  const bool is_late = lane.queue.oldest() < now - kQueuedMax - kLeaseTolerance;
  if (may_work && waits && is_late && lane.rules.per_second == 0) ++leaked;
  if (!lane.agenda_at.has_value()) attend(lane, now);
  return leaked;
}

// The counts, from the leases.
uint64_t Dispatcher::audit_places() {
  std::array<size_t, Places::kKinds> held{};
  for (const auto& [name, lane] : lanes_) {
    for (const Worker& worker : lane->workers) {
      if (worker.place.is_held()) ++held[static_cast<size_t>(worker.place.kind())];
    }
  }
  uint64_t leaked = 0;
  for (size_t i = 0; i < Places::kKinds; ++i) {
    const auto kind = static_cast<Places::Kind>(i);
    const size_t counted = places_.taken(kind);
    if (counted == held[i]) continue;
    leaked += counted > held[i] ? counted - held[i] : held[i] - counted;
    places_.correct(kind, held[i]);
  }
  return leaked;
}

}  // namespace ph::queue
