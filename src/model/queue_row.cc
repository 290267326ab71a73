#include "model/queue_row.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "base/check.h"

namespace ph::model {
namespace {

using enum QueueState;
using enum QueueReason;

// The state that `happening` leads to; the table then says whether that is an edge.
QueueState target_of(const QueueRow& row, const QueueHappening& h, const QueuePolicy& policy) {
  switch (h.event) {
    case QueueEvent::begin:
    case QueueEvent::renew: return in_flight;
    case QueueEvent::postpone:
    case QueueEvent::lane_opened:
    case QueueEvent::give_back:
    case QueueEvent::release:
    case QueueEvent::review:
    case QueueEvent::retry: return ready;
    case QueueEvent::lane_closed:
    case QueueEvent::fail_for_now: return waiting_retry;
    case QueueEvent::fail_for_good: return failed;
    case QueueEvent::deliver: return delivered;
    case QueueEvent::relay: return relayed;
    case QueueEvent::expand: return expanded;
    case QueueEvent::lease_ended: return row.lost + 1 >= policy.poison_after ? held : ready;
    case QueueEvent::hold: return held;
    case QueueEvent::remove: return removed;
    case QueueEvent::expire: return expired;
  }
  PH_CHECK(false);
}

// Events with one possible reason give it themselves.
QueueReason reason_of(const QueueHappening& h, QueueState to) {
  switch (h.event) {
    case QueueEvent::begin:
    case QueueEvent::renew: return attempt_running;
    case QueueEvent::postpone: return lane_busy;
    case QueueEvent::lane_opened: return QueueReason::lane_opened;
    case QueueEvent::release: return released;
    case QueueEvent::review: return hold_ended;
    case QueueEvent::retry: return retry_requested;
    case QueueEvent::deliver: return taken_by_mailbox;
    case QueueEvent::relay: return taken_by_peer;
    case QueueEvent::expand: return expanded_to_members;
    case QueueEvent::lease_ended: return to == held ? poison : worker_lost;
    case QueueEvent::remove: return removed_by_administrator;
    case QueueEvent::expire: return too_old;
    case QueueEvent::lane_closed:
    case QueueEvent::fail_for_now:
    case QueueEvent::fail_for_good:
    case QueueEvent::give_back:
    case QueueEvent::hold: return h.reason;
  }
  PH_CHECK(false);
}

void add_replies(QueueRow& row, const std::vector<ReplyRecord>& replies) {
  for (const ReplyRecord& reply : replies) row.history.push_back(bounded(reply));
  if (row.history.size() > kRepliesKept) {
    const auto surplus = static_cast<std::ptrdiff_t>(row.history.size() - kRepliesKept);
    row.history.erase(row.history.begin(), row.history.begin() + surplus);
  }
}

// The counters that an event moves.
void count(QueueRow& row, const QueueHappening& h) {
  switch (h.event) {
    case QueueEvent::begin: ++row.attempts; break;
    case QueueEvent::give_back:
      if (row.attempts > 0) --row.attempts;
      break;
    case QueueEvent::lease_ended:
      ++row.lost;
      if (row.lease.repeat == Lease::Repeat::may_duplicate) row.maybe_delivered = true;
      break;
    case QueueEvent::lane_closed:
      ++row.step;
      row.lost = 0;
      if (row.state == in_flight && row.attempts > 0) --row.attempts;  // it was not acted upon
      break;
    case QueueEvent::fail_for_now:
      ++row.step;
      row.lost = 0;
      if (h.reason == maybe_delivered) row.maybe_delivered = true;
      break;
    case QueueEvent::retry:
    case QueueEvent::release: row.lost = 0; break;
    case QueueEvent::expire:
    case QueueEvent::hold:
    case QueueEvent::remove:  // an attempt that runs may still have its effect
      if (row.lease.repeat == Lease::Repeat::may_duplicate && row.state == in_flight) {
        row.maybe_delivered = true;
      }
      break;
    default: break;
  }
}

Time clock_of(const QueueRow& row, const QueueHappening& h, Time now, const QueuePolicy& policy) {
  switch (row.state) {
    case ready: return h.event == QueueEvent::postpone ? h.until : now;
    case in_flight: return row.lease.until;
    case waiting_retry: return now + retry_delay(row, policy);
    case held: return row.reason == poison ? now + policy.poison_review : h.until;
    default: return {};
  }
}

// A mixing of the row's identity and step, for a spread that anybody can derive again.
uint64_t spread_of(const QueueRow& row) {
  uint64_t x = row.id.value * 0x9E3779B97F4A7C15ULL + row.index * 0xC2B2AE3D27D4EB4FULL + row.step;
  x = (x ^ (x >> 29)) * 0xBF58476D1CE4E5B9ULL;
  x = (x ^ (x >> 32)) * 0x94D049BB133111EBULL;
  return x ^ (x >> 31);
}

}  // namespace

QueueRow new_row(QueueId id, uint32_t index, Recipient recipient, Time now,
                 const QueuePolicy& policy) {
  QueueRow row;
  row.id = id;
  row.index = index;
  row.recipient = std::move(recipient);
  row.accepted_at = now;
  row.since = now;
  row.next_action_at = now;
  row.expires_at = now + policy.expiry;
  return row;
}

Result<QueueRow> step(const QueueRow& row, const QueueHappening& happening, Time now,
                      const QueuePolicy& policy) {
  const QueueState to = target_of(row, happening, policy);
  const QueueReason why = reason_of(happening, to);
  if (!kQueueTable.allows(row.state, happening.event, to, why)) {
    return fail(kNoEdge, std::string(to_text(happening.event)) + " is not possible while " +
                             std::string(to_text(row.state)));
  }
  QueueRow out = row;
  add_replies(out, happening.replies);
  count(out, happening);
  out.state = to;
  out.reason = why;
  if (happening.event != QueueEvent::renew) out.since = now;
  out.lease = to == in_flight ? happening.lease : Lease{};
  out.held_by = to == held ? happening.by : std::string();
  if (!happening.lane.empty()) out.lane = happening.lane;
  out.next_action_at = clock_of(out, happening, now, policy);
  if (to != in_flight) out.next_action_at = std::min(out.next_action_at, out.expires_at);
  if (is_end(to)) out.next_action_at = {};
  return out;
}

Duration retry_delay(const QueueRow& row, const QueuePolicy& policy) {
  if (policy.schedule.empty() || row.step == 0) return Duration::seconds(60);
  const size_t place = std::min<size_t>(row.step, policy.schedule.size()) - 1;
  const Duration delay = policy.schedule[place];
  const int64_t span = delay.us() / 100 * static_cast<int64_t>(policy.jitter_percent);
  if (span <= 0) return delay;
  const auto offset = static_cast<int64_t>(spread_of(row) % static_cast<uint64_t>(2 * span + 1));
  return delay + Duration::microseconds(offset - span);
}

QueueRow follow_policy(const QueueRow& row, Time now, const QueuePolicy& policy) {
  QueueRow out = row;
  if (is_end(row.state) || row.state == in_flight) return out;
  out.expires_at = row.accepted_at + policy.expiry;
  if (out.expires_at < now && out.expires_at != row.expires_at) out.expires_at = now;
  if (row.state == waiting_retry) {
    out.next_action_at = row.since + retry_delay(row, policy);
    if (out.next_action_at < now && out.next_action_at != row.next_action_at) {
      out.next_action_at = now;
    }
  }
  out.next_action_at = std::min(out.next_action_at, out.expires_at);
  return out;
}

QueueRow follow_clock(const QueueRow& row, Time before, Time now, const QueuePolicy& policy) {
  QueueRow out = row;
  if (is_end(row.state)) return out;
  if (now >= before) {
    if (row.accepted_at > before) return out;  // from after the step
    out.accepted_at = row.accepted_at + (now - before);
    out.expires_at = row.expires_at + (now - before);
    return out;
  }
  if (row.since <= now) return out;
  out.since = now;
  out.accepted_at = std::min(row.accepted_at, now);
  out.expires_at = std::min(row.expires_at, now + policy.expiry);
  switch (row.state) {
    case waiting_retry: out.next_action_at = now + retry_delay(row, policy); break;
    case held: out.next_action_at = row.next_action_at - (row.since - now); break;
    case in_flight:
      out.lease.until = std::min(row.lease.until, now + policy.lease);
      out.next_action_at = out.lease.until;
      return out;
    default: out.next_action_at = now; break;
  }
  out.next_action_at = std::min(out.next_action_at, out.expires_at);
  return out;
}

std::string_view fault_of(const QueueRow& row) {
  if (!kQueueTable.reasons_in(row.state).has(row.reason)) return "its reason is not of its state";
  if (is_end(row.state)) return {};
  if (row.next_action_at == Time{}) return "it has no next action";
  if (row.state == in_flight) {
    if (row.lease.owner == 0) return "it is in flight without a lease";
    if (row.next_action_at != row.lease.until) return "its clock is not its lease's";
    return {};
  }
  if (row.lease.owner != 0) return "it has a lease but is not in flight";
  if (row.next_action_at > row.expires_at) return "its next action is beyond its expiry";
  return {};
}

std::string_view next_action_of(const QueueRow& row) {
  if (is_end(row.state)) return "nothing: it has ended";
  if (row.state != in_flight && row.next_action_at >= row.expires_at) {
    return "it expires and goes back to its sender";
  }
  switch (row.state) {
    case ready: return "an attempt";
    case waiting_retry: return "another attempt";
    case in_flight: return "the attempt ends, or its lease does";
    default: return "the hold ends and an attempt follows";
  }
}

}  // namespace ph::model
