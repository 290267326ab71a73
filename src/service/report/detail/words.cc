#include "service/report/detail/words.h"

#include <algorithm>
#include <array>

#include "base/check.h"
#include "base/utf8_line.h"
#include "codec/mime/header.h"
#include "model/queue_row.h"
#include "service/report/detail/lines.h"
#include "service/report/detail/status.h"

namespace ph::report {
namespace {

using model::QueueReason;
using model::QueueRow;
using model::QueueState;
using model::ReplyRecord;
using model::Stage;
using queue::ReportAction;
using queue::ReportTo;

constexpr size_t kRowsInWords = 50;  // the others are named only
constexpr size_t kAnswersShown = 8;
constexpr size_t kAnswerMax = 400;
constexpr size_t kAddressMax = 320;
constexpr size_t kSubjectShown = 200;

// ---- reasons ----

constexpr std::string_view kWait = "You can send it again later.";
constexpr std::string_view kAskUs =
    "Ask the postmaster of this server before you send the message again.";
constexpr std::string_view kOtherWay =
    "Send it again later, or reach the recipient in another way; the recipient's own provider can "
    "find out why its server does not take mail.";
constexpr std::string_view kDefect =
    "The fault is on this server. Tell its postmaster, with the queue id above, and send the "
    "message again.";

using enum QueueReason;

constexpr std::array<ReasonWords, model::kQueueReasons> kWords{{
    {new_message, "It has just been accepted.", kWait},
    {lane_busy, "The recipient's mail server is given as much mail at once as is allowed.", kWait},
    {lane_opened, "The recipient's mail server can be reached again.", kWait},
    {retry_requested, "It is about to be tried again.", kWait},
    {released, "It is about to be tried again.", kWait},
    {hold_ended, "It is about to be tried again.", kWait},
    {worker_lost, "An attempt was interrupted on this server.", kWait},
    {attempt_running, "An attempt is running just now, and takes unusually long.", kWait},
    {connection_refused, "The recipient's mail server does not accept connections.", kOtherWay},
    {connection_lost, "The connection to the recipient's mail server broke off.", kOtherWay},
    {unreachable, "The recipient's mail server cannot be reached over the network.", kOtherWay},
    {timed_out, "The recipient's mail server did not answer in time.", kOtherWay},
    {dns_failure, "It could not be found out which server takes mail for the recipient's domain.",
     "Check the part of the address behind the @. If it is right, send the message again later."},
    {tls_failure, "No secure connection could be made with the recipient's mail server.",
     kOtherWay},
    {auth_failure, "The server that passes on our mail did not accept our login.", kAskUs},
    {peer_4xx, "The recipient's mail server asked to try again later.", kOtherWay},
    {peer_5xx, "The recipient's mail server refused it for good.",
     "Read its answer below. If the address is wrong, correct it and send the message again; if "
     "the answer speaks of something else, change that or ask the recipient in another way."},
    {maybe_delivered,
     "The recipient's mail server may have taken it: the connection broke off before it said so.",
     "Ask the recipient before you send the message again."},
    {directory_unavailable, "The list of this server's addresses could not be read.", kWait},
    {mailbox_unavailable, "The recipient's mailbox could not be opened.", kWait},
    {mailbox_full, "The recipient's mailbox is full.",
     "Tell the recipient in another way, and send the message again when there is room."},
    {disk_full, "This server has no room on its disk.", kWait},
    {internal_error, "This server failed on it.", kDefect},
    {stopping, "This server was being stopped.", kWait},
    {held_by_administrator, "An administrator of this server keeps it back.", kAskUs},
    {poison, "This server was interrupted more than once while it worked on it.", kDefect},
    {no_such_address, "There is no such address on this server.",
     "Check the address, above all for misspellings, and send the message to the right one."},
    {no_such_domain, "The recipient's domain does not exist.",
     "Check the part of the address behind the @, and send the message to the right one."},
    {null_mx, "The recipient's domain says that it takes no mail at all.",
     "Look for another address of the recipient, or reach the recipient in another way."},
    {routing_loop, "It would come back to this server again and again.",
     "You can do nothing about it. The postmaster of this server or of the recipient's domain must "
     "look at how mail for this address is passed on."},
    {not_routable, "There is no way to this address.",
     "Check the address, and send the message to the right one."},
    {message_unreadable, "The message as kept on this server cannot be read any more.", kDefect},
    {not_sendable, "The recipient's mail server cannot take a message of this kind.",
     "Read the last answer below. Often it helps to write subject and addresses without special "
     "characters, or to send a smaller message."},
    {taken_by_mailbox, "It is in the recipient's mailbox.", ""},
    {taken_by_peer, "The recipient's mail server has taken it.", ""},
    {expanded_to_members, "It was passed on to the addresses that stand behind this one.", ""},
    {too_old, "It could not be delivered within the time that a message may wait.", kOtherWay},
    {removed_by_administrator, "An administrator of this server took it out.", kAskUs},
    {lane_suspended,
     "An administrator of this server has stopped sending to the recipient's mail server for a "
     "while.",
     kWait},
    {rate_limited, "The recipient's mail server is given as much mail a minute as is allowed.",
     kWait},
    {routing_busy, "This server has more mail to send than it can look up at once.", kWait},
    {future_release, "It leaves at the time that was asked for when it was sent.", kWait},
    {release_time, "It is about to be tried.", kWait},
    {report_budget, "More reports were due than may be written at once.", kWait},
    {deliver_by_passed, "It was not delivered by the time that was set when it was sent.",
     "If it still matters, send it again with more time or without such a limit."},
    {deliver_by_unsupported,
     "It was to arrive by a certain time or come back, and the recipient's mail server cannot "
     "promise that.",
     "Send it again without such a limit."},
    {redirected_by_administrator, "An administrator of this server sent it to another address.",
     ""},
}};

constexpr bool words_in_order() {
  for (size_t i = 0; i < kWords.size(); ++i) {
    if (static_cast<size_t>(kWords[i].reason) != i || kWords[i].happened.empty()) return false;
    const bool may_fail = model::kQueueTable.reasons_in(QueueState::failed).has(kWords[i].reason) ||
                          model::kQueueTable.reasons_in(QueueState::expired).has(kWords[i].reason);
    if (may_fail && kWords[i].advice.empty()) return false;
  }
  return true;
}
static_assert(words_in_order());

// ---- answers ----

// Where in the way something happened; "" where the answer says it by itself.
std::string_view place_of(Stage stage) {
  switch (stage) {
    case Stage::queue: return "";
    case Stage::route: return " (looking for the way)";
    case Stage::connect: return " (connecting)";
    case Stage::greeting: return " (greeting)";
    case Stage::tls: return " (securing the connection)";
    case Stage::auth: return " (login)";
    case Stage::sender: return " (sender's address)";
    case Stage::recipient: return " (recipient's address)";
    case Stage::data: return " (the message)";
    case Stage::final: return " (after the message)";
    case Stage::mailbox: return "";
  }
  PH_CHECK(false);
}

std::string answer_line(const ReplyRecord& reply) {
  std::string out = reply.when == Time{} ? std::string() : date_for_people(reply.when) + "  ";
  out += reply.host.empty() ? std::string("this server") : reply.host;
  out += std::string(place_of(reply.stage)) + ": " + model::to_text(reply);
  return "    " + utf8_line(out, kAnswerMax) + "\r\n";
}

std::string answers_of(const QueueRow& row) {
  if (row.history.empty()) return {};
  const size_t shown = std::min(row.history.size(), kAnswersShown);
  std::string out = shown < row.history.size() ? "  The last answers" : "  Answers";
  if (row.attempts > 1) out += ", of " + std::to_string(row.attempts) + " attempts";
  out += ":\r\n";
  for (size_t i = row.history.size() - shown; i < row.history.size(); ++i) {
    out += answer_line(row.history[i]);
  }
  return out;
}

// ---- recipients ----

std::string name_of(const QueueRow& row) {
  const model::Recipient& to = row.recipient;
  std::string out = "\r\n<" + utf8_line(to.address, kAddressMax) + ">";
  if (!to.original_address.empty() && to.original_address != to.address) {
    out += "\r\n  (sent to <" + utf8_line(to.original_address, kAddressMax) + ">)";
  }
  return out + "\r\n";
}

std::string failure_words(const QueueRow& row) {
  std::string out = wrapped("  ", words_of(row.reason).happened);
  const QueueReason obstacle = obstacle_of(row);
  if (row.state == QueueState::expired && obstacle != row.reason) {
    out += wrapped("  ", "Last: " + std::string(words_of(obstacle).happened));
  }
  if (row.maybe_delivered) {
    out += wrapped("  ",
                   "The recipient may have it nevertheless: a connection broke off before the "
                   "other side could say whether it took it. Ask before you send it again.");
  } else {
    out += wrapped("  ", "What you can do: " + std::string(words_of(row.reason).advice));
  }
  return out;
}

std::string delay_words(const queue::ReportedRow& told, Time now) {
  const QueueRow& row = told.row;
  std::string out;
  if (is_past_deliver_by(told, now)) {
    out += wrapped("  ", "It was not delivered by the time that was set when it was sent.");
  }
  out += wrapped("  ", words_of(obstacle_of(row)).happened);
  std::string next = "It goes on by itself, at the latest until ";
  next += date_for_people(row.expires_at) + ". You need to do nothing.";
  if (row.recipient.notify.wants_failure()) {
    next += " You will hear again if it cannot be delivered by then.";
  }
  out += wrapped("  ", next);
  out += wrapped("  ", row.maybe_delivered
                           ? "The recipient may have it already and may get it twice: a connection "
                             "broke off before the other side could say whether it took it."
                           : "Please do not send it again: the recipient would get it twice.");
  return out;
}

std::string row_words(const queue::ReportedRow& told, Time now) {
  std::string out = name_of(told.row);
  switch (told.action) {
    case ReportAction::failed: return out + failure_words(told.row) + answers_of(told.row);
    case ReportAction::delayed: return out + delay_words(told, now) + answers_of(told.row);
    case ReportAction::delivered:
    case ReportAction::relayed:
    case ReportAction::expanded: return out + wrapped("  ", words_of(told.row.reason).happened);
  }
  PH_CHECK(false);
}

std::string_view heading_of(const queue::ReportWork& work, ReportAction action) {
  switch (action) {
    case ReportAction::failed: return "Not delivered, and not tried again:";
    case ReportAction::delayed: return "Not delivered yet, and still being tried:";
    case ReportAction::delivered: return "Delivered:";
    case ReportAction::relayed:
      // It may promise more than one that only takes mail, and then tells of it itself.
      if (work.envelope.deliver_by.trace) return "Passed on to another mail server:";
      return "Passed on to a mail server that does not confirm delivery. Nothing more will be "
             "heard of these unless something goes wrong:";
    case ReportAction::expanded:
      return "Passed on to a list or group. Its members do not confirm delivery:";
  }
  PH_CHECK(false);
}

constexpr std::array kActions{ReportAction::failed, ReportAction::delayed, ReportAction::delivered,
                              ReportAction::relayed, ReportAction::expanded};

// The action of all rows, if it is one.
const ReportAction* only_action(const queue::ReportWork& work) {
  const ReportAction* only = nullptr;
  for (const ReportAction& action : kActions) {
    if (!tells_of(work, action)) continue;
    if (only != nullptr) return nullptr;
    only = &action;
  }
  return only;
}

std::string_view opening_of(const queue::ReportWork& work) {
  if (work.to == ReportTo::postmaster) {
    return "A delivery report of this server could not be delivered. It was to tell the sender of "
           "a message what became of it; nobody has been told so far, and nobody else will be.";
  }
  const ReportAction* only = only_action(work);
  if (only == nullptr) return "This is what became of your message.";
  switch (*only) {
    case ReportAction::failed:
      return "Your message could not be delivered to the recipients below.";
    case ReportAction::delayed:
      return "Your message has not reached the recipients below yet. You need to do nothing: it "
             "is still being tried.";
    case ReportAction::delivered:
      return "Your message was delivered to the recipients below. You asked to be told.";
    case ReportAction::relayed:
    case ReportAction::expanded:
      return "Your message was passed on to the recipients below. You asked to be told.";
  }
  PH_CHECK(false);
}

std::string advice_to_postmaster() {
  return "\r\n" +
         wrapped("",
                 "What you can do: often nothing. Spam with an invented sender leads to such "
                 "reports. If the address is one that should exist, the answers above say what is "
                 "wrong, and the report below says what its owner does not know.");
}

}  // namespace

bool tells_of(const queue::ReportWork& work, ReportAction action) {
  return std::ranges::find(work.rows, action, &queue::ReportedRow::action) != work.rows.end();
}

const ReasonWords& words_of(QueueReason reason) { return kWords[static_cast<size_t>(reason)]; }

std::string_view subject_of(const queue::ReportWork& work) {
  if (work.to == ReportTo::postmaster) return "A delivery report could not be delivered";
  const ReportAction* only = only_action(work);
  if (only == nullptr) return "What became of your message";
  switch (*only) {
    case ReportAction::failed: return "Your message could not be delivered";
    case ReportAction::delayed: return "Your message is delayed";
    case ReportAction::delivered: return "Your message was delivered";
    case ReportAction::relayed:
    case ReportAction::expanded: return "Your message was passed on";
  }
  PH_CHECK(false);
}

std::string words_for_people(const WordsText& text, const queue::ReportWork& work,
                             std::string_view original) {
  std::string out = "This is the mail server " + one_line(text.host) + ".\r\n\r\n";
  out += wrapped("", opening_of(work)) + "\r\n";
  const mime::HeaderView header(original);
  if (const auto subject = header.first("Subject")) {
    out += "Subject:   " + utf8_line(subject->decoded(), kSubjectShown) + "\r\n";
  }
  out += "Accepted:  " + date_for_people(work.envelope.received_at) + "\r\n";
  out += "Queue id:  " + model::to_text(work.id) + "\r\n";
  if (!work.message_id.empty()) {
    out += "Message:   <" + one_line(work.message_id) + ">\r\n";
  }
  size_t shown = 0;
  for (const ReportAction action : kActions) {
    if (!tells_of(work, action)) continue;
    out += "\r\n" + wrapped("", heading_of(work, action));
    for (const queue::ReportedRow& told : work.rows) {
      if (told.action != action) continue;
      out += ++shown <= kRowsInWords ? row_words(told, text.now) : name_of(told.row);
    }
  }
  if (work.to == ReportTo::postmaster) return out + advice_to_postmaster();
  if (tells_of(work, ReportAction::failed)) {
    out += "\r\n" + wrapped("", "Questions about this: <" + one_line(text.postmaster) +
                                    ">, with the queue id above.");
  }
  return out;
}

}  // namespace ph::report
