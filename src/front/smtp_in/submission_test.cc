// Ports 587 and 465: our users send mail.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "codec/sasl/client.h"
#include "front/smtp_in/detail/smtp_in_test_world.h"

namespace ph::smtp_in {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

constexpr const char* kAlice = "alice@example.org";
constexpr const char* kPassword = "correct horse";
constexpr const char* kLetter = "From: alice@example.org\r\nSubject: hello\r\n\r\nHello.";

class SubmissionTest : public SmtpInTest {
 protected:
  rt::Endpoint submission() const { return mx.endpoint(587); }
  Peer secured() {
    Peer p = peer();
    PH_CHECK(p.open(submission()));
    PH_CHECK(p.secure(*trust));
    return p;
  }
};

TEST_F(SubmissionTest, NothingGoesWithoutTlsAndALogin) {
  Peer p = peer();
  ASSERT_TRUE(p.open(submission()));
  EXPECT_THAT(p.say("EHLO client.example"), Not(HasSubstr("AUTH")));
  EXPECT_THAT(p.say("AUTH PLAIN AGEAYg=="), StartsWith("538 5.7.11"));
  EXPECT_THAT(p.say("MAIL FROM:<alice@example.org>"), StartsWith("530 5.7.0"));
  ASSERT_TRUE(p.secure(*trust));
  EXPECT_THAT(p.say("EHLO client.example"), HasSubstr("AUTH SCRAM-SHA-256 PLAIN LOGIN"));
  EXPECT_THAT(p.say("EHLO client.example"), Not(HasSubstr("STARTTLS")));
  EXPECT_THAT(p.say("MAIL FROM:<alice@example.org>"), StartsWith("530 5.7.0"));
}

TEST_F(SubmissionTest, PlainLoginThenMailToAnybody) {
  Peer p = secured();
  ASSERT_TRUE(p.login(kAlice, kPassword));
  EXPECT_EQ(p.mail(kAlice, "y@elsewhere.example", kLetter), "250 2.0.0 Message accepted as Q1\r\n");
  EXPECT_EQ(last().login, kAlice);
  EXPECT_EQ(last().message.envelope.origin, model::Origin::submission);
  EXPECT_EQ(last().message.envelope.auth_user, kAlice);
  EXPECT_THAT(*last().message.bytes, HasSubstr("\tby mx.example.org with ESMTPSA\r\n\t(TLS"));
  EXPECT_THAT(p.say("AUTH PLAIN AGEAYg=="), StartsWith("503"));
}

TEST_F(SubmissionTest, GoesOnWhileStrangersAreRefused) {
  intake.why_not = "Storage is slow (a commit takes 9 s); try again later";
  Peer stranger = peer();
  ASSERT_TRUE(stranger.open(smtp()));
  EXPECT_EQ(stranger.mail("x@elsewhere.example", kAlice, kLetter),
            "452 4.3.1 Storage is slow (a commit takes 9 s); try again later\r\n");
  Peer user = secured();
  ASSERT_TRUE(user.login(kAlice, kPassword));
  EXPECT_THAT(user.mail(kAlice, "y@elsewhere.example", kLetter), StartsWith("250 2.0.0"));
  intake.why_not_users = intake.why_not;
  EXPECT_THAT(user.mail(kAlice, "y@elsewhere.example", kLetter), StartsWith("452 4.3.1 Storage"));
}

TEST_F(SubmissionTest, ImplicitTlsAndTheLoginMechanism) {
  Peer p = peer();
  ASSERT_TRUE(p.connect(mx.endpoint(465)));
  ASSERT_TRUE(p.start_tls(*trust));
  ASSERT_THAT(p.reply(), StartsWith("220 "));
  ASSERT_THAT(p.say("EHLO client.example"), Not(HasSubstr("STARTTLS")));
  EXPECT_EQ(p.say("AUTH LOGIN"), "334 VXNlcm5hbWU6\r\n");
  EXPECT_EQ(p.say(base64_encode(kAlice)), "334 UGFzc3dvcmQ6\r\n");
  EXPECT_THAT(p.say(base64_encode(kPassword)), StartsWith("235 2.7.0"));
  EXPECT_THAT(p.mail(kAlice, "bob@example.org", kLetter), StartsWith("250"));
}

TEST_F(SubmissionTest, Scram) {
  for (const bool right : {true, false}) {
    Peer p = secured();
    sasl::ScramClient client({kAlice, right ? kPassword : "wrong horse", ""}, std::string(18, 'c'));
    std::string answer = p.say("AUTH SCRAM-SHA-256 " + base64_encode(client.first()));
    ASSERT_THAT(answer, StartsWith("334 "));
    const auto final = client.final(*base64_decode(trim(answer.substr(4))));
    ASSERT_TRUE(final.has_value());
    answer = p.say(base64_encode(*final));
    if (!right) {
      EXPECT_THAT(answer, StartsWith("535 5.7.8"));
      continue;
    }
    ASSERT_THAT(answer, StartsWith("334 "));
    EXPECT_TRUE(client.check(*base64_decode(trim(answer.substr(4)))).has_value());
    EXPECT_THAT(p.say(""), StartsWith("235"));
    EXPECT_THAT(p.mail(kAlice, "bob@example.org", kLetter), StartsWith("250"));
  }
}

TEST_F(SubmissionTest, WrongLoginsAreToldNothingAndBraked) {
  Peer p = secured();
  const auto time_of = [&](const std::string& user, const std::string& password) {
    const Instant before = sim.now();
    EXPECT_FALSE(p.login(user, password));
    return sim.now() - before;
  };
  EXPECT_LT(time_of(kAlice, "wrong horse"), Duration::seconds(1));
  EXPECT_LT(time_of("nobody@example.org", kPassword), Duration::seconds(1));
  for (int i = 0; i < 8; ++i) time_of(kAlice, "wrong horse " + std::to_string(i));
  EXPECT_GE(time_of(kAlice, "wrong again"), auth::kDelayMax);
  EXPECT_EQ(metrics.value("posthorn_smtp_login_failures"), 11);
  EXPECT_THAT(p.say("AUTH GSSAPI"), StartsWith("504 5.5.4"));
  ASSERT_TRUE(p.login(kAlice, kPassword));
  EXPECT_EQ(auth->delay_for("198.51.100.7"), Duration());
}

TEST_F(SubmissionTest, NobodyActsForAnother) {
  Peer p = secured();
  const std::string for_bob = std::string("bob@example.org") + '\0' + kAlice + '\0' + kPassword;
  EXPECT_THAT(p.say("AUTH PLAIN " + base64_encode(for_bob)), StartsWith("535 5.7.8"));
  const std::string for_self = std::string("Alice@Example.org") + '\0' + kAlice + '\0' + kPassword;
  EXPECT_THAT(p.say("AUTH PLAIN " + base64_encode(for_self)), StartsWith("235"));
}

TEST_F(SubmissionTest, AFullPoolIsABusyServer) {
  Peer p = secured();
  mx.set_pool_room(rt_sim::Host::PoolRoom::none);
  EXPECT_THAT(p.say("AUTH PLAIN " + base64_encode(std::string("\0a\0bcdefghi", 11))),
              StartsWith("454 4.7.0"));
  mx.set_pool_room(rt_sim::Host::PoolRoom::plenty);
  EXPECT_TRUE(p.login(kAlice, kPassword));
}

TEST_F(SubmissionTest, TheSenderMustBeTheUsersOwnUnlessTheSettingSaysElse) {
  Peer p = secured();
  ASSERT_TRUE(p.login(kAlice, kPassword));
  EXPECT_THAT(p.mail("bob@example.org", "y@elsewhere.example", kLetter), StartsWith("553 5.7.1"));
  EXPECT_THAT(p.mail("info@example.org", "y@elsewhere.example", kLetter), StartsWith("250"));
  EXPECT_THAT(p.mail("", "y@elsewhere.example", kLetter), StartsWith("250"));
  EXPECT_THAT(p.mail(kAlice, "nobody@example.org", kLetter), StartsWith("550 5.1.1"));
  ASSERT_THAT(p.say("RSET"), StartsWith("250"));
  set("submission.sender_must_match", "off");
  EXPECT_THAT(p.mail("bob@example.org", "y@elsewhere.example", kLetter), StartsWith("250"));
}

TEST_F(SubmissionTest, WhatASubmissionLacksIsAdded) {
  Peer p = secured();
  ASSERT_TRUE(p.login(kAlice, kPassword));
  ASSERT_THAT(p.mail(kAlice, "bob@example.org", kLetter), StartsWith("250"));
  const Incoming& bare = last().message;
  EXPECT_THAT(*bare.bytes, HasSubstr("\r\nDate: " + to_rfc5322_date(bare.envelope.received_at) +
                                     "\r\nMessage-ID: <" + bare.message_id +
                                     ">\r\nFrom: alice@example.org\r\n"));
  EXPECT_TRUE(bare.message_id.ends_with("@mx.example.org"));
  EXPECT_EQ(bare.envelope.size_bytes, bare.bytes->size());
  const std::string full = std::string("date: Sat, 21 Nov 2026 02:50:16 +0000\r\n") +
                           "MESSAGE-ID: <own@client.example>\r\n" + kLetter;
  ASSERT_THAT(p.mail(kAlice, "bob@example.org", full), StartsWith("250"));
  EXPECT_EQ(last().message.message_id, "own@client.example");
  EXPECT_THAT(*last().message.bytes, Not(HasSubstr("Message-ID:")));
  EXPECT_THAT(*last().message.bytes, Not(HasSubstr("Date:")));
}

TEST_F(SubmissionTest, WhatIsSaidInTheClearBehindStartTlsIsNeverRun) {
  Peer p = peer();
  ASSERT_TRUE(p.open(submission()));
  ASSERT_TRUE(p.send("STARTTLS\r\nEHLO injected.example\r\n"));
  const std::string first = p.reply();
  EXPECT_TRUE(first.starts_with("220") || first == "<end>") << first;
  if (first.starts_with("220")) EXPECT_FALSE(p.start_tls(*trust));
}

TEST_F(SubmissionTest, WithoutACertificateTlsIsNotOffered) {
  identity.reset();
  Peer p = peer();
  ASSERT_TRUE(p.open(submission()));
  EXPECT_THAT(p.say("EHLO client.example"), Not(HasSubstr("STARTTLS")));
  Peer direct = peer();
  ASSERT_TRUE(direct.connect(mx.endpoint(465)));
  EXPECT_EQ(direct.reply(), "<end>");
}

}  // namespace
}  // namespace ph::smtp_in
