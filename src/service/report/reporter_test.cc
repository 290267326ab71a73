#include "service/report/reporter.h"

#include <gtest/gtest.h>

#include "base/text.h"
#include "codec/mime/header.h"
#include "codec/mime/structure.h"

namespace ph::report {
namespace {

const Time kNow = Time::from_unix_s(1'795'219'200);
constexpr std::string_view kOriginal =
    "Received: here\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\nMessage-ID: <o@x>\r\n\r\nHello\r\n";

queue::ReportWork work(uint64_t size = kOriginal.size()) {
  queue::ReportWork out;
  out.id = model::make_queue_id(1, 42);
  out.envelope.sender = "ann@far.example";
  out.envelope.received_at = kNow - Duration::hours(3);
  out.envelope.envelope_id = "QQ314159";
  out.message_id = "o@x";
  model::QueueRow row;
  row.id = out.id;
  row.recipient = {.address = "bob@near.example",
                   .original_type = "rfc822",
                   .original_address = "robert@near.example"};
  row.state = model::QueueState::failed;
  row.reason = model::QueueReason::peer_5xx;
  row.history.push_back({.when = kNow - Duration::hours(2),
                         .host = "mx.near.example",
                         .stage = model::Stage::recipient,
                         .code = 451,
                         .text = "try later"});
  row.history.push_back({.when = kNow,
                         .host = "mx.near.example",
                         .stage = model::Stage::recipient,
                         .code = 550,
                         .enhanced = {5, 7, 1},
                         .text = "we do not like you"});
  out.rows.push_back({queue::ReportAction::failed, row});
  row.recipient = {.address = "cy@gone.example"};
  row.state = model::QueueState::expired;
  row.reason = model::QueueReason::too_old;
  row.history.clear();
  row.history.push_back({.when = kNow, .host = "routing", .text = "no answer from DNS"});
  out.rows.push_back({queue::ReportAction::failed, row});
  out.envelope.size_bytes = size;
  return out;
}

ReportText text() { return {"mx.posthorn.example", "r1", "0123456789abcdef", kNow}; }

size_t count(std::string_view in, std::string_view what) {
  size_t n = 0;
  for (size_t at = in.find(what); at != std::string_view::npos; at = in.find(what, at + 1)) ++n;
  return n;
}

TEST(Reporter, MachinesFindTheFieldsOfRfc3464) {
  const std::string report = failure_report(text(), work(), kOriginal);
  for (const std::string_view line :
       {"Reporting-MTA: dns; mx.posthorn.example\r\n", "Original-Envelope-Id: QQ314159\r\n",
        "Original-Recipient: rfc822; robert@near.example\r\n",
        "Final-Recipient: rfc822; bob@near.example\r\n", "Status: 5.7.1\r\n",
        "Remote-MTA: dns; mx.near.example\r\n", "Diagnostic-Code: smtp; 550 5.7.1 we do not",
        "Final-Recipient: rfc822; cy@gone.example\r\n", "Status: 4.4.7\r\n"}) {
    EXPECT_EQ(count(report, line), 1U) << line << "\n" << report;
  }
  EXPECT_EQ(count(report, "Action: failed\r\n"), 2U);
}

TEST(Reporter, PeopleFindTheHistoryOfTheAttempts) {
  const std::string report = failure_report(text(), work(), kOriginal);
  EXPECT_NE(report.find("Grüße"), std::string::npos);
  EXPECT_NE(report.find("mx.near.example: 451 try later"), std::string::npos);
  EXPECT_NE(report.find("mx.near.example: 550 5.7.1 we do not like you"), std::string::npos);
  EXPECT_NE(report.find(model::to_text(work().id)), std::string::npos);
}

TEST(Reporter, ItsHeaderCannotStartALoop) {
  const std::string report = failure_report(text(), work(), kOriginal);
  const mime::HeaderView header(report);
  EXPECT_EQ(header.first("Auto-Submitted")->value(), "auto-replied");
  EXPECT_EQ(header.first("To")->value(), "<ann@far.example>");
  EXPECT_TRUE(istarts_with(header.first("Content-Type")->value(), "multipart/report"));
  EXPECT_EQ(header.first("Message-ID")->value(), "<r1@mx.posthorn.example>");
}

TEST(Reporter, TheWholeComesBackOnlyIfAskedAndSmall) {
  EXPECT_EQ(count(failure_report(text(), work(), kOriginal), "Hello\r\n"), 1U);
  queue::ReportWork headers = work();
  headers.envelope.dsn_return = model::DsnReturn::headers;
  const std::string report = failure_report(text(), headers, kOriginal);
  EXPECT_EQ(count(report, "Hello\r\n"), 0U);
  EXPECT_EQ(count(report, "text/rfc822-headers"), 1U);
  // A large original, of which only the beginning was read.
  EXPECT_EQ(count(failure_report(text(), work(10'000'000), kOriginal), "Hello\r\n"), 0U);
}

TEST(Reporter, AnUnreadableOriginalStillGivesAReport) {
  const std::string report = failure_report(text(), work(), "");
  EXPECT_NE(report.find("bob@near.example"), std::string::npos);
}

TEST(Reporter, NothingFromOutsideStartsALineOfItsOwn) {
  queue::ReportWork evil = work();
  evil.rows[0].row.history.back().text = "no\r\nStatus: 2.0.0\r\n\r\nevil";
  evil.envelope.envelope_id = "x\r\nEvil: yes";
  evil.message_id = "a\r\nEvil: yes";
  const std::string report = failure_report(text(), evil, kOriginal);
  EXPECT_EQ(count(report, "\r\nEvil:"), 0U);
  EXPECT_EQ(count(report, "\r\nStatus: 2.0.0"), 0U);
  for (size_t at = 0; at < report.size(); ++at) {
    if (report[at] == '\n') EXPECT_EQ(report[at - 1], '\r');
  }
}

TEST(Reporter, AnEncodedSubjectCannotForgeTheReport) {
  const std::string sly =
      "Subject: =?utf-8?q?x=0D=0A=0D=0AYour_account=00_is_closed=0D?=\r\n\r\nHello\r\n";
  const std::string report = failure_report(text(), work(), sly);
  EXPECT_EQ(count(report, "\r\nYour account"), 0U);
  EXPECT_EQ(report.find('\0'), std::string::npos);
  EXPECT_EQ(count(report, "\r"), count(report, "\r\n"));
  std::string umlauts = "Subject: =?utf-8?q?";
  for (int i = 0; i < 150; ++i) umlauts += "=C3=BC";
  EXPECT_TRUE(is_valid_utf8(failure_report(text(), work(), umlauts + "?=\r\n\r\n")));
}

TEST(Reporter, AnInternationalAddressIsWrittenInAscii) {
  queue::ReportWork w = work();
  w.rows[0].row.recipient.address = "j\xC3\xBCrgen+a@\xE4\xBE\x8B.example";
  w.rows[0].row.recipient.original_type = "utf-8";
  w.rows[0].row.recipient.original_address = "\xF0\x9F\x93\xA7@x.example";
  const std::string report = failure_report(text(), w, kOriginal);
  EXPECT_EQ(count(report, "Final-Recipient: utf-8; j\\x{FC}rgen\\x{2B}a@\\x{4F8B}.example\r\n"),
            1U);
  EXPECT_EQ(count(report, "Original-Recipient: utf-8; \\x{1F4E7}@x.example\r\n"), 1U);
}

}  // namespace
}  // namespace ph::report
