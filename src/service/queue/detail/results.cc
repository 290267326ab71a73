#include "service/queue/detail/results.h"

#include <algorithm>

namespace ph::queue {
namespace {

using model::QueueEvent;
using model::QueueHappening;
using model::QueueReason;
using model::QueueRow;

constexpr size_t kOnTheWayMax = 512;
constexpr Duration kRecordTime = Duration::minutes(10);

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

}  // namespace

Results::Results(Core& core, Clerk& clerk)
    : core_(core), clerk_(clerk), scope_(core.home, "results into the queue") {}

rt::Task<void> Results::keep(Ended ended) {
  if (scope_.active() >= kOnTheWayMax) {
    co_await finish(std::move(ended));
    co_return;
  }
  scope_.spawn("result of an attempt", finish(std::move(ended)));
}

void Results::hand_back(Item item, QueueHappening happening) {
  const uint64_t attempt = item.running.attempt();
  hand_back(std::move(item), attempt, std::move(happening));
}

void Results::hand_back(Item item, uint64_t attempt, QueueHappening happening) {
  std::vector<RowChange> changes;
  for (const QueueRow& row : item.rows) {
    changes.push_back({.index = row.index, .happening = happening, .attempt = attempt});
  }
  scope_.spawn("rows back to the table", record(std::move(item), std::move(changes)));
}

rt::Task<void> Results::finish(Ended ended) {
  std::vector<RowChange> changes;
  for (const QueueRow& row : ended.item.rows) {
    const auto outcome =
        std::ranges::find(ended.result.outcomes, row.index, &RecipientOutcome::index);
    const bool said =
        outcome != ended.result.outcomes.end() && outcome->verdict != CarryVerdict::not_tried;
    RowChange change{.index = row.index,
                     .happening = said ? happening_of(*outcome) : ended.silence,
                     .attempt = ended.attempt};
    if (said) change.onward = outcome->onward;
    for (model::ReplyRecord& reply : change.happening.replies) {
      if (reply.when == Time{}) reply.when = core_.now();
    }
    changes.push_back(std::move(change));
  }
  if (core_.ports.defect == Defect::second_list && !ended.item.rows.empty()) {
    keep_in_second_list(ended.item.rows.front().lane, changes, ended.item.facts.id);
  }
  co_await record(std::move(ended.item), std::move(changes));
}

// A result is worth trying for: without it the clock ends the lease and the attempt is repeated.
rt::Task<void> Results::record(Item item, std::vector<RowChange> changes) {
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

// ---- the defect ----

void Results::keep_in_second_list(const std::string& lane, const std::vector<RowChange>& changes,
                                  model::QueueId id) {
  for (const RowChange& change : changes) {
    if (change.happening.event != QueueEvent::fail_for_now) continue;
    core_.window.drop({id, change.index});  // whoever has it there, it is ours now
    second_list_.push_back(
        {lane, core_.window.take({id, change.index}, core_.home.now(), Instant::max())});
  }
}

void Results::merge_second_list(const std::string& lane) {
  std::erase_if(second_list_, [&](Second& entry) {
    if (entry.lane != lane) return false;
    if (++merged_ % 3 == 0) entry.taken.abandon();
    return true;
  });
}

}  // namespace ph::queue
