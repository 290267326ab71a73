#include "service/queue/detail/courier.h"

#include <algorithm>
#include <utility>

namespace ph::queue {
namespace {

using model::QueueEvent;
using model::QueueHappening;
using model::QueueReason;
using model::QueueRow;
using model::QueueState;

constexpr Duration kHangGrace = Duration::seconds(5);
constexpr Duration kGuardTime = Duration::seconds(5);
constexpr Duration kGoodbye = Duration::seconds(5);

// Some rows of an item, for one turn of it; what is written of them is read anew.
Item part_of(const Item& item, size_t from, size_t count) {
  Item part;
  part.facts = item.facts;
  part.content = item.content;
  part.queued_at = item.queued_at;
  part.waited_for_lane = item.waited_for_lane;
  const size_t to = std::min(from + count, item.rows.size());
  for (size_t i = from; i < to; ++i) {
    part.rows.push_back(item.rows[i]);
    part.mailboxes.push_back(item.mailboxes[i]);
  }
  return part;
}

}  // namespace

rt::Task<void> Courier::serve(Core& core, Dispatcher& dispatcher, Results& results, Lane& lane,
                              Worker& self) {
  Courier courier(core, dispatcher, results, lane, self);
  co_await courier.run();
}

rt::Task<void> Courier::run() {
  session_ = core_.ports.carriers.open(core_.home, *lane_.hop);
  bool sound = true;
  while (sound && may_go_on()) {
    std::vector<Item> batch = co_await next_batch();
    if (batch.empty()) break;
    sound = co_await carry_all(std::move(batch));
  }
  if (sound) {
    renew(kGoodbye + kHangGrace);
    co_await session_->close(core_.home.in(kGoodbye));
  }
  session_.reset();
  dispatcher_.ended(lane_, self_);
}

// Whether this connection may be used for one more message. Once it may not, it leaves, and counts
// no more when others ask themselves the same.
bool Courier::may_go_on() {
  const uint64_t most = lane_.rules.messages;
  const bool is_used_up = most > 0 && carried_ >= most;
  if (is_used_up || !dispatcher_.may_go_on(lane_, self_)) self_.is_leaving = true;
  return !self_.is_leaving;
}

// ---- work ----

// Attempts that have begun; none when the lane has been idle for long enough, or the connection is
// to end.
rt::Task<std::vector<Item>> Courier::next_batch() {
  const Instant patience = core_.home.now() + core_.values().get(kLaneIdle);
  while (may_go_on()) {
    const uint64_t messages = lane_.rules.messages;
    const size_t left = messages == 0 ? SIZE_MAX : static_cast<size_t>(messages - carried_);
    Dispatcher::Work work = dispatcher_.take(lane_, left);
    if (!work.begun.empty()) co_return std::move(work.begun);
    if (!work.waiting.empty()) {
      std::vector<Item> begun = co_await begin(std::move(work.waiting));
      if (!begun.empty()) co_return std::move(begun);
      continue;
    }
    const Instant now = core_.home.now();
    if (now >= patience) break;
    Instant until = patience;
    if (!lane_.queue.empty()) {  // its rate holds it up
      until = std::min(until, lane_.bucket.next(lane_.rules.per_second, now));
    }
    const rt::Woken woken = co_await wait_for_work(until);
    if (woken == rt::Woken::cancelled) break;
  }
  co_return std::vector<Item>();
}

rt::Task<rt::Woken> Courier::wait_for_work(Instant until) {
  renew(until - core_.home.now() + kHangGrace);
  rt::Parking parking(core_.home);
  struct Attachment {
    Dispatcher& dispatcher;
    Worker& self;
    ~Attachment() { dispatcher.busy_again(self); }
  };
  dispatcher_.idle(self_, parking);
  const Attachment attachment{dispatcher_, self_};
  co_return co_await parking.park(rt::Deadline::at(until), "work for an idle connection");
}

// The guards of the messages of which attempts are to begin, with rows that are the newest. What
// someone else changes at the moment waits its turn in the lane; what is not due any more is let
// go.
rt::Task<std::vector<Courier::Held>> Courier::hold(std::vector<Item> items) {
  std::vector<Held> out;
  for (Item& item : items) {
    renew(kGuardTime + kStoreTime + kHangGrace);
    MessageGuard guard = core_.ledger.try_guard(item.facts.id);
    if (!guard.is_held() && out.empty()) {  // whoever holds a guard waits for no other
      auto waited = co_await core_.ledger.guard(item.facts.id, core_.home.in(kGuardTime));
      if (waited.has_value()) guard = std::move(*waited);
    }
    if (!guard.is_held()) {
      dispatcher_.put_back(lane_, std::move(item));
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
rt::Task<bool> Courier::refresh(Item& item) {
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
rt::Task<std::vector<Item>> Courier::begin(std::vector<Item> items) {
  std::vector<Held> held = co_await hold(std::move(items));
  std::vector<Item> begun;
  Proof proof;
  for (Held& h : held) {
    Item& item = h.item;
    Running::Token running = core_.running.begin();
    const QueueHappening happening = dispatcher_.begin_of(*lane_.hop, running.attempt());
    std::vector<QueueRow> rows;
    for (const QueueRow& row : item.rows) {
      auto next = model::step(row, happening, core_.now(), core_.policy());
      if (next.has_value() && row.expires_at > core_.now()) rows.push_back(std::move(*next));
    }
    if (rows.size() != item.rows.size()) continue;
    kv::Batch& batch = core_.ledger.batch(Ledger::Way::changes);
    for (size_t i = 0; i < rows.size(); ++i) core_.ledger.change_row(batch, item.rows[i], rows[i]);
    const QueueReason waited = item.rows.front().reason;
    item.waited_for_lane = model::kLaneReasons.has(waited) || waited == QueueReason::lane_busy;
    item.rows = std::move(rows);
    item.watch.refresh();
    item.running = std::move(running);
    proof = Ledger::proof_of(item.rows.front());
    begun.push_back(std::move(item));
  }
  if (begun.empty()) co_return std::vector<Item>();
  renew(kStoreTime + kHangGrace);
  Status durable = co_await core_.ledger.commit(Ledger::Way::changes, std::move(proof),
                                                core_.home.in(kStoreTime));
  if (!durable.has_value()) {
    core_.note_delay();
    core_.ports.log.warning("queue.begin_failed",
                            {{"lane", lane_.name}, {"error", durable.error().to_text()}});
    co_return std::vector<Item>();
  }
  // Their state keeps them from being taken again now, so the window has room for others.
  for (Item& item : begun) item.taken.clear();
  core_.figures.attempts.add(begun.size());
  co_return std::move(begun);
}

// ---- carrying ----

// Whether the session can be used again.
rt::Task<bool> Courier::carry_all(std::vector<Item> batch) {
  bool sound = true;
  for (Item& item : batch) {
    if (!sound || !may_go_on()) {
      leave(std::move(item));
      continue;
    }
    sound = co_await carry(std::move(item));
    self_.carrying.reset();
  }
  co_return sound;
}

// An attempt that this connection does not make: another one of the lane may.
void Courier::leave(Item item) {
  if (!core_.accepting_work) {
    results_.hand_back(std::move(item),
                       {.event = QueueEvent::give_back, .reason = QueueReason::stopping});
  } else if (core_.suspension_of(lane_.name) != nullptr) {
    results_.hand_back(std::move(item),
                       {.event = QueueEvent::give_back, .reason = QueueReason::lane_busy});
  } else if (lane_.breaker.rests) {
    results_.hand_back(std::move(item), closed_by(lane_.breaker, lane_.name));
  } else {
    dispatcher_.pass_on(lane_, std::move(item));
  }
}

rt::Task<bool> Courier::carry(Item item) {
  // As it was given: the row's expiry may have cut it short.
  const QueueRow& first = item.rows.front();
  const Duration lease = first.lease.until - first.since;
  const Duration left = first.lease.until - core_.now();
  if (left < lease / 2) {  // it waited too long behind others: its lease would end under way
    results_.hand_back(std::move(item),
                       {.event = QueueEvent::give_back, .reason = QueueReason::lane_busy});
    co_return true;
  }
  const rt::Deadline deadline = core_.home.in(std::min(left, lease) / 10 * 9);
  const uint64_t attempt = item.running.attempt();
  self_.carrying = item.facts.envelope.priority();
  ++carried_;
  const size_t most = std::max<size_t>(lane_.rules.recipients, 1);
  size_t from = 0;
  for (; item.rows.size() - from > most; from += most) {
    Item part = part_of(item, from, most);
    const bool sound = co_await carry_part(std::move(part), attempt, deadline);
    if (sound) continue;
    Item rest = part_of(item, from + most, item.rows.size());
    QueueHappening undone{.event = QueueEvent::give_back, .reason = QueueReason::lane_busy};
    results_.hand_back(std::move(rest), attempt, std::move(undone));
    co_return false;
  }
  if (from > 0) {
    Item last = part_of(item, from, most);
    last.running = std::move(item.running);
    item = std::move(last);
  }
  co_return co_await carry_part(std::move(item), attempt, deadline);
}

rt::Task<bool> Courier::carry_part(Item item, uint64_t attempt, rt::Deadline deadline) {
  CarryWork work{.id = item.facts.id,
                 .attempt = attempt,
                 .envelope = item.facts.envelope,
                 .message_id = item.facts.message_id,
                 .recipients = {},
                 .content = item.content};
  for (size_t i = 0; i < item.rows.size(); ++i) {
    work.recipients.push_back({item.rows[i].index, item.rows[i].recipient, item.mailboxes[i]});
  }
  self_.attempt_began = core_.home.now();
  renew_until(deadline.when() + kHangGrace);
  const std::shared_ptr<const NextHop> hop = lane_.hop;
  CarryResult result = co_await session_->carry(std::move(work), *hop, deadline);
  const bool sound = !result.lane_fault.has_value();
  Ended ended{.item = std::move(item), .attempt = attempt, .result = {}, .silence = {}};
  ended.silence = dispatcher_.note_result(lane_, self_, ended.item, result);
  ended.result = std::move(result);
  renew(kStoreTime * 4 + kHangGrace);  // the ledger may be behind
  co_await results_.keep(std::move(ended));
  co_return sound;
}

}  // namespace ph::queue
