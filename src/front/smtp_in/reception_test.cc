// Port 25: strangers bring mail for us.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "front/smtp_in/detail/smtp_in_test_world.h"
#include "kv/errors.h"

namespace ph::smtp_in {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr const char* kLetter = "From: x@peer.example\r\nSubject: hello\r\n\r\nHello.";

TEST_F(SmtpInTest, AMessageForUsIsTakenWithItsFacts) {
  Peer p = peer();
  ASSERT_TRUE(p.connect(smtp()));
  EXPECT_THAT(p.reply(), StartsWith("220 mx.example.org ESMTP"));
  const std::string offers = p.say("EHLO client.example");
  for (const char* offer : {"PIPELINING", "SIZE 52428800", "8BITMIME", "SMTPUTF8", "CHUNKING",
                            "DSN", "ENHANCEDSTATUSCODES", "STARTTLS"}) {
    EXPECT_THAT(offers, HasSubstr(offer));
  }
  EXPECT_THAT(offers, ::testing::Not(HasSubstr("AUTH")));
  EXPECT_THAT(p.say("MAIL FROM:<x@peer.example> BODY=8BITMIME RET=HDRS ENVID=a+2Bb SIZE=100"),
              StartsWith("250 2.1.0"));
  EXPECT_THAT(
      p.say("RCPT TO:<Alice@example.org> NOTIFY=FAILURE,DELAY ORCPT=rfc822;al+40example.org"),
      StartsWith("250 2.1.5"));
  EXPECT_THAT(p.say("RCPT TO:<bob@example.org>"), StartsWith("250 2.1.5"));
  EXPECT_THAT(p.say("DATA"), StartsWith("354"));
  const std::string content = std::string("Message-ID: <1@peer.example>\r\n") + kLetter;
  EXPECT_EQ(p.say(content + "\r\n..dot\r\n."), "250 2.0.0 Message accepted as Q1\r\n");
  EXPECT_THAT(p.say("QUIT"), StartsWith("221 2.0.0"));
  EXPECT_EQ(p.reply(), "<end>");

  ASSERT_EQ(intake.taken.size(), 1U);
  EXPECT_EQ(last().login, "");
  const Incoming& m = last().message;
  EXPECT_EQ(m.message_id, "1@peer.example");
  EXPECT_EQ(m.envelope.sender, "x@peer.example");
  EXPECT_EQ(m.envelope.client_ip, "198.51.100.7");
  EXPECT_EQ(m.envelope.client_helo, "client.example");
  EXPECT_EQ(m.envelope.envelope_id, "a+b");
  EXPECT_EQ(m.envelope.dsn_return, model::DsnReturn::headers);
  EXPECT_EQ(m.envelope.body, model::BodyType::eight_bit);
  EXPECT_EQ(m.envelope.origin, model::Origin::smtp);
  EXPECT_EQ(m.envelope.size_bytes, m.bytes->size());
  ASSERT_EQ(m.recipients.size(), 2U);
  EXPECT_EQ(m.recipients[0].address, "Alice@example.org");
  EXPECT_TRUE(m.recipients[0].notify.delay && m.recipients[0].notify.failure);
  EXPECT_EQ(m.recipients[0].original_type, "rfc822");
  EXPECT_EQ(m.recipients[0].original_address, "al@example.org");
  EXPECT_TRUE(m.bytes->ends_with(content + "\r\n.dot\r\n"));
}

TEST_F(SmtpInTest, TheReceivedFieldHasItsExactForm) {
  Peer p = peer();
  ASSERT_TRUE(p.open(smtp()));
  EXPECT_THAT(p.mail("x@peer.example", "alice@example.org", kLetter), StartsWith("250"));
  const std::string date = to_rfc5322_date(last().message.envelope.received_at);
  EXPECT_EQ(*last().message.bytes,
            "Received: from client.example ([198.51.100.7])\r\n"
            "\tby mx.example.org with ESMTP\r\n"
            "\tfor <alice@example.org>;\r\n\t" +
                date + "\r\n" + kLetter + "\r\n");
  // Several recipients stay unnamed; so does the extended protocol after HELO.
  ASSERT_THAT(p.say("HELO old.example"), StartsWith("250"));
  EXPECT_THAT(p.mail("", "alice@example.org", kLetter), StartsWith("250"));
  EXPECT_THAT(*last().message.bytes, HasSubstr("\tby mx.example.org with SMTP\r\n"));
  ASSERT_THAT(p.say("EHLO client.example"), StartsWith("250"));
  EXPECT_THAT(p.say("MAIL FROM:<x@peer.example> SMTPUTF8"), StartsWith("250"));
  EXPECT_THAT(p.say("RCPT TO:<alice@example.org>"), StartsWith("250"));
  EXPECT_THAT(p.say("RCPT TO:<bob@example.org>"), StartsWith("250"));
  EXPECT_THAT(p.say("DATA"), StartsWith("354"));
  EXPECT_THAT(p.say(std::string(kLetter) + "\r\n."), StartsWith("250"));
  EXPECT_THAT(*last().message.bytes, HasSubstr(" with UTF8SMTP;\r\n\t"));

  Peer six = peer();
  ASSERT_TRUE(six.open({rt::Endpoint::Kind::ipv6, mx.ipv6(), 25}));
  ASSERT_TRUE(six.secure(*trust));
  EXPECT_THAT(six.mail("x@peer.example", "alice@example.org", kLetter), StartsWith("250"));
  EXPECT_THAT(*last().message.bytes, StartsWith("Received: from client.example "
                                                "([IPv6:2001:db8::7])\r\n"
                                                "\tby mx.example.org with ESMTPS\r\n\t(TLSv1.3 "));
}

TEST_F(SmtpInTest, NothingIsAddedToAStrangersMessageButTheTrace) {
  Peer p = peer();
  ASSERT_TRUE(p.open(smtp()));
  EXPECT_THAT(p.mail("x@peer.example", "alice@example.org", "body only"), StartsWith("250"));
  EXPECT_THAT(*last().message.bytes, ::testing::Not(HasSubstr("Message-ID")));
  EXPECT_THAT(*last().message.bytes, ::testing::Not(HasSubstr("\r\nDate:")));
  EXPECT_EQ(last().message.message_id, "");
}

TEST_F(SmtpInTest, RelayIsClosedToStrangersAndOpenToNamedNetworks) {
  Peer p = peer();
  ASSERT_TRUE(p.open(smtp()));
  EXPECT_THAT(p.mail("x@peer.example", "y@elsewhere.example", kLetter), StartsWith("550 5.7.1"));
  EXPECT_THAT(p.say("RCPT TO:<nobody@example.org>"), StartsWith("550 5.1.1"));
  EXPECT_THAT(p.say("RCPT TO:<y%elsewhere.example@example.org>"), StartsWith("550 5.1.1"));
  EXPECT_THAT(p.say("RCPT TO:<\"y@elsewhere.example\"@example.org>"), StartsWith("550 5.1.1"));
  EXPECT_THAT(p.say("RCPT TO:<@example.org:y@elsewhere.example>"), StartsWith("5"));
  EXPECT_THAT(p.say("DATA"), StartsWith("5"));
  set("smtp.relay_networks", "203.0.113.0/24, 198.51.100.0/29");
  EXPECT_THAT(p.say("RCPT TO:<y@elsewhere.example>"), StartsWith("250"));
  EXPECT_THAT(p.say("RCPT TO:<nobody@example.org>"), StartsWith("550 5.1.1"));
  set("smtp.relay_networks", "198.51.100.8/29");
  EXPECT_THAT(p.say("RCPT TO:<z@elsewhere.example>"), StartsWith("550 5.7.1"));
  EXPECT_TRUE(intake.taken.empty());
}

TEST_F(SmtpInTest, AuthIsNotOfferedHereAndCommandsKeepTheirOrder) {
  Peer p = peer();
  ASSERT_TRUE(p.connect(smtp()));
  ASSERT_THAT(p.reply(), StartsWith("220"));
  EXPECT_THAT(p.say("MAIL FROM:<x@peer.example>"), StartsWith("503 5.5.1"));
  ASSERT_THAT(p.say("EHLO client.example"), StartsWith("250"));
  EXPECT_THAT(p.say("RCPT TO:<alice@example.org>"), StartsWith("503 5.5.1"));
  EXPECT_THAT(p.say("DATA"), StartsWith("503 5.5.1"));
  EXPECT_THAT(p.say("AUTH PLAIN AGEAYg=="), StartsWith("5"));
  EXPECT_THAT(p.say("BLAH"), StartsWith("500 5.5.1"));
  EXPECT_THAT(p.say("MAIL FROM:<x@peer.example>"), StartsWith("250"));
  EXPECT_THAT(p.say("MAIL FROM:<y@peer.example>"), StartsWith("503"));
  EXPECT_THAT(p.say("RSET"), StartsWith("250"));
  EXPECT_THAT(p.say("RCPT TO:<alice@example.org>"), StartsWith("503"));
  EXPECT_THAT(p.mail("z@peer.example", "alice@example.org", kLetter), StartsWith("250"));
  EXPECT_EQ(last().message.envelope.sender, "z@peer.example");
  EXPECT_EQ(last().message.recipients.size(), 1U);
}

TEST_F(SmtpInTest, APipelinedGroupIsAnsweredInOneWrite) {
  sim.network().set_shape({.fragment_percent = 0, .idle_wake_percent = 0});
  Peer p = peer();
  ASSERT_TRUE(p.open(smtp()));
  ASSERT_TRUE(p.send(
      "MAIL FROM:<x@peer.example>\r\nRCPT TO:<alice@example.org>\r\nRCPT TO:<no@example.org>\r\n"
      "RCPT TO:<bob@example.org>\r\nDATA\r\n"));
  EXPECT_THAT(p.reply(), StartsWith("250 2.1.0"));
  // All of it is there as soon as the first octet is.
  EXPECT_THAT(std::string(p.wire().input()),
              ::testing::MatchesRegex("250 2.1.5[^\r]*\r\n550 5.1.1[^\r]*\r\n250 2.1.5[^\r]*\r\n"
                                      "354 [^\r]*\r\n"));
  for (int i = 0; i < 4; ++i) p.reply();
  ASSERT_TRUE(p.send(std::string(kLetter) + "\r\n.\r\nMAIL FROM:<>\r\nQUIT\r\n"));
  EXPECT_THAT(p.reply(), StartsWith("250 2.0.0 Message accepted as Q1"));
  EXPECT_THAT(p.reply(), StartsWith("250"));
  EXPECT_THAT(p.reply(), StartsWith("221"));
  EXPECT_EQ(last().message.recipients.size(), 2U);
}

TEST_F(SmtpInTest, ChunksMakeOneMessage) {
  Peer p = peer();
  ASSERT_TRUE(p.open(smtp()));
  ASSERT_THAT(p.say("MAIL FROM:<x@peer.example>"), StartsWith("250"));
  ASSERT_THAT(p.say("RCPT TO:<alice@example.org>"), StartsWith("250"));
  ASSERT_TRUE(p.send("BDAT 13\r\nSubject: x\r\n\r"));
  EXPECT_THAT(p.reply(), StartsWith("250"));
  ASSERT_TRUE(p.send("BDAT 8 LAST\r\n\n.\r\nHi\r\n"));
  EXPECT_THAT(p.reply(), StartsWith("250 2.0.0 Message accepted"));
  EXPECT_TRUE(last().message.bytes->ends_with("\r\nSubject: x\r\n\r\n.\r\nHi\r\n"));
}

TEST_F(SmtpInTest, SmuggledLineEndsAreRefused) {
  for (const char* trick : {"a\nb", "a\rb", "a\n.\nMAIL FROM:<evil@peer.example>", "a\r\n.\nx",
                            "a\n.\r\nx", "nul \x01"}) {
    Peer p = peer();
    ASSERT_TRUE(p.open(smtp()));
    const std::string answer = p.mail("x@peer.example", "alice@example.org", trick);
    if (std::string(trick).starts_with("nul")) {
      EXPECT_THAT(answer, StartsWith("250"));
    } else {
      EXPECT_THAT(answer, StartsWith("554 5.6.0")) << trick;
      EXPECT_TRUE(intake.taken.empty());
    }
  }
  Peer p = peer();
  ASSERT_TRUE(p.open(smtp()));
  ASSERT_TRUE(p.send("NOOP\nMAIL FROM:<x@peer.example>\r\n"));
  EXPECT_THAT(p.reply(), StartsWith("500 5.5.2"));
  EXPECT_EQ(p.reply(), "<end>");
}

TEST_F(SmtpInTest, LimitsAnswerWithTheirOwnWords) {
  set("smtp.message_size_max", "64 KiB");
  set("smtp.recipients_max", "100");
  set("smtp.hops_max", "10");
  Peer p = peer();
  ASSERT_TRUE(p.open(smtp()));
  EXPECT_THAT(p.say("MAIL FROM:<x@peer.example> SIZE=65537"), StartsWith("552 5.3.4"));
  std::string big;
  while (big.size() < 66'000) big += "0123456789 0123456789 0123456789\r\n";
  EXPECT_THAT(p.mail("x@peer.example", "alice@example.org", big), StartsWith("552 5.3.4"));
  ASSERT_THAT(p.say("MAIL FROM:<x@peer.example>"), StartsWith("250"));
  for (int i = 0; i < 100; ++i) {
    ASSERT_THAT(p.say("RCPT TO:<alice@example.org>"), StartsWith("250"));
  }
  EXPECT_THAT(p.say("RCPT TO:<bob@example.org>"), StartsWith("452 4.5.3"));
  EXPECT_THAT(p.say("RSET"), StartsWith("250"));
  std::string hops;
  for (int i = 0; i < 9; ++i) hops += "Received: from a by b; date\r\n";
  EXPECT_THAT(p.mail("", "alice@example.org", hops + kLetter), StartsWith("250"));
  hops += "received: x\r\n";
  EXPECT_THAT(p.mail("", "alice@example.org", hops + kLetter), StartsWith("554 5.4.6"));
  // Received fields in the body are no hops.
  EXPECT_THAT(p.mail("", "alice@example.org", "Subject: x\r\n\r\n" + hops + hops),
              StartsWith("250"));
}

TEST_F(SmtpInTest, StoreFailuresAreSaidAsTheyAre) {
  Peer p = peer();
  ASSERT_TRUE(p.open(smtp()));
  const auto send = [&p] { return p.mail("x@peer.example", "alice@example.org", kLetter); };
  intake.failure = fail(kv::kDiskFull);
  EXPECT_THAT(send(), StartsWith("452 4.3.1"));
  intake.failure = fail(kv::kBusy);
  EXPECT_THAT(send(), StartsWith("451 4.3.0"));
  intake.failure = fail(kv::kUncertain);
  EXPECT_THAT(send(), StartsWith("451 4.3.0"));
  intake.failure = fail(rt::kCancelled);
  EXPECT_THAT(send(), StartsWith("451 4.3.0"));
  intake.failure = fail(kv::kConflict);
  EXPECT_THAT(send(), StartsWith("451 4.3.0"));
  intake.failure = fail(kv::kTooLarge);
  EXPECT_THAT(send(), StartsWith("554 5.6.0"));
  intake.failure.reset();
  intake.why_not = "The disk is nearly full (3 % free); try again later";
  EXPECT_EQ(send(), "452 4.3.1 The disk is nearly full (3 % free); try again later\r\n");
  EXPECT_TRUE(intake.taken.empty());
  intake.why_not.clear();
  // What came while the content did.
  intake.failure = fail(kShed, "Storage is slow (a commit takes 9 s); try again later");
  EXPECT_EQ(send(), "452 4.3.1 Storage is slow (a commit takes 9 s); try again later\r\n");
  intake.failure.reset();
  EXPECT_THAT(send(), StartsWith("250"));
}

TEST_F(SmtpInTest, TheAnswerWaitsForTheStore) {
  intake.takes = Duration::seconds(90);
  Peer p = peer();
  ASSERT_TRUE(p.open(smtp()));
  const Instant before = sim.now();
  EXPECT_THAT(p.mail("x@peer.example", "alice@example.org", kLetter), StartsWith("250"));
  EXPECT_GE(sim.now() - before, Duration::seconds(90));
}

}  // namespace
}  // namespace ph::smtp_in
