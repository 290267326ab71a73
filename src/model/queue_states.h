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
  scheduled,
  reporting,
};
inline constexpr size_t kQueueStates = 12;

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
  lane_suspended,
  rate_limited,
  routing_busy,
  future_release,
  release_time,
  report_budget,
  deliver_by_passed,
  deliver_by_unsupported,
  redirected_by_administrator,
};
inline constexpr size_t kQueueReasons = 47;

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
  defer,         // its sender wants it to leave later (RFC 4865)
  suspend,       // its lane is suspended by an administrator
  tell_delay,    // the sender is told that it waits
  await_report,  // its end is certain, but the report to its sender cannot be written now
  report,        // that report is written: it ends
  redirect,      // an administrator gave it another address
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
    QueueReason::peer_5xx,           QueueReason::no_such_address,
    QueueReason::no_such_domain,     QueueReason::null_mx,
    QueueReason::routing_loop,       QueueReason::not_routable,
    QueueReason::not_sendable,       QueueReason::mailbox_full,
    QueueReason::message_unreadable, QueueReason::deliver_by_unsupported,
};
inline constexpr QueueReasons kExpiryReasons = {QueueReason::too_old,
                                                QueueReason::deliver_by_passed};
// Why a report to the sender has to wait.
inline constexpr QueueReasons kReportWaits = {QueueReason::report_budget, QueueReason::disk_full,
                                              QueueReason::internal_error};
inline constexpr QueueReasons kBusyReasons = {QueueReason::lane_busy, QueueReason::rate_limited,
                                              QueueReason::routing_busy};
inline constexpr QueueReasons kReadyReasons =
    kBusyReasons | QueueReasons{QueueReason::new_message,     QueueReason::lane_opened,
                                QueueReason::retry_requested, QueueReason::released,
                                QueueReason::hold_ended,      QueueReason::worker_lost,
                                QueueReason::stopping,        QueueReason::release_time};
inline constexpr QueueReasons kHeldReasons = {QueueReason::held_by_administrator,
                                              QueueReason::internal_error, QueueReason::poison,
                                              QueueReason::lane_suspended};

namespace detail {

using enum QueueState;
using E = QueueEvent;
using R = QueueReason;
inline constexpr QueueReasons kAdminHolds = {R::held_by_administrator, R::internal_error};

inline constexpr RestTable<QueueState, QueueEvent, QueueReason, kQueueStates, 85> kQueueTableMade{
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
        {scheduled, "scheduled", Rest::resting, "the time that its sender asked for", E::review,
         "Its sender asked for it to leave at the time shown."},
        {reporting, "reporting", Rest::resting, "when the report can be written", E::report,
         "Its end is certain; it ends when the report to its sender can be written."},
    }},
    .edges = {{
        {ready, E::begin, in_flight, {R::attempt_running}},
        {ready, E::postpone, ready, kBusyReasons},
        {ready, E::lane_closed, waiting_retry, kLaneReasons},
        {ready, E::fail_for_now, waiting_retry, kWaitReasons},
        {ready, E::fail_for_good, failed, kFailReasons},
        {ready, E::expand, expanded, {R::expanded_to_members}},
        {ready, E::deliver, delivered, {R::taken_by_mailbox}},
        {ready, E::relay, relayed, {R::taken_by_peer}},
        {ready, E::hold, held, kAdminHolds},
        {ready, E::suspend, held, {R::lane_suspended}},
        {ready, E::retry, ready, {R::retry_requested}},
        {ready, E::remove, removed, {R::removed_by_administrator}},
        {ready, E::redirect, expanded, {R::redirected_by_administrator}},
        {ready, E::expire, expired, kExpiryReasons},
        {ready, E::defer, scheduled, {R::future_release}},
        {ready, E::tell_delay, ready, kReadyReasons},
        {ready, E::await_report, reporting, kReportWaits},

        {in_flight, E::deliver, delivered, {R::taken_by_mailbox}},
        {in_flight, E::relay, relayed, {R::taken_by_peer}},
        {in_flight, E::fail_for_now, waiting_retry, kWaitReasons},
        {in_flight, E::fail_for_good, failed, kFailReasons},
        {in_flight, E::lane_closed, waiting_retry, kLaneReasons},
        {in_flight, E::give_back, ready, {R::lane_busy, R::rate_limited, R::stopping}},
        {in_flight, E::lease_ended, ready, {R::worker_lost}},
        {in_flight, E::lease_ended, held, {R::poison}},
        {in_flight, E::renew, in_flight, {R::attempt_running}},
        {in_flight, E::hold, held, kAdminHolds},
        {in_flight, E::remove, removed, {R::removed_by_administrator}},
        {in_flight, E::expire, expired, kExpiryReasons},
        {in_flight, E::tell_delay, in_flight, {R::attempt_running}},
        {in_flight, E::await_report, reporting, kReportWaits},

        {waiting_retry, E::begin, in_flight, {R::attempt_running}},
        {waiting_retry, E::postpone, ready, kBusyReasons},
        {waiting_retry, E::lane_closed, waiting_retry, kLaneReasons},
        {waiting_retry, E::lane_opened, ready, {R::lane_opened}},
        {waiting_retry, E::fail_for_now, waiting_retry, kWaitReasons},
        {waiting_retry, E::fail_for_good, failed, kFailReasons},
        {waiting_retry, E::expand, expanded, {R::expanded_to_members}},
        {waiting_retry, E::deliver, delivered, {R::taken_by_mailbox}},
        {waiting_retry, E::relay, relayed, {R::taken_by_peer}},
        {waiting_retry, E::hold, held, kAdminHolds},
        {waiting_retry, E::suspend, held, {R::lane_suspended}},
        {waiting_retry, E::retry, ready, {R::retry_requested}},
        {waiting_retry, E::remove, removed, {R::removed_by_administrator}},
        {waiting_retry, E::redirect, expanded, {R::redirected_by_administrator}},
        {waiting_retry, E::expire, expired, kExpiryReasons},
        {waiting_retry, E::tell_delay, waiting_retry, kWaitReasons},
        {waiting_retry, E::await_report, reporting, kReportWaits},

        {held, E::review, ready, {R::hold_ended}},
        {held, E::release, ready, {R::released}},
        {held, E::retry, ready, {R::retry_requested}},
        {held, E::lane_opened, ready, {R::lane_opened}},
        {held, E::suspend, held, {R::lane_suspended}},
        {held, E::hold, held, kAdminHolds},
        {held, E::deliver, delivered, {R::taken_by_mailbox}},
        {held, E::relay, relayed, {R::taken_by_peer}},
        {held, E::remove, removed, {R::removed_by_administrator}},
        {held, E::redirect, expanded, {R::redirected_by_administrator}},
        {held, E::expire, expired, kExpiryReasons},
        {held, E::tell_delay, held, kHeldReasons},
        {held, E::await_report, reporting, kReportWaits},

        {scheduled, E::review, ready, {R::release_time}},
        {scheduled, E::release, ready, {R::released}},
        {scheduled, E::retry, ready, {R::retry_requested}},
        {scheduled, E::hold, held, kAdminHolds},
        {scheduled, E::remove, removed, {R::removed_by_administrator}},
        {scheduled, E::redirect, expanded, {R::redirected_by_administrator}},
        {scheduled, E::expire, expired, kExpiryReasons},
        {scheduled, E::tell_delay, scheduled, {R::future_release}},
        {scheduled, E::await_report, reporting, kReportWaits},

        {reporting, E::report, failed, kFailReasons},
        {reporting, E::report, expired, kExpiryReasons},
        {reporting, E::report, removed, {R::removed_by_administrator}},
        {reporting, E::report, delivered, {R::taken_by_mailbox}},
        {reporting, E::report, relayed, {R::taken_by_peer}},
        {reporting, E::await_report, reporting, kReportWaits},
        {reporting, E::deliver, delivered, {R::taken_by_mailbox}},
        {reporting, E::relay, relayed, {R::taken_by_peer}},
        {reporting, E::retry, reporting, kReportWaits},
        {reporting, E::remove, removed, {R::removed_by_administrator}},
        {reporting, E::expire, failed, kFailReasons},
        {reporting, E::expire, expired, kExpiryReasons},
        {reporting, E::expire, removed, {R::removed_by_administrator}},
        {reporting, E::expire, delivered, {R::taken_by_mailbox}},
        {reporting, E::expire, relayed, {R::taken_by_peer}},
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
