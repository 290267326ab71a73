#include "service/report/detail/status.h"

#include <algorithm>
#include <ranges>

#include "base/check.h"
#include "codec/mime/writer.h"
#include "model/queue_row.h"
#include "service/report/detail/lines.h"

namespace ph::report {
namespace {

using model::QueueReason;
using model::QueueRow;
using model::QueueState;
using model::ReplyRecord;
using model::Stage;
using queue::ReportAction;

// Beyond so many recipients the fields that are not demanded are left out: every recipient is
// named, and the report stays small enough to be taken.
constexpr size_t kRowsInFull = 500;

bool is_obstacle(QueueState state) {
  return state == QueueState::waiting_retry || state == QueueState::held ||
         state == QueueState::scheduled;
}

// A refusal without an enhanced code: what its number means at this stage (RFC 5321 section 4.2.3,
// RFC 5248, 7504, 7505). Never X.0.0: that says nothing.
std::string_view detail_of(const ReplyRecord& reply) {
  switch (reply.code) {
    case 500: return "5.2";
    case 501:
    case 504:
    case 455:
    case 555: return "5.4";
    case 502:
    case 503: return "5.1";
    case 421:
    case 521: return "3.2";
    case 432:
    case 454:
    case 530:
    case 534:
    case 535: return "7.8";
    case 452: return "3.1";
    case 551: return "1.6";
    case 552: return reply.stage == Stage::recipient ? "2.2" : "3.4";
    case 553: return "1.3";
    case 556: return "1.10";
    default: break;
  }
  switch (reply.stage) {
    case Stage::recipient: return reply.code / 100 == 4 ? "2.0" : "1.0";
    case Stage::sender: return "1.0";
    case Stage::data:
    case Stage::final: return "6.0";
    case Stage::tls: return "7.5";
    case Stage::auth: return "7.8";
    case Stage::mailbox: return "2.0";
    default: return "4.0";
  }
}

std::string_view detail_of_failure(QueueReason reason) {
  switch (reason) {
    case QueueReason::no_such_address: return "5.1.1";
    case QueueReason::no_such_domain: return "5.1.2";
    case QueueReason::null_mx: return "5.1.10";  // RFC 7505 section 4.2
    case QueueReason::routing_loop: return "5.4.6";
    case QueueReason::not_routable: return "5.4.4";
    case QueueReason::mailbox_full: return "5.2.2";
    case QueueReason::not_sendable: return "5.6.1";
    case QueueReason::message_unreadable: return "5.3.0";
    case QueueReason::deliver_by_passed:
    case QueueReason::deliver_by_unsupported: return "5.4.7";  // RFC 2852 section 4.1.3
    default: return "5.3.0";
  }
}

std::string_view detail_of_delay(QueueReason reason) {
  switch (reason) {
    case QueueReason::connection_refused:
    case QueueReason::unreachable:
    case QueueReason::timed_out: return "4.4.1";
    case QueueReason::connection_lost:
    case QueueReason::maybe_delivered: return "4.4.2";
    case QueueReason::dns_failure:
    case QueueReason::directory_unavailable: return "4.4.3";
    case QueueReason::tls_failure: return "4.7.5";
    case QueueReason::auth_failure: return "4.7.8";
    case QueueReason::peer_4xx:
    case QueueReason::mailbox_unavailable: return "4.2.0";
    case QueueReason::mailbox_full: return "4.2.2";
    case QueueReason::disk_full: return "4.3.1";
    case QueueReason::held_by_administrator:
    case QueueReason::lane_suspended:
    case QueueReason::stopping: return "4.3.2";
    case QueueReason::lane_busy:
    case QueueReason::rate_limited:
    case QueueReason::routing_busy: return "4.4.5";
    case QueueReason::attempt_running: return "4.4.1";
    default: return "4.3.0";
  }
}

std::string failure_status(const QueueRow& row) {
  // What a removal by hand was called before, and rightly of class 4: the address is not at fault.
  if (row.state == QueueState::removed) return "4.3.2";
  if (row.state == QueueState::expired && row.reason == QueueReason::too_old) return "4.4.7";
  if (row.reason == QueueReason::deliver_by_passed ||
      row.reason == QueueReason::deliver_by_unsupported) {
    return std::string(detail_of_failure(row.reason));
  }
  if (!row.history.empty()) {
    const ReplyRecord& last = row.history.back();
    if (last.enhanced.kind == 5) return model::to_text(last.enhanced);
    if (last.code / 100 == 5) return "5." + std::string(detail_of(last));
  }
  return std::string(detail_of_failure(row.reason));
}

std::string delay_status(const QueueRow& row) {
  const bool at_a_hop = row.state != QueueState::held && row.state != QueueState::scheduled;
  if (at_a_hop && !row.history.empty()) {
    const ReplyRecord& last = row.history.back();
    if (last.enhanced.kind == 4) return model::to_text(last.enhanced);
    if (last.code / 100 == 4) return "4." + std::string(detail_of(last));
  }
  return std::string(detail_of_delay(obstacle_of(row)));
}

std::string success_status(const QueueRow& row, std::string_view otherwise) {
  if (!row.history.empty() && row.history.back().enhanced.kind == 2) {
    return model::to_text(row.history.back().enhanced);
  }
  return std::string(otherwise);
}

// What the last answer was, in the form of a machine.
std::string last_answer(const ReplyRecord& last) {
  std::string out;
  if (last.code != 0) {
    out += mime::fold_field("Remote-MTA", "dns; " + one_line(last.host));
    out += mime::fold_field("Diagnostic-Code", "smtp; " + one_line(model::to_text(last)));
  } else if (!last.text.empty()) {
    out += mime::fold_field("Diagnostic-Code", "x-posthorn; " + one_line(last.text));
  }
  if (last.when != Time{}) out += "Last-Attempt-Date: " + to_rfc5322_date(last.when) + "\r\n";
  return out;
}

}  // namespace

std::string_view to_text(ReportAction action) {
  switch (action) {
    case ReportAction::failed: return "failed";
    case ReportAction::delayed: return "delayed";
    case ReportAction::delivered: return "delivered";
    case ReportAction::relayed: return "relayed";
    case ReportAction::expanded: return "expanded";
  }
  PH_CHECK(false);
}

QueueReason obstacle_of(const QueueRow& row) {
  if (is_obstacle(row.state)) return row.reason;
  for (const model::TrailStep& step : std::views::reverse(row.trail)) {
    if (is_obstacle(step.state)) return step.reason;
  }
  return row.reason;
}

bool is_past_deliver_by(const queue::ReportedRow& told, Time now) {
  return told.action == ReportAction::delayed &&
         told.row.deliver_by.mode == model::DeliverBy::Mode::notify &&
         told.row.deliver_by.at <= now;
}

std::string status_of(const queue::ReportedRow& told, Time now) {
  switch (told.action) {
    case ReportAction::failed: return failure_status(told.row);
    case ReportAction::delayed:
      return is_past_deliver_by(told, now) ? "4.4.7" : delay_status(told.row);
    case ReportAction::delivered: return success_status(told.row, "2.1.5");
    case ReportAction::relayed: return success_status(told.row, "2.0.0");
    case ReportAction::expanded: return "2.1.5";
  }
  PH_CHECK(false);
}

std::string delivery_status(const StatusText& text, const queue::ReportWork& work) {
  std::string out = mime::fold_field("Reporting-MTA", "dns; " + one_line(text.host));
  if (!work.envelope.envelope_id.empty()) {
    out += mime::fold_field("Original-Envelope-Id", one_line(work.envelope.envelope_id));
  }
  out += "Arrival-Date: " + to_rfc5322_date(work.envelope.received_at) + "\r\n";
  const Time hold_until = work.envelope.hold_until;
  if (hold_until != Time()) {  // RFC 4865 section 5.1.2
    out += "Future-Release-Request: until;" + to_iso8601(hold_until) + "\r\n";
  }
  if (work.envelope.deliver_by.is_set()) {  // RFC 2852 section 5
    out += "Deliver-By-Date: " + to_rfc5322_date(work.envelope.deliver_by.at) + "\r\n";
  }
  for (size_t i = 0; i < work.rows.size(); ++i) {
    const queue::ReportedRow& told = work.rows[i];
    const model::Recipient& to = told.row.recipient;
    out += "\r\n";
    if (!to.original_type.empty()) {
      out += mime::fold_field("Original-Recipient",
                              typed_address(to.original_type, to.original_address));
    }
    out += mime::fold_field("Final-Recipient", typed_address(address_type(to.address), to.address));
    out += "Action: " + std::string(to_text(told.action)) + "\r\n";
    out += "Status: " + status_of(told, text.now) + "\r\n";
    if (i >= kRowsInFull) continue;
    if (!told.row.history.empty()) out += last_answer(told.row.history.back());
    out += "Final-Log-ID: " + model::to_text(work.id) + "\r\n";
    if (told.action == ReportAction::delayed) {
      out += "Will-Retry-Until: " + to_rfc5322_date(told.row.expires_at) + "\r\n";
    }
  }
  return out;
}

}  // namespace ph::report
