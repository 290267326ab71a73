#include "service/report/reporter.h"

#include <gtest/gtest.h>

#include "base/text.h"
#include "codec/mime/header.h"
#include "codec/text/transfer.h"
#include "service/report/detail/lines.h"
#include "service/report/detail/status.h"
#include "service/report/detail/words.h"

namespace ph::report {
namespace {

using model::DeliverBy;
using model::QueueReason;
using model::QueueRow;
using model::QueueState;
using queue::ReportAction;

const Time kNow = Time::from_unix_s(1'795'219'200);
constexpr std::string_view kOriginal =
    "Received: here\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\nMessage-ID: <o@x>\r\n\r\nHello\r\n";

QueueRow row(std::string address, QueueState state, QueueReason reason) {
  QueueRow out;
  out.id = model::make_queue_id(1, 42);
  out.recipient = {.address = std::move(address)};
  out.state = state;
  out.reason = reason;
  out.expires_at = kNow + Duration::hours(44);
  return out;
}

model::ReplyRecord answer(uint16_t code, model::StatusCode enhanced, std::string words) {
  return {.when = kNow - Duration::minutes(5),
          .host = "mx.near.example (192.0.2.1)",
          .stage = model::Stage::recipient,
          .code = code,
          .enhanced = enhanced,
          .text = std::move(words)};
}

QueueRow refused() {
  QueueRow out = row("bob@near.example", QueueState::failed, QueueReason::peer_5xx);
  out.recipient.original_type = "rfc822";
  out.recipient.original_address = "robert@near.example";
  out.attempts = 2;
  out.history = {answer(451, {}, "try later"), answer(550, {5, 7, 1}, "we do not like you")};
  return out;
}

QueueRow expired() {
  QueueRow out = row("cy@gone.example", QueueState::expired, QueueReason::too_old);
  out.history = {{.when = kNow, .host = "routing", .text = "no answer from DNS"}};
  out.trail = {{kNow, QueueState::waiting_retry, QueueReason::dns_failure},
               {kNow, QueueState::expired, QueueReason::too_old}};
  return out;
}

QueueRow waiting() {
  QueueRow out = row("di@slow.example", QueueState::waiting_retry, QueueReason::peer_4xx);
  out.history = {answer(451, {4, 2, 1}, "greylisted")};
  return out;
}

queue::ReportWork work(std::vector<queue::ReportedRow> rows) {
  queue::ReportWork out;
  out.id = model::make_queue_id(1, 42);
  out.envelope.sender = "ann@far.example";
  out.envelope.received_at = kNow - Duration::hours(3);
  out.envelope.envelope_id = "QQ314159";
  out.envelope.size_bytes = kOriginal.size();
  out.message_id = "o@x";
  out.rows = std::move(rows);
  return out;
}
queue::ReportWork failures() {
  return work({{ReportAction::failed, refused()}, {ReportAction::failed, expired()}});
}

std::string report_of(const queue::ReportWork& w, std::string_view original = kOriginal) {
  return delivery_report(
      {"mx.posthorn.example", "r1", "0123456789abcdef", kNow, "postmaster@posthorn.example"}, w,
      original);
}
// The part for people, with its lines joined again.
std::string words_of_report(const queue::ReportWork& w, std::string_view original = kOriginal) {
  std::string words =
      words_for_people({"mx.posthorn.example", "postmaster@posthorn.example", kNow}, w, original);
  for (size_t at = words.find("\r\n  "); at != std::string::npos; at = words.find("\r\n  ", at)) {
    if (words.compare(at, 6, "\r\n    ") == 0) {
      at += 6;
    } else {
      words.replace(at, 4, " ");
    }
  }
  return words;
}
std::string status_of_row(ReportAction action, const QueueRow& told) {
  return status_of({action, told}, kNow);
}

size_t count(std::string_view in, std::string_view what) {
  size_t n = 0;
  for (size_t at = in.find(what); at != std::string_view::npos; at = in.find(what, at + 1)) ++n;
  return n;
}

void expect_sound(const std::string& report) {
  EXPECT_TRUE(is_sendable(report)) << report;
  EXPECT_TRUE(is_valid_utf8(report));
  size_t begin = 0;
  while (begin < report.size()) {
    const size_t end = report.find("\r\n", begin);
    ASSERT_NE(end, std::string::npos);
    ASSERT_LE(end - begin, kLineMax);
    begin = end + 2;
  }
}

// ---- machines ----

TEST(Reporter, MachinesFindTheFieldsOfRfc3464) {
  const std::string report = report_of(failures());
  for (const std::string& line : std::vector<std::string>{
           "Reporting-MTA: dns; mx.posthorn.example\r\n", "Original-Envelope-Id: QQ314159\r\n",
           "Original-Recipient: rfc822; robert@near.example\r\n",
           "Final-Recipient: rfc822; bob@near.example\r\n", "Status: 5.7.1\r\n",
           "Remote-MTA: dns; mx.near.example (192.0.2.1)\r\n",
           "Diagnostic-Code: smtp; 550 5.7.1 we do not",
           "Last-Attempt-Date: " + to_rfc5322_date(kNow - Duration::minutes(5)) + "\r\n",
           "Final-Recipient: rfc822; cy@gone.example\r\n", "Status: 4.4.7\r\n",
           "Diagnostic-Code: x-posthorn; no answer from DNS\r\n"}) {
    EXPECT_EQ(count(report, line), 1U) << line << "\n" << report;
  }
  EXPECT_EQ(count(report, "Action: failed\r\n"), 2U);
  EXPECT_EQ(count(report, "Final-Log-ID: " + model::to_text(failures().id) + "\r\n"), 2U);
  EXPECT_EQ(count(report, "Will-Retry-Until"), 0U);
  expect_sound(report);
}

TEST(Reporter, ADelaySaysUntilWhenItIsTried) {
  const std::string report = report_of(work({{ReportAction::delayed, waiting()}}));
  EXPECT_EQ(count(report, "Action: delayed\r\nStatus: 4.2.1\r\n"), 1U) << report;
  EXPECT_EQ(count(report, "Will-Retry-Until: " + to_rfc5322_date(waiting().expires_at) + "\r\n"),
            1U);
  EXPECT_EQ(mime::HeaderView(report).first("Subject")->value(), "Your message is delayed");
}

TEST(Reporter, EveryActionHasItsStatus) {
  QueueRow told = row("a@b.example", QueueState::delivered, QueueReason::taken_by_mailbox);
  EXPECT_EQ(status_of_row(ReportAction::delivered, told), "2.1.5");
  told.history = {answer(250, {2, 6, 0}, "ok")};
  EXPECT_EQ(status_of_row(ReportAction::relayed, told), "2.6.0");
  told.history = {answer(451, {4, 2, 1}, "an old answer")};
  EXPECT_EQ(status_of_row(ReportAction::relayed, told), "2.0.0");
  EXPECT_EQ(status_of_row(ReportAction::expanded, told), "2.1.5");
  const auto failed = [](QueueState state, QueueReason reason) {
    QueueRow out = row("a@b.example", state, reason);
    out.history = {answer(550, {5, 7, 1}, "an old answer")};
    return status_of_row(ReportAction::failed, out);
  };
  EXPECT_EQ(failed(QueueState::expired, QueueReason::too_old), "4.4.7");
  EXPECT_EQ(failed(QueueState::expired, QueueReason::deliver_by_passed), "5.4.7");
  EXPECT_EQ(failed(QueueState::failed, QueueReason::deliver_by_unsupported), "5.4.7");
  EXPECT_EQ(failed(QueueState::removed, QueueReason::removed_by_administrator), "4.3.2");
}

TEST(Reporter, AnAnswerWithoutAnEnhancedCodeStillHasAMeaning) {
  QueueRow told = row("a@b.example", QueueState::failed, QueueReason::peer_5xx);
  const auto status = [&told](uint16_t code, model::Stage stage) {
    told.history = {answer(code, {}, "no")};
    told.history.back().stage = stage;
    return status_of_row(ReportAction::failed, told);
  };
  EXPECT_EQ(status(550, model::Stage::recipient), "5.1.0");
  EXPECT_EQ(status(552, model::Stage::recipient), "5.2.2");
  EXPECT_EQ(status(552, model::Stage::final), "5.3.4");
  EXPECT_EQ(status(554, model::Stage::final), "5.6.0");
  EXPECT_EQ(status(535, model::Stage::auth), "5.7.8");
  EXPECT_EQ(status(556, model::Stage::recipient), "5.1.10");
}

// Whatever a row rests or fails for, its code has the class of its action and says something.
TEST(Reporter, NoReasonIsWithoutCodeAndWords) {
  for (size_t n = 0; n < model::kQueueReasons; ++n) {
    const auto reason = static_cast<QueueReason>(n);
    SCOPED_TRACE(model::to_text(reason));
    const QueueRow delayed = row("a@b.example", QueueState::waiting_retry, reason);
    const std::string later = status_of_row(ReportAction::delayed, delayed);
    EXPECT_TRUE(later.starts_with("4.") && later != "4.0.0") << later;
    const QueueRow lost = row("a@b.example", QueueState::failed, reason);
    const std::string never = status_of_row(ReportAction::failed, lost);
    EXPECT_TRUE(never.starts_with("5.") && never != "5.0.0") << never;
    const std::string words = words_of_report(work({{ReportAction::failed, lost}}));
    EXPECT_NE(words.find(words_of(reason).happened), std::string::npos) << words;
    for (const std::string_view jargon : {"hop", "lane", "MTA", "DNS", "SMTP", "relay", "queue "}) {
      EXPECT_EQ(std::string(words_of(reason).happened).find(jargon), std::string::npos) << jargon;
    }
  }
}

TEST(Reporter, ADeliveryTooLateIsSaidToBe) {
  queue::ReportWork late = work({{ReportAction::delayed, waiting()}});
  late.rows[0].row.deliver_by = {.mode = DeliverBy::Mode::notify, .at = kNow};
  late.envelope.deliver_by = late.rows[0].row.deliver_by;
  const std::string report = report_of(late);
  EXPECT_EQ(count(report, "Status: 4.4.7\r\n"), 1U);
  EXPECT_EQ(count(report, "Deliver-By-Date: " + to_rfc5322_date(kNow) + "\r\n"), 1U);
  EXPECT_EQ(count(words_of_report(late), "was not delivered by the time that was set"), 1U);
}

TEST(Reporter, AHoldIsAmongTheFieldsOfTheMessage) {
  queue::ReportWork held = failures();
  EXPECT_EQ(count(report_of(held), "Future-Release-Request"), 0U);
  held.envelope.hold_until = Time::from_unix_s(1'780'300'800);
  EXPECT_EQ(count(report_of(held), "\r\nFuture-Release-Request: until;2026-06-01T08:00:00Z\r\n"),
            1U);
}

TEST(Reporter, ATraceSaysNothingOfWhatTheNextServerWillTell) {
  QueueRow relayed = waiting();
  relayed.state = QueueState::relayed;
  relayed.reason = QueueReason::taken_by_peer;
  queue::ReportWork traced = work({{ReportAction::relayed, relayed}});
  EXPECT_EQ(count(words_of_report(traced), "does not confirm delivery"), 1U);
  traced.envelope.deliver_by = {.mode = DeliverBy::Mode::notify, .at = kNow, .trace = true};
  EXPECT_EQ(count(words_of_report(traced), "does not confirm delivery"), 0U);
  EXPECT_EQ(count(words_of_report(traced), "Passed on to another mail server:"), 1U);
  EXPECT_EQ(count(report_of(traced), "Action: relayed\r\n"), 1U);
}

TEST(Reporter, ManyRecipientsAreAllNamedAndTheReportStaysSmall) {
  std::vector<queue::ReportedRow> rows;
  for (int i = 0; i < 2000; ++i) {
    QueueRow one = refused();
    one.recipient.address = "u" + std::to_string(i) + "@near.example";
    one.history.assign(model::kRepliesKept, answer(550, {5, 1, 1}, std::string(512, 'x')));
    rows.push_back({ReportAction::failed, std::move(one)});
  }
  const std::string report = report_of(work(std::move(rows)));
  EXPECT_EQ(count(report, "\r\nFinal-Recipient: "), 2000U);
  EXPECT_EQ(count(report, "\r\n<u1999@near.example>\r\n"), 1U);
  EXPECT_LT(report.size(), 1'000'000U);
  expect_sound(report);
}

// ---- people ----

TEST(Reporter, PeopleFindTheHistoryOfTheAttempts) {
  const std::string words = words_of_report(failures());
  EXPECT_NE(words.find("Grüße"), std::string::npos);
  EXPECT_NE(words.find("mx.near.example (192.0.2.1) (recipient's address): 451 try later"),
            std::string::npos)
      << words;
  EXPECT_NE(words.find("550 5.7.1 we do not like you"), std::string::npos);
  EXPECT_NE(words.find("of 2 attempts"), std::string::npos);
  EXPECT_NE(words.find("(sent to <robert@near.example>)"), std::string::npos);
  EXPECT_NE(words.find(model::to_text(failures().id)), std::string::npos);
  EXPECT_NE(words.find("Last: It could not be found out which server"), std::string::npos) << words;
  EXPECT_EQ(count(words, "What you can do: "), 2U);
  // As sent: quoted-printable, since the subject is not ASCII.
  const std::string report = report_of(failures());
  EXPECT_NE(report.find("Gr=C3=BC=C3=9Fe"), std::string::npos);
}

TEST(Reporter, ADelayAsksForNothing) {
  const std::string words = words_of_report(work({{ReportAction::delayed, waiting()}}));
  EXPECT_EQ(count(words, "You need to do nothing"), 2U) << words;
  EXPECT_EQ(count(words, "until " + date_for_people(waiting().expires_at)), 1U);
  EXPECT_EQ(count(words, "You will hear again"), 1U);
  EXPECT_EQ(count(words, "451 4.2.1 greylisted"), 1U);
  QueueRow silent = waiting();
  silent.recipient.notify.delay = true;
  EXPECT_EQ(count(words_of_report(work({{ReportAction::delayed, silent}})), "You will hear"), 0U);
}

TEST(Reporter, ARowThatIsJustTriedSaysWhatItWaitedFor) {
  QueueRow running = waiting();
  running.state = QueueState::in_flight;
  running.reason = QueueReason::attempt_running;
  running.history.clear();
  running.trail = {{kNow, QueueState::waiting_retry, QueueReason::timed_out},
                   {kNow, QueueState::in_flight, QueueReason::attempt_running}};
  EXPECT_EQ(status_of_row(ReportAction::delayed, running), "4.4.1");
  const std::string words = words_of_report(work({{ReportAction::delayed, running}}));
  EXPECT_EQ(count(words, "did not answer in time"), 1U) << words;
}

TEST(Reporter, WhoMayHaveItIsSaidTo) {
  QueueRow perhaps = expired();
  perhaps.maybe_delivered = true;
  const std::string words = words_of_report(work({{ReportAction::failed, perhaps}}));
  EXPECT_EQ(count(words, "The recipient may have it nevertheless"), 1U);
  EXPECT_EQ(count(words, "Ask before you send it again"), 1U);
  EXPECT_EQ(count(words, "What you can do"), 0U);
}

TEST(Reporter, SeveralEndsInOneReportHaveTheirHeadings) {
  const QueueRow there = row("ed@x.example", QueueState::delivered, QueueReason::taken_by_mailbox);
  const QueueRow passed = row("flo@x.example", QueueState::relayed, QueueReason::taken_by_peer);
  const QueueRow list =
      row("all@x.example", QueueState::expanded, QueueReason::expanded_to_members);
  const std::vector<std::pair<std::vector<queue::ReportedRow>, std::string>> subjects = {
      {{{ReportAction::failed, refused()}}, "Your message could not be delivered"},
      {{{ReportAction::delivered, there}}, "Your message was delivered"},
      {{{ReportAction::relayed, passed}}, "Your message was passed on"},
      {{{ReportAction::expanded, list}}, "Your message was passed on"},
      {{{ReportAction::delivered, there}, {ReportAction::failed, refused()}},
       "What became of your message"}};
  for (const auto& [rows, subject] : subjects) {
    EXPECT_EQ(mime::HeaderView(report_of(work(rows))).first("Subject")->value(), subject);
  }
  const queue::ReportWork mixed = work({{ReportAction::expanded, list},
                                        {ReportAction::relayed, passed},
                                        {ReportAction::delivered, there},
                                        {ReportAction::delayed, waiting()},
                                        {ReportAction::failed, refused()}});
  const std::string words = words_of_report(mixed);
  size_t last = 0;
  for (const std::string_view heading :
       {"\r\nNot delivered, and", "<bob@near.example>", "\r\nNot delivered yet",
        "<di@slow.example>", "\r\nDelivered:", "<ed@x.example>", "\r\nPassed on to a mail server",
        "<flo@x.example>", "\r\nPassed on to a list", "<all@x.example>"}) {
    const size_t at = words.find(heading);
    ASSERT_NE(at, std::string::npos) << heading << "\n" << words;
    EXPECT_GT(at, last) << heading;
    last = at;
  }
  const std::string report = report_of(mixed);
  for (const std::string_view action : {"failed", "delayed", "delivered", "relayed", "expanded"}) {
    EXPECT_EQ(count(report, "Action: " + std::string(action) + "\r\n"), 1U) << action;
  }
}

// ---- the message about which it is ----

TEST(Reporter, ItsHeaderCannotStartALoop) {
  const std::string report = report_of(failures());
  const mime::HeaderView header(report);
  EXPECT_EQ(header.first("Auto-Submitted")->value(), "auto-replied");
  EXPECT_EQ(header.first("X-Auto-Response-Suppress")->value(), "All");
  EXPECT_EQ(header.first("Precedence")->value(), "bulk");
  EXPECT_EQ(header.first("To")->value(), "<ann@far.example>");
  EXPECT_TRUE(istarts_with(header.first("Content-Type")->value(), "multipart/report"));
  EXPECT_EQ(header.first("Message-ID")->value(), "<r1@mx.posthorn.example>");
  EXPECT_EQ(header.first("References")->value(), "<o@x>");
}

TEST(Reporter, TheWholeComesBackOnlyIfAskedAndSmall) {
  EXPECT_EQ(count(report_of(failures()), "Hello\r\n"), 1U);
  queue::ReportWork headers = failures();
  headers.envelope.dsn_return = model::DsnReturn::headers;
  const std::string report = report_of(headers);
  EXPECT_EQ(count(report, "Hello\r\n"), 0U);
  EXPECT_EQ(count(report, "text/rfc822-headers"), 1U);
  // A large original, of which only the beginning was read.
  queue::ReportWork large = failures();
  large.envelope.size_bytes = 10'000'000;
  EXPECT_EQ(count(report_of(large), "Hello\r\n"), 0U);
  // RET=FULL asks for more than what nobody asked for.
  std::string lines(kOriginal);
  while (lines.size() < 100'000) lines += "one more line\r\n";
  queue::ReportWork full = failures();
  full.envelope.size_bytes = lines.size();
  EXPECT_EQ(count(report_of(full, lines), "Hello\r\n"), 0U);
  full.envelope.dsn_return = model::DsnReturn::full;
  EXPECT_EQ(count(report_of(full, lines), "Hello\r\n"), 1U);
}

TEST(Reporter, OnlyFailuresReturnTheWhole) {
  queue::ReportWork delay = work({{ReportAction::delayed, waiting()}});
  delay.envelope.dsn_return = model::DsnReturn::full;
  EXPECT_EQ(count(report_of(delay), "Hello\r\n"), 0U);
  EXPECT_EQ(count(report_of(delay), "Content-Type: text/rfc822-headers\r\n"), 1U);
}

TEST(Reporter, AnUnreadableOriginalStillGivesAReport) {
  const std::string report = report_of(failures(), "");
  EXPECT_NE(report.find("bob@near.example"), std::string::npos);
  expect_sound(report);
}

TEST(Reporter, WhatCannotBeSentOfTheOriginalIsCut) {
  for (const std::string& odd :
       {"Subject: " + std::string(5'000, 'x') + "\r\n\r\nHello\r\n",
        std::string("Subject: bare\n\nHello\n"), std::string("Subject: a\rb\r\n\r\nHello\r\n"),
        "Subject: nul\r\n\r\n" + std::string(1, '\0') + "Hello\r\n",
        std::string("Subject: x\r\n\r\nHello without an end")}) {
    queue::ReportWork w = failures();
    w.envelope.size_bytes = odd.size();
    const std::string report = report_of(w, odd);
    expect_sound(report);
    EXPECT_EQ(count(report, "Hello"), 0U);
    EXPECT_EQ(count(report, "text/rfc822-headers"), 1U);
  }
}

TEST(Reporter, EightBitsAreSaidToBe) {
  const std::string raw =
      "Subject: Gr\xC3\xBC\xC3\x9F"
      "e\r\n\r\nHello\r\n";
  queue::ReportWork w = failures();
  w.envelope.size_bytes = raw.size();
  const std::string report = report_of(w, raw);
  EXPECT_EQ(mime::HeaderView(report).first("Content-Transfer-Encoding")->value(), "8bit");
  EXPECT_EQ(count(report, "message/rfc822\r\nContent-Transfer-Encoding: 8bit\r\n"), 1U);
  EXPECT_TRUE(is_all_ascii(report_of(failures())));
}

TEST(Reporter, NothingFromOutsideStartsALineOfItsOwn) {
  queue::ReportWork evil = failures();
  evil.rows[0].row.history.back().text = "no\r\nStatus: 2.0.0\r\n\r\nevil";
  evil.rows[0].row.history.back().host = "mx\r\nEvil: yes";
  evil.rows[0].row.recipient.address = "x\r\nEvil: yes@b.example";
  evil.rows[0].row.recipient.original_type = "x\r\nEvil: yes";
  evil.rows[0].row.recipient.original_address = "x\r\nEvil: yes";
  evil.envelope.envelope_id = "x\r\nEvil: yes";
  evil.envelope.sender = "x\r\nEvil: yes";
  evil.message_id = "a\r\nEvil: yes";
  const std::string report = report_of(evil);
  EXPECT_EQ(count(report, "\r\nEvil:"), 0U);
  EXPECT_EQ(count(report, "\r\nStatus: 2.0.0"), 0U);
  expect_sound(report);
}

TEST(Reporter, AnEncodedSubjectCannotForgeTheReport) {
  const std::string sly =
      "Subject: =?utf-8?q?x=0D=0A=0D=0AYour_account=00_is_closed=0D?=\r\n\r\nHello\r\n";
  const std::string report = report_of(failures(), sly);
  EXPECT_EQ(count(report, "\r\nYour account"), 0U);
  expect_sound(report);
  std::string umlauts = "Subject: =?utf-8?q?";
  for (int i = 0; i < 150; ++i) umlauts += "=C3=BC";
  EXPECT_TRUE(is_valid_utf8(words_of_report(failures(), umlauts + "?=\r\n\r\n")));
}

TEST(Reporter, AnInternationalAddressIsWrittenInAscii) {
  queue::ReportWork w = failures();
  w.rows[0].row.recipient.address = "j\xC3\xBCrgen+a@\xE4\xBE\x8B.example";
  w.rows[0].row.recipient.original_type = "utf-8";
  w.rows[0].row.recipient.original_address = "\xF0\x9F\x93\xA7@x.example";
  const std::string report = report_of(w);
  EXPECT_EQ(count(report, "Final-Recipient: utf-8; j\\x{FC}rgen\\x{2B}a@\\x{4F8B}.example\r\n"),
            1U);
  EXPECT_EQ(count(report, "Original-Recipient: utf-8; \\x{1F4E7}@x.example\r\n"), 1U);
}

// ---- to the postmaster ----

TEST(Reporter, ThePostmasterLearnsOfALostReport) {
  queue::ReportWork lost = work({{ReportAction::failed, refused()}});
  lost.to = queue::ReportTo::postmaster;
  lost.envelope.sender = "";
  lost.envelope.origin = model::Origin::report;
  const std::string inner = report_of(failures());
  lost.envelope.size_bytes = inner.size();
  const std::string report = report_of(lost, inner);
  const mime::HeaderView header(report);
  EXPECT_EQ(header.first("To")->value(), "<postmaster@posthorn.example>");
  EXPECT_EQ(header.first("Subject")->value(), "A delivery report could not be delivered");
  EXPECT_EQ(count(report, "Content-Type: message/rfc822\r\n"), 2U);  // it, and what it returned
  EXPECT_EQ(count(report, "<cy@gone.example>"), 1U);                 // of the lost report
  const std::string words = words_of_report(lost, inner);
  EXPECT_EQ(count(words, "Subject:   Your message could not be delivered"), 1U) << words;
  EXPECT_EQ(count(words, "<bob@near.example>"), 1U);
  EXPECT_EQ(count(words, "550 5.7.1 we do not like you"), 1U);
  expect_sound(report);
}

}  // namespace
}  // namespace ph::report
