// MT-PRIORITY, DELIVERBY and FUTURERELEASE at the server engine.
#include <gtest/gtest.h>

#include "codec/smtp/detail/test_session.h"
#include "codec/smtp/priority.h"
#include "codec/smtp/server.h"

namespace ph::smtp {
namespace {

ServerOptions offering() {
  ServerOptions out = test_options();
  out.mail = {.mt_priority = true,
              .priority_profile = "MIXER",
              .deliver_by = true,
              .deliver_by_min_s = 30,
              .hold_max_s = 86'400,
              .hold_until_max = "2026-11-22T02:50:16Z"};
  return out;
}

Transcript said(const ServerOptions& options, std::string_view input) {
  const AllWays all = run_all_ways(options, input, 3);
  EXPECT_EQ(all.differences, "");
  return all.whole;
}

// The event of a MAIL with these parameters, or the reply that refuses it.
std::string mail(const std::string& parameters, const ServerOptions& options = offering()) {
  const Transcript t = said(options, "EHLO c\r\nMAIL FROM:<a@b.c> " + parameters + "\r\n");
  const size_t at = t.events.find("mail <a@b.c>");
  if (at == std::string::npos) {
    const size_t last = t.output.rfind("\r\n", t.output.size() - 3);
    return t.output.substr(last + 2, 9);
  }
  return t.events.substr(at + 13, t.events.find('\n', at) - at - 13);
}

TEST(SmtpServerExtensions, AreAnnouncedAsTheyAreOffered) {
  EXPECT_EQ(said(offering(), "EHLO c\r\n").output,
            kGreeting +
                "250-mx.example.org\r\n250-PIPELINING\r\n250-SIZE 52428800\r\n250-8BITMIME\r\n"
                "250-SMTPUTF8\r\n250-CHUNKING\r\n250-DSN\r\n250-MT-PRIORITY MIXER\r\n"
                "250-DELIVERBY 30\r\n250-FUTURERELEASE 86400 2026-11-22T02:50:16Z\r\n"
                "250 ENHANCEDSTATUSCODES\r\n");
  ServerOptions bare = test_options();
  bare.mail.mt_priority = bare.mail.deliver_by = true;
  EXPECT_NE(said(bare, "EHLO c\r\n").output.find("250-MT-PRIORITY\r\n250-DELIVERBY\r\n250 "),
            std::string::npos);
  // RFC 5321 section 4.1.1.11: what was not offered is not recognized.
  for (const char* parameter :
       {"MT-PRIORITY=1", "BY=60;R", "HOLDFOR=60", "HOLDUNTIL=2026-11-21T02:50:16Z"}) {
    EXPECT_EQ(mail(parameter, test_options()), "555 5.5.4") << parameter;
  }
  EXPECT_EQ(mail("HOLDFOR=60", bare), "555 5.5.4");
}

TEST(SmtpServerExtensions, CarryTheirValues) {
  EXPECT_EQ(mail("MT-PRIORITY=-9"), "priority=-9");
  EXPECT_EQ(mail("mt-priority=9 by=+0000120;nt holdfor=7200"), "priority=9 by=120NT for=7200");
  EXPECT_EQ(mail("MT-PRIORITY=0"), "priority=0");
  EXPECT_EQ(mail("BY=-999999999;N"), "by=-999999999N");
  EXPECT_EQ(mail("BY=-0;N"), "by=0N");
  EXPECT_EQ(mail("BY=30;RT"), "by=30RT");
  EXPECT_EQ(mail("BY=1;N"), "by=1N");  // the least time is for mode R
  EXPECT_EQ(mail("HOLDFOR=999999999"), "for=999999999");
  EXPECT_EQ(mail("HOLDUNTIL=2026-11-21T03:50:16.25+01:00"), "until=2026-11-21T02:50:16Z");
  EXPECT_EQ(mail("HOLDUNTIL=2024-02-29t23:59:60z"), "until=2024-03-01T00:00:00Z");
  EXPECT_EQ(mail("HOLDUNTIL=0001-01-01T00:00:00-00:00"), "until=0001-01-01T00:00:00Z");
  EXPECT_EQ(mail("HOLDUNTIL=9999-12-31T23:59:59+00:00"), "until=9999-12-31T23:59:59Z");
}

TEST(SmtpServerExtensions, RefusePrioritiesAndTimesThatAreNotOfTheirForm) {
  for (const char* bad : {"MT-PRIORITY",
                          "MT-PRIORITY=",
                          "MT-PRIORITY=10",
                          "MT-PRIORITY=-10",
                          "MT-PRIORITY=-0",
                          "MT-PRIORITY=+1",
                          "MT-PRIORITY=05",
                          "MT-PRIORITY=1.5",
                          "MT-PRIORITY=x",
                          "MT-PRIORITY=-",
                          "MT-PRIORITY=18446744073709551615",
                          "MT-PRIORITY=1 MT-PRIORITY=1",
                          "MT-PRIORITY=1 MT-PRIORITY=2",
                          "BY",
                          "BY=",
                          "BY=60",
                          "BY=60;",
                          "BY=;R",
                          "BY=60R",
                          "BY=60;X",
                          "BY=60;RN",
                          "BY=60;RTT",
                          "BY=60;T",
                          "BY=0;R",
                          "BY=-0;R",
                          "BY=-60;R",
                          "BY=+-60;N",
                          "BY=--1;N",
                          "BY=1000000000;N",
                          "BY=9999999999999999999999;N",
                          "BY=-9223372036854775808;N",
                          "BY=1e3;R",
                          "BY=60;R;T",
                          "BY=60;R BY=60;R"}) {
    EXPECT_EQ(mail(bad), "501 5.5.4") << bad;
  }
}

TEST(SmtpServerExtensions, RefuseHoldsThatAreNotOfTheirForm) {
  for (const char* bad : {"HOLDFOR",
                          "HOLDFOR=",
                          "HOLDFOR=0",
                          "HOLDFOR=01",
                          "HOLDFOR=-1",
                          "HOLDFOR=+1",
                          "HOLDFOR=1000000000",
                          "HOLDFOR=18446744073709551616",
                          "HOLDFOR=1 HOLDFOR=1",
                          "HOLDFOR=1 HOLDUNTIL=2026-11-21T02:50:16Z",
                          "HOLDUNTIL=2026-11-21T02:50:16Z HOLDFOR=1",
                          "HOLDUNTIL",
                          "HOLDUNTIL=",
                          "HOLDUNTIL=2026-11-21",
                          "HOLDUNTIL=2026-11-21T02:50:16",
                          "HOLDUNTIL=2026-11-21T02:50Z",
                          "HOLDUNTIL=2026-13-21T02:50:16Z",
                          "HOLDUNTIL=2026-02-29T02:50:16Z",
                          "HOLDUNTIL=2026-04-31T02:50:16Z",
                          "HOLDUNTIL=2026-00-21T02:50:16Z",
                          "HOLDUNTIL=2026-11-00T02:50:16Z",
                          "HOLDUNTIL=0000-11-21T02:50:16Z",
                          "HOLDUNTIL=2026-11-21T24:00:00Z",
                          "HOLDUNTIL=2026-11-21T02:60:16Z",
                          "HOLDUNTIL=2026-11-21T02:50:61Z",
                          "HOLDUNTIL=2026-11-21T02:50:16.Z",
                          "HOLDUNTIL=2026-11-21T02:50:16+01",
                          "HOLDUNTIL=2026-11-21T02:50:16+24:00",
                          "HOLDUNTIL=2026-11-21T02:50:16+01:60",
                          "HOLDUNTIL=2026-11-21T02:50:16ZZ",
                          "HOLDUNTIL=20261121T025016Z",
                          "HOLDUNTIL=+026-11-21T02:50:16Z",
                          "HOLDUNTIL=2026/11/21T02:50:16Z",
                          "HOLDUNTIL=2026-11-21T02:50:16Z HOLDUNTIL=2026-11-21T02:50:16Z"}) {
    EXPECT_EQ(mail(bad), "501 5.5.4") << bad;
  }
}

TEST(SmtpServerExtensions, PromiseNoDeliveryBelowTheLeastTime) {
  EXPECT_EQ(mail("BY=29;R"), "555 5.5.4");
  EXPECT_EQ(mail("BY=1;RT"), "555 5.5.4");
  EXPECT_EQ(mail("BY=-5;N"), "by=-5N");
}

TEST(SmtpServerExtensions, AnExtensionRefusedLeavesNoTransaction) {
  const Transcript t = said(offering(),
                            "EHLO c\r\nMAIL FROM:<a@b.c> BY=0;R\r\nRCPT TO:<a@b.c>\r\n"
                            "MAIL FROM:<a@b.c> HOLDFOR=5\r\nRCPT TO:<a@b.c>\r\n");
  EXPECT_TRUE(
      t.output.ends_with("501 5.5.4 Bad parameter value\r\n503 5.5.1 MAIL is needed first"
                         "\r\n250 2.1.0 Sender OK\r\n250 2.1.5 Recipient OK\r\n"))
      << t.output;
}

}  // namespace
}  // namespace ph::smtp
