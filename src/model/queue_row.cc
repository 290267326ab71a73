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
    case QueueEvent::retry: return row.state == reporting ? reporting : ready;
    case QueueEvent::lane_closed:
    case QueueEvent::fail_for_now: return waiting_retry;
    case QueueEvent::fail_for_good: return failed;
    case QueueEvent::deliver: return delivered;
    case QueueEvent::relay: return relayed;
    case QueueEvent::expand: return expanded;
    case QueueEvent::lease_ended: return row.lost + 1 >= policy.poison_after ? held : ready;
    case QueueEvent::hold:
    case QueueEvent::suspend: return held;
    case QueueEvent::remove: return removed;
    case QueueEvent::expire: return row.state == reporting ? row.end_state : expired;
    case QueueEvent::report: return row.end_state;
    case QueueEvent::redirect: return expanded;
    case QueueEvent::defer: return scheduled;
    case QueueEvent::await_report: return reporting;
    case QueueEvent::tell_delay: return row.state;
  }
  PH_CHECK(false);
}

QueueReason reason_of_expiry(const QueueRow& row) {
  const bool by_deadline = row.deliver_by.mode == DeliverBy::Mode::return_it &&
                           row.grace_until == Time{} && row.deliver_by.at <= row.expires_at;
  return by_deadline ? deliver_by_passed : too_old;
}

// Events with one possible reason give it themselves.
QueueReason reason_of(const QueueRow& row, const QueueHappening& h, QueueState to) {
  switch (h.event) {
    case QueueEvent::begin:
    case QueueEvent::renew: return attempt_running;
    case QueueEvent::postpone: return kBusyReasons.has(h.reason) ? h.reason : lane_busy;
    case QueueEvent::lane_opened: return QueueReason::lane_opened;
    case QueueEvent::release: return released;
    case QueueEvent::review: return row.state == scheduled ? release_time : hold_ended;
    case QueueEvent::retry: return row.state == reporting ? row.reason : retry_requested;
    case QueueEvent::deliver: return taken_by_mailbox;
    case QueueEvent::relay: return taken_by_peer;
    case QueueEvent::expand: return expanded_to_members;
    case QueueEvent::lease_ended: return to == held ? poison : worker_lost;
    case QueueEvent::remove: return removed_by_administrator;
    case QueueEvent::expire: return row.state == reporting ? row.end_reason : reason_of_expiry(row);
    case QueueEvent::report: return row.end_reason;
    case QueueEvent::redirect: return redirected_by_administrator;
    case QueueEvent::defer: return future_release;
    case QueueEvent::suspend: return lane_suspended;
    case QueueEvent::tell_delay: return row.reason;
    case QueueEvent::await_report: return h.wait_reason;
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
    case QueueEvent::tell_delay: row.delay_told = true; break;
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
      row.lost = 0;
      if (h.via.has_value()) row.recipient.via = *h.via;
      break;
    case QueueEvent::release: row.lost = 0; break;
    case QueueEvent::expire:
    case QueueEvent::hold:
    case QueueEvent::await_report:
    case QueueEvent::remove:  // an attempt that runs may still have its effect
      if (row.lease.repeat == Lease::Repeat::may_duplicate && row.state == in_flight) {
        row.maybe_delivered = true;
      }
      break;
    default: break;
  }
}

Time clock_of(const QueueRow& row, const QueueHappening& h, Time now, const QueuePolicy& policy) {
  if (h.event == QueueEvent::tell_delay) return row.clock_at;
  switch (row.state) {
    case ready: return h.event == QueueEvent::postpone ? h.until : now;
    case in_flight: return row.lease.until;
    case waiting_retry: return now + retry_delay(row, policy);
    case held: return row.reason == poison ? now + policy.poison_review : h.until;
    case scheduled: return std::max(now, row.not_before);
    case reporting: return h.event == QueueEvent::retry ? now : h.until;
    default: return {};
  }
}

const QueuePolicy::Class* class_of(Priority priority, const QueuePolicy& policy) {
  if (priority == Priority::low) return &policy.low;
  return priority == Priority::high ? &policy.high : nullptr;
}

Duration expiry_of(const QueueRow& row, const QueuePolicy& policy) {
  const QueuePolicy::Class* own = class_of(row.priority, policy);
  return own != nullptr ? own->expiry.value_or(policy.expiry) : policy.expiry;
}

const std::vector<Duration>& schedule_of(const QueueRow& row, const QueuePolicy& policy) {
  for (const auto& route : policy.routes) {
    if (!route.schedule.empty() && route.lane == row.lane) return route.schedule;
  }
  const QueuePolicy::Class* own = class_of(row.priority, policy);
  return own != nullptr && !own->schedule.empty() ? own->schedule : policy.schedule;
}

// A moment at which the sender hears that it waits; Time{} if there is none.
Time notice_of(const QueueRow& row, const QueuePolicy& policy) {
  const Notify& notify = row.recipient.notify;
  // RFC 3461 section 4.1: who names others than DELAY wants to hear of no delay, be it long (RFC
  // 2852 section 4.1.3).
  if (row.delay_told || !notify.wants_delay()) return {};
  const QueuePolicy::Class* own = class_of(row.priority, policy);
  const Duration after =
      own != nullptr ? own->delay_notice.value_or(policy.delay_notice) : policy.delay_notice;
  Time at = std::max(row.accepted_at, row.not_before) + after;
  // A time that had passed when the message came is the business of who let it pass.
  const bool is_ours = row.deliver_by.at > row.accepted_at;
  if (row.deliver_by.mode == DeliverBy::Mode::notify && is_ours) {
    at = std::min(at, row.deliver_by.at);
  }
  return at < row.expires_at ? at : Time{};
}

// Expiry and notice, from the row's age and the policy of the moment. What is to be reported has
// other limits: they were set when that began.
void set_limits(QueueRow& row, const QueuePolicy& policy) {
  if (row.state == reporting) return;
  row.expires_at = std::max(row.accepted_at, row.not_before) + expiry_of(row, policy);
  if (row.deliver_by.mode == DeliverBy::Mode::return_it) {
    row.expires_at = std::min(row.expires_at, row.deliver_by.at);
  }
  row.expires_at = std::max(row.expires_at, row.grace_until);
  row.notice_at = notice_of(row, policy);
}

Time earliest_of(const QueueRow& row) {
  if (is_end(row.state)) return {};
  Time at = row.clock_at;
  if (row.state != in_flight) at = std::min(at, row.expires_at);
  if (row.notice_at != Time{}) at = std::min(at, row.notice_at);
  return at;
}

void remember(QueueRow& row, Time now) {
  if (!row.trail.empty()) {
    const TrailStep& last = row.trail.back();
    if (last.state == row.state && last.reason == row.reason) return;
  }
  row.trail.push_back({now, row.state, row.reason});
  if (row.trail.size() > kTrailKept) row.trail.erase(row.trail.begin() + 1);
}

// A mixing of the row's identity and step, for a spread that anybody can derive again.
uint64_t spread_of(const QueueRow& row) {
  uint64_t x = row.id.value * 0x9E3779B97F4A7C15ULL + row.index * 0xC2B2AE3D27D4EB4FULL + row.step;
  x = (x ^ (x >> 29)) * 0xBF58476D1CE4E5B9ULL;
  x = (x ^ (x >> 32)) * 0x94D049BB133111EBULL;
  return x ^ (x >> 31);
}

// A row that has just been made waits for the time that its sender asked for.
void schedule(QueueRow& row, Time now) {
  if (row.not_before <= now) return;
  row.state = scheduled;
  row.reason = future_release;
  row.clock_at = row.not_before;
  remember(row, now);
}

}  // namespace

QueueRow new_row(QueueId id, uint32_t index, Recipient recipient, const Envelope& envelope,
                 Time now, const QueuePolicy& policy) {
  QueueRow row;
  row.id = id;
  row.index = index;
  row.recipient = std::move(recipient);
  row.priority = envelope.priority();
  row.deliver_by = envelope.deliver_by;
  row.not_before = envelope.hold_until;
  row.accepted_at = now;
  row.since = now;
  row.clock_at = now;
  remember(row, now);
  schedule(row, now);
  set_limits(row, policy);
  row.next_action_at = earliest_of(row);
  return row;
}

QueueRow child_row(const QueueRow& parent, uint32_t index, Recipient recipient, Time now) {
  QueueRow row;
  row.id = parent.id;
  row.index = index;
  row.recipient = std::move(recipient);
  row.accepted_at = parent.accepted_at;
  row.since = now;
  row.clock_at = now;
  row.expires_at = parent.expires_at;
  row.notice_at = parent.notice_at;
  row.not_before = parent.not_before;
  row.priority = parent.priority;
  row.deliver_by = parent.deliver_by;
  row.delay_told = parent.delay_told;
  row.expansions = parent.expansions + 1;
  remember(row, now);
  schedule(row, now);
  row.next_action_at = earliest_of(row);
  return row;
}

Result<QueueRow> step(const QueueRow& row, const QueueHappening& happening, Time now,
                      const QueuePolicy& policy) {
  const QueueState to = target_of(row, happening, policy);
  const QueueReason why = reason_of(row, happening, to);
  // What became of its lane says nothing to a row that somebody holds for another reason.
  const bool other_hold = row.state == held && row.reason != lane_suspended;
  const bool is_for_others =
      other_hold && (happening.event == QueueEvent::lane_opened ||
                     (happening.event == QueueEvent::suspend && now < row.clock_at));
  if (is_for_others || !kQueueTable.allows(row.state, happening.event, to, why)) {
    return fail(kNoEdge, std::string(to_text(happening.event)) + " is not possible while " +
                             std::string(to_text(row.state)));
  }
  if (happening.event == QueueEvent::await_report && row.state != reporting &&
      !kQueueTable.allows(reporting, QueueEvent::report, happening.end_state, happening.reason)) {
    return fail(kNoEdge, "that is no end to be reported");
  }
  QueueRow out = row;
  add_replies(out, happening.replies);
  count(out, happening);
  out.state = to;
  out.reason = why;
  const bool stays =
      happening.event == QueueEvent::renew || happening.event == QueueEvent::tell_delay;
  if (!stays) {
    out.since = now;
    out.held_by = to == held ? happening.by : std::string();
  }
  if (happening.event != QueueEvent::tell_delay) {
    out.lease = to == in_flight ? happening.lease : Lease{};
  }
  if (!happening.lane.empty()) out.lane = happening.lane;
  // An administrator let it go before its time: whatever stands for it later goes, too.
  if (row.state == scheduled && to == ready) out.not_before = std::min(out.not_before, now);
  if (happening.event == QueueEvent::lease_ended && has_grace(row) && row.expires_at <= now) {
    out.grace_until = now + policy.lease;
    out.expires_at = out.grace_until;
  }
  if (happening.event == QueueEvent::await_report && row.state != reporting) {
    out.end_state = happening.end_state;
    out.end_reason = happening.reason;
    out.expires_at = now + policy.expiry;
    out.notice_at = {};
  }
  if (to == in_flight) {
    out.lease.until = std::min(out.lease.until, out.expires_at + kAttemptPastExpiry);
  }
  out.clock_at = clock_of(out, happening, now, policy);
  if (out.delay_told) out.notice_at = {};
  out.next_action_at = earliest_of(out);
  remember(out, now);
  return out;
}

bool is_notice_due(const QueueRow& row, Time now) {
  return !is_end(row.state) && row.notice_at != Time{} && row.notice_at <= now;
}

QueueRow postpone_notice(const QueueRow& row, Time until) {
  QueueRow out = row;
  if (out.notice_at != Time{}) out.notice_at = until < out.expires_at ? until : Time{};
  out.next_action_at = earliest_of(out);
  return out;
}

bool has_grace(const QueueRow& row) {
  return row.state == in_flight && row.lease.repeat == Lease::Repeat::harmless &&
         row.grace_until == Time{};
}

Duration retry_delay(const QueueRow& row, const QueuePolicy& policy) {
  const std::vector<Duration>& schedule = schedule_of(row, policy);
  if (schedule.empty() || row.step == 0) return Duration::seconds(60);
  const size_t place = std::min<size_t>(row.step, schedule.size()) - 1;
  const Duration delay = schedule[place];
  const int64_t span = delay.us() / 100 * static_cast<int64_t>(policy.jitter_percent);
  if (span <= 0) return delay;
  const auto offset = static_cast<int64_t>(spread_of(row) % static_cast<uint64_t>(2 * span + 1));
  return delay + Duration::microseconds(offset - span);
}

QueueRow follow_policy(const QueueRow& row, Time now, const QueuePolicy& policy) {
  QueueRow out = row;
  if (is_end(row.state)) return out;
  set_limits(out, policy);
  // What should have happened before by the new policy happens now.
  const auto not_earlier = [now](Time& at, Time was) {
    if (at != Time{} && at < now && at != was) at = now;
  };
  not_earlier(out.expires_at, row.expires_at);
  not_earlier(out.notice_at, row.notice_at);
  if (row.state == waiting_retry) {
    out.clock_at = row.since + retry_delay(row, policy);
    not_earlier(out.clock_at, row.clock_at);
  }
  if (row.state == in_flight) {
    out.lease.until = std::min(out.lease.until, out.expires_at + kAttemptPastExpiry);
    out.clock_at = out.lease.until;
  }
  out.next_action_at = earliest_of(out);
  return out;
}

QueueRow follow_clock(const QueueRow& row, Time before, Time now, const QueuePolicy& policy) {
  QueueRow out = row;
  if (is_end(row.state)) return out;
  if (now >= before) {
    if (row.accepted_at > before) return out;  // from after the step
    const Duration step = now - before;
    out.accepted_at = row.accepted_at + step;
    out.expires_at = row.expires_at + step;
    if (row.notice_at != Time{}) out.notice_at = row.notice_at + step;
    if (row.grace_until != Time{}) out.grace_until = row.grace_until + step;
    if (row.deliver_by.is_set()) out.deliver_by.at = row.deliver_by.at + step;
    out.next_action_at = earliest_of(out);
    return out;
  }
  if (row.since <= now) return out;
  const Duration back = row.since - now;
  out.since = now;
  out.accepted_at = std::min(row.accepted_at, now);
  if (row.grace_until != Time{}) out.grace_until = row.grace_until - back;
  if (row.deliver_by.is_set()) out.deliver_by.at = row.deliver_by.at - back;
  set_limits(out, policy);
  switch (row.state) {
    case waiting_retry: out.clock_at = now + retry_delay(row, policy); break;
    case held: out.clock_at = row.clock_at - back; break;
    case scheduled: break;
    case reporting:
      out.clock_at = row.clock_at - back;
      out.expires_at = row.expires_at - back;
      break;
    case in_flight:
      out.lease.until =
          std::min({row.lease.until, now + policy.lease, out.expires_at + kAttemptPastExpiry});
      out.clock_at = out.lease.until;
      break;
    default: out.clock_at = now; break;
  }
  out.next_action_at = earliest_of(out);
  return out;
}

std::string_view fault_of(const QueueRow& row) {
  if (!kQueueTable.reasons_in(row.state).has(row.reason)) return "its reason is not of its state";
  if (is_end(row.state)) return {};
  if (row.next_action_at == Time{}) return "it has no next action";
  if (row.state == in_flight) {
    if (row.lease.owner == 0) return "it is in flight without a lease";
    if (row.clock_at != row.lease.until) return "its clock is not its lease's";
    if (row.clock_at > row.expires_at + kAttemptPastExpiry) return "its lease is beyond its expiry";
  } else if (row.lease.owner != 0) {
    return "it has a lease but is not in flight";
  }
  if (row.state != in_flight && row.next_action_at > row.expires_at) {
    return "its next action is beyond its expiry";
  }
  if (row.next_action_at != earliest_of(row)) return "its next action is not its earliest clock";
  if (row.state == reporting &&
      !kQueueTable.allows(reporting, QueueEvent::report, row.end_state, row.end_reason)) {
    return "what is to be reported is no end";
  }
  return {};
}

QueueRow mended(const QueueRow& row, Time now, const QueuePolicy& policy) {
  QueueRow out = row;
  if (is_end(row.state)) {
    for (size_t n = 0; n < kQueueReasons; ++n) {
      if (kQueueTable.reasons_in(out.state).has(out.reason)) break;
      out.reason = static_cast<QueueReason>(n);
    }
    return out;
  }
  const auto set_clocks = [&] {
    set_limits(out, policy);
    if (out.state == in_flight) {
      out.lease.until = std::min({now, out.lease.until, out.expires_at + kAttemptPastExpiry});
    }
    out.clock_at = out.state == in_flight ? out.lease.until : now;
    out.next_action_at = earliest_of(out);
  };
  set_clocks();
  if (fault_of(out).empty()) return out;
  out.state = ready;
  out.reason = worker_lost;
  out.lease = {};
  remember(out, now);
  set_clocks();
  return out;
}

std::string_view next_action_of(const QueueRow& row) {
  if (is_end(row.state)) return "nothing: it has ended";
  if (row.state == reporting) return "the report to its sender is written, and it ends";
  if (row.state != in_flight && row.next_action_at >= row.expires_at) {
    return "it expires and goes back to its sender";
  }
  if (row.next_action_at < row.clock_at) return "its sender is told that it waits";
  switch (row.state) {
    case scheduled: return "it leaves";
    case ready: return "an attempt";
    case waiting_retry: return "another attempt";
    case in_flight: return "the attempt ends, or its lease does";
    default: return "the hold ends and an attempt follows";
  }
}

}  // namespace ph::model
