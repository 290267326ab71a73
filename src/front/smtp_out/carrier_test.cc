#include "front/smtp_out/carrier.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "front/smtp_out/detail/smtp_out_test_world.h"

namespace ph::smtp_out {
namespace {

using model::QueueReason;
using model::Stage;
using queue::CarryResult;
using queue::CarryVerdict;
using ::testing::HasSubstr;

const smtp::Reply kGreylisted{451, {4, 7, 1}, "come back later"};
const smtp::Reply kUnwanted{550, {5, 7, 1}, "not you"};
const smtp::Reply kUnknown{550, {5, 1, 1}, "no such user"};
const smtp::Reply kBusy{421, {4, 3, 2}, "too busy"};

TEST_F(SmtpOutTest, AMessageIsRelayedWithItsFacts) {
  queue::CarryWork w = work({"bob@example.net", "\"eve x\"@example.net"});
  w.envelope.body = model::BodyType::eight_bit;
  w.envelope.envelope_id = "id=1";
  w.envelope.dsn_return = model::DsnReturn::headers;
  const CarryResult result = carry(std::move(w));
  ASSERT_EQ(result.outcomes.size(), 2U);
  EXPECT_EQ(result.outcomes[0].index, 7U);
  EXPECT_EQ(result.outcomes[1].index, 8U);
  for (const auto& outcome : result.outcomes) {
    EXPECT_EQ(outcome.verdict, CarryVerdict::relayed);
    EXPECT_EQ(outcome.reason, QueueReason::taken_by_peer);
    EXPECT_EQ(outcome.reply.code, 250);
    EXPECT_EQ(outcome.reply.stage, Stage::final);
    EXPECT_EQ(outcome.reply.host, "mx1.example.net (" + there.ipv4() + ")");
  }
  ASSERT_EQ(hop->letters.size(), 1U);
  const Letter& letter = hop->letters[0];
  EXPECT_EQ(letter.sender, "alice@example.org");
  EXPECT_EQ(letter.recipients,
            (std::vector<std::string>{"bob@example.net", "\"eve x\"@example.net"}));
  EXPECT_EQ(letter.content, "Subject: hello\r\n\r\n.dot\r\n");
  EXPECT_EQ(letter.parameters.body, smtp::BodyType::eight_bit);
  EXPECT_EQ(letter.parameters.envelope_id, "id=1");
  EXPECT_EQ(letter.parameters.size, 24U);
}

TEST_F(SmtpOutTest, OneConnectionCarriesManyMessagesAndEndsPolitely) {
  for (int i = 0; i < 5; ++i) expect_relayed(carry(work()));
  EXPECT_EQ(hop->connections, 1U);
  EXPECT_EQ(hop->letters.size(), 5U);
  struct Close {
    static rt::Task<Status> run(queue::CarrierSession& s, rt::Deadline deadline) {
      co_await s.close(deadline);
      co_return Status();
    }
  };
  const Instant before = sim.now();
  sim.await(us.loop(), Close::run(*session, us.loop().in(Duration::minutes(1))));
  EXPECT_LT(sim.now() - before, Duration::seconds(2));
  expect_relayed(carry(work()));
  EXPECT_EQ(hop->connections, 2U);
}

TEST_F(SmtpOutTest, AKeptConnectionThatEndedInBetweenIsReplacedWithoutHarm) {
  using rt_sim::CutKind;
  expect_relayed(carry(work()));
  for (const CutKind kind : {CutKind::reset, CutKind::half_close, CutKind::silence}) {
    sim.network().cut({}, {.kind = kind, .direction = rt_sim::Direction::to_client});
    expect_relayed(carry(work()));
  }
  EXPECT_EQ(hop->letters.size(), 4U);
  EXPECT_EQ(hop->connections, 4U);
}

TEST_F(SmtpOutTest, AGoodbyeOnAKeptConnectionIsNotTheNextMessagesFate) {
  conduct().says_at = "idle";
  conduct().says = "421 4.4.2 idle too long\r\n";
  for (uint64_t i = 1; i <= 20; ++i) {
    // Now and then it comes only after our next MAIL is on its way.
    if (i % 2 == 0) sim.run_for(sim.random().between(Duration(), Duration::milliseconds(40)));
    expect_relayed(carry(work()));
    EXPECT_EQ(hop->letters.size(), i);
  }
  EXPECT_EQ(hop->connections, 20U);
}

TEST_F(SmtpOutTest, AFinalFourTwoOneDoesNotSpoilTheNextMessage) {
  conduct().replies["final"] = kBusy;
  hop->conducts.push_back({});
  const CarryResult first = carry(work());
  EXPECT_EQ(only(first).verdict, CarryVerdict::transient);
  EXPECT_EQ(only(first).reply.code, 421);
  expect_relayed(carry(work()));
  EXPECT_EQ(hop->connections, 2U);
}

TEST_F(SmtpOutTest, ARejectionOfTheMessageIsNoFaultOfTheLane) {
  struct Case {
    std::string stage;
    smtp::Reply reply;
    Stage where;
  };
  for (const Case& c :
       {Case{"mail", kGreylisted, Stage::sender}, Case{"mail", kUnwanted, Stage::sender},
        Case{"data", kGreylisted, Stage::data}, Case{"data", kUnwanted, Stage::data},
        Case{"final", kGreylisted, Stage::final}, Case{"final", kUnwanted, Stage::final}}) {
    for (const bool pipelining : {true, false}) {
      SCOPED_TRACE(c.stage + (pipelining ? " pipelined" : " one by one"));
      make_session();
      hop->conducts = {Conduct{}};
      conduct().replies[c.stage] = c.reply;
      if (!pipelining) conduct().hides = {"PIPELINING"};
      const size_t before = hop->connections;
      const CarryResult result = carry(work());
      EXPECT_FALSE(result.lane_fault.has_value()) << to_text(result.fault);
      EXPECT_EQ(only(result).verdict,
                c.reply.is_permanent() ? CarryVerdict::permanent : CarryVerdict::transient);
      EXPECT_EQ(only(result).reason,
                c.reply.is_permanent() ? QueueReason::peer_5xx : QueueReason::peer_4xx);
      EXPECT_EQ(only(result).reply.stage, c.where);
      EXPECT_EQ(only(result).reply.text, c.reply.text);
      EXPECT_EQ(only(result).reply.enhanced.subject, c.reply.enhanced.subject);
      // The connection is still good for the next message.
      const CarryResult again = carry(work());
      EXPECT_EQ(again.outcomes.size(), 1U);
      EXPECT_EQ(hop->connections, before + 1);
    }
  }
}

TEST_F(SmtpOutTest, OneRefusedRecipientOfThreeConcernsOnlyThatOne) {
  for (const bool pipelining : {true, false}) {
    make_session();
    hop->conducts = {Conduct{}};
    if (!pipelining) conduct().hides = {"PIPELINING"};
    conduct().by_recipient["b@example.net"] = kUnknown;
    const CarryResult result = carry(work({"a@example.net", "b@example.net", "c@example.net"}));
    ASSERT_EQ(result.outcomes.size(), 3U);
    for (const auto& outcome : result.outcomes) {
      const bool is_b = outcome.index == 8;
      EXPECT_EQ(outcome.verdict, is_b ? CarryVerdict::permanent : CarryVerdict::relayed);
      EXPECT_EQ(outcome.reply.stage, is_b ? Stage::recipient : Stage::final);
    }
    EXPECT_EQ(hop->letters.back().recipients.size(), 2U);
    conduct().by_recipient["a@example.net"] = kGreylisted;
    make_session();
    const CarryResult none = carry(work({"a@example.net", "b@example.net"}));
    ASSERT_EQ(none.outcomes.size(), 2U);
    EXPECT_FALSE(none.lane_fault.has_value());
    expect_relayed(carry(work()));
  }
}

TEST_F(SmtpOutTest, AGreetingThatTurnsUsAwayIsTheLanesFault) {
  for (const char* stage : {"connected", "hello"}) {
    for (const smtp::Reply& reply : {smtp::Reply{554, {}, "no service for you"}, kBusy}) {
      make_session();
      hop->conducts = {Conduct{}};
      conduct().replies[stage] = reply;
      const CarryResult result = carry(work());
      EXPECT_TRUE(result.outcomes.empty());
      EXPECT_EQ(result.lane_fault,
                reply.is_permanent() ? QueueReason::peer_5xx : QueueReason::peer_4xx);
      EXPECT_EQ(result.fault.code, reply.code);
      EXPECT_EQ(result.fault.stage, Stage::greeting);
    }
  }
}

TEST_F(SmtpOutTest, AFourTwoOneAnywhereEndsTheConnectionAndSaysWhy) {
  for (const char* stage : {"mail", "rcpt", "data", "final"}) {
    SCOPED_TRACE(stage);
    make_session();
    hop->conducts = {Conduct{}};
    conduct().replies[stage] = kBusy;
    const CarryResult result = carry(work());
    for (const auto& outcome : result.outcomes) {
      EXPECT_EQ(outcome.verdict, CarryVerdict::transient);
      EXPECT_EQ(outcome.reason, QueueReason::peer_4xx);
    }
    if (result.outcomes.empty()) {
      EXPECT_EQ(result.lane_fault, QueueReason::peer_4xx);
      EXPECT_EQ(result.fault.code, 421);
    }
    hop->conducts = {Conduct{}};
    expect_relayed(carry(work()));
  }
}

TEST_F(SmtpOutTest, ALostConnectionIsTriedLaterAndOnlyTheLastStageIsInDoubt) {
  for (const char* stage :
       {"connected", "hello", "mail", "rcpt", "data", "content", "final", "after"}) {
    SCOPED_TRACE(stage);
    make_session();
    hop->conducts = {Conduct{}};
    conduct().drop_at = stage;
    const CarryResult result = carry(work());
    ASSERT_TRUE(result.lane_fault.has_value());
    EXPECT_EQ(*result.lane_fault, QueueReason::connection_lost);
    const bool in_doubt = std::string(stage) == "final" || std::string(stage) == "after" ||
                          std::string(stage) == "content";
    ASSERT_EQ(result.outcomes.size(), in_doubt ? 1U : 0U);
    if (!in_doubt) continue;
    EXPECT_EQ(only(result).verdict, CarryVerdict::transient);
    EXPECT_EQ(only(result).reason, QueueReason::maybe_delivered);
    EXPECT_EQ(only(result).reply.stage, Stage::final);
  }
}

TEST_F(SmtpOutTest, SilenceEndsByTheClockOfItsStage) {
  struct Case {
    std::string stage;
    Duration patience;
  };
  for (const Case& c :
       {Case{"connected", Duration::minutes(5)}, Case{"hello", Duration::minutes(5)},
        Case{"mail", Duration::minutes(5)}, Case{"rcpt", Duration::minutes(5)},
        Case{"data", Duration::minutes(5)}, Case{"final", Duration::minutes(10)}}) {
    SCOPED_TRACE(c.stage);
    make_session();
    hop->conducts = {Conduct{}};
    conduct().silent_at = c.stage;
    const Instant before = sim.now();
    const CarryResult result = carry(work());
    EXPECT_EQ(result.lane_fault, QueueReason::timed_out);
    EXPECT_GE(sim.now() - before, c.patience);
    EXPECT_LT(sim.now() - before, c.patience + Duration::seconds(5));
    EXPECT_EQ(result.outcomes.size(), c.stage == "final" ? 1U : 0U);
  }
  // The attempt's own deadline is earlier.
  make_session();
  conduct().silent_at = "mail";
  const Instant before = sim.now();
  const CarryResult result = carry(work(), Duration::seconds(20));
  EXPECT_EQ(result.lane_fault, QueueReason::timed_out);
  EXPECT_LT(sim.now() - before, Duration::seconds(21));
}

TEST_F(SmtpOutTest, APeerThatStopsReadingInTheContentTimesOut) {
  sim.network().set_shape({.window_min = 2000, .window_max = 2000});
  conduct().silent_at = "data";
  conduct().hides = {"PIPELINING"};
  conduct().silent_at = "content";
  const CarryResult result = carry(work({"bob@example.net"}, std::string(900'000, 'x') + "\r\n"));
  EXPECT_EQ(result.lane_fault, QueueReason::timed_out);
  EXPECT_TRUE(hop->letters.empty());
}

TEST_F(SmtpOutTest, TheSecondHostIsTriedWhenTheFirstDoesNotServe) {
  NextHop second(also_there, *identity);
  second.listen();
  to.hosts.push_back({"mx2.example.net", {also_there.ipv4()}, 25});
  to.hosts[0].addresses = {"203.0.113.77", there.ipv4()};  // nobody has the first
  conduct().replies["connected"] = kBusy;
  expect_relayed(carry(work()));
  EXPECT_EQ(second.letters.size(), 1U);
  sim.network().set_fault({.to = "mx2.example.net"}, {.dial = rt_sim::DialFault::refuse});
  make_session();
  const CarryResult result = carry(work());
  EXPECT_EQ(result.lane_fault, QueueReason::connection_refused);
  EXPECT_THAT(result.fault.host, HasSubstr("mx2.example.net"));
}

TEST_F(SmtpOutTest, WithoutAnyAddressTheHopIsUnreachable) {
  to.hosts.clear();
  EXPECT_EQ(carry(work()).lane_fault, QueueReason::unreachable);
  to.hosts = {{"x", {"not an address"}, 25}};
  EXPECT_TRUE(carry(work()).lane_fault.has_value());
}

TEST_F(SmtpOutTest, ASilentAddressCostsTheConnectTimeout) {
  sim.network().set_fault({.to = "mx1.example.net"}, {.dial = rt_sim::DialFault::silence});
  const Instant before = sim.now();
  EXPECT_EQ(carry(work()).lane_fault, QueueReason::timed_out);
  EXPECT_EQ(sim.now() - before, Duration::seconds(30));
}

TEST_F(SmtpOutTest, TlsIsUsedWhereItIsOffered) {
  hop->options.offer_starttls = true;
  expect_relayed(carry(work()));
  expect_relayed(carry(work()));
  EXPECT_TRUE(hop->letters[0].in_tls);
  EXPECT_TRUE(hop->letters[1].in_tls);
  EXPECT_EQ(hop->connections, 1U);
  to.tls = queue::TlsPolicy::none;
  make_session();
  expect_relayed(carry(work()));
  EXPECT_FALSE(hop->letters[2].in_tls);
}

TEST_F(SmtpOutTest, ABrokenHandshakeFallsBackToTheClearOnlyIfThePolicyAllows) {
  hop->options.offer_starttls = true;
  conduct().breaks_tls = true;
  expect_relayed(carry(work()));
  EXPECT_FALSE(hop->letters[0].in_tls);
  EXPECT_EQ(hop->connections, 2U);
  to.tls = queue::TlsPolicy::required;
  make_session();
  const CarryResult result = carry(work());
  EXPECT_EQ(result.lane_fault, QueueReason::tls_failure);
  EXPECT_EQ(result.fault.stage, Stage::tls);
  EXPECT_EQ(hop->letters.size(), 1U);
}

TEST_F(SmtpOutTest, RequiredTlsThatIsMissingOrRefusedStopsTheMail) {
  to.tls = queue::TlsPolicy::required;
  EXPECT_EQ(carry(work()).lane_fault, QueueReason::tls_failure);
  hop->options.offer_starttls = true;
  conduct().replies["tls"] = smtp::Reply{454, {4, 7, 0}, "no TLS today"};
  make_session();
  EXPECT_EQ(carry(work()).lane_fault, QueueReason::tls_failure);
  to.tls = queue::TlsPolicy::opportunistic;
  make_session();
  expect_relayed(carry(work()));
  EXPECT_FALSE(hop->letters[0].in_tls);
}

TEST_F(SmtpOutTest, AVerifiedHopMustHaveTheRightName) {
  hop->options.offer_starttls = true;
  to.tls = queue::TlsPolicy::verified;
  expect_relayed(carry(work()));
  to.hosts[0].name = "other.example.net";
  make_session();
  EXPECT_EQ(carry(work()).lane_fault, QueueReason::tls_failure);
  to.tls = queue::TlsPolicy::required;
  make_session();
  expect_relayed(carry(work()));
}

TEST_F(SmtpOutTest, ALoginIsSentInTlsOnly) {
  hop->options.auth = smtp::AuthOffer::always;
  hop->options.mechanisms = {"PLAIN"};
  to.login = "relay";
  EXPECT_EQ(carry(work()).lane_fault, QueueReason::auth_failure);
  credentials["relay"] = {"us", "secret"};
  EXPECT_EQ(carry(work()).lane_fault, QueueReason::auth_failure);
  hop->options.offer_starttls = true;
  conduct().replies["auth"] = smtp::Reply{235, {2, 7, 0}, "welcome"};
  expect_relayed(carry(work()));
  EXPECT_EQ(hop->letters[0].user, std::string("\0us\0secret", 10));
  conduct().replies["auth"] = smtp::Reply{535, {5, 7, 8}, "wrong"};
  make_session();
  const CarryResult refused = carry(work());
  EXPECT_EQ(refused.lane_fault, QueueReason::auth_failure);
  EXPECT_EQ(refused.fault.code, 535);
}

TEST_F(SmtpOutTest, LmtpAnswersForEachRecipient) {
  hop->options.protocol = smtp::Protocol::lmtp;
  to.kind = queue::HopKind::lmtp;
  conduct().by_recipient["b@example.net"] = smtp::Reply{452, {4, 2, 2}, "mailbox full"};
  const CarryResult result = carry(work({"a@example.net", "b@example.net", "c@example.net"}));
  ASSERT_EQ(result.outcomes.size(), 3U);
  for (const auto& outcome : result.outcomes) {
    EXPECT_EQ(outcome.verdict,
              outcome.index == 8 ? CarryVerdict::transient : CarryVerdict::relayed);
  }
  EXPECT_FALSE(result.lane_fault.has_value());
}

rt::Task<Status> put_blob(kv::Store& store, rt::Loop& loop, kv::BlobBytes bytes) {
  PH_CO_TRY(auto partition, store.open(loop, "test"));
  kv::Batch batch;
  batch.add_blob(kv::blob_id_of(*bytes), bytes, "t");
  const auto answer =
      co_await partition->commit(std::move(batch), {std::nullopt, loop.in(Duration::minutes(1))});
  if (!answer.has_value()) co_return answer.error();
  co_return Status();
}

TEST_F(SmtpOutTest, LargeContentGoesInPiecesFromTheStore) {
  std::string content = "Subject: big\r\n\r\n";
  while (content.size() < 1'500'000) content += ".line " + std::to_string(content.size()) + "\r\n";
  const kv::BlobBytes bytes = octets(content);
  ASSERT_TRUE(sim.await(us.loop(), put_blob(store, us.loop(), bytes))->has_value());
  queue::CarryWork w = work();
  w.content = queue::Content(store, kv::blob_id_of(content), content.size());
  expect_relayed(carry(std::move(w)));
  EXPECT_EQ(hop->letters[0].content, content);
  // What cannot be read is neither sent nor a fault of the lane.
  disk.damage_blob(kv::blob_id_of(content));
  queue::CarryWork damaged = work();
  damaged.content = queue::Content(store, kv::blob_id_of(content), content.size());
  const CarryResult result = carry(std::move(damaged));
  EXPECT_EQ(only(result).verdict, CarryVerdict::transient);
  EXPECT_EQ(only(result).reason, QueueReason::message_unreadable);
  EXPECT_EQ(hop->letters.size(), 1U);
  expect_relayed(carry(work()));
}

TEST_F(SmtpOutTest, AWordAgainstTheContentIsAboutTheMessage) {
  conduct().says_at = "content";
  conduct().says = "552 5.3.4 too big for me\r\n";
  hop->conducts.push_back({});
  const CarryResult result = carry(work({"bob@example.net"}, std::string(3'000'000, 'x') + "\r\n"));
  EXPECT_EQ(only(result).verdict, CarryVerdict::permanent);
  EXPECT_EQ(only(result).reply.code, 552);
  EXPECT_FALSE(result.lane_fault.has_value());
  expect_relayed(carry(work()));
}

TEST_F(SmtpOutTest, BareLineEndsAreNeverSent) {
  for (const char* content : {"a\nb\r\n", "a\r\n.\nb\r\n", "a\rb\r\n", "x\r"}) {
    const CarryResult result = carry(work({"bob@example.net"}, content));
    EXPECT_EQ(only(result).verdict, CarryVerdict::permanent);
    EXPECT_EQ(only(result).reason, QueueReason::not_sendable);
    EXPECT_FALSE(result.lane_fault.has_value());
  }
  EXPECT_TRUE(hop->letters.empty());
  expect_relayed(carry(work()));
}

TEST_F(SmtpOutTest, WhatThePeerCannotTakeFailsWithItsReason) {
  conduct().hides = {"SMTPUTF8"};
  const CarryResult utf8 = carry(work({"jürgen@example.net"}));
  EXPECT_EQ(only(utf8).reason, QueueReason::not_sendable);
  EXPECT_EQ(to_text(only(utf8).reply.enhanced), "5.6.7");
  queue::CarryWork header = work({"bob@example.net"}, "Subject: gr\xC3\xBC\xC3\x9F\r\n\r\nx\r\n");
  header.envelope.smtp_utf8 = true;
  EXPECT_EQ(to_text(only(carry(std::move(header))).reply.enhanced), "5.6.7");
  queue::CarryWork body = work({"bob@example.net"}, "Subject: x\r\n\r\ngr\xC3\xBC\xC3\x9F\r\n");
  body.envelope.smtp_utf8 = true;
  expect_relayed(carry(std::move(body)));
  make_session();
  hop->conducts = {Conduct{}};
  expect_relayed(carry(work({"jürgen@example.net"})));
  EXPECT_TRUE(hop->letters.back().parameters.smtp_utf8);
  make_session();
  hop->options.size_max = ByteCount{20};
  const CarryResult big = carry(work());
  EXPECT_EQ(to_text(only(big).reply.enhanced), "5.3.4");
  EXPECT_EQ(only(big).verdict, CarryVerdict::permanent);
}

TEST_F(SmtpOutTest, AnAddressThatCannotBeSaidFailsAloneAlsoOnAReplacedConnection) {
  for (int round = 0; round < 2; ++round) {
    const CarryResult result = carry(work({"bob@example.net", "bad address@"}));
    ASSERT_EQ(result.outcomes.size(), 2U);
    for (const auto& outcome : result.outcomes) {
      EXPECT_EQ(outcome.verdict,
                outcome.index == 8 ? CarryVerdict::permanent : CarryVerdict::relayed);
    }
    sim.network().stall({}, {.direction = rt_sim::Direction::to_client});
  }
  const CarryResult none = carry(work({"bad address@"}));
  EXPECT_EQ(only(none).reason, QueueReason::not_sendable);
}

}  // namespace
}  // namespace ph::smtp_out
