// MT-PRIORITY, DELIVERBY and FUTURERELEASE at the server, and messages that go round.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "front/smtp_in/detail/smtp_in_test_world.h"
#include "front/smtp_in/detail/trace.h"

namespace ph::smtp_in {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;
using Mode = model::DeliverBy::Mode;

constexpr const char* kAlice = "alice@example.org";
constexpr const char* kLetter = "From: x@peer.example\r\nSubject: hello\r\n\r\nHello.";

class SmtpInExtensions : public SmtpInTest {
 protected:
  Peer stranger() {
    Peer p = peer();
    PH_CHECK(p.open(smtp()));
    return p;
  }
  Peer user() {
    Peer p = peer();
    PH_CHECK(p.open(mx.endpoint(587)));
    PH_CHECK(p.secure(*trust));
    PH_CHECK(p.login(kAlice, "correct horse"));
    return p;
  }
  // The answer to MAIL; when that is 250 the message is sent and `last()` has it.
  std::string mail(Peer& p, const std::string& parameters, const std::string& content = kLetter) {
    const std::string first = p.say("MAIL FROM:<" + std::string(kAlice) + "> " + parameters);
    if (!first.starts_with("250")) return first;
    PH_CHECK(p.say("RCPT TO:<bob@example.org>").starts_with("250"));
    PH_CHECK(p.say("DATA").starts_with("354"));
    stored = p.say(content + "\r\n.");
    return first;
  }
  const model::Envelope& envelope() const { return last().message.envelope; }

  std::string stored;
};

TEST_F(SmtpInExtensions, AreOfferedToWhomTheyAreFor) {
  set("smtp.priority_profile", "STANAG4406");
  set("smtp.deliver_by_min", "90 s");
  Peer p = peer();
  ASSERT_TRUE(p.connect(smtp()));
  ASSERT_THAT(p.reply(), StartsWith("220"));
  const std::string offers = p.say("EHLO client.example");
  EXPECT_THAT(offers, HasSubstr("250-MT-PRIORITY STANAG4406\r\n250-DELIVERBY 90\r\n"));
  EXPECT_THAT(offers, Not(HasSubstr("FUTURERELEASE")));
  // Not even said, a hold is nothing that port 25 knows.
  EXPECT_THAT(p.say("MAIL FROM:<x@peer.example> HOLDFOR=60"), StartsWith("555 5.5.4"));
  const std::string until = to_iso8601(sim.wall() + Duration::days(30)).substr(0, 11);
  Peer u = user();
  EXPECT_THAT(u.say("EHLO client.example"), HasSubstr("250-FUTURERELEASE 2592000 " + until));
  set("submission.hold_max", "0");
  Peer none = user();
  EXPECT_THAT(none.say("EHLO client.example"), Not(HasSubstr("FUTURERELEASE")));
  EXPECT_THAT(mail(none, "HOLDFOR=60"), StartsWith("555 5.5.4"));
  EXPECT_FALSE(settings.current().with(schema, "smtp.priority_profile", "a b").has_value());
}

TEST_F(SmtpInExtensions, AStrangerCannotRaiseAPriorityButLowerIt) {
  Peer p = stranger();
  EXPECT_EQ(mail(p, "MT-PRIORITY=6"), "250 2.3.6 0 is its priority, sender OK\r\n");
  EXPECT_EQ(stored, "250 2.3.6 0 is its priority. Message accepted as Q1\r\n");
  EXPECT_EQ(envelope().mt_priority, 0);
  EXPECT_THAT(mail(p, "MT-PRIORITY=-7"), StartsWith("250 2.1.0"));
  EXPECT_EQ(stored, "250 2.0.0 Message accepted as Q2\r\n");
  EXPECT_EQ(envelope().mt_priority, -7);
  EXPECT_THAT(*last().message.bytes, HasSubstr("\r\n\tfor <bob@example.org>\r\n\tpriority -7;"));
  // What one message was lowered to says nothing about the next.
  EXPECT_THAT(mail(p, ""), StartsWith("250 2.1.0"));
  EXPECT_EQ(envelope().mt_priority, 0);
  EXPECT_THAT(stored, StartsWith("250 2.0.0"));
  EXPECT_THAT(*last().message.bytes, Not(HasSubstr("priority")));
  set("smtp.priority_max", "2");
  EXPECT_THAT(mail(p, "MT-PRIORITY=2"), StartsWith("250 2.1.0"));
  EXPECT_THAT(mail(p, "MT-PRIORITY=3"), StartsWith("250 2.3.6 2 "));
  EXPECT_EQ(envelope().mt_priority, 2);
}

TEST_F(SmtpInExtensions, AUserMayRaiseAPriorityUpToTheLimit) {
  Peer p = user();
  EXPECT_THAT(mail(p, "MT-PRIORITY=4"), StartsWith("250 2.1.0"));
  EXPECT_EQ(envelope().mt_priority, 4);
  EXPECT_THAT(mail(p, "MT-PRIORITY=9"), StartsWith("250 2.3.6 4 "));
  EXPECT_EQ(envelope().mt_priority, 4);
  set("submission.priority_max", "9");
  EXPECT_THAT(mail(p, "MT-PRIORITY=9"), StartsWith("250 2.1.0"));
  EXPECT_EQ(envelope().mt_priority, 9);
}

TEST_F(SmtpInExtensions, AUsersHeaderFieldStandsForAMissingParameter) {
  Peer p = user();
  const auto with = [](const std::string& field) { return field + "\r\n" + kLetter; };
  mail(p, "", with("MT-Priority: 3"));
  EXPECT_EQ(envelope().mt_priority, 3);
  mail(p, "MT-PRIORITY=1", with("MT-Priority: 3"));
  EXPECT_EQ(envelope().mt_priority, 1);
  mail(p, "", with("MT-Priority: 8"));
  EXPECT_EQ(envelope().mt_priority, 4);
  EXPECT_THAT(stored, StartsWith("250 2.3.6 4 "));
  for (const char* field : {"MT-Priority: 10", "MT-Priority: -0", "MT-Priority:",
                            "MT-Priority: 1\r\nMT-Priority: 2", "X-MT-Priority: 2"}) {
    mail(p, "", with(field));
    EXPECT_EQ(envelope().mt_priority, 0) << field;
  }
  mail(p, "", std::string(kLetter) + "\r\n\r\nMT-Priority: 2");
  EXPECT_EQ(envelope().mt_priority, 0);
  Peer s = stranger();
  mail(s, "", with("MT-Priority: -5"));
  EXPECT_EQ(envelope().mt_priority, 0);
}

TEST_F(SmtpInExtensions, ATimeToDeliverByCountsFromMail) {
  Peer p = stranger();
  const Time before = sim.wall();
  EXPECT_THAT(mail(p, "BY=3600;RT"), StartsWith("250"));
  EXPECT_EQ(envelope().deliver_by.mode, Mode::return_it);
  EXPECT_TRUE(envelope().deliver_by.trace);
  EXPECT_GE(envelope().deliver_by.at, before + Duration::hours(1));
  EXPECT_LT(envelope().deliver_by.at, before + Duration::hours(1) + Duration::seconds(5));
  EXPECT_THAT(mail(p, "BY=-20;N"), StartsWith("250"));
  EXPECT_EQ(envelope().deliver_by.mode, Mode::notify);
  EXPECT_LT(envelope().deliver_by.at, sim.wall());
  EXPECT_THAT(mail(p, ""), StartsWith("250"));
  EXPECT_FALSE(envelope().deliver_by.is_set());
  EXPECT_THAT(mail(p, "BY=0;R"), StartsWith("501 5.5.4"));
  set("smtp.deliver_by_min", "90 s");
  Peer late = stranger();
  EXPECT_THAT(mail(late, "BY=89;R"), StartsWith("555 5.5.4"));
  EXPECT_THAT(mail(late, "BY=90;R"), StartsWith("250"));
  EXPECT_THAT(mail(late, "BY=1;N"), StartsWith("250"));
}

TEST_F(SmtpInExtensions, AUsersMessageMayLeaveLater) {
  Peer p = user();
  const Time before = sim.wall();
  EXPECT_THAT(mail(p, "HOLDFOR=7200"), StartsWith("250"));
  EXPECT_GE(envelope().hold_until, before + Duration::hours(2));
  EXPECT_LT(envelope().hold_until, before + Duration::hours(2) + Duration::seconds(5));
  const Time whole = Time::from_unix_s((before + Duration::days(2)).unix_s());
  EXPECT_THAT(mail(p, "HOLDUNTIL=" + to_iso8601(whole)), StartsWith("250"));
  EXPECT_EQ(envelope().hold_until, whole);
  // A moment that is past is now: the client's clock may be slow.
  EXPECT_THAT(mail(p, "HOLDUNTIL=2001-01-01T00:00:00Z"), StartsWith("250"));
  EXPECT_EQ(envelope().hold_until, Time());
  EXPECT_THAT(mail(p, ""), StartsWith("250"));
  EXPECT_EQ(envelope().hold_until, Time());
  EXPECT_THAT(mail(p, "HOLDFOR=2592060"), StartsWith("501 5.5.4"));
  EXPECT_THAT(mail(p, "HOLDUNTIL=9999-12-31T23:59:59Z"), StartsWith("501 5.5.4"));
  EXPECT_THAT(mail(p, "HOLDFOR=60 HOLDUNTIL=2001-01-01T00:00:00Z"), StartsWith("501 5.5.4"));
  // What was refused leaves nothing behind.
  EXPECT_THAT(mail(p, ""), StartsWith("250"));
  EXPECT_EQ(envelope().hold_until, Time());
}

TEST_F(SmtpInExtensions, AHoldMustEndBeforeTheTimeToDeliverBy) {
  Peer p = user();
  EXPECT_THAT(mail(p, "HOLDFOR=60 BY=120;R"), StartsWith("250"));
  EXPECT_EQ(envelope().deliver_by.at - envelope().hold_until, Duration::seconds(60));
  EXPECT_THAT(mail(p, "HOLDFOR=120 BY=120;R"), StartsWith("501 5.5.4"));
  EXPECT_THAT(mail(p, "BY=60;N HOLDFOR=120"), StartsWith("501 5.5.4"));
  EXPECT_THAT(mail(p, "BY=-60;N HOLDFOR=1"), StartsWith("501 5.5.4"));
  EXPECT_THAT(mail(p, ""), StartsWith("250"));
  EXPECT_FALSE(envelope().deliver_by.is_set());
}

// ---- loops ----

std::string hop(const std::string& from, const std::string& by) {
  return "Received: from " + from + " (by mx.example.org [192.0.2.9])\r\n\tby " + by +
         " with ESMTP id by-1;\r\n\tSat, 21 Nov 2026 02:50:16 +0000\r\n";
}

TEST_F(SmtpInExtensions, WhatPassesUsOverAndOverIsALoop) {
  Peer p = stranger();
  std::string way;
  // From a writer to a list by us, and back to its readers by us: no loop.
  way = hop("list.example", "mx.example.org") + hop("mx.example.org", "list.example") + way;
  way = hop("list.example", "MX.Example.Org.") + hop("mx.example.org", "list.example") + way;
  EXPECT_THAT(mail(p, "", way + kLetter), StartsWith("250"));
  EXPECT_THAT(stored, StartsWith("250"));
  for (int i = 0; i < 3; ++i) {
    way = hop("far.example", "mx.example.org") + hop("mx.example.org", "far.example") + way;
  }
  mail(p, "", way + kLetter);
  EXPECT_THAT(stored, StartsWith("250"));  // five times
  way = hop("far.example", "mx.example.org") + way;
  mail(p, "", way + kLetter);
  EXPECT_THAT(stored, StartsWith("554 5.4.6"));
  set("smtp.own_hops_max", "6");
  mail(p, "", way + kLetter);
  EXPECT_THAT(stored, StartsWith("250"));
  // Its body may quote what it likes.
  set("smtp.own_hops_max", "1");
  mail(p, "", std::string(kLetter) + "\r\n\r\n" + way);
  EXPECT_THAT(stored, StartsWith("250"));
  Peer u = user();
  mail(u, "", way + kLetter);
  EXPECT_THAT(stored, StartsWith("554 5.4.6"));
}

TEST(SmtpInTrace, TheHostBehindByIsRead) {
  EXPECT_EQ(by_of("from a (b [1.2.3.4]) by mx.example.org with ESMTP; date"), "mx.example.org");
  EXPECT_EQ(by_of("by mx.example.org. (x) id 1;"), "mx.example.org");
  EXPECT_EQ(by_of("BY\tmx(comment);"), "mx");
  EXPECT_EQ(by_of("from by by mx;"), "by");  // a host of that name cannot be told apart
  EXPECT_EQ(by_of("(by a (by b) \\) by c) by d; x"), "d");
  EXPECT_EQ(by_of("from \"x by y\" by z"), "z");
  for (const char* none : {"", "by", "by;", "by (x)", "from a; by b", "from a with by", "(by x",
                           "\"by x", "(((((", "\\", "byx y"}) {
    EXPECT_EQ(by_of(none), "") << none;
  }
}

TEST(SmtpInTrace, TheChainIsNamedInTheOrderOfTheWay) {
  const std::string header = hop("b.example", "mx.example.org") + "Subject: x\r\n" +
                             hop("a.example", "b.example") + "Received: nonsense\r\n\r\n";
  const Trace trace = trace_of(header, "mx.example.org");
  EXPECT_EQ(trace.own, 1U);
  EXPECT_EQ(trace.chain, "? > b.example > mx.example.org");
  // "localhost" is every machine's name.
  EXPECT_EQ(trace_of(hop("a", "localhost") + hop("b", "localhost"), "localhost").own, 0U);
  std::string many;
  for (int i = 0; i < 1000; ++i) many += hop("a", std::string(500, 'x'));
  EXPECT_LT(trace_of(many, "mx.example.org").chain.size(), 6000U);
}

}  // namespace
}  // namespace ph::smtp_in
