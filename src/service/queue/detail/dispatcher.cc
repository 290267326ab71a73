// Problem: thousands of next hops, most of them dead at any time, share a few connections, and a
// fault in one may not keep another waiting, nor may anything here be the only one to know of a
// message. Idea: lanes hold copies for a bounded time only. What a lane cannot take now is given
// back to the table with a later time; what a lost worker held is found again by the clock. So
// every function here may be killed at any suspension, and the table still moves on.
#include "service/queue/detail/dispatcher.h"

#include <algorithm>

#include "base/check.h"

namespace ph::queue {
namespace {

using model::QueueEvent;
using model::QueueHappening;
using model::QueueReason;
using model::QueueRow;
using model::QueueState;

constexpr size_t kBatchMax = 8;      // messages begun at once by one worker
constexpr size_t kRecordsMax = 512;  // results on their way into the ledger
constexpr Duration kHangGrace = Duration::seconds(5);
constexpr Duration kGuardTime = Duration::seconds(5);
constexpr Duration kGoodbye = Duration::seconds(5);
constexpr Duration kLaneMemory = Duration::minutes(10);
constexpr Duration kRecordTime = Duration::minutes(10);
constexpr double kRateFloor = 20;

QueueHappening happening_of(const RecipientOutcome& outcome) {
  QueueHappening h;
  h.reason = outcome.reason;
  h.replies.push_back(outcome.reply);
  switch (outcome.verdict) {
    case CarryVerdict::delivered: h.event = QueueEvent::deliver; break;
    case CarryVerdict::relayed: h.event = QueueEvent::relay; break;
    case CarryVerdict::permanent:
      h.event = QueueEvent::fail_for_good;
      if (!model::kFailReasons.has(h.reason)) h.reason = QueueReason::peer_5xx;
      break;
    case CarryVerdict::transient:
    case CarryVerdict::not_tried:
      h.event = QueueEvent::fail_for_now;
      if (!model::kWaitReasons.has(h.reason)) h.reason = QueueReason::internal_error;
      break;
  }
  return h;
}

// For recipients about which nothing was said.
QueueHappening silence_of(const CarryResult& result) {
  QueueHappening h{.event = QueueEvent::fail_for_now,
                   .reason = result.lane_fault.value_or(QueueReason::internal_error)};
  if (!model::kWaitReasons.has(h.reason)) h.reason = QueueReason::peer_4xx;
  h.replies.push_back(result.fault);
  return h;
}

}  // namespace

Dispatcher::Dispatcher(Core& core, Clerk& clerk)
    : core_(core),
      clerk_(clerk),
      random_(core.incarnation ^ core.ledger.shard()),
      records_(core.home, "results into the queue") {}

Dispatcher::~Dispatcher() = default;

// ---- lanes ----

Lane& Dispatcher::lane_for(const NextHop& hop) {
  auto& lane = lanes_[hop.lane];
  if (lane == nullptr) lane = std::make_unique<Lane>(hop.lane);
  lane->hop = std::make_shared<const NextHop>(hop);
  lane->last_used = core_.home.now();
  return *lane;
}

const Lane* Dispatcher::find(const std::string& lane) const {
  const auto at = lanes_.find(lane);
  return at == lanes_.end() ? nullptr : at->second.get();
}

size_t Dispatcher::queue_cap() const {
  return std::max<size_t>(core_.values().get(kWindow) / 10, 10);
}

size_t Dispatcher::worker_cap(const Lane& lane) const {
  if (lane.was_closed) return 1;  // a probe
  if (lane.hop->kind == HopKind::mailbox) return core_.share(kMailboxWorkers);
  return core_.share(kLaneConnections);
}

bool Dispatcher::is_closed(const Lane& lane) const {
  return lane.was_closed && core_.home.now() < lane.closed_until;
}

Dispatcher::Offer Dispatcher::offer(const NextHop& hop, Item& item) {
  Lane& lane = lane_for(hop);
  if (is_closed(lane)) return Offer::closed;
  // While a lane is probed, one message decides; the others would only pile up behind it.
  const size_t cap = lane.was_closed ? 1 : queue_cap();
  if (lane.queue.size() >= cap) {
    lane.may_have_more = true;
    return Offer::full;
  }
  item.queued_at = core_.home.now();
  lane.queue.push_back(std::move(item));
  wake(lane);
  return Offer::taken;
}

Time Dispatcher::room_at(const std::string& name) {
  const Time now = core_.now();
  const auto at = lanes_.find(name);
  if (at == lanes_.end()) return now + Duration::seconds(1);
  Lane& lane = *at->second;
  const auto pause = static_cast<int64_t>(1e6 / std::max(lane.rate, kRateFloor));
  lane.room_at = std::max(lane.room_at, now + Duration::seconds(1));
  lane.room_at = std::min(lane.room_at + Duration::microseconds(pause), now + Duration::minutes(5));
  return lane.room_at;
}

void Dispatcher::reopen(const std::string& name) {
  const auto at = lanes_.find(name);
  if (at == lanes_.end()) return;
  at->second->closed_until = core_.home.now();
}

// ---- attempts that begin with their message ----

bool Dispatcher::may_grant(const NextHop& hop) {
  if (!core_.accepting_work) return false;
  Lane& lane = lane_for(hop);
  if (lane.failures > 0 || lane.was_closed || !lane.queue.empty()) return false;
  return lane.granted.size() < worker_cap(lane) * 2;
}

std::optional<QueueHappening> Dispatcher::closed_to(const NextHop& hop) {
  const Lane& lane = lane_for(hop);
  if (!is_closed(lane)) return std::nullopt;
  QueueHappening h{.event = QueueEvent::lane_closed, .reason = lane.fault, .lane = hop.lane};
  h.replies.push_back(lane.fault_words);
  return h;
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
  item.queued_at = core_.home.now();
  lane.granted.push_back(std::move(item));
  wake(lane);
}

// ---- workers ----

void Dispatcher::wake(Lane& lane) {
  if (!core_.accepting_work || is_closed(lane)) return;
  if (!lane.idle.empty()) {
    rt::Parking* parking = lane.idle.back();
    lane.idle.pop_back();
    parking->wake();
    return;
  }
  if (lane.live_workers() >= worker_cap(lane)) return;
  const bool counts = lane.hop->kind != HopKind::mailbox;
  if (counts && workers() >= core_.share(kConnections)) return;
  Worker& worker = lane.workers.emplace_back();
  worker.scope = std::make_unique<rt::Scope>(core_.home, "lane " + lane.name);
  worker.scope->spawn("connection of " + lane.name, work(lane, worker));
}

size_t Dispatcher::workers() const {
  size_t n = 0;
  for (const auto& [name, lane] : lanes_) n += lane->live_workers();
  return n;
}

rt::Task<void> Dispatcher::work(Lane& lane, Worker& self) {
  std::unique_ptr<CarrierSession> session = core_.ports.carriers.open(core_.home, *lane.hop);
  bool sound = true;
  while (sound && core_.accepting_work) {
    std::vector<Item> batch = co_await next_batch(lane);
    if (batch.empty()) break;
    for (Item& item : batch) {
      if (!sound) {
        hand_back(std::move(item),
                  {.event = QueueEvent::give_back, .reason = QueueReason::lane_busy});
      } else if (!core_.accepting_work) {
        hand_back(std::move(item),
                  {.event = QueueEvent::give_back, .reason = QueueReason::stopping});
      } else {
        sound = co_await carry(lane, self, *session, std::move(item));
      }
    }
  }
  if (sound) {
    self.busy_until = core_.home.now() + kGoodbye + kHangGrace;
    co_await session->close(core_.home.in(kGoodbye));
  }
  session.reset();
  self.done = true;
  if (sound && (!lane.queue.empty() || !lane.granted.empty())) wake(lane);
}

// Up to kBatchMax attempts that have begun; none when the lane has been idle for long enough, or
// nothing could be begun.
rt::Task<std::vector<Item>> Dispatcher::next_batch(Lane& lane) {
  const rt::Deadline patience = core_.home.in(core_.values().get(kLaneIdle));
  while (core_.accepting_work && !is_closed(lane)) {
    std::vector<Item> items;
    const size_t waiting = lane.granted.empty() ? lane.queue.size() : lane.granted.size();
    const size_t fair = waiting / std::max<size_t>(worker_cap(lane), 1);
    const size_t count = std::min(waiting, std::clamp<size_t>(fair, 1, kBatchMax));
    if (!lane.granted.empty()) {
      for (; items.size() < count; lane.granted.pop_front()) {
        items.push_back(std::move(lane.granted.front()));
      }
      co_return std::move(items);
    }
    while (items.size() < count && !lane.queue.empty()) {
      // What was lost before is tried alone, so that only it is charged if it happens again.
      const bool alone = lane.queue.front().rows.front().lost > 0;
      if (alone && !items.empty()) break;
      items.push_back(std::move(lane.queue.front()));
      lane.queue.pop_front();
      if (alone) break;
    }
    if (lane.may_have_more && lane.queue.size() < queue_cap() / 2) core_.hint_work();
    if (!items.empty()) co_return co_await begin(lane, std::move(items));
    rt::Parking parking(core_.home);
    struct Attachment {
      Lane& lane;
      rt::Parking* parking;
      ~Attachment() { std::erase(lane.idle, parking); }
    };
    lane.idle.push_back(&parking);
    const Attachment attachment{lane, &parking};
    const rt::Woken woken = co_await parking.park(patience, "work for an idle connection");
    if (woken != rt::Woken::hint) break;
  }
  co_return std::vector<Item>();
}

// The guards of the messages of which attempts are to begin, with rows that are the newest. What
// someone else changes at the moment waits its turn in the lane; what is not due any more is let
// go.
rt::Task<std::vector<Dispatcher::Held>> Dispatcher::hold(Lane& lane, std::vector<Item> items) {
  std::vector<Held> out;
  for (Item& item : items) {
    MessageGuard guard = core_.ledger.try_guard(item.facts.id);
    if (!guard.is_held() && out.empty()) {  // whoever holds a guard waits for no other
      auto waited = co_await core_.ledger.guard(item.facts.id, core_.home.in(kGuardTime));
      if (waited.has_value()) guard = std::move(*waited);
    }
    if (!guard.is_held()) {
      lane.queue.push_back(std::move(item));
      continue;
    }
    if (!item.watch.is_fresh()) {
      const bool still = co_await refresh(item);
      if (!still) continue;
    }
    out.push_back({std::move(item), std::move(guard)});
  }
  co_return std::move(out);
}

// Under its guard: reads the item anew; false if none of its rows is still to be tried now.
rt::Task<bool> Dispatcher::refresh(Item& item) {
  item.watch.refresh();
  auto facts = co_await core_.ledger.message(item.facts.id);
  if (!facts.has_value()) co_return false;
  item.facts = std::move(*facts);
  std::vector<QueueRow> rows;
  std::vector<uint64_t> mailboxes;
  for (size_t i = 0; i < item.rows.size(); ++i) {
    auto row = co_await core_.ledger.row(item.facts.id, item.rows[i].index);
    if (!row.has_value()) continue;
    const bool rests = row->state == QueueState::ready || row->state == QueueState::waiting_retry;
    if (!rests || row->clock_at > item.rows[i].clock_at) continue;
    rows.push_back(std::move(*row));
    mailboxes.push_back(item.mailboxes[i]);
  }
  item.rows = std::move(rows);
  item.mailboxes = std::move(mailboxes);
  co_return !item.rows.empty();
}

// Write before you act (law 3): the attempts are durable when this answers.
rt::Task<std::vector<Item>> Dispatcher::begin(Lane& lane, std::vector<Item> items) {
  std::vector<Held> held = co_await hold(lane, std::move(items));
  std::vector<Item> begun;
  Proof proof;
  for (Held& h : held) {
    Item& item = h.item;
    Running::Token running = core_.running.begin();
    const QueueHappening happening = begin_of(*lane.hop, running.attempt());
    std::vector<QueueRow> rows;
    for (const QueueRow& row : item.rows) {
      auto next = model::step(row, happening, core_.now(), core_.policy());
      if (next.has_value() && row.expires_at > core_.now()) rows.push_back(std::move(*next));
    }
    if (rows.size() != item.rows.size()) continue;
    kv::Batch& batch = core_.ledger.batch(Ledger::Way::changes);
    for (size_t i = 0; i < rows.size(); ++i) core_.ledger.change_row(batch, item.rows[i], rows[i]);
    item.waited_for_lane = model::kLaneReasons.has(item.rows.front().reason);
    item.rows = std::move(rows);
    item.watch.refresh();
    item.running = std::move(running);
    proof = Ledger::proof_of(item.rows.front());
    begun.push_back(std::move(item));
  }
  if (begun.empty()) co_return std::vector<Item>();
  Status durable = co_await core_.ledger.commit(Ledger::Way::changes, std::move(proof),
                                                core_.home.in(kStoreTime));
  if (!durable.has_value()) {
    core_.note_delay();
    core_.ports.log.warning("queue.begin_failed",
                            {{"lane", lane.name}, {"error", durable.error().to_text()}});
    co_return std::vector<Item>();
  }
  core_.figures.attempts.add(begun.size());
  co_return std::move(begun);
}

// Whether the session can be used again.
rt::Task<bool> Dispatcher::carry(Lane& lane, Worker& self, CarrierSession& session, Item item) {
  // As it was given: the row's expiry may have cut it short.
  const QueueRow& first = item.rows.front();
  const Duration lease = first.lease.until - first.since;
  const Duration left = first.lease.until - core_.now();
  if (left < lease / 2) {  // it waited too long behind others: its lease would end under way
    hand_back(std::move(item), {.event = QueueEvent::give_back, .reason = QueueReason::lane_busy});
    co_return true;
  }
  const rt::Deadline deadline = core_.home.in(std::min(left, lease) / 10 * 9);
  self.busy_until = deadline.when() + kHangGrace;
  CarryWork work{.id = item.facts.id,
                 .attempt = item.running.attempt(),
                 .envelope = item.facts.envelope,
                 .message_id = item.facts.message_id,
                 .recipients = {},
                 .content = item.content};
  for (size_t i = 0; i < item.rows.size(); ++i) {
    work.recipients.push_back({item.rows[i].index, item.rows[i].recipient, item.mailboxes[i]});
  }
  const std::shared_ptr<const NextHop> hop = lane.hop;
  CarryResult result = co_await session.carry(std::move(work), *hop, deadline);
  self.busy_until = Instant::max();
  ++lane.ended;
  const bool sound = !result.lane_fault.has_value();
  note_health(lane, item, result);
  const uint64_t attempt = item.running.attempt();
  if (records_.active() < kRecordsMax) {
    records_.spawn("result of an attempt", finish(std::move(item), std::move(result), attempt));
  } else {
    co_await finish(std::move(item), std::move(result), attempt);
  }
  co_return sound;
}

// ---- health ----

void Dispatcher::note_health(Lane& lane, const Item& item, const CarryResult& result) {
  if (!result.lane_fault.has_value()) {
    if (lane.failures > 0 || lane.was_closed || item.waited_for_lane) {
      lane.may_have_more = true;
      core_.hint_work();
    }
    lane.failures = 0;
    lane.was_closed = false;
    return;
  }
  note_failure(lane, *result.lane_fault, result.fault);
}

void Dispatcher::note_failure(Lane& lane, QueueReason fault, const model::ReplyRecord& words) {
  ++lane.failures;
  lane.fault = model::kLaneReasons.has(fault) ? fault : QueueReason::connection_refused;
  lane.fault_words = model::bounded(words);
  if (lane.failures >= core_.values().get(kLaneFailures)) close(lane);
}

// The lane rests. Everything that waits in it goes back to the table with a later time, at once.
void Dispatcher::close(Lane& lane) {
  const Duration rest = random_.jitter(core_.values().get(kLaneProbe), 10);
  lane.was_closed = true;
  lane.closed_until = core_.home.now() + rest;
  core_.ports.log.warning("queue.lane_closed", {{"lane", lane.name},
                                                {"reason", model::to_text(lane.fault)},
                                                {"words", lane.fault_words.text}});
  QueueHappening happening{.event = QueueEvent::lane_closed, .reason = lane.fault};
  happening.lane = lane.name;
  happening.replies.push_back(lane.fault_words);
  for (std::deque<Item>* waiting : {&lane.queue, &lane.granted}) {
    while (!waiting->empty()) {
      Item item = std::move(waiting->front());
      waiting->pop_front();
      hand_back(std::move(item), happening);
    }
  }
}

// ---- results ----

void Dispatcher::hand_back(Item item, QueueHappening happening) {
  std::vector<RowChange> changes;
  for (const QueueRow& row : item.rows) {
    changes.push_back(
        {.index = row.index, .happening = happening, .attempt = item.running.attempt()});
  }
  records_.spawn("rows back to the table", record(std::move(item), std::move(changes)));
}

rt::Task<void> Dispatcher::finish(Item item, CarryResult result, uint64_t attempt) {
  std::vector<RowChange> changes;
  for (const QueueRow& row : item.rows) {
    const auto outcome = std::ranges::find(result.outcomes, row.index, &RecipientOutcome::index);
    const bool said =
        outcome != result.outcomes.end() && outcome->verdict != CarryVerdict::not_tried;
    QueueHappening happening = said ? happening_of(*outcome) : silence_of(result);
    for (model::ReplyRecord& reply : happening.replies) {
      if (reply.when == Time{}) reply.when = core_.now();
    }
    changes.push_back({.index = row.index, .happening = std::move(happening), .attempt = attempt});
  }
  co_await record(std::move(item), std::move(changes));
}

// A result is worth trying for: without it the clock ends the lease and the attempt is repeated.
rt::Task<void> Dispatcher::record(Item item, std::vector<RowChange> changes) {
  const rt::Deadline deadline = core_.home.in(kRecordTime);
  Duration pause = Duration::milliseconds(100);
  while (true) {
    auto applied = co_await clerk_.apply(item.facts.id, changes, &item,
                                         core_.home.in(kStoreTime).earlier(deadline));
    if (applied.has_value()) {
      item.running.finish();
      break;
    }
    core_.note_delay();
    if (applied.error().disposition() != Disposition::transient ||
        deadline.passed(core_.home.now())) {
      core_.ports.log.error("queue.result_lost", {{"id", model::to_text(item.facts.id)},
                                                  {"error", applied.error().to_text()}});
      break;
    }
    const rt::Woken woken =
        co_await rt::sleep(core_.home, core_.home.in(pause), "the store to take a result");
    if (woken == rt::Woken::cancelled) break;
    pause = std::min(pause * 2, Duration::seconds(10));
  }
}

// ---- upkeep ----

void Dispatcher::tend() {
  const Instant now = core_.home.now();
  const double seconds = static_cast<double>((now - last_tend_).us()) / 1e6;
  const bool measure = seconds >= 1;
  if (measure) last_tend_ = now;
  for (auto at = lanes_.begin(); at != lanes_.end();) {
    Lane& lane = *at->second;
    for (Worker& worker : lane.workers) {
      if (!worker.done && worker.busy_until < now) {
        core_.ports.log.error("queue.worker_lost", {{"lane", lane.name}});
        core_.figures.lost_workers.add();
        worker.scope.reset();  // frees what it held; its attempts end with their leases
        worker.done = true;
        note_failure(lane, QueueReason::timed_out,
                     {.when = core_.now(), .text = "no answer at all"});
      }
    }
    std::erase_if(lane.workers, [](const Worker& w) { return w.done; });
    if (measure) {
      const auto ended = static_cast<double>(lane.ended - lane.ended_before);
      lane.rate = lane.rate * 0.5 + ended / seconds * 0.5;
      lane.ended_before = lane.ended;
    }
    while (!lane.queue.empty() && lane.queue.front().queued_at + Duration::seconds(60) < now) {
      Item item = std::move(lane.queue.front());
      lane.queue.pop_front();
      hand_back(std::move(item), {.event = QueueEvent::postpone, .until = room_at(lane.name)});
      lane.may_have_more = true;
    }
    if (!lane.queue.empty() || !lane.granted.empty()) wake(lane);
    const bool empty = lane.queue.empty() && lane.granted.empty() && lane.workers.empty();
    const bool forget = empty && lane.last_used + kLaneMemory < now;
    at = forget ? lanes_.erase(at) : std::next(at);
  }
}

std::unordered_map<uint32_t, size_t> Dispatcher::wants() {
  std::unordered_map<uint32_t, size_t> out;
  for (const auto& [name, lane] : lanes_) {
    if (!lane->may_have_more || lane->was_closed) continue;
    const size_t cap = queue_cap();
    if (lane->queue.size() < cap / 2) out[lane->hash] += cap - lane->queue.size();
  }
  return out;
}

void Dispatcher::nothing_more(uint32_t hash) {
  for (const auto& [name, lane] : lanes_) {
    if (lane->hash == hash) {
      lane->may_have_more = false;
      lane->room_at = {};
    }
  }
}

bool Dispatcher::drained() {
  for (const auto& [name, lane] : lanes_) {
    for (std::deque<Item>* waiting : {&lane->queue, &lane->granted}) {
      while (!waiting->empty()) {
        Item item = std::move(waiting->front());
        waiting->pop_front();
        if (item.running.attempt() == 0) continue;  // not begun: it simply stays in the table
        hand_back(std::move(item),
                  {.event = QueueEvent::give_back, .reason = QueueReason::stopping});
      }
    }
    for (rt::Parking* parking : lane->idle) parking->wake();
    lane->idle.clear();
  }
  return workers() == 0 && records_.active() == 0;
}

void Dispatcher::cancel_workers() {
  for (const auto& [name, lane] : lanes_) {
    for (Worker& worker : lane->workers) {
      if (worker.scope != nullptr) worker.scope->cancel();
    }
  }
}

}  // namespace ph::queue
