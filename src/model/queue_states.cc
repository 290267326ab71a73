#include "model/queue_states.h"

#include <array>

#include "base/check.h"

namespace ph::model {
namespace {

struct ReasonRow {
  QueueReason reason;
  std::string_view name;
  std::string_view sentence;
};

using enum QueueReason;

constexpr std::array<ReasonRow, kQueueReasons> kReasons{{
    {new_message, "new_message", "It has just been accepted."},
    {lane_busy, "lane_busy", "Its next hop already gets as much at once as is allowed."},
    {lane_opened, "lane_opened", "Its next hop works again."},
    {retry_requested, "retry_requested", "An administrator asked for an attempt now."},
    {released, "released", "An administrator released it."},
    {hold_ended, "hold_ended", "The time of its hold is over."},
    {worker_lost, "worker_lost", "The attempt ended without a result; its worker was lost."},
    {attempt_running, "attempt_running", "An attempt is running."},
    {connection_refused, "connection_refused", "The next hop refused the connection."},
    {connection_lost, "connection_lost", "The connection to the next hop broke off."},
    {unreachable, "unreachable", "There is no way to the next hop's network."},
    {timed_out, "timed_out", "The next hop did not answer in time."},
    {dns_failure, "dns_failure", "The next hop could not be looked up: DNS gave no answer."},
    {tls_failure, "tls_failure", "No encrypted connection could be made with the next hop."},
    {auth_failure, "auth_failure", "The next hop did not accept our login."},
    {peer_4xx, "peer_4xx", "The next hop asked to try again later."},
    {peer_5xx, "peer_5xx", "The next hop refused it for good."},
    {maybe_delivered, "maybe_delivered",
     "The answer to the whole message was lost: the next hop may have it or not."},
    {directory_unavailable, "directory_unavailable", "The directory gave no answer."},
    {mailbox_unavailable, "mailbox_unavailable", "The mailbox could not be opened."},
    {mailbox_full, "mailbox_full", "The mailbox is full."},
    {disk_full, "disk_full", "The disk is full."},
    {internal_error, "internal_error",
     "Posthorn failed on it; this is a defect, please report it."},
    {stopping, "stopping", "The server stopped before the attempt began."},
    {held_by_administrator, "held_by_administrator", "An administrator holds it."},
    {poison, "poison", "Attempts on it ended without a result more than once; it is isolated."},
    {no_such_address, "no_such_address", "There is no such address here."},
    {no_such_domain, "no_such_domain", "There is no such domain."},
    {null_mx, "null_mx", "The domain says that it takes no mail."},
    {routing_loop, "routing_loop", "It would come back to this server again and again."},
    {not_routable, "not_routable", "There is no way to this address."},
    {message_unreadable, "message_unreadable", "The stored message cannot be read."},
    {not_sendable, "not_sendable", "The next hop cannot take a message of this kind."},
    {taken_by_mailbox, "taken_by_mailbox", "The mailbox has it."},
    {taken_by_peer, "taken_by_peer", "The next hop has taken it."},
    {expanded_to_members, "expanded_to_members", "The addresses behind it stand for it now."},
    {too_old, "too_old", "It could not be delivered within the time allowed."},
    {removed_by_administrator, "removed_by_administrator", "An administrator removed it."},
    {lane_suspended, "lane_suspended", "An administrator suspended its next hop."},
    {rate_limited, "rate_limited", "Its next hop gets no more messages a minute than is allowed."},
    {routing_busy, "routing_busy", "As many next hops are being looked up as is allowed at once."},
    {future_release, "future_release", "Its sender asked for it to leave later."},
    {release_time, "release_time", "The time at which its sender wanted it to leave has come."},
    {report_budget, "report_budget",
     "More reports are due than may be written now; its report waits for its turn."},
    {deliver_by_passed, "deliver_by_passed",
     "It was to be delivered by a time that has passed, and to come back if not."},
    {deliver_by_unsupported, "deliver_by_unsupported",
     "It must be delivered in time or come back, and the next hop cannot promise that."},
    {redirected_by_administrator, "redirected_by_administrator",
     "An administrator sent it to another address."},
}};

constexpr bool reasons_in_order() {
  for (size_t i = 0; i < kReasons.size(); ++i) {
    if (static_cast<size_t>(kReasons[i].reason) != i) return false;
    if (kReasons[i].name.empty() || kReasons[i].sentence.empty()) return false;
    if (kReasons[i].name == "unknown" || kReasons[i].name == "other") return false;
  }
  return true;
}
static_assert(reasons_in_order());

}  // namespace

std::string_view to_text(QueueReason reason) { return kReasons[static_cast<size_t>(reason)].name; }

std::string_view sentence_of(QueueReason reason) {
  return kReasons[static_cast<size_t>(reason)].sentence;
}

std::string_view to_text(QueueEvent event) {
  switch (event) {
    case QueueEvent::begin: return "begin";
    case QueueEvent::postpone: return "postpone";
    case QueueEvent::lane_closed: return "lane_closed";
    case QueueEvent::lane_opened: return "lane_opened";
    case QueueEvent::fail_for_now: return "fail_for_now";
    case QueueEvent::fail_for_good: return "fail_for_good";
    case QueueEvent::deliver: return "deliver";
    case QueueEvent::relay: return "relay";
    case QueueEvent::expand: return "expand";
    case QueueEvent::give_back: return "give_back";
    case QueueEvent::lease_ended: return "lease_ended";
    case QueueEvent::renew: return "renew";
    case QueueEvent::hold: return "hold";
    case QueueEvent::release: return "release";
    case QueueEvent::review: return "review";
    case QueueEvent::retry: return "retry";
    case QueueEvent::remove: return "remove";
    case QueueEvent::expire: return "expire";
    case QueueEvent::defer: return "defer";
    case QueueEvent::suspend: return "suspend";
    case QueueEvent::tell_delay: return "tell_delay";
    case QueueEvent::await_report: return "await_report";
    case QueueEvent::report: return "report";
    case QueueEvent::redirect: return "redirect";
  }
  PH_CHECK(false);
}

std::optional<QueueState> queue_state_named(std::string_view name) {
  for (const auto& row : kQueueTable.states) {
    if (row.name == name) return row.state;
  }
  return std::nullopt;
}

std::optional<QueueReason> queue_reason_named(std::string_view name) {
  for (const auto& row : kReasons) {
    if (row.name == name) return row.reason;
  }
  return std::nullopt;
}

std::optional<QueueState> queue_state_from(uint64_t number) {
  if (number >= kQueueStates) return std::nullopt;
  return static_cast<QueueState>(number);
}

std::optional<QueueReason> queue_reason_from(uint64_t number) {
  if (number >= kQueueReasons) return std::nullopt;
  return static_cast<QueueReason>(number);
}

}  // namespace ph::model
