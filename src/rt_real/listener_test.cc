#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <atomic>
#include <fstream>
#include <optional>

#include "rt_real/detail/address.h"
#include "rt_real/detail/real_test_world.h"
#include "rt_real/detail/system.h"

namespace ph::rt_real::detail {
namespace {

using rt::Endpoint;
using rt::ListenOptions;
using rt::Task;

Task<Result<StreamPtr>> dial(World& world, Endpoint to, size_t loop = 0) {
  return world.runtime().dial(world.loop(loop), {std::move(to), {}}, world.later(loop));
}

Task<void> expect_refused(World& world, Endpoint nobody) {
  const auto got = co_await dial(world, std::move(nobody));
  EXPECT_TRUE(!got.has_value() && got.error().is(rt::kRefused)) << got.error().to_text();
}

TEST(Dial, IsRefusedWhereNobodyListens) {
  World world;
  const Endpoint at = world.listen()->local();  // closed again at once
  world.run(expect_refused(world, at));
}

TEST(Dial, IsRefusedAtAnAbsentLocalSocket) {
  World world;
  const TemporaryFolder folder;
  world.run(expect_refused(world, rt::local_endpoint(folder / "absent")));
}

Task<void> dial_bad(World& world) {
  const auto named = co_await dial(world, {Endpoint::Kind::ipv4, "localhost", 25});
  EXPECT_TRUE(!named.has_value() && named.error().is(rt::kBadAddress));
  // 192.0.2.1 (RFC 5737) is nobody's, so it is not ours to dial from; that may change: transient.
  rt::DialOptions options{{Endpoint::Kind::ipv4, "127.0.0.1", 25},
                          Endpoint{Endpoint::Kind::ipv4, "192.0.2.1", 0}};
  const auto got = co_await world.runtime().dial(world.loop(), options, world.later());
  EXPECT_TRUE(!got.has_value() && got.error().is(rt::kUnreachable));
}

TEST(Dial, TellsBadAddressesFromUnreachableOnes) {
  World world;
  world.run(dial_bad(world));
}

Task<void> dial_from(World& world, rt::Listener& listener) {
  rt::DialOptions options{listener.local(), Endpoint{Endpoint::Kind::ipv4, "127.0.0.2", 0}};
  PH_MUST(const StreamPtr client,
          co_await world.runtime().dial(world.loop(), options, world.later()));
  PH_MUST(const StreamPtr server, co_await listener.accept(world.later()));
  EXPECT_EQ(client->local().host, "127.0.0.2");
  EXPECT_EQ(server->peer(), client->local());
}

TEST(Dial, UsesTheSourceAddress) {
  World world;
  const ListenerPtr listener = world.listen();
  world.run(dial_from(world, *listener));
}

// Plain clients until the backlog takes no more.
std::vector<Fd> fill_backlog(const Endpoint& to) {
  const Address address = address_of(to).value();
  std::vector<Fd> out;
  for (int i = 0; i < 8; ++i) {
    Fd fd(::socket(address.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    const int connected = ::connect(fd.get(), &address.any, address.size);
    if (connected != 0 && errno != EINPROGRESS) break;
    out.push_back(std::move(fd));
  }
  return out;
}

Task<void> dial_full(World& world, rt::Listener& listener) {
  const std::vector<Fd> waiting = fill_backlog(listener.local());
  const auto late =
      co_await world.runtime().dial(world.loop(), {listener.local(), {}}, world.soon());
  EXPECT_TRUE(!late.has_value() && late.error().is(rt::kTimedOut));
}

TEST(Dial, EndsAtItsDeadline) {
  World world;
  const ListenerPtr listener = world.listen(0, {Endpoint{Endpoint::Kind::ipv4, "127.0.0.1", 0}, 1});
  world.run(dial_full(world, *listener));
}

Task<void> accept_all(World& world, rt::Listener& listener, size_t count) {
  co_await rt::sleep(world.loop(), world.soon(), "the other side to be stuck");
  for (size_t i = 0; i < count; ++i) {
    PH_MUST(const StreamPtr stream, co_await listener.accept(world.later()));
  }
}

Task<void> dial_full_local(World& world, rt::Listener& listener) {
  const std::vector<Fd> waiting = fill_backlog(listener.local());
  const auto late =
      co_await world.runtime().dial(world.loop(), {listener.local(), {}}, world.soon());
  EXPECT_TRUE(!late.has_value() && late.error().is(rt::kTimedOut));
  rt::Scope scope(world.loop(), "inner");
  scope.spawn("accept", accept_all(world, listener, waiting.size()));
  PH_MUST(const StreamPtr in_the_end, co_await dial(world, listener.local()));
}

TEST(Dial, WaitsForRoomInALocalBacklog) {
  World world;
  const TemporaryFolder folder;
  const ListenerPtr listener = world.listen(0, {rt::local_endpoint(folder / "socket"), 1});
  world.run(dial_full_local(world, *listener));
}

TEST(Listen, AtATakenPortIsAnError) {
  World world;
  const ListenerPtr listener = world.listen();
  auto second = world.runtime().listen(world.loop(), {listener->local()});
  EXPECT_TRUE(!second.has_value() && second.error().is(rt::kAddressInUse));
  auto foreign = world.runtime().listen(world.loop(), {{Endpoint::Kind::ipv4, "192.0.2.1", 0}});
  EXPECT_TRUE(!foreign.has_value() && foreign.error().is(rt::kBadAddress));
}

TEST(Listen, LocalSocketsAreForTheOwnerAndGoWithTheListener) {
  World world;
  const TemporaryFolder folder;
  const Endpoint at = rt::local_endpoint(folder / "socket");
  ListenerPtr listener = world.listen(0, {at});
  struct stat info{};
  ASSERT_EQ(::stat(at.host.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600U);
  auto second = world.runtime().listen(world.loop(), {at});
  EXPECT_TRUE(!second.has_value() && second.error().is(rt::kAddressInUse));
  ASSERT_EQ(::stat(at.host.c_str(), &info), 0);  // still the first one's
  listener.reset();
  EXPECT_NE(::stat(at.host.c_str(), &info), 0);
}

TEST(Listen, ReplacesAStaleSocketButNothingElse) {
  World world;
  const TemporaryFolder folder;
  const Endpoint stale = rt::local_endpoint(folder / "stale");
  {
    const Address address = address_of(stale).value();
    const Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    ASSERT_EQ(::bind(fd.get(), &address.any, address.size), 0);
  }
  EXPECT_TRUE(world.runtime().listen(world.loop(), {stale}).has_value());
  const Endpoint file = rt::local_endpoint(folder / "file");
  std::ofstream(file.host) << "precious";
  auto refused = world.runtime().listen(world.loop(), {file});
  EXPECT_TRUE(!refused.has_value() && refused.error().is(rt::kAddressInUse));
  EXPECT_TRUE(world.runtime().files().exists(file.host));
}

Task<void> meet_as_v4(World& world, rt::Listener& listener) {
  const Endpoint to{Endpoint::Kind::ipv4, "127.0.0.1", listener.local().port};
  PH_MUST(const StreamPtr client, co_await dial(world, to));
  PH_MUST(const StreamPtr server, co_await listener.accept(world.later()));
  EXPECT_EQ(server->peer(), client->local());
  EXPECT_EQ(server->local(), to);
}

TEST(Listen, AMappedAddressIsShownAsIPv4) {
  World world;
  auto listener = world.runtime().listen(world.loop(), {{Endpoint::Kind::ipv6, "::", 0}});
  if (!listener.has_value()) GTEST_SKIP() << "no IPv6 here: " << listener.error().to_text();
  world.run(meet_as_v4(world, **listener));
}

Task<void> run_out_of_descriptors(World& world, rt::Listener& listener) {
  PH_MUST(const StreamPtr client, co_await dial(world, listener.local()));
  rlimit before{};
  EXPECT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  rlimit none = before;
  {
    const Fd lowest_free(::dup(0));
    none.rlim_cur = static_cast<rlim_t>(lowest_free.get());
  }
  EXPECT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
  for (int i = 0; i < 3; ++i) {
    const auto got = co_await listener.accept(world.later());
    EXPECT_TRUE(!got.has_value() && got.error().is(rt::kNoDescriptors));
  }
  const auto dialled = co_await dial(world, listener.local());
  EXPECT_TRUE(!dialled.has_value() && dialled.error().is(rt::kNoDescriptors));
  EXPECT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
  PH_MUST(const StreamPtr server, co_await listener.accept(world.later()));
}

TEST(Listen, WithoutDescriptorsTheConnectionWaits) {
  World world;
  const ListenerPtr listener = world.listen();
  world.run(run_out_of_descriptors(world, *listener));
}

constexpr size_t kClients = 2000;

Task<void> echo_once(World& world, StreamPtr stream, size_t loop) {
  PH_MUST(const std::string word, co_await read_exactly(*stream, 8, world.later(loop)));
  const Status written = co_await stream->write(word, world.later(loop));
  EXPECT_TRUE(written.has_value());
  char c = 0;
  PH_MUST(const size_t end, co_await stream->read({&c, 1}, world.later(loop)));
  EXPECT_EQ(end, 0U);
}

Task<void> serve_many(World& world, ListenerPtr listener, size_t loop) {
  for (;;) {
    auto stream = co_await listener->accept(world.later(loop));
    if (!stream.has_value()) co_return;
    world.scope(loop).spawn("echo", echo_once(world, std::move(*stream), loop));
  }
}

struct Gate {  // opens when everybody has come
  explicit Gate(rt::Loop& loop) : opened(loop) {}
  rt::Parking opened;
  size_t connected = 0;
  bool open = false;
  std::vector<std::unique_ptr<rt::Parking>> waiting;
};

Task<void> ask_once(World& world, Endpoint to, Gate& gate, size_t i) {
  PH_MUST(const StreamPtr stream, co_await dial(world, std::move(to)));
  gate.waiting.push_back(std::make_unique<rt::Parking>(world.loop()));
  rt::Parking& mine = *gate.waiting.back();
  ++gate.connected;
  gate.opened.wake();
  if (!gate.open) {
    co_await mine.park(world.later(), "everybody to be connected");
  }
  const std::string word = std::to_string(10'000'000 + i);
  const Status written = co_await stream->write(word, world.later());
  EXPECT_TRUE(written.has_value());
  PH_MUST(const std::string back, co_await read_exactly(*stream, 8, world.later()));
  EXPECT_EQ(back, word);
}

Task<void> ask_many(World& world, std::vector<Endpoint> at) {
  Gate gate(world.loop());
  rt::Scope scope(world.loop(), "clients");
  for (size_t i = 0; i < kClients; ++i) {
    scope.spawn("client", ask_once(world, at[i % at.size()], gate, i));
  }
  while (gate.connected < kClients) {
    const rt::Woken woken = co_await gate.opened.park(world.later(), "all clients");
    if (woken != rt::Woken::hint) break;
  }
  EXPECT_EQ(gate.connected, kClients);
  gate.open = true;
  for (const auto& parking : gate.waiting) parking->wake();
  const Status joined = co_await scope.join(world.later());
  EXPECT_TRUE(joined.has_value());
  world.scope().cancel();  // the listeners' activities
  world.runtime().stop();
}

TEST(Listen, ServesTwoThousandConnectionsOnTwoLoops) {
  World world(2);
  rlimit limit{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &limit), 0);
  if (limit.rlim_cur < 2 * kClients + 100) GTEST_SKIP() << "too few descriptors allowed here";
  ListenOptions options{{Endpoint::Kind::ipv4, "127.0.0.1", 0}};
  options.sharing = ListenOptions::Sharing::with_other_loops;
  ListenerPtr first = world.listen(0, options);
  options.at = first->local();
  ListenerPtr second = world.listen(1, options);
  const std::vector<Endpoint> at{options.at};
  world.scope(0).spawn("accept", serve_many(world, std::move(first), 0));
  world.scope(1).spawn("accept", serve_many(world, std::move(second), 1));
  world.run(ask_many(world, at));
}

}  // namespace
}  // namespace ph::rt_real::detail
