// Problem: thousands of next hops, most of them dead at any time, share a few connections, and a
// fault in one may not keep another waiting, nor may anything here be the only one to know of a
// message. Idea: lanes hold copies for a bounded time only. What a lane cannot take now is given
// back to the table with a later time; what a lost worker held is found again by the clock. So
// every function here may be killed at any suspension, and the table still moves on.
//
// This file: lanes, what they are offered, who gets a connection. health.cc: what attempts tell of
// a hop. upkeep.cc: the clock.
#include "service/queue/detail/dispatcher.h"

#include <algorithm>
#include <cmath>

#include "service/queue/detail/courier.h"

namespace ph::queue {

using model::QueueEvent;
using model::QueueHappening;
using model::QueueReason;

namespace {

constexpr size_t kBatchMax = 8;  // messages begun at once by one worker
constexpr size_t kServedAtOnce = 16;
constexpr size_t kSlowRows = 20;
constexpr double kSecondsAhead = 30;
constexpr double kLongSeconds = 5;  // a message
constexpr double kRateGuessed = 20;
constexpr Duration kOpening = Duration::seconds(30);
constexpr Duration kTurn = Duration::seconds(10);
constexpr Duration kPromise = Duration::seconds(5);
constexpr Duration kProbePause = Duration::milliseconds(800);
constexpr Duration kRouteKept = Duration::seconds(1);
constexpr Duration kRoomMax = Duration::minutes(15);
constexpr Duration kSlotMax = Duration::hours(1);

size_t share_of(uint64_t n, uint64_t loops) { return static_cast<size_t>((n + loops - 1) / loops); }

}  // namespace

Dispatcher::Dispatcher(Core& core, Clerk& clerk)
    : core_(core),
      random_(core.incarnation ^ core.ledger.shard()),
      results_(core, clerk),
      news_(core.home),
      upkeep_(core.home, "upkeep of the lanes") {}

Dispatcher::~Dispatcher() {
  for (const auto& [name, lane] : lanes_) lane->workers.clear();
}

// ---- lanes ----

Lane* Dispatcher::find(const std::string& name) {
  const auto at = lanes_.find(name);
  return at == lanes_.end() ? nullptr : at->second.get();
}

Lane& Dispatcher::lane_for(const NextHop& hop) {
  const Instant now = core_.home.now();
  auto& place = lanes_[hop.lane];
  if (place == nullptr) {
    place = std::make_unique<Lane>(hop.lane, ++numbers_);
    place->kind = hop.kind;
    place->measured_at = now;
    if (const auto known = kept_.find(hop.lane); known != kept_.end()) {
      place->breaker = std::move(known->second);
      kept_.erase(known);
    }
    attend(*place, now + Duration::seconds(1));
  }
  Lane& lane = *place;
  if (lane.hop == nullptr || lane.hop_since + kRouteKept <= now) {
    lane.hop = std::make_shared<const NextHop>(hop);
    lane.hop_since = now;
  }
  lane.last_used = now;
  follow_rules(lane);
  return lane;
}

void Dispatcher::follow_rules(Lane& lane) {
  const config::Values& values = core_.values();
  if (lane.rules_epoch == values.epoch()) return;
  if (limits_epoch_ != values.epoch()) {
    limits_ = lane_limits_of(values);
    limits_epoch_ = values.epoch();
  }
  lane.rules_epoch = values.epoch();
  const auto at = limits_.find(lane.name);
  const LaneLimits own = at == limits_.end() ? LaneLimits() : at->second;
  const uint64_t loops = core_.ports.runtime.loops().size();
  const bool is_mailbox = lane.kind == HopKind::mailbox;
  const uint64_t connections = values.get(is_mailbox ? kMailboxWorkers : kLaneConnections);
  lane.rules.connections = share_of(own.connections.value_or(connections), loops);
  lane.rules.start = share_of(values.get(kLaneStart), loops);
  lane.rules.messages = own.messages.value_or(values.get(kMessagesPerConnection));
  lane.rules.recipients = own.recipients.value_or(values.get(kRecipientsPerAttempt));
  const uint64_t rate = own.rate.value_or(is_mailbox ? 0 : values.get(kLaneRate));
  const double before = lane.rules.per_second;
  lane.rules.per_second = static_cast<double>(rate) / 60 / static_cast<double>(loops);
  lane.room_at = {};  // by other rules
  if (before == 0 || (rate > 0 && lane.rules.per_second <= before)) return;
  // The moments that were given to its rows are those of the slower rate.
  set_more(lane);
  core_.hint_work();
}

size_t Dispatcher::recipients_most() {
  const config::Values& values = core_.values();
  if (limits_epoch_ != values.epoch()) {
    limits_ = lane_limits_of(values);
    limits_epoch_ = values.epoch();
  }
  uint64_t most = values.get(kRecipientsPerAttempt);
  for (const auto& [name, limits] : limits_) most = std::max(most, limits.recipients.value_or(0));
  return static_cast<size_t>(most);
}

// Rows that the lane may hold in memory: what leaves it soon, and its part of the window.
size_t Dispatcher::queue_cap(const Lane& lane) const {
  const size_t window = core_.values().get(kWindow);
  const size_t part = window * 3 / 4 / std::max<size_t>(active_.size(), 1);
  size_t cap = std::min(window / 10, part);
  if (lane.rules.per_second > 0) {
    cap = std::min(cap, static_cast<size_t>(std::ceil(lane.rules.per_second * kSecondsAhead)));
  } else if (lane.is_measured()) {
    cap = std::min(cap, std::max(kSlowRows, static_cast<size_t>(lane.rate * kSecondsAhead)));
  }
  return std::max<size_t>(cap, 1);
}

void Dispatcher::note_work(Lane& lane) {
  if (lane.has_work() || !lane.workers.empty()) {
    active_.emplace(lane.number, &lane);
  } else {
    active_.erase(lane.number);
  }
}

// ---- rows that are due ----

Dispatcher::Offer Dispatcher::offer(const NextHop& hop, Item& item) {
  Lane& lane = lane_for(hop);
  learn_from(lane, item);
  if (const Suspension* suspension = core_.suspension_of(lane.name)) {
    results_.hand_back(std::move(item), suspended_by(*suspension));
    return Offer::taken;
  }
  if (is_tight() && (lane.breaker.rests || is_slow(lane))) {
    note_full(lane);
    return Offer::full;
  }
  item.queued_at = core_.home.now();
  FairQueue::Pushed pushed = lane.queue.push(item, queue_cap(lane));
  for (Item& displaced : pushed.displaced) {
    results_.hand_back(std::move(displaced), full(lane.name));
  }
  if (!pushed.taken || !pushed.displaced.empty()) note_full(lane);
  if (!pushed.taken) return Offer::full;
  note_work(lane);
  attend(lane, core_.home.now() + Duration::seconds(1));
  wake(lane);
  return Offer::taken;
}

// Rows go back to the table. They may go earlier than they are told, but for those that a rate gave
// their moments.
void Dispatcher::note_full(Lane& lane) {
  if (lane.rules.per_second == 0) set_more(lane);
}

// What is left of the window is for lanes that move.
bool Dispatcher::is_tight() const {
  return core_.window.size() > core_.values().get(kWindow) / 4 * 3;
}

// One more row would wait in it for long.
bool Dispatcher::is_slow(Lane& lane) const {
  const bool has_free = lane.idle_worker() != nullptr ||
                        lane.live_workers(core_.home.now()) < lane.connections_allowed();
  if (has_free && lane.queue.empty()) return false;
  return lane.is_measured() ? lane.rate < 1 : !lane.queue.empty();
}

QueueHappening Dispatcher::full(const std::string& name) {
  const Time now = core_.now();
  QueueHappening h{.event = QueueEvent::postpone, .reason = QueueReason::lane_busy, .lane = name};
  h.until = now + Duration::seconds(1);
  Lane* lane = find(name);
  if (lane == nullptr) return h;
  // One connection at a time probes it, and may take minutes to be told nothing. What it cannot
  // speak for shares what is known and waits for its schedule, not for the probe; when the lane
  // opens all of them go.
  if (lane->breaker.rests) return closed_by(lane->breaker, name);
  const bool is_limited = lane->rules.per_second > 0;
  const double learnt = lane->is_measured() ? std::max(lane->rate, 1.0) : kRateGuessed;
  const double rate = is_limited ? lane->rules.per_second : learnt;
  const auto pause = Duration::microseconds(static_cast<int64_t>(std::min(1 / rate, 1e6) * 1e6));
  // A limited lane's rows get the moments at which they may go, one behind the other.
  const auto waiting = static_cast<int64_t>(lane->queue.size() + lane->granted.size());
  const Duration least = is_limited ? pause * std::max<int64_t>(waiting, 1) : Duration::seconds(1);
  if (is_limited) h.reason = QueueReason::rate_limited;
  lane->room_at = std::max(lane->room_at, now + least) + pause;
  const Duration most = is_limited ? kSlotMax : kRoomMax;
  if (lane->room_at > now + most) {
    lane->room_at = now + most;
    h.until = now + random_.between(most / 2, most);
  } else {
    h.until = lane->room_at;
  }
  return h;
}

// ---- attempts that begin with their message ----

bool Dispatcher::may_grant(const NextHop& hop) {
  if (!core_.accepting_work) return false;
  Lane& lane = lane_for(hop);
  const Instant now = core_.home.now();
  if (lane.breaker.failures > 0 || lane.breaker.rests || !lane.queue.empty()) return false;
  while (!lane.promised.empty() && lane.promised.front() <= now) lane.promised.pop_front();
  if (lane.granted.size() + lane.promised.size() >= lane.connections_allowed() * 2) return false;
  if (!lane.bucket.take(lane.rules.per_second, now)) return false;
  lane.promised.push_back(now + kPromise);
  return true;
}

std::optional<QueueHappening> Dispatcher::closed_to(const NextHop& hop) {
  const Lane* lane = find(hop.lane);
  const Breaker* breaker = lane == nullptr ? nullptr : &lane->breaker;
  if (lane == nullptr) {
    const auto known = kept_.find(hop.lane);
    if (known != kept_.end()) breaker = &known->second;
  }
  if (breaker == nullptr || !breaker->is_closed(core_.home.now())) return std::nullopt;
  return closed_by(*breaker, hop.lane);
}

QueueHappening Dispatcher::begin_of(const NextHop& hop, uint64_t attempt) {
  QueueHappening h{.event = QueueEvent::begin, .lane = hop.lane};
  h.lease.owner = core_.incarnation;
  h.lease.attempt = attempt;
  h.lease.until = core_.now() + core_.policy().lease;
  h.lease.repeat = hop.kind == HopKind::mailbox ? model::Lease::Repeat::harmless
                                                : model::Lease::Repeat::may_duplicate;
  return h;
}

void Dispatcher::grant(const NextHop& hop, Item item) {
  core_.figures.attempts.add();
  Lane& lane = lane_for(hop);
  if (!lane.promised.empty()) lane.promised.pop_front();
  if (core_.suspension_of(lane.name) != nullptr) {
    results_.hand_back(std::move(item),
                       {.event = QueueEvent::give_back, .reason = QueueReason::lane_busy});
    return;
  }
  item.queued_at = core_.home.now();
  item.taken.clear();  // its state keeps it from being taken again
  pass_on(lane, std::move(item));
}

// ---- who gets a connection ----

bool Dispatcher::wake(Lane& lane) {
  if (!core_.accepting_work || core_.suspension_of(lane.name) != nullptr) return false;
  if (!lane.has_work()) return false;
  const Instant now = core_.home.now();
  follow_rules(lane);
  if (lane.granted.empty()) {
    const Instant when = lane.bucket.next(lane.rules.per_second, now);
    if (when > now) {
      attend(lane, when);
      return false;
    }
  }
  if (Worker* worker = lane.idle_worker()) {
    rt::Parking* parking = worker->idle;
    busy_again(*worker);
    parking->wake();
    return true;
  }
  if (!lane.breaker.rests) {
    if (lane.live_workers(now) >= lane.connections_allowed()) return false;
  } else if (!lane.probe_asked) {
    if (lane.live_probes(now) > 0) return false;
    if (lane.probed_at != Instant{} && now < lane.probed_at + kProbePause) {
      attend(lane, lane.probed_at + kProbePause);
      return false;
    }
  }
  return start_worker(lane);
}

void Dispatcher::wake_all(Lane& lane) {
  size_t most = lane.queue.size() + lane.granted.size();
  while (most > 0 && wake(lane)) --most;
}

bool Dispatcher::start_worker(Lane& lane) {
  const Instant now = core_.home.now();
  Places::Kind kind = lane.breaker.rests ? Places::Kind::probe : Places::Kind::network;
  if (lane.kind == HopKind::mailbox) kind = Places::Kind::mailbox;
  if (!has_place(lane, kind)) {
    if (lane.live_workers(now) == 0) stand_in_line(lane);
    return false;
  }
  leave_line(lane);
  Worker& worker = lane.workers.emplace_back();
  worker.place = places_.take(kind);
  worker.began = now;
  worker.lease_until = now + kOpening;
  worker.is_probe = lane.breaker.rests;
  if (lane.breaker.rests) {
    lane.probed_at = now;
    lane.probe_asked = false;
  }
  note_work(lane);
  worker.scope = std::make_unique<rt::Scope>(core_.home, "lane " + lane.name);
  worker.scope->spawn("connection of " + lane.name,
                      Courier::serve(core_, *this, results_, lane, worker));
  return true;
}

// The last tenth of the connections is for lanes that have none and are not known to hold one for
// long; probes get half of all.
bool Dispatcher::has_place(const Lane& lane, Places::Kind kind) const {
  if (kind == Places::Kind::mailbox) return true;
  const size_t cap = core_.share(kConnections);
  const size_t taken = places_.connections();
  if (taken >= cap) return false;
  if (kind == Places::Kind::probe && places_.taken(kind) >= std::max<size_t>(cap / 2, 1)) {
    return false;
  }
  const bool is_first = lane.live_workers(core_.home.now()) == 0;
  const bool is_quick = lane.seconds_each < kLongSeconds;
  return (is_first && is_quick) || taken + cap / 10 < cap;
}

size_t Dispatcher::share_of_places() const {
  return std::max<size_t>(core_.share(kConnections) / std::max<size_t>(active_.size(), 1), 1);
}

void Dispatcher::stand_in_line(Lane& lane) {
  if (!lane.in_line.has_value()) lane.in_line = line_.insert(line_.end(), &lane);
  if (idle_.empty()) return;
  Worker& longest = *idle_.front();
  rt::Parking* parking = longest.idle;
  longest.is_unwanted = true;
  busy_again(longest);
  parking->wake();
}

void Dispatcher::leave_line(Lane& lane) {
  if (!lane.in_line.has_value()) return;
  line_.erase(*lane.in_line);
  lane.in_line.reset();
}

void Dispatcher::give_places() {
  size_t most = std::min(line_.size(), kServedAtOnce);
  for (; most > 0 && !line_.empty(); --most) {
    if (places_.connections() >= core_.share(kConnections)) return;
    Lane& lane = *line_.front();
    leave_line(lane);
    wake(lane);  // it may stand at the end again
  }
}

// ---- what workers ask ----

bool Dispatcher::may_go_on(const Lane& lane, const Worker& worker) const {
  if (!core_.accepting_work || worker.is_unwanted) return false;
  if (core_.suspension_of(lane.name) != nullptr) return false;
  if (lane.breaker.rests) return worker.is_probe;
  const size_t staying = lane.staying_workers(core_.home.now());
  if (staying > lane.connections_allowed()) return false;
  const bool is_asked = !line_.empty() && lane.kind != HopKind::mailbox;
  if (!is_asked) return true;
  if (staying > share_of_places()) return false;
  // With more lanes than connections, they take turns.
  const bool is_scarce = core_.share(kConnections) < active_.size();
  return !is_scarce || core_.home.now() < worker.began + kTurn;
}

// As many at once as one connection does in about a second, so that what is urgent waits for no
// long batch.
Dispatcher::Work Dispatcher::take(Lane& lane, size_t most) {
  Work work;
  const Instant now = core_.home.now();
  follow_rules(lane);
  const size_t waiting = lane.granted.empty() ? lane.queue.size() : lane.granted.size();
  const size_t fair = waiting / std::max<size_t>(lane.connections_allowed(), 1);
  size_t quick = 1;
  if (lane.seconds_each > 0) quick = static_cast<size_t>(std::min(1 / lane.seconds_each, 1e3));
  size_t count = std::clamp<size_t>(std::min(fair, quick), 1, kBatchMax);
  count = lane.breaker.rests ? 1 : std::min({count, most, waiting});
  for (; work.begun.size() < count && !lane.granted.empty(); lane.granted.pop_front()) {
    work.begun.push_back(std::move(lane.granted.front()));
  }
  while (work.begun.empty() && work.waiting.size() < count && !lane.queue.empty()) {
    if (lane.bucket.next(lane.rules.per_second, now) > now) break;
    Item item = std::move(*lane.queue.pop(lane.classes_allowed(now)));
    // What was lost before is tried alone, so that only it is charged if it happens again.
    const bool alone = !item.rows.empty() && item.rows.front().lost > 0;
    if (alone && !work.waiting.empty()) {
      lane.queue.put_back(std::move(item));
      break;
    }
    lane.bucket.take(lane.rules.per_second, now);
    work.waiting.push_back(std::move(item));
    if (alone) break;
  }
  if (lane.may_have_more && lane.queue.rows() < queue_cap(lane) / 2) core_.hint_work();
  note_work(lane);
  return work;
}

void Dispatcher::put_back(Lane& lane, Item item) {
  lane.queue.put_back(std::move(item));
  note_work(lane);
}

void Dispatcher::pass_on(Lane& lane, Item begun) {
  lane.granted.push_back(std::move(begun));
  note_work(lane);
  attend(lane, core_.home.now() + Duration::seconds(1));
  wake(lane);
}

void Dispatcher::idle(Worker& worker, rt::Parking& parking) {
  worker.idle = &parking;
  if (worker.place.kind() != Places::Kind::mailbox) idle_.push_back(&worker);
}

void Dispatcher::busy_again(Worker& worker) {
  if (worker.idle == nullptr) return;
  worker.idle = nullptr;
  std::erase(idle_, &worker);
}

void Dispatcher::ended(Lane& lane, Worker& worker) {
  if (core_.ports.defect == Defect::leaked_slot) worker.place.leak();
  worker.done = true;
  worker.place.release();
  give_places();
  attend(lane, core_.home.now());
}

}  // namespace ph::queue
