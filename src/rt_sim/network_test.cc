#include "rt_sim/network.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <optional>

#include "base/text.h"
#include "rt/errors.h"
#include "rt_sim/detail/echo_program.h"
#include "rt_sim/simulation.h"

namespace ph::rt_sim {
namespace {

using detail::kEchoPort;
using detail::talk;

std::string short_text(const Result<std::string>& result) {
  return result.has_value() ? printable(*result, 60) : result.error().to_text();
}

// A server that echoes and a client, ten times with different seeds: faults hold for all of them.
class NetworkTest : public ::testing::TestWithParam<uint64_t> {
 protected:
  NetworkTest() {
    server_.start([this](rt::Runtime& runtime) {
      return std::make_shared<detail::EchoProgram>(runtime, server_.endpoint(kEchoPort));
    });
    sim_.run_until_idle();
  }
  void TearDown() override { EXPECT_EQ(sim_.check(), Findings()); }

  Result<std::string> talk_now(std::string bytes) {
    auto got = sim_.await(client_.loop(), talk(client_.runtime(), client_.loop(),
                                               server_.endpoint(kEchoPort), std::move(bytes)));
    return got.has_value() ? std::move(*got) : Result<std::string>(fail(rt::kCancelled, "killed"));
  }
  Result<std::unique_ptr<rt::Stream>> dial_now(rt::Endpoint to, Duration limit) {
    auto got = sim_.await(client_.loop(), client_.runtime().dial(client_.loop(), {.to = to},
                                                                 client_.loop().in(limit)));
    return std::move(*got);
  }
  std::unique_ptr<rt::Stream> connect() {
    auto stream = dial_now(server_.endpoint(kEchoPort), Duration::seconds(10));
    EXPECT_TRUE(stream.has_value());
    return std::move(*stream);
  }
  // What one read of up to `limit` gives: octets, "" at the end, or an error.
  Result<std::string> read_now(rt::Stream& stream, Duration limit) {
    std::array<char, 4096> buffer{};
    auto got = sim_.await(client_.loop(), stream.read(buffer, client_.loop().in(limit)));
    if (!got->has_value()) return got->error();
    return std::string(buffer.data(), **got);
  }
  std::string read_all(rt::Stream& stream, Result<std::string>& last) {
    std::string all;
    for (;;) {
      last = read_now(stream, Duration::minutes(20));
      if (!last.has_value() || last->empty()) return all;
      all += *last;
    }
  }
  Status write_now(rt::Stream& stream, std::string_view bytes, Duration limit) {
    return *sim_.await(client_.loop(), stream.write(bytes, client_.loop().in(limit)));
  }
  static bool is(const Result<std::string>& result, const ErrorKind& kind) {
    return !result.has_value() && result.error().is(kind);
  }

  Simulation sim_{GetParam()};
  Host& server_ = sim_.add_host({.name = "server"});
  Host& client_ = sim_.add_host({.name = "client"});
  const Link link_{.from = "client", .to = "server", .port = kEchoPort};
};

INSTANTIATE_TEST_SUITE_P(Seeds, NetworkTest, ::testing::Range<uint64_t>(1, 11));

TEST_P(NetworkTest, AHealthyNetworkCarriesEverythingThroughASmallWindow) {
  sim_.network().set_shape({.window_min = 1, .window_max = 300, .fragment_percent = 80});
  const std::string sent = sim_.random().bytes(20'000);
  const auto got = talk_now(sent);
  ASSERT_TRUE(got.has_value()) << short_text(got);
  EXPECT_TRUE(*got == sent);
  sim_.run_until_idle();
  EXPECT_EQ(sim_.network().open_connections(), 0U);
}

TEST_P(NetworkTest, DialFaultsAreSeenAsTheirErrors) {
  const struct {
    DialFault fault;
    const ErrorKind* seen;
  } cases[] = {{DialFault::refuse, &rt::kRefused},
               {DialFault::unreachable, &rt::kUnreachable},
               {DialFault::silence, &rt::kTimedOut}};
  for (const auto& [fault, seen] : cases) {
    sim_.network().set_fault(link_, {.dial = fault}, 1);
    const auto got = talk_now("hello");
    EXPECT_TRUE(is(got, *seen)) << short_text(got);
  }
  EXPECT_TRUE(talk_now("hello").has_value());  // each rule was for one dial
}

TEST_P(NetworkTest, NobodyListeningAndNobodyThere) {
  const Duration limit = Duration::seconds(20);
  const auto closed_port = dial_now(server_.endpoint(99), limit);
  ASSERT_FALSE(closed_port.has_value());
  EXPECT_TRUE(closed_port.error().is(rt::kRefused));
  const auto no_host = dial_now({rt::Endpoint::Kind::ipv4, "203.0.113.1", 25}, limit);
  ASSERT_FALSE(no_host.has_value());
  EXPECT_TRUE(no_host.error().is(rt::kUnreachable));
  server_.kill();
  const Instant before = sim_.now();
  const auto down = dial_now(server_.endpoint(kEchoPort), limit);
  ASSERT_FALSE(down.has_value());
  EXPECT_TRUE(down.error().is(rt::kTimedOut));
  EXPECT_EQ(sim_.now() - before, limit);
}

TEST_P(NetworkTest, ARuleIsForItsHostsAndPortOnly) {
  sim_.network().set_fault({.to = "server", .port = 25}, {.dial = DialFault::refuse});
  sim_.network().set_fault({.from = "server"}, {.dial = DialFault::refuse});
  EXPECT_TRUE(talk_now("hello").has_value());
  sim_.network().set_fault({}, {.dial = DialFault::refuse});
  EXPECT_TRUE(is(talk_now("hello"), rt::kRefused));
}

TEST_P(NetworkTest, AResetLetsNoMoreThanItsOctetsPass) {
  sim_.network().set_fault(link_, {.cut = Cut{CutKind::reset, Direction::to_client, 700}});
  auto stream = connect();
  ASSERT_TRUE(write_now(*stream, std::string(2000, 'x'), Duration::minutes(1)).has_value());
  Result<std::string> last;
  const std::string got = read_all(*stream, last);
  EXPECT_TRUE(is(last, rt::kReset)) << short_text(last);
  EXPECT_LE(got.size(), 700U);  // a reset may overtake what was not read yet
  const Status later = write_now(*stream, "more", Duration::minutes(1));
  ASSERT_FALSE(later.has_value());
  EXPECT_TRUE(later.error().is(rt::kReset));
}

TEST_P(NetworkTest, AHalfCloseByTheMiddleEndsTheStreamEarly) {
  sim_.network().set_fault(link_, {.cut = Cut{CutKind::half_close, Direction::to_client, 700}});
  auto stream = connect();
  ASSERT_TRUE(write_now(*stream, std::string(2000, 'x'), Duration::minutes(1)).has_value());
  Result<std::string> last;
  EXPECT_EQ(read_all(*stream, last).size(), 700U);
  EXPECT_TRUE(last.has_value()) << short_text(last);
}

TEST_P(NetworkTest, ASilentCutIsEndedByTheDeadlineAloneAndStaysDead) {
  sim_.network().set_fault(link_, {.cut = Cut{CutKind::silence, Direction::both, 100}});
  auto stream = connect();
  ASSERT_TRUE(write_now(*stream, std::string(500, 'x'), Duration::minutes(1)).has_value());
  Result<std::string> last;
  EXPECT_LE(read_all(*stream, last).size(), 100U);
  EXPECT_TRUE(is(last, rt::kTimedOut)) << short_text(last);
  sim_.network().heal();
  (void)write_now(*stream, "more", Duration::minutes(1));
  const auto after = read_now(*stream, Duration::minutes(1));
  EXPECT_TRUE(is(after, rt::kReset)) << short_text(after);
}

TEST_P(NetworkTest, AStallHoldsWhatComesBehindItAndLetsItGo) {
  sim_.network().set_fault(link_,
                           {.stall = Stall{Direction::to_client, 300, Duration::minutes(3)}});
  auto stream = connect();
  ASSERT_TRUE(write_now(*stream, std::string(900, 'x'), Duration::minutes(1)).has_value());
  const Instant before = sim_.now();
  std::string got;
  while (got.size() < 300) got += *read_now(*stream, Duration::minutes(1));
  EXPECT_EQ(got.size(), 300U);
  EXPECT_TRUE(is(read_now(*stream, Duration::minutes(2)), rt::kTimedOut));
  while (got.size() < 900) got += *read_now(*stream, Duration::minutes(2));
  EXPECT_EQ(got, std::string(900, 'x'));
  EXPECT_GE(sim_.now() - before, Duration::minutes(3) - Duration::seconds(1));
}

TEST_P(NetworkTest, AStallForEverEndsWithHeal) {
  auto stream = connect();
  sim_.network().stall({.to = "server"}, {});
  ASSERT_TRUE(write_now(*stream, "hello", Duration::minutes(1)).has_value());
  EXPECT_TRUE(is(read_now(*stream, Duration::minutes(3)), rt::kTimedOut));
  sim_.network().heal();
  EXPECT_TRUE(read_now(*stream, Duration::minutes(1)).has_value());
}

TEST_P(NetworkTest, AStalledReaderPushesBackOnTheWriter) {
  sim_.network().set_shape({.window_min = 1000, .window_max = 1000});
  sim_.network().set_fault(link_, {.stall = Stall{}});
  auto stream = connect();
  const Status sent = write_now(*stream, std::string(5000, 'x'), Duration::minutes(1));
  ASSERT_FALSE(sent.has_value());
  EXPECT_TRUE(sent.error().is(rt::kTimedOut));
}

TEST_P(NetworkTest, DelayMakesARoundTripSlow) {
  sim_.network().set_fault(link_, {.delay = Duration::seconds(4)});
  const Instant before = sim_.now();
  ASSERT_TRUE(talk_now("hello").has_value());
  EXPECT_GE(sim_.now() - before, Duration::seconds(16));  // connecting, and there and back
}

TEST_P(NetworkTest, APartitionHoldsOctetsAndDialsUntilItHeals) {
  auto stream = connect();
  sim_.network().partition({.from = "server", .to = "client"});
  ASSERT_TRUE(write_now(*stream, "hello", Duration::minutes(1)).has_value());
  EXPECT_TRUE(is(read_now(*stream, Duration::minutes(1)), rt::kTimedOut));
  EXPECT_TRUE(is(talk_now("hello"), rt::kTimedOut));
  sim_.network().heal({.from = "client", .to = "server"});
  EXPECT_TRUE(read_now(*stream, Duration::minutes(1)).has_value());
  sim_.network().partition({.from = "server", .to = "client"}, Duration::seconds(10));
  const auto got = talk_now("hello");  // its SYN is sent again
  ASSERT_TRUE(got.has_value()) << short_text(got);
  EXPECT_EQ(*got, "hello");
}

TEST_P(NetworkTest, ALostWakeUpNeverBlocksPastTheDeadline) {
  sim_.network().set_shape({.idle_wake_percent = 0});
  sim_.network().set_fault(link_, {.lost_wakes_percent = 100});
  auto stream = connect();
  ASSERT_TRUE(write_now(*stream, "hello", Duration::minutes(1)).has_value());
  const Instant before = sim_.now();
  // The server looks at its deadline of five minutes, we at ours.
  const auto got = read_now(*stream, Duration::minutes(40));
  EXPECT_LE(sim_.now() - before, Duration::minutes(40));
  EXPECT_GE(sim_.now() - before, Duration::minutes(4));
  ASSERT_TRUE(got.has_value()) << short_text(got);
  EXPECT_TRUE(std::string_view("hello").starts_with(*got));
}

TEST_P(NetworkTest, CutsAndNudgesReachLivingConnections) {
  auto stream = connect();
  sim_.network().cut(link_, {.kind = CutKind::reset});
  EXPECT_TRUE(is(read_now(*stream, Duration::minutes(1)), rt::kReset));
  stream = connect();
  stream->nudge_reader();
  EXPECT_EQ(sim_.await(client_.loop(),
                       [](rt::Stream& s) -> rt::Task<rt::Woken> {
                         co_return co_await s.readable(s.loop().in(Duration::minutes(1)),
                                                       std::source_location::current());
                       }(*stream)),
            rt::Woken::hint);
  stream->close();
  EXPECT_TRUE(is(read_now(*stream, Duration::minutes(1)), rt::kClosed));
}

TEST_P(NetworkTest, ClosingWithUnreadOctetsResetsThePeer) {
  auto listener = client_.runtime().listen(client_.loop(), {.at = client_.endpoint(0)});
  ASSERT_TRUE(listener.has_value());
  auto mine = dial_now((*listener)->local(), Duration::seconds(5));
  ASSERT_TRUE(mine.has_value());
  auto accepted = (*listener)->try_accept();
  ASSERT_TRUE(accepted.has_value());
  ASSERT_TRUE((*mine)->try_write("unread").has_value());
  sim_.run_until_idle();
  accepted->reset();
  EXPECT_TRUE(is(read_now(**mine, Duration::minutes(1)), rt::kReset));
}

TEST_P(NetworkTest, ShutdownLeavesTheOtherDirectionOpen) {
  auto stream = connect();
  ASSERT_TRUE(write_now(*stream, "hello", Duration::minutes(1)).has_value());
  stream->shutdown_write();
  EXPECT_FALSE(stream->try_write("x").has_value());
  Result<std::string> last;
  EXPECT_EQ(read_all(*stream, last), "hello");
  EXPECT_TRUE(last.has_value());
}

TEST_P(NetworkTest, AStreamMovesToAnotherLoopWithWhatItHasReceived) {
  auto stream = connect();
  ASSERT_TRUE(write_now(*stream, "hello", Duration::minutes(1)).has_value());
  sim_.run_until_idle();
  auto moved = stream->rehome(client_.loop(1));
  ASSERT_TRUE(moved.has_value());
  EXPECT_FALSE(stream->try_write("x").has_value());
  stream.reset();
  std::string got;
  std::array<char, 100> buffer{};
  while (got.size() < 5) {
    auto size = sim_.await(client_.loop(1),
                           (*moved)->read(buffer, client_.loop(1).in(Duration::minutes(1))));
    ASSERT_TRUE(size->has_value());
    got.append(buffer.data(), **size);
  }
  EXPECT_EQ(got, "hello");
}

TEST_P(NetworkTest, AddressesAreCheckedAndSharedAsAsked) {
  rt::Runtime& runtime = client_.runtime();
  rt::Loop& loop = client_.loop();
  const auto refused = [&](rt::ListenOptions options) -> const ErrorKind* {
    const auto got = runtime.listen(loop, options);
    return got.has_value() ? nullptr : &got.error().kind();
  };
  EXPECT_EQ(refused({.at = server_.endpoint(25)}), &rt::kBadAddress);
  const auto shared = rt::ListenOptions::Sharing::with_other_loops;
  const auto first = runtime.listen(loop, {.at = client_.endpoint(25), .sharing = shared});
  ASSERT_TRUE(first.has_value());
  EXPECT_EQ(refused({.at = client_.endpoint(25)}), &rt::kAddressInUse);
  EXPECT_EQ(refused({.at = {rt::Endpoint::Kind::ipv4, "0.0.0.0", 25}}), &rt::kAddressInUse);
  EXPECT_EQ(refused({.at = client_.endpoint(25), .sharing = shared}), nullptr);
  EXPECT_EQ(refused({.at = {rt::Endpoint::Kind::ipv4, "127.0.0.1", 25}}), nullptr);
  const auto any = runtime.listen(loop, {.at = client_.endpoint(0)});
  ASSERT_TRUE(any.has_value());
  EXPECT_NE((*any)->local().port, 0);
}

TEST_P(NetworkTest, LocalSocketsStayWithinTheHost) {
  const rt::Endpoint path = rt::local_endpoint("/run/scanner.sock");
  server_.kill();
  server_.start([path](rt::Runtime& runtime) {
    return std::make_shared<detail::EchoProgram>(runtime, path);
  });
  sim_.run_until_idle();
  EXPECT_TRUE(dial_now(path, Duration::seconds(5)).error().is(rt::kRefused));
  sim_.network().set_profile({.refuse = 100});  // spares connections within a host
  auto got = sim_.await(server_.loop(),
                        talk(server_.runtime(), server_.loop(), path, std::string(5000, 'x')));
  ASSERT_TRUE(got->has_value()) << short_text(*got);
  sim_.network().set_fault({.path = path.host}, {.dial = DialFault::silence});
  got = sim_.await(server_.loop(), talk(server_.runtime(), server_.loop(), path, "x"));
  EXPECT_TRUE(is(*got, rt::kTimedOut));
}

TEST_P(NetworkTest, AFullBacklogKeepsTheDialerWaiting) {
  auto listener =
      client_.runtime().listen(client_.loop(), {.at = client_.endpoint(25), .backlog = 1});
  auto first = dial_now(client_.endpoint(25), Duration::seconds(5));
  ASSERT_TRUE(first.has_value());
  EXPECT_TRUE(dial_now(client_.endpoint(25), Duration::seconds(5)).error().is(rt::kTimedOut));
  auto accepted = (*listener)->try_accept();
  ASSERT_TRUE(accepted.has_value());
  EXPECT_TRUE(dial_now(client_.endpoint(25), Duration::seconds(5)).has_value());
}

TEST_P(NetworkTest, CapturesHoldWhatEachSideSent) {
  sim_.network().start_capture();
  ASSERT_TRUE(talk_now("secret").has_value());
  ASSERT_EQ(sim_.network().captures().size(), 1U);
  const Capture& capture = sim_.network().captures().front();
  EXPECT_EQ(capture.from_host, "client");
  EXPECT_EQ(capture.to_host, "server");
  EXPECT_EQ(capture.to, server_.endpoint(kEchoPort));
  EXPECT_EQ(capture.to_server, "secret");
  EXPECT_EQ(capture.to_client, "secret");
}

TEST_P(NetworkTest, NoDescriptorsIsTransient) {
  server_.set_descriptors(Host::Descriptors::none);
  sim_.after(Duration::seconds(20), [this] { server_.set_descriptors(Host::Descriptors::plenty); });
  const Instant before = sim_.now();
  ASSERT_TRUE(talk_now("hello").has_value());
  EXPECT_GE(sim_.now() - before, Duration::seconds(20));
  client_.set_descriptors(Host::Descriptors::none);
  EXPECT_TRUE(is(talk_now("hello"), rt::kNoDescriptors));
}

TEST_P(NetworkTest, KillingAPeerIsAResetOrSilenceUntilItIsBack) {
  auto stream = connect();
  sim_.run_until_idle();
  server_.kill(Crash::process);
  EXPECT_TRUE(is(read_now(*stream, Duration::minutes(1)), rt::kReset));
  server_.restart();
  sim_.run_until_idle();
  stream = connect();
  sim_.run_until_idle();
  server_.kill(Crash::power);
  ASSERT_TRUE(write_now(*stream, "lost", Duration::minutes(1)).has_value());
  EXPECT_TRUE(is(read_now(*stream, Duration::minutes(1)), rt::kTimedOut));
  server_.restart();
  EXPECT_TRUE(is(read_now(*stream, Duration::minutes(1)), rt::kReset));
  EXPECT_TRUE(talk_now("hello").has_value());
}

}  // namespace
}  // namespace ph::rt_sim
