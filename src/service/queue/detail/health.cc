// What attempts tell of a hop, and what people say about it.
#include <algorithm>

#include "service/queue/detail/dispatcher.h"

namespace ph::queue {

using model::QueueEvent;
using model::QueueHappening;
using model::QueueReason;

namespace {

constexpr size_t kNamedMax = 50'000;
constexpr Duration kAfterStart = Duration::minutes(2);

// For recipients about which nothing was said.
QueueHappening silence_of(const CarryResult& result) {
  QueueHappening h{.event = QueueEvent::fail_for_now,
                   .reason = result.lane_fault.value_or(QueueReason::internal_error)};
  if (result.crowded && !result.lane_fault.has_value()) h.reason = QueueReason::peer_4xx;
  if (!model::kWaitReasons.has(h.reason)) h.reason = QueueReason::peer_4xx;
  h.replies.push_back(result.fault);
  return h;
}

}  // namespace

QueueHappening Dispatcher::note_result(Lane& lane, Worker& worker, const Item& item,
                                       const CarryResult& result) {
  const Instant now = core_.home.now();
  const Instant began = worker.attempt_began;
  const double took = static_cast<double>((now - began).us()) / 1e6;
  lane.seconds_each = lane.seconds_each == 0 ? took : lane.seconds_each * 0.8 + took * 0.2;
  ++lane.ended;
  const bool others_live = lane.live_workers(now) > 1;
  if (result.crowded) {
    lane.shrink(began, now);
    // The hop serves others of ours: it is well, and the message was not what it refused.
    if (others_live) {
      QueueHappening undone{.event = QueueEvent::give_back, .reason = QueueReason::lane_busy};
      undone.replies.push_back(result.fault);
      return undone;
    }
  }
  if (result.lane_fault.has_value()) {
    if (others_live) lane.shrink(began, now);
    note_failure(lane, result, began);
  } else if (!result.crowded) {
    note_success(lane, worker, item);
  }
  return silence_of(result);
}

void Dispatcher::note_success(Lane& lane, Worker& worker, const Item& item) {
  const bool had_rested = lane.breaker.rests;
  if (had_rested || lane.breaker.failures > 0 || item.waited_for_lane) {
    // The moments given to rows that found no room stand: else each success would give them anew,
    // and all would come to ask every second.
    if (had_rested || lane.breaker.failures > 0) lane.room_at = {};
    lane.breaker = {};
    if (!lane.may_have_more) core_.hint_work();
    set_more(lane);
  }
  worker.is_probe = false;
  worker.place.settle();
  if (had_rested) {
    called_.erase(lane.hash);
    lane.allowed = 0;
    lane.ceiling = 0;
    lane.successes = 0;
    core_.ports.log.info("queue.lane_open", {{"lane", lane.name}});
    core_.tell_others(lane.name);
  }
  lane.note_success(core_.home.now());
  if (core_.ports.defect == Defect::second_list) results_.merge_second_list(lane.name);
  if (lane.has_work()) wake_all(lane);
}

void Dispatcher::note_failure(Lane& lane, const CarryResult& result, Instant began) {
  Breaker& breaker = lane.breaker;
  ++breaker.failures;
  const QueueReason fault = result.lane_fault.value_or(QueueReason::timed_out);
  breaker.fault = model::kLaneReasons.has(fault) ? fault : QueueReason::connection_refused;
  breaker.words = model::bounded(result.fault);
  const bool is_enough = breaker.failures >= core_.values().get(kLaneFailures);
  if (breaker.rests || is_enough) rest(lane, began);
}

// What waited when the attempt began shares its failure and waits for the next step of its
// schedule. What came due since then asks anew: the hop may have recovered in between.
void Dispatcher::rest(Lane& lane, Instant began) {
  const Instant now = core_.home.now();
  Breaker& breaker = lane.breaker;
  if (!breaker.rests) {
    core_.ports.log.warning("queue.lane_closed", {{"lane", lane.name},
                                                  {"reason", model::to_text(breaker.fault)},
                                                  {"words", breaker.words.text}});
  }
  breaker.rests = true;
  called_.erase(lane.hash);
  breaker.closed_until = now + random_.jitter(core_.values().get(kLaneProbe), 10);
  const QueueHappening closed = closed_by(breaker, lane.name);
  for (Item& item : lane.queue.take_until(began)) results_.hand_back(std::move(item), closed);
  for (auto at = lane.granted.begin(); at != lane.granted.end();) {
    if (at->queued_at > began) {
      ++at;
      continue;
    }
    results_.hand_back(std::move(*at), closed);
    at = lane.granted.erase(at);
  }
  clear_more(lane);
  note_work(lane);
  while (Worker* worker = lane.idle_worker()) {  // they end
    rt::Parking* parking = worker->idle;
    busy_again(*worker);
    parking->wake();
  }
  attend(lane, now);
}

// After a start nothing is known of the hops but what rows remember: one to which no connection
// could be made is asked by one connection, not by as many as a new lane may have. Ten thousand
// dead lanes cost a third of the attempts that way before the living ones have their turn.
void Dispatcher::learn_from(Lane& lane, const Item& item) {
  if (std::exchange(lane.is_known, true)) return;
  const Instant now = core_.home.now();
  if (lane.breaker.rests || now > started_ + kAfterStart || item.rows.empty()) return;
  const model::QueueRow& row = item.rows.front();
  const bool failed = row.state == model::QueueState::waiting_retry &&
                      model::kLaneReasons.has(row.reason) && !row.history.empty();
  if (!failed || row.history.back().stage != model::Stage::connect) return;
  lane.breaker = {.failures = static_cast<uint32_t>(core_.values().get(kLaneFailures)),
                  .rests = true,
                  .closed_until = now,
                  .fault = row.reason,
                  .words = row.history.back()};
}

// ---- what people say ----

void Dispatcher::reopen(const std::string& name) {
  const Instant now = core_.home.now();
  if (const auto known = kept_.find(name); known != kept_.end()) {
    known->second.closed_until = now;
  }
  Lane* lane = find(name);
  if (lane == nullptr || !lane->breaker.rests) return;
  lane->breaker.closed_until = now;
  lane->probe_asked = true;
  wake(*lane);
}

void Dispatcher::suspend(const Suspension& suspension) {
  core_.suspensions.insert_or_assign(suspension.lane, suspension);
  Lane* lane = find(suspension.lane);
  if (lane == nullptr) return;
  const QueueHappening held = suspended_by(suspension);
  for (Item& item : lane->queue.take_until(Instant::max())) {
    results_.hand_back(std::move(item), held);
  }
  for (Item& item : lane->granted) {  // due at once, and then held
    results_.hand_back(std::move(item),
                       {.event = QueueEvent::give_back, .reason = QueueReason::lane_busy});
  }
  lane->granted.clear();
  note_work(*lane);
  attend(*lane, core_.home.now());
}

// Its rows rest in the table, and it may be in no memory of ours: whoever looks ahead finds them by
// the lane's hash.
void Dispatcher::resume(const std::string& name) {
  core_.suspensions.erase(name);
  reopen(name);
  if (resumed_.size() >= kNamedMax) resumed_.erase(resumed_.begin());
  resumed_[lane_hash(name)] = std::max<size_t>(core_.values().get(kWindow) / 10, 1);
  core_.hint_work();
}

// One of its rows is looked for, until one has asked the hop.
void Dispatcher::works_elsewhere(const std::string& name) {
  const Lane* lane = find(name);
  const bool rests = lane != nullptr ? lane->breaker.rests : kept_.contains(name);
  if (!rests || called_.size() >= kNamedMax) return;
  reopen(name);
  called_.insert(lane_hash(name));
  core_.hint_work();
}

// ---- rows that may go earlier ----

void Dispatcher::set_more(Lane& lane) {
  if (lane.breaker.rests) return;
  lane.may_have_more = true;
  more_.emplace(std::pair(lane.hash, lane.number), &lane);
}

void Dispatcher::clear_more(Lane& lane) {
  lane.may_have_more = false;
  more_.erase({lane.hash, lane.number});
}

std::unordered_map<uint32_t, size_t> Dispatcher::wants() {
  std::unordered_map<uint32_t, size_t> out = resumed_;
  // Rows of slow lanes are read again when there is room for many: each look ahead reads the table.
  const bool is_filled = core_.window.size() > core_.values().get(kWindow) / 2;
  for (const auto& [key, lane] : more_) {
    if (is_filled && is_slow(*lane)) continue;
    const size_t cap = queue_cap(*lane);
    const size_t rows = lane->queue.rows();
    if (rows < (cap + 1) / 2) out[lane->hash] += cap - rows;
  }
  if (is_filled) return out;
  for (const uint32_t hash : called_) out.try_emplace(hash, 1);
  return out;
}

void Dispatcher::nothing_more(uint32_t hash) {
  resumed_.erase(hash);
  called_.erase(hash);
  while (true) {
    const auto at = more_.lower_bound({hash, 0});
    if (at == more_.end() || at->first.first != hash) break;
    at->second->room_at = {};
    clear_more(*at->second);
  }
}

}  // namespace ph::queue
