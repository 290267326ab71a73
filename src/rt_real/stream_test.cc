#include <gtest/gtest.h>
#include <sys/socket.h>

#include <optional>

#include "base/digest.h"
#include "base/random.h"
#include "rt_real/detail/address.h"
#include "rt_real/detail/real_test_world.h"
#include "rt_real/detail/system.h"

namespace ph::rt_real::detail {
namespace {

using rt::Endpoint;
using rt::Task;

enum class Kind : uint8_t { tcp, local };

class Streams : public testing::TestWithParam<Kind> {
 protected:
  rt::ListenOptions here() const {
    if (GetParam() == Kind::local) return {rt::local_endpoint(folder_ / "socket")};
    return {Endpoint{Endpoint::Kind::ipv4, "127.0.0.1", 0}};
  }
  TemporaryFolder folder_;
};

INSTANTIATE_TEST_SUITE_P(Both, Streams, testing::Values(Kind::tcp, Kind::local));

struct Pair {
  StreamPtr client;
  StreamPtr server;
};

Task<Result<Pair>> connect_pair(World& world, rt::Listener& listener) {
  Pair pair;
  PH_CO_TRY(pair.client,
            co_await world.runtime().dial(world.loop(), {listener.local(), {}}, world.later()));
  PH_CO_TRY(pair.server, co_await listener.accept(world.later()));
  co_return pair;
}

// A client made of plain calls, so that it can misbehave.
Fd plain_client(const Endpoint& to) {
  const Address address = address_of(to).value();
  Fd fd(::socket(address.family(), SOCK_STREAM | SOCK_CLOEXEC, 0));
  EXPECT_EQ(::connect(fd.get(), &address.any, address.size), 0);
  return fd;
}

void close_with_reset(Fd fd) {
  const linger now{1, 0};
  ::setsockopt(fd.get(), SOL_SOCKET, SO_LINGER, &now, sizeof(now));
}

void send_plain(const Fd& fd, std::string_view bytes) {
  EXPECT_EQ(::send(fd.get(), bytes.data(), bytes.size(), 0), static_cast<ssize_t>(bytes.size()));
}

Task<void> echo_one_line(World& world, rt::Listener& listener) {
  PH_MUST(const Pair pair, co_await connect_pair(world, listener));
  PH_MUST(const Endpoint seen, Result<Endpoint>(pair.server->local()));
  EXPECT_EQ(seen, listener.local());
  EXPECT_EQ(pair.client->peer(), listener.local());
  const Status written = co_await pair.client->write("hello", world.later());
  EXPECT_TRUE(written.has_value());
  PH_MUST(const std::string heard, co_await read_exactly(*pair.server, 5, world.later()));
  EXPECT_EQ(heard, "hello");
  const Status answered = co_await pair.server->write("HELLO", world.later());
  EXPECT_TRUE(answered.has_value());
  PH_MUST(const std::string back, co_await read_exactly(*pair.client, 5, world.later()));
  EXPECT_EQ(back, "HELLO");
}

TEST_P(Streams, CarryDataBothWays) {
  World world;
  const ListenerPtr listener = world.listen(0, here());
  world.run(echo_one_line(world, *listener));
}

constexpr size_t kLargePieces = 120;

// 100,000 octets that differ from piece to piece.
std::string piece_of_large(const std::string& block, size_t i) {
  return std::to_string(1'000'000 + i) + block;
}
std::string block_of_large(uint64_t seed) { return Random(seed).bytes(99'993); }

Task<void> write_large(World& world, rt::Stream& stream, uint64_t seed) {
  const std::string block = block_of_large(seed);
  for (size_t i = 0; i < kLargePieces; ++i) {
    const std::string piece = piece_of_large(block, i);
    const Status written = co_await stream.write(piece, world.later());
    EXPECT_TRUE(written.has_value());
  }
  stream.shutdown_write();
}

Task<void> read_large(World& world, rt::Stream& stream, uint64_t seed, uint32_t& crc) {
  Random sizes(seed);
  std::string buffer(200'000, '\0');
  for (;;) {
    const size_t room = 1 + sizes.below(buffer.size());
    PH_MUST(const size_t got, co_await stream.read({buffer.data(), room}, world.later()));
    if (got == 0) co_return;
    crc = crc32c({buffer.data(), got}, crc);
  }
}

uint32_t crc_of_large(uint64_t seed) {
  const std::string block = block_of_large(seed);
  uint32_t crc = 0;
  for (size_t i = 0; i < kLargePieces; ++i) crc = crc32c(piece_of_large(block, i), crc);
  return crc;
}

Task<void> exchange_large(World& world, rt::Listener& listener) {
  PH_MUST(const Pair pair, co_await connect_pair(world, listener));
  uint32_t up = 0;
  uint32_t down = 0;
  rt::Scope scope(world.loop(), "exchange");
  scope.spawn("up", write_large(world, *pair.client, 1));
  scope.spawn("down", write_large(world, *pair.server, 2));
  scope.spawn("read up", read_large(world, *pair.server, 3, up));
  scope.spawn("read down", read_large(world, *pair.client, 4, down));
  const Status joined = co_await scope.join(world.later());
  EXPECT_TRUE(joined.has_value());
  EXPECT_EQ(up, crc_of_large(1));
  EXPECT_EQ(down, crc_of_large(2));
}

TEST_P(Streams, PushBackAndCarryLargeDataBothWaysAtOnce) {
  World world;
  const ListenerPtr listener = world.listen(0, here());
  world.run(exchange_large(world, *listener));
}

Task<void> half_close(World& world, rt::Listener& listener) {
  PH_MUST(const Pair pair, co_await connect_pair(world, listener));
  const Status asked = co_await pair.client->write("question", world.later());
  EXPECT_TRUE(asked.has_value());
  pair.client->shutdown_write();
  EXPECT_TRUE(pair.client->try_write("more").error().is(rt::kClosed));
  PH_MUST(const std::string all, co_await read_exactly(*pair.server, 100, world.later()));
  EXPECT_EQ(all, "question");
  const Status answered = co_await pair.server->write("answer", world.later());
  EXPECT_TRUE(answered.has_value());
  pair.server->close();
  PH_MUST(const std::string back, co_await read_exactly(*pair.client, 100, world.later()));
  EXPECT_EQ(back, "answer");
  EXPECT_TRUE(pair.server->try_read({}).error().is(rt::kClosed));
  EXPECT_TRUE(pair.server->try_write("x").error().is(rt::kClosed));
}

TEST_P(Streams, HalfCloseIsSeenAndTheOtherHalfGoesOn) {
  World world;
  const ListenerPtr listener = world.listen(0, here());
  world.run(half_close(world, *listener));
}

Task<void> wait_for_end(World& world, rt::Stream& stream, std::optional<Result<size_t>>& out) {
  char c = 0;
  out = co_await stream.read({&c, 1}, world.later());
}

Task<void> close_under_reader(World& world, rt::Listener& listener) {
  PH_MUST(const Pair pair, co_await connect_pair(world, listener));
  rt::Scope scope(world.loop(), "inner");
  std::optional<Result<size_t>> end;
  scope.spawn("reader", wait_for_end(world, *pair.server, end));
  co_await rt::yield(world.loop());
  co_await rt::yield(world.loop());
  EXPECT_FALSE(end.has_value());
  pair.server->close();
  const Status joined = co_await scope.join(world.later());
  EXPECT_TRUE(joined.has_value());
  EXPECT_TRUE(end.has_value() && end->error().is(rt::kClosed));
  pair.server->close();  // idempotent
}

TEST_P(Streams, CloseWakesWhoIsParked) {
  World world;
  const ListenerPtr listener = world.listen(0, here());
  world.run(close_under_reader(world, *listener));
}

Task<void> end_waits(World& world, rt::Listener& listener) {
  PH_MUST(const Pair pair, co_await connect_pair(world, listener));
  char c = 0;
  const Result<size_t> late = co_await pair.server->read({&c, 1}, world.soon());
  EXPECT_TRUE(!late.has_value() && late.error().is(rt::kTimedOut));
  const auto nobody = co_await listener.accept(world.soon());
  EXPECT_TRUE(!nobody.has_value() && nobody.error().is(rt::kTimedOut));
  rt::Scope scope(world.loop(), "inner");
  std::optional<Result<size_t>> end;
  scope.spawn("reader", wait_for_end(world, *pair.server, end));
  co_await rt::yield(world.loop());
  scope.cancel();
  const Status joined = co_await scope.join(world.later());
  EXPECT_TRUE(joined.has_value());
  EXPECT_TRUE(end.has_value() && end->error().is(rt::kCancelled));
}

TEST_P(Streams, DeadlinesAndCancellationEndWaits) {
  World world;
  const ListenerPtr listener = world.listen(0, here());
  world.run(end_waits(world, *listener));
}

Task<void> park_reader(World& world, rt::Stream& stream, int& hints) {
  const auto here = std::source_location::current();
  const rt::Woken woken = co_await stream.readable(world.later(), here);
  if (woken == rt::Woken::hint) ++hints;
}

Task<void> nudge(World& world, rt::Listener& listener) {
  PH_MUST(const Pair pair, co_await connect_pair(world, listener));
  int hints = 0;
  rt::Scope scope(world.loop(), "inner");
  scope.spawn("reader", park_reader(world, *pair.server, hints));
  co_await rt::yield(world.loop());
  EXPECT_EQ(hints, 0);
  pair.server->nudge_reader();
  const Status joined = co_await scope.join(world.later());
  EXPECT_TRUE(joined.has_value());
  EXPECT_EQ(hints, 1);
}

TEST_P(Streams, ANudgeWakesAReader) {
  World world;
  const ListenerPtr listener = world.listen(0, here());
  world.run(nudge(world, *listener));
}

Task<void> spend_budget(World& world, rt::Listener& listener) {
  const Fd client = plain_client(listener.local());
  PH_MUST(const StreamPtr server, co_await listener.accept(world.later()));
  send_plain(client, std::string(100, 'x'));
  char c = 0;
  PH_MUST(const size_t first, co_await server->read({&c, 1}, world.later()));
  EXPECT_EQ(first, 1U);
  co_await rt::sleep(world.loop(), world.soon(), "a new turn");
  size_t in_one_turn = 0;
  while (server->try_read({&c, 1}).has_value()) ++in_one_turn;
  EXPECT_EQ(in_one_turn, 16U);
  PH_MUST(const std::string rest, co_await read_exactly(*server, 83, world.later()));
  EXPECT_EQ(rest.size(), 83U);
}

TEST_P(Streams, AFastPeerGetsABudgetPerTurn) {
  World world;
  const ListenerPtr listener = world.listen(0, here());
  world.run(spend_budget(world, *listener));
}

Task<void> meet_reset(World& world, rt::Listener& listener) {
  Fd client = plain_client(listener.local());
  PH_MUST(const StreamPtr server, co_await listener.accept(world.later()));
  close_with_reset(std::move(client));
  char c = 0;
  for (int i = 0; i < 2; ++i) {  // and it stays so
    const Result<size_t> got = co_await server->read({&c, 1}, world.later());
    EXPECT_TRUE(!got.has_value() && got.error().is(rt::kReset));
  }
}

TEST(TcpStreams, AResetIsAnErrorAndStays) {
  World world;
  const ListenerPtr listener = world.listen();
  world.run(meet_reset(world, *listener));
}

Task<void> read_last_words(World& world, rt::Listener& listener) {
  Fd client = plain_client(listener.local());
  PH_MUST(const StreamPtr server, co_await listener.accept(world.later()));
  send_plain(client, "421 bye");
  close_with_reset(std::move(client));
  const Status written = co_await server->write("MAIL FROM", world.later());
  EXPECT_TRUE(!written.has_value() && written.error().is(rt::kReset));
  PH_MUST(const std::string words, co_await read_exactly(*server, 7, world.later()));
  EXPECT_EQ(words, "421 bye");
  char c = 0;
  const Result<size_t> got = co_await server->read({&c, 1}, world.later());
  EXPECT_TRUE(!got.has_value() && got.error().is(rt::kReset));
}

TEST(TcpStreams, WhatThePeerSaidBeforeAResetIsReadAfterAFailedWrite) {
  World world;
  const ListenerPtr listener = world.listen();
  world.run(read_last_words(world, *listener));
}

Task<void> move_about(World& world, StreamPtr& stream, uint32_t& crc, size_t& moves) {
  std::string buffer(50'000, '\0');
  size_t at = 0;
  for (;;) {
    rt::Loop& home = world.loop(at);
    struct Step {
      size_t got = 0;
    };
    // On the stream's loop: read a piece, then move the stream to the other loop.
    auto step = rt::call_on(
        world.loop(), home, "step",
        [&world, &stream, &buffer, at] {
          return [](World& w, StreamPtr& s, std::string& b, size_t now) -> Task<Result<Step>> {
            PH_CO_TRY(const size_t got, co_await s->read(b, w.later(now)));
            PH_CO_TRY(s, s->rehome(w.loop(1 - now)));
            co_return Step{got};
          }(world, stream, buffer, at);
        },
        world.later());
    PH_MUST(const Step done, co_await step);
    ++moves;
    at = 1 - at;
    if (done.got == 0) break;
    crc = crc32c({buffer.data(), done.got}, crc);
  }
  if (at == 1) {  // ends where it belongs to
    PH_MUST(stream, co_await rt::call_on(
                        world.loop(), world.loop(1), "home",
                        [&world, &stream] {
                          return [](World& w, StreamPtr& s) -> Task<Result<StreamPtr>> {
                            co_return s->rehome(w.loop(0));
                          }(world, stream);
                        },
                        world.later()));
  }
}

Task<void> rehome_live(World& world, rt::Listener& listener) {
  PH_MUST(Pair pair, co_await connect_pair(world, listener));
  uint32_t crc = 0;
  size_t moves = 0;
  rt::Scope scope(world.loop(), "inner");
  scope.spawn("writer", write_large(world, *pair.client, 5));
  scope.spawn("mover", move_about(world, pair.server, crc, moves));
  const Status joined = co_await scope.join(world.later());
  EXPECT_TRUE(joined.has_value());
  EXPECT_EQ(crc, crc_of_large(5));
  EXPECT_GT(moves, 100U);
  const Status answered = co_await pair.server->write("done", world.later());
  EXPECT_TRUE(answered.has_value());
  PH_MUST(const std::string last, co_await read_exactly(*pair.client, 4, world.later()));
  EXPECT_EQ(last, "done");
}

TEST_P(Streams, MoveBetweenLoopsWithDataInFlight) {
  World world(2);
  const ListenerPtr listener = world.listen(0, here());
  world.run(rehome_live(world, *listener));
}

}  // namespace
}  // namespace ph::rt_real::detail
