// The rest table of a queued recipient: its states, its reasons, what can happen to it.
//
// The numbers of the enumerations are durable: new values go to the end, none is ever reused.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "model/rest_table.h"

namespace ph::model {

enum class QueueState : uint8_t {
  ready,
  in_flight,
  waiting_retry,
  held,
  delivered,
  relayed,
  expanded,
  failed,
  expired,
  removed,
};
inline constexpr size_t kQueueStates = 10;

// Why a row is in its state. Closed: whoever adds one gives it a sentence in queue_states.cc.
enum class QueueReason : uint8_t {
  new_message,
  lane_busy,
  lane_opened,
  retry_requested,
  released,
  hold_ended,
  worker_lost,
  attempt_running,
  connection_refused,
  connection_lost,
  unreachable,
  timed_out,
  dns_failure,
  tls_failure,
  auth_failure,
  peer_4xx,
  peer_5xx,
  maybe_delivered,
  directory_unavailable,
  mailbox_unavailable,
  mailbox_full,
  disk_full,
  internal_error,
  stopping,
  held_by_administrator,
  poison,
  no_such_address,
  no_such_domain,
  null_mx,
  routing_loop,
  not_routable,
  message_unreadable,
  not_sendable,
  taken_by_mailbox,
  taken_by_peer,
  expanded_to_members,
  too_old,
  removed_by_administrator,
};
inline constexpr size_t kQueueReasons = 38;

enum class QueueEvent : uint8_t {
  begin,          // an attempt starts under a lease
  postpone,       // its lane is full: look again later
  lane_closed,    // its lane is known not to work now: no attempt was made
  lane_opened,    // its lane works again
  fail_for_now,   // may work later
  fail_for_good,  // will not work
  deliver,        // the mailbox has it
  relay,          // the next hop has it
  expand,         // other recipients stand for it now
  give_back,      // an attempt that had not begun to act is undone
  lease_ended,    // the clock ended an attempt
  renew,          // the worker of an attempt lives although the clock says its lease is over
  hold,
  release,
  review,  // the clock ended a hold
  retry,
  remove,
  expire,
};

using QueueReasons = EnumSet<QueueReason>;

// Faults of a whole lane rather than of one recipient: when the lane opens, rows that wait for
// these are tried at once.
inline constexpr QueueReasons kLaneReasons = {
    QueueReason::connection_refused, QueueReason::connection_lost, QueueReason::unreachable,
    QueueReason::timed_out,          QueueReason::dns_failure,     QueueReason::tls_failure,
    QueueReason::auth_failure,
};
inline constexpr QueueReasons kWaitReasons =
    kLaneReasons | QueueReasons{QueueReason::peer_4xx,
                                QueueReason::maybe_delivered,
                                QueueReason::mailbox_unavailable,
                                QueueReason::mailbox_full,
                                QueueReason::directory_unavailable,
                                QueueReason::disk_full,
                                QueueReason::internal_error,
                                QueueReason::message_unreadable};
inline constexpr QueueReasons kFailReasons = {
    QueueReason::peer_5xx,     QueueReason::no_such_address, QueueReason::no_such_domain,
    QueueReason::null_mx,      QueueReason::routing_loop,    QueueReason::not_routable,
    QueueReason::not_sendable, QueueReason::mailbox_full,    QueueReason::message_unreadable,
};

namespace detail {

using enum QueueState;
using E = QueueEvent;
using R = QueueReason;

inline constexpr RestTable<QueueState, QueueEvent, QueueReason, kQueueStates, 45> kQueueTableMade{
    .states = {{
        {ready, "ready", Rest::resting, "at once, or when its lane should have room", E::begin,
         "An attempt starts as soon as its lane has a free place."},
        {in_flight, "in_flight", Rest::resting, "the end of the attempt's lease", E::lease_ended,
         "An attempt is running. If its worker dies, the lease ends and it is tried again."},
        {waiting_retry, "waiting_retry", Rest::resting, "the next step of the retry schedule",
         E::begin, "The last attempt did not work. It is tried again at the time shown."},
        {held, "held", Rest::resting, "the end of the hold, or its review", E::review,
         "It is kept back for the reason shown, and goes on by itself at the time shown."},
        {delivered, "delivered", Rest::end, "", {}, "The mailbox has the message."},
        {relayed, "relayed", Rest::end, "", {}, "The next hop has taken the message."},
        {expanded, "expanded", Rest::end, "", {}, "Other recipients of this message stand for it."},
        {failed, "failed", Rest::end, "", {}, "It cannot be delivered; the sender was told."},
        {expired, "expired", Rest::end, "", {}, "It waited too long; the sender was told."},
        {removed, "removed", Rest::end, "", {}, "An administrator took it out of the queue."},
    }},
    .edges = {{
        {ready, E::begin, in_flight, {R::attempt_running}},
        {ready, E::postpone, ready, {R::lane_busy}},
        {ready, E::lane_closed, waiting_retry, kLaneReasons},
        {ready, E::fail_for_now, waiting_retry, kWaitReasons},
        {ready, E::fail_for_good, failed, kFailReasons},
        {ready, E::expand, expanded, {R::expanded_to_members}},
        {ready, E::deliver, delivered, {R::taken_by_mailbox}},
        {ready, E::relay, relayed, {R::taken_by_peer}},
        {ready, E::hold, held, {R::held_by_administrator, R::internal_error}},
        {ready, E::retry, ready, {R::retry_requested}},
        {ready, E::remove, removed, {R::removed_by_administrator}},
        {ready, E::expire, expired, {R::too_old}},

        {in_flight, E::deliver, delivered, {R::taken_by_mailbox}},
        {in_flight, E::relay, relayed, {R::taken_by_peer}},
        {in_flight, E::fail_for_now, waiting_retry, kWaitReasons},
        {in_flight, E::fail_for_good, failed, kFailReasons},
        {in_flight, E::lane_closed, waiting_retry, kLaneReasons},
        {in_flight, E::give_back, ready, {R::lane_busy, R::stopping}},
        {in_flight, E::lease_ended, ready, {R::worker_lost}},
        {in_flight, E::lease_ended, held, {R::poison}},
        {in_flight, E::renew, in_flight, {R::attempt_running}},
        {in_flight, E::hold, held, {R::held_by_administrator, R::internal_error}},
        {in_flight, E::remove, removed, {R::removed_by_administrator}},
        {in_flight, E::expire, expired, {R::too_old}},

        {waiting_retry, E::begin, in_flight, {R::attempt_running}},
        {waiting_retry, E::postpone, ready, {R::lane_busy}},
        {waiting_retry, E::lane_closed, waiting_retry, kLaneReasons},
        {waiting_retry, E::lane_opened, ready, {R::lane_opened}},
        {waiting_retry, E::fail_for_now, waiting_retry, kWaitReasons},
        {waiting_retry, E::fail_for_good, failed, kFailReasons},
        {waiting_retry, E::expand, expanded, {R::expanded_to_members}},
        {waiting_retry, E::deliver, delivered, {R::taken_by_mailbox}},
        {waiting_retry, E::relay, relayed, {R::taken_by_peer}},
        {waiting_retry, E::hold, held, {R::held_by_administrator, R::internal_error}},
        {waiting_retry, E::retry, ready, {R::retry_requested}},
        {waiting_retry, E::remove, removed, {R::removed_by_administrator}},
        {waiting_retry, E::expire, expired, {R::too_old}},

        {held, E::review, ready, {R::hold_ended}},
        {held, E::release, ready, {R::released}},
        {held, E::retry, ready, {R::retry_requested}},
        {held, E::hold, held, {R::held_by_administrator, R::internal_error}},
        {held, E::deliver, delivered, {R::taken_by_mailbox}},
        {held, E::relay, relayed, {R::taken_by_peer}},
        {held, E::remove, removed, {R::removed_by_administrator}},
        {held, E::expire, expired, {R::too_old}},
    }},
    .start = ready,
    .start_reasons = {R::new_message},
    .expiry = E::expire,
};

}  // namespace detail

inline constexpr auto& kQueueTable = detail::kQueueTableMade;
static_assert(problem_of(kQueueTable).empty());

constexpr bool is_end(QueueState s) { return kQueueTable.is_end(s); }
constexpr std::string_view to_text(QueueState s) { return kQueueTable.row(s).name; }
std::string_view to_text(QueueReason reason);
std::string_view to_text(QueueEvent event);
// One sentence for people.
std::string_view sentence_of(QueueReason reason);

std::optional<QueueState> queue_state_named(std::string_view name);
std::optional<QueueReason> queue_reason_named(std::string_view name);
// From a stored number; nullopt if there is no such value.
std::optional<QueueState> queue_state_from(uint64_t number);
std::optional<QueueReason> queue_reason_from(uint64_t number);

}  // namespace ph::model
