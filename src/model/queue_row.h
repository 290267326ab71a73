// A queued recipient as a value, and the one function that changes it.
//
// step() is pure: it takes the row, what happened, the time and the policy of the moment, and
// answers the new row, or kNoEdge if the rest table has no such edge (an administrator's command in
// a state where it means nothing). Only the ledger persists what it answers. Each row it answers
// has no fault_of(): known edge, allowed reason, and a next action that is the earliest of its
// clocks.
//
// A row has up to three clocks. `clock_at` is its state's own (the next attempt, the end of a lease
// or of a hold), `expires_at` ends its life in whatever state, `notice_at` is when its sender hears
// that it waits. next_action_at is the earliest of them; that is what the index by time holds.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "model/envelope.h"
#include "model/queue_id.h"
#include "model/queue_states.h"
#include "model/reply.h"

namespace ph::model {

inline constexpr ErrorKind kNoEdge{"model", "not_possible_in_this_state", Disposition::permanent};

// A running attempt: who runs it, until when. Renewed by its owner only.
struct Lease {
  uint64_t owner = 0;    // the process's incarnation; 0: no lease
  uint64_t attempt = 0;  // of this owner, never twice
  Time until;
  // Whether a lost attempt may have had an effect that a new one would repeat (a next hop by SMTP),
  // or the receiver recognises the message (a mailbox, by hand-over id).
  enum class Repeat : uint8_t { harmless, may_duplicate } repeat = Repeat::may_duplicate;

  bool operator==(const Lease&) const = default;
};

// A change of state that the row remembers: what `trace` shows.
struct TrailStep {
  Time when;
  QueueState state = QueueState::ready;
  QueueReason reason = QueueReason::new_message;

  bool operator==(const TrailStep&) const = default;
};
inline constexpr size_t kTrailKept = 32;  // the first one, and the newest

// An attempt that began before the row's expiry may go on for so long behind it.
inline constexpr Duration kAttemptPastExpiry = Duration::minutes(5);

struct QueueRow {
  QueueId id;
  uint32_t index = 0;  // of the recipient within its message
  Recipient recipient;

  QueueState state = QueueState::ready;
  QueueReason reason = QueueReason::new_message;
  Time accepted_at;
  Time since;           // in this state
  Time next_action_at;  // resting states only: the earliest of the clocks
  Time clock_at;        // the state's own clock
  Time expires_at;
  Time notice_at;           // Time{}: its sender has been told, or does not want to be
  Time not_before;          // its sender's wish (RFC 4865); its age counts from here
  Time grace_until;         // lets it outlive its expiry once: a lost delivery is looked after
  uint32_t attempts = 0;    // begun
  uint32_t step = 0;        // place in the retry schedule: 0 before the first failure
  uint32_t lost = 0;        // attempts in a row that ended without a result
  uint32_t expansions = 0;  // aliases passed on the way to this recipient
  Priority priority = Priority::normal;
  DeliverBy deliver_by;
  bool delay_told = false;
  bool maybe_delivered = false;  // some attempt may have had its effect without our knowing
  std::string lane;              // where it was last to go: for people, and as a hint
  Lease lease;                   // in_flight only
  std::string held_by;           // held only: who, and why in their words
  QueueState end_state = QueueState::failed;           // reporting only: what it comes to
  QueueReason end_reason = QueueReason::not_routable;  // and why
  std::vector<ReplyRecord> history;                    // the newest kRepliesKept
  std::vector<TrailStep> trail;                        // kTrailKept

  bool operator==(const QueueRow&) const = default;
};

// The settings of this moment, as far as a row's clock depends on them.
struct QueuePolicy {
  // What differs by priority; absent: as for normal.
  struct Class {
    std::vector<Duration> schedule;
    std::optional<Duration> expiry;
    std::optional<Duration> delay_notice;

    bool operator==(const Class&) const = default;
  };
  // A schedule of its own for one lane; it goes before that of the priority.
  struct RouteSchedule {
    std::string lane;
    std::vector<Duration> schedule;

    bool operator==(const RouteSchedule&) const = default;
  };

  std::vector<Duration> schedule{
      Duration::seconds(60), Duration::seconds(60), Duration::seconds(60), Duration::minutes(5),
      Duration::minutes(15), Duration::minutes(30), Duration::minutes(60)};
  uint32_t jitter_percent = 10;
  Duration expiry = Duration::days(2);
  Duration delay_notice = Duration::hours(4);
  Class low;
  Class high;
  std::vector<RouteSchedule> routes;
  Duration lease = Duration::minutes(20);
  uint32_t poison_after = 2;
  Duration poison_review = Duration::hours(1);

  bool operator==(const QueuePolicy&) const = default;
};

// Something that happened to a row. Which members count depends on the event.
struct QueueHappening {
  QueueEvent event = QueueEvent::begin;
  QueueReason reason = QueueReason::new_message;
  std::vector<ReplyRecord> replies{};  // appended to the history
  std::string lane{};                  // begin, lane_closed, postpone: the lane; "" keeps the old
  Lease lease{};                       // begin, renew
  Time until{};                        // postpone, await_report: look again; hold, suspend: its end
  std::string by{};                    // hold, suspend: who and why
  QueueState end_state = QueueState::failed;  // await_report: what it comes to, with `reason`
  QueueReason wait_reason = QueueReason::report_budget;  // await_report: why it has to wait
  std::optional<std::string> via{};  // retry: a next hop of the administrator's choice
};

// A row of a new message, ready or scheduled.
QueueRow new_row(QueueId id, uint32_t index, Recipient recipient, const Envelope& envelope,
                 Time now, const QueuePolicy& policy);
// A row for an address that stands for `parent`'s from now on: same age, same limits.
QueueRow child_row(const QueueRow& parent, uint32_t index, Recipient recipient, Time now);

Result<QueueRow> step(const QueueRow& row, const QueueHappening& happening, Time now,
                      const QueuePolicy& policy);

// The delay before schedule step `row.step`, spread by a jitter that depends on the row alone, so
// that whoever looks derives the same time.
Duration retry_delay(const QueueRow& row, const QueuePolicy& policy);

// Whether the sender is to hear now that it waits.
bool is_notice_due(const QueueRow& row, Time now);
// The same row, whose sender hears of it later: the notice could not be written.
QueueRow postpone_notice(const QueueRow& row, Time until);
// Whether the clock may end a lost attempt of an expired row with one more attempt: the receiver
// recognises what it has, and the sender must not be told of a failure that was none.
bool has_grace(const QueueRow& row);

// The row with its expiry and its next action derived anew from the policy of this moment: what
// makes a change of the schedule act on rows that wait already. What should have happened before
// `now` by the new policy happens now.
QueueRow follow_policy(const QueueRow& row, Time now, const QueuePolicy& policy);

// The row after a step of the wall clock from `before` to `now`. Forwards: its age does not grow by
// what did not pass. Backwards: a row from the future waits no longer than its step's delay.
QueueRow follow_clock(const QueueRow& row, Time before, Time now, const QueuePolicy& policy);

// "" or what is wrong with the row as it stands, whatever the time is.
std::string_view fault_of(const QueueRow& row);

// The row made sound, whatever is wrong with it, with a clock of `now`: the auditor's repair.
QueueRow mended(const QueueRow& row, Time now, const QueuePolicy& policy);

// For people: what will happen at next_action_at.
std::string_view next_action_of(const QueueRow& row);

}  // namespace ph::model
