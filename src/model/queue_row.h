// A queued recipient as a value, and the one function that changes it.
//
// step() is pure: it takes the row, what happened, the time and the policy of the moment, and
// answers the new row, or kNoEdge if the rest table has no such edge (an administrator's command in
// a state where it means nothing). Only the ledger persists what it answers. Each row it answers
// satisfies is_sound(): known edge, allowed reason, next action not beyond expiry (for a running
// attempt: the end of its lease).
#pragma once

#include <cstdint>
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

struct QueueRow {
  QueueId id;
  uint32_t index = 0;  // of the recipient within its message
  Recipient recipient;

  QueueState state = QueueState::ready;
  QueueReason reason = QueueReason::new_message;
  Time accepted_at;
  Time since;           // in this state
  Time next_action_at;  // resting states only
  Time expires_at;
  uint32_t attempts = 0;             // begun
  uint32_t step = 0;                 // place in the retry schedule: 0 before the first failure
  uint32_t lost = 0;                 // attempts in a row that ended without a result
  uint32_t expansions = 0;           // aliases passed on the way to this recipient
  bool maybe_delivered = false;      // some attempt may have had its effect without our knowing
  std::string lane;                  // where it was last to go: for people, and as a hint
  Lease lease;                       // in_flight only
  std::string held_by;               // held only: who, and why in their words
  std::vector<ReplyRecord> history;  // the newest kRepliesKept

  bool operator==(const QueueRow&) const = default;
};

// The settings of this moment, as far as a row's clock depends on them.
struct QueuePolicy {
  std::vector<Duration> schedule{
      Duration::seconds(60), Duration::seconds(60), Duration::seconds(60), Duration::minutes(5),
      Duration::minutes(15), Duration::minutes(30), Duration::minutes(60)};
  uint32_t jitter_percent = 10;
  Duration expiry = Duration::days(2);
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
  Time until{};                        // postpone: look again; hold: its end
  std::string by{};                    // hold: who and why
};

QueueRow new_row(QueueId id, uint32_t index, Recipient recipient, Time now,
                 const QueuePolicy& policy);

Result<QueueRow> step(const QueueRow& row, const QueueHappening& happening, Time now,
                      const QueuePolicy& policy);

// The delay before schedule step `row.step`, spread by a jitter that depends on the row alone, so
// that whoever looks derives the same time.
Duration retry_delay(const QueueRow& row, const QueuePolicy& policy);

// The row with its expiry and its next action derived anew from the policy of this moment: what
// makes a change of the schedule act on rows that wait already. What should have happened before
// `now` by the new policy happens now.
QueueRow follow_policy(const QueueRow& row, Time now, const QueuePolicy& policy);

// The row after a step of the wall clock from `before` to `now`. Forwards: its age does not grow by
// what did not pass. Backwards: a row from the future waits no longer than its step's delay.
QueueRow follow_clock(const QueueRow& row, Time before, Time now, const QueuePolicy& policy);

// "" or what is wrong with the row as it stands, whatever the time is.
std::string_view fault_of(const QueueRow& row);

// For people: what will happen at next_action_at.
std::string_view next_action_of(const QueueRow& row);

}  // namespace ph::model
