// Limits, clocks and ends of the SMTP server.
#include "front/smtp_in/server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "front/smtp_in/detail/smtp_in_test_world.h"
#include "front/smtp_in/network_list.h"

namespace ph::smtp_in {
namespace {

using ::testing::StartsWith;

constexpr const char* kLetter = "Subject: hello\r\n\r\nHello.";

TEST(NetworkList, HoldsTheAddressesOfItsNetworks) {
  const NetworkList list("192.0.2.0/25, 2001:db8::/33,127.0.0.1 , 10.0.0.0/8");
  for (const char* in : {"192.0.2.0", "192.0.2.127", "127.0.0.1", "10.255.1.2", "2001:db8::1",
                         "2001:db8:7fff::9", "::ffff:192.0.2.1"}) {
    EXPECT_TRUE(list.contains(in)) << in;
  }
  for (const char* out : {"192.0.2.128", "127.0.0.2", "11.0.0.0", "2001:db8:8000::", "::1", "",
                          "example.org", "/run/socket"}) {
    EXPECT_FALSE(list.contains(out)) << out;
  }
  EXPECT_FALSE(NetworkList("").contains("192.0.2.1"));
  EXPECT_TRUE(NetworkList("0.0.0.0/0").contains("192.0.2.1"));
  EXPECT_FALSE(NetworkList("0.0.0.0/0").contains("2001:db8::1"));
  EXPECT_EQ(NetworkList::problem_with("192.0.2.0/24, ,::/0"), "");
  for (const char* bad :
       {"192.0.2.0/33", "example.org", "192.0.2.0/", "::/129", "192.0.2", "1/1"}) {
    EXPECT_NE(NetworkList::problem_with(bad), "") << bad;
    EXPECT_TRUE(NetworkList(bad).empty());
  }
}

TEST(Options, ABadNetworkIsNoSetting) {
  config::Schema schema;
  add_settings(schema);
  EXPECT_NE(*schema.problem_with("smtp.relay_networks", "all of them"), "");
  EXPECT_EQ(*schema.problem_with("smtp.relay_networks", "192.0.2.0/24"), "");
}

TEST_F(SmtpInTest, AnIdleClientIsToldSoAndLetGo) {
  Peer p = peer();
  ASSERT_TRUE(p.open(smtp()));
  const Instant before = sim.now();
  EXPECT_THAT(p.reply(), StartsWith("421 4.4.2"));
  EXPECT_EQ(p.reply(), "<end>");
  EXPECT_GE(sim.now() - before, Duration::minutes(5) - Duration::seconds(1));
  EXPECT_LT(sim.now() - before, Duration::minutes(6));
}

TEST_F(SmtpInTest, ASlowTalkerEndsWithItsSession) {
  set("smtp.session_max", "10 min");
  Peer p = peer();
  ASSERT_TRUE(p.open(smtp()));
  const Instant before = sim.now();
  std::string answer;
  do {
    sim.run_for(Duration::minutes(2));
    answer = p.say("NOOP");
  } while (answer.starts_with("250"));
  EXPECT_THAT(answer, StartsWith("421 4.4.2"));
  EXPECT_LT(sim.now() - before, Duration::minutes(13));
}

TEST_F(SmtpInTest, SilenceInTheContentStoresNothing) {
  Peer p = peer();
  ASSERT_TRUE(p.open(smtp()));
  ASSERT_THAT(p.say("MAIL FROM:<x@peer.example>"), StartsWith("250"));
  ASSERT_THAT(p.say("RCPT TO:<alice@example.org>"), StartsWith("250"));
  ASSERT_THAT(p.say("DATA"), StartsWith("354"));
  ASSERT_TRUE(p.send("Subject: half"));
  const Instant before = sim.now();
  EXPECT_THAT(p.reply(), StartsWith("421 4.4.2"));
  EXPECT_LT(sim.now() - before, Duration::minutes(4));
  EXPECT_TRUE(intake.taken.empty());
}

TEST_F(SmtpInTest, ADisconnectInTheContentStoresNothing) {
  for (const char* content : {"", "Subject: x", "Subject: x\r\n\r\nbody\r\n.", "x\r\n.\r"}) {
    Peer p = peer();
    ASSERT_TRUE(p.open(smtp()));
    ASSERT_THAT(p.say("MAIL FROM:<x@peer.example>"), StartsWith("250"));
    ASSERT_THAT(p.say("RCPT TO:<alice@example.org>"), StartsWith("250"));
    ASSERT_THAT(p.say("DATA"), StartsWith("354"));
    ASSERT_TRUE(p.send(content));
    p.close();
    sim.run_for(Duration::minutes(1));
  }
  EXPECT_TRUE(intake.taken.empty());
  EXPECT_EQ(metrics.value("posthorn_smtp_connections"), 0);
}

TEST_F(SmtpInTest, OneAddressHasABoundedNumberOfConnections) {
  set("smtp.connections_per_ip_max", "3");
  std::vector<Peer> peers;
  for (int i = 0; i < 3; ++i) {
    peers.push_back(peer());
    ASSERT_TRUE(peers.back().open(smtp()));
  }
  Peer fourth = peer();
  ASSERT_TRUE(fourth.connect(smtp()));
  EXPECT_THAT(fourth.reply(), StartsWith("421 4.7.0"));
  EXPECT_EQ(fourth.reply(), "<end>");
  rt_sim::Host& other = sim.add_host({.name = "other"});
  Peer elsewhere(sim, other);
  EXPECT_TRUE(elsewhere.open(smtp()));
  peers.pop_back();
  sim.run_for(Duration::seconds(10));
  EXPECT_TRUE(peer().open(smtp()));
  EXPECT_EQ(metrics.value("posthorn_smtp_connections_turned_away"), 1);
}

TEST_F(SmtpInTest, AllTogetherHaveABoundedNumberOfConnections) {
  set("smtp.connections_max", "10");
  std::vector<Peer> peers;
  for (int i = 0; i < 10; ++i) {
    peers.push_back(Peer(sim, mx));  // from loopback: free of the address's own bound
    ASSERT_TRUE(peers.back().open(smtp()));
  }
  Peer next = peer();
  ASSERT_TRUE(next.connect(smtp()));
  EXPECT_THAT(next.reply(), StartsWith("421 4.7.0"));
  Peer in_tls = peer();
  ASSERT_TRUE(in_tls.connect(mx.endpoint(465)));
  EXPECT_EQ(in_tls.reply(), "<end>");
}

TEST_F(SmtpInTest, MemoryForContentIsBounded) {
  set("smtp.memory_max", "16 MiB");
  std::string block;
  while (block.size() < 500'000) block += "0123456789 0123456789 0123456789 0123456789\r\n";
  std::vector<Peer> peers;
  int taken = 0;
  int refused = 0;
  for (int i = 0; i < 20; ++i) {
    peers.push_back(peer());
    Peer& p = peers.back();
    ASSERT_TRUE(p.open(smtp()));
    ASSERT_THAT(p.say("MAIL FROM:<x@peer.example>"), StartsWith("250"));
    ASSERT_THAT(p.say("RCPT TO:<alice@example.org>"), StartsWith("250"));
    const std::string data = p.say("DATA");
    if (data.starts_with("452 4.3.1")) {
      ++refused;
      peers.pop_back();
      continue;
    }
    ASSERT_THAT(data, StartsWith("354"));
    ASSERT_TRUE(p.send(i % 2 == 0 ? block + block + block : block + block));
    EXPECT_LE(metrics.value("posthorn_smtp_receiving_bytes"), 16 * 1024 * 1024);
  }
  sim.run_for(Duration::seconds(5));
  for (Peer& p : peers) {
    const std::string answer = p.say(".");
    if (answer.starts_with("250")) ++taken;
    if (answer.starts_with("452 4.3.1")) ++refused;
  }
  EXPECT_GT(taken, 5);
  EXPECT_GT(refused, 2);
  EXPECT_EQ(static_cast<size_t>(taken), intake.taken.size());
  Peer again = peer();
  ASSERT_TRUE(again.open(smtp()));
  EXPECT_THAT(again.mail("x@peer.example", "alice@example.org", block), StartsWith("250"));
}

TEST_F(SmtpInTest, AClientThatStopsReadingIsLetGo) {
  for (const bool with_tls : {false, true}) {
    sim.network().set_shape({.window_min = 1000, .window_max = 1000});
    Peer p = peer();
    ASSERT_TRUE(p.open(smtp()));
    if (with_tls) ASSERT_TRUE(p.secure(*trust));
    // More replies than the window and the engine's output hold; nobody reads them.
    std::string noops;
    for (int i = 0; i < 20'000; ++i) noops += "NOOP\r\n";
    rt::Scope scope(far.loop(), "flood");
    struct Flood {
      static rt::Task<void> run(wire::Wire& wire, std::string octets, rt::Deadline deadline) {
        const Status sent = co_await wire.send(std::move(octets), deadline);
        EXPECT_FALSE(sent.has_value());
      }
    };
    scope.spawn("flood", Flood::run(p.wire(), noops, far.loop().in(Duration::hours(1))));
    sim.run_for(Duration::minutes(20));
    EXPECT_EQ(metrics.value("posthorn_smtp_connections"), 0);
    EXPECT_EQ(scope.active(), 0U);
  }
}

TEST_F(SmtpInTest, DrainingEndsIdleSessionsAndLetsContentEnd) {
  Peer idle = peer();
  ASSERT_TRUE(idle.open(smtp()));
  Peer busy = peer();
  ASSERT_TRUE(busy.open(smtp()));
  ASSERT_THAT(busy.say("MAIL FROM:<x@peer.example>"), StartsWith("250"));
  ASSERT_THAT(busy.say("RCPT TO:<alice@example.org>"), StartsWith("250"));
  ASSERT_THAT(busy.say("DATA"), StartsWith("354"));
  std::optional<Status> drained;
  rt::Scope scope(mx.loop(), "drain");
  struct Drain {
    static rt::Task<void> run(Server& server, rt::Deadline deadline, std::optional<Status>& out) {
      out.emplace(co_await server.drain(deadline));
    }
  };
  scope.spawn("drain", Drain::run(*server, mx.loop().in(Duration::minutes(1)), drained));
  EXPECT_THAT(idle.reply(), StartsWith("421 4.3.2"));
  EXPECT_EQ(idle.reply(), "<end>");
  Peer late = peer();
  EXPECT_FALSE(late.connect(smtp()));
  EXPECT_FALSE(drained.has_value());
  EXPECT_THAT(busy.say(std::string(kLetter) + "\r\n."), StartsWith("250"));
  EXPECT_THAT(busy.reply(), StartsWith("421 4.3.2"));
  busy.close();
  idle.close();
  sim.run_for(Duration::seconds(10));
  ASSERT_TRUE(drained.has_value());
  EXPECT_TRUE(drained->has_value());
  EXPECT_EQ(intake.taken.size(), 1U);
}

TEST_F(SmtpInTest, ManyErrorsAndEndlessLinesEndTheSession) {
  Peer p = peer();
  ASSERT_TRUE(p.open(smtp()));
  EXPECT_THAT(p.say("NOOP " + std::string(5000, 'x')), StartsWith("500 5.5.2"));
  std::string answer;
  for (int i = 0; i < 30 && !answer.starts_with("421"); ++i) answer = p.say("BLAH");
  EXPECT_THAT(answer, StartsWith("421 4.7.0"));
  EXPECT_EQ(p.reply(), "<end>");
  Peer endless = peer();
  ASSERT_TRUE(endless.open(smtp()));
  std::string much(3'000'000, 'x');
  endless.send(much);
  answer = endless.reply();
  EXPECT_TRUE(answer.starts_with("500") || answer.starts_with("421") || answer == "<end>")
      << answer;
}

TEST_F(SmtpInTest, WithoutDescriptorsTheListenerComesBack) {
  mx.set_descriptors(rt_sim::Host::Descriptors::none);
  Peer p = peer();
  ASSERT_TRUE(p.connect(smtp()));
  sim.run_for(Duration::seconds(5));
  mx.set_descriptors(rt_sim::Host::Descriptors::plenty);
  EXPECT_THAT(p.reply(), StartsWith("220 "));
}

struct Crowd {
  size_t accepted = 0;
  size_t other = 0;
};

rt::Task<void> deliver_one(rt::Runtime& runtime, rt::Loop& loop, rt::Endpoint to, Crowd& crowd) {
  auto dialed = co_await runtime.dial(loop, {to}, loop.in(Duration::minutes(30)));
  if (!dialed.has_value()) co_return;
  wire::Wire wire(std::move(*dialed));
  const std::string script =
      "EHLO client.example\r\nMAIL FROM:<x@peer.example>\r\nRCPT TO:<alice@example.org>\r\n"
      "DATA\r\nSubject: hello\r\n\r\nHello.\r\n.\r\nQUIT\r\n";
  const Status sent = co_await wire.send(script, loop.in(Duration::minutes(30)));
  EXPECT_TRUE(sent.has_value());
  std::string got;
  for (;;) {
    const auto filled = co_await wire.fill(loop.in(Duration::minutes(30)));
    got += wire.input();
    wire.consume(wire.input().size());
    if (!filled.has_value() || *filled == wire::Filled::end_of_stream) break;
  }
  ++(got.find("250 2.0.0 Message accepted as Q") != std::string::npos ? crowd.accepted
                                                                      : crowd.other);
}

TEST_F(SmtpInTest, TwoThousandSessionsAtOnceAreAllServed) {
  set("smtp.connections_per_ip_max", "1000000");
  intake.takes = Duration::seconds(30);  // so that they all are there at the same time
  Crowd crowd;
  rt::Scope scope(far.loop(), "crowd");
  for (int i = 0; i < 2000; ++i) {
    scope.spawn("client", deliver_one(far.runtime(), far.loop(), smtp(), crowd));
  }
  sim.run_for(Duration::seconds(20));
  EXPECT_EQ(metrics.value("posthorn_smtp_connections"), 2000);
  sim.run_until([&] { return scope.active() == 0; }, Duration::hours(1));
  EXPECT_EQ(crowd.accepted, 2000U);
  EXPECT_EQ(crowd.other, 0U);
  EXPECT_EQ(intake.taken.size(), 2000U);
}

}  // namespace
}  // namespace ph::smtp_in
