#include "service/wire/wire.h"

#include <gtest/gtest.h>

#include <utility>

#include "base/digest.h"
#include "rt_sim/simulation.h"
#include "service/wire/detail/wire_test_pair.h"

namespace ph::wire {
namespace {

TEST_F(PairTest, InputGrowsUpToItsBoundAndIsGivenBack) {
  connect();
  const std::string sent = sim.random().bytes(kInputBytes);
  spawn(*near, send_all(*near, sent));
  while (far->input().size() < kInputBytes) {
    const auto filled = fill_more(*far);
    ASSERT_TRUE(filled.has_value());
    EXPECT_EQ(*filled, Filled::bytes);
  }
  EXPECT_EQ(far->input(), sent);
  far->consume(10);
  EXPECT_EQ(far->input(), std::string_view(sent).substr(10));
  near->close();
  // A little room at the end of the buffer is enough for what is to come.
  spawn(*near, send_all(*near, ""));
  const auto filled = fill_more(*far);
  ASSERT_TRUE(filled.has_value());
  EXPECT_EQ(*filled, Filled::end_of_stream);
  EXPECT_EQ(far->input(), std::string_view(sent).substr(10));
}

TEST_F(PairTest, BytesComeInOrderHoweverTheyAreCut) {
  connect();
  const std::string sent = sim.random().bytes(600'000);
  spawn(*near, send_all(*near, sent));
  std::string got;
  while (got.size() + far->input().size() < sent.size()) {
    const auto filled = fill_more(*far);
    ASSERT_TRUE(filled.has_value()) << filled.error().to_text() << got.size();
    const size_t take = 1 + sim.random().below(std::max<size_t>(far->input().size(), 1));
    got += far->input().substr(0, std::min(take, far->input().size()));
    far->consume(std::min(take, far->input().size()));
    if (far->input().size() == kInputBytes) {
      got += far->input();
      far->consume(far->input().size());
    }
  }
  got += far->input();
  EXPECT_EQ(sha256(got), sha256(sent));
}

TEST_F(PairTest, ANudgeIsToldAndNeverLost) {
  calm();
  connect();
  far->nudge();  // before anybody waits
  EXPECT_EQ(*run(far->fill(soon())), Filled::nudged);
  sim.after(Duration::seconds(1), [this] { far->nudge(); });
  EXPECT_EQ(*run(far->fill(soon())), Filled::nudged);
  const auto late = run(far->fill(soon(Duration::seconds(2))));
  ASSERT_FALSE(late.has_value());
  EXPECT_TRUE(late.error().is(rt::kTimedOut));
}

TEST_F(PairTest, TlsCarriesBothWaysAndKnowsWhoIsThere) {
  for (int round = 0; round < 5; ++round) {
    connect();
    secure();
    EXPECT_TRUE(far->is_secure());
    EXPECT_EQ(far->tls()->server_name, "mx.example.org");
    EXPECT_TRUE(near->tls()->peer_verified) << near->tls()->peer_problem;
    const std::string question = sim.random().bytes(200'000);
    const std::string answer = sim.random().bytes(2'000'000);
    spawn(*near, send_all(*near, question));
    EXPECT_EQ(sha256(read_all(*far, question.size())), sha256(question));
    spawn(*far, send_all(*far, answer));
    EXPECT_EQ(sha256(read_all(*near, answer.size())), sha256(answer));
    spawn(*near, finish(*near));
    EXPECT_EQ(*fill_more(*far), Filled::end_of_stream);
    far->close();
  }
}

// Both directions at once through tiny windows: every write meets back-pressure in the middle of a
// record, and reads flush what writers left.
TEST_F(PairTest, TlsKeepsItsOrderUnderBackPressureInBothDirections) {
  sim.network().set_shape({.window_min = 700, .window_max = 900});
  connect();
  secure();
  const std::string to_far = sim.random().bytes(400'000);
  const std::string to_near = sim.random().bytes(400'000);
  std::string at_far;
  std::string at_near;
  spawn(*near, send_all(*near, to_far));
  spawn(*near, read_into(*near, to_near.size(), at_near));
  spawn(*far, send_all(*far, to_near));
  spawn(*far, read_into(*far, to_far.size(), at_far));
  sim.run_until([&] { return at_far.size() >= to_far.size() && at_near.size() >= to_near.size(); },
                Duration::hours(1));
  EXPECT_EQ(sha256(at_far), sha256(to_far));
  EXPECT_EQ(sha256(at_near), sha256(to_near));
}

// A server that gave up writing to a client that does not read still says its last words; they must
// neither abort the program nor be taken for the octets before.
TEST_F(PairTest, AWriterThatGaveUpMayWriteOtherOctets) {
  sim.network().set_shape({.window_min = 1000, .window_max = 1000, .fragment_percent = 0});
  connect();
  secure();
  const std::string much(100'000, 'm');
  const Status gave_up = run(far->send(much, soon(Duration::seconds(5))));
  ASSERT_FALSE(gave_up.has_value());
  EXPECT_TRUE(gave_up.error().is(rt::kTimedOut));
  const Status again = run(far->send("421 bye\r\n", soon(Duration::seconds(5))));
  EXPECT_FALSE(again.has_value());
  std::string got;
  spawn(*near, read_into(*near, 1'000'000, got));
  const Status last = run(far->send("the end\r\n", soon(Duration::seconds(5))));
  EXPECT_TRUE(last.has_value());
  sim.run_for(Duration::seconds(5));
  // What came is a prefix of what was given up, then the last words in their order.
  EXPECT_TRUE(got.ends_with("the end\r\n"));
  const size_t m = got.find_first_not_of('m');
  ASSERT_NE(m, std::string::npos);
  EXPECT_LT(m, much.size());
  EXPECT_TRUE(got.substr(m) == "the end\r\n" || got.substr(m) == "421 bye\r\nthe end\r\n")
      << got.substr(m);
}

TEST_F(PairTest, PlaintextFromBeforeTheHandshakeIsDropped) {
  calm();
  connect();
  run(*near, send_all(*near, "RCPT TO:<injected@example.org>\r\n"));
  sim.run_for(Duration::seconds(1));
  ASSERT_TRUE(run(far->fill(soon())).has_value());
  ASSERT_FALSE(far->input().empty());
  secure();
  EXPECT_TRUE(far->input().empty());
  spawn(*near, send_all(*near, "clean"));
  EXPECT_EQ(read_all(*far, 5), "clean");
}

TEST_F(PairTest, PlaintextInsteadOfAHandshakeEndsTheWire) {
  connect();
  spawn(*near, send_all(*near, "EHLO injected.example\r\nMAIL FROM:<>\r\n"));
  const Status shaken = run(far->start_tls(tls::Engine::server(*context), soon()));
  ASSERT_FALSE(shaken.has_value());
  EXPECT_FALSE(far->is_secure());
  far->close();
  EXPECT_TRUE(run(finish_status(*far)).has_value());
}

TEST_F(PairTest, ASilentPeerEndsTheHandshakeAtItsDeadline) {
  connect();
  const Status shaken =
      run(far->start_tls(tls::Engine::server(*context), soon(Duration::seconds(3))));
  ASSERT_FALSE(shaken.has_value());
  EXPECT_TRUE(shaken.error().is(rt::kTimedOut));
}

TEST_F(PairTest, AWrongNameIsRefusedWhenTheNameMatters) {
  connect();
  std::optional<Status> there;
  spawn(*far, start_server(*far, there));
  const Status shaken = run_near(near->start_tls(client_engine("other.example"), soon()));
  ASSERT_FALSE(shaken.has_value());
  EXPECT_TRUE(shaken.error().is(rt::kTls));
  sim.run_for(Duration::seconds(5));
  ASSERT_TRUE(there.has_value());
}

TEST_F(PairTest, ACutInsideTlsIsNoEndOfTheStream) {
  calm();
  connect();
  secure();
  spawn(*near, send_all(*near, "half a sent"));
  EXPECT_EQ(read_all(*far, 11), "half a sent");
  sim.network().cut({}, {.kind = rt_sim::CutKind::half_close});
  spawn(*near, send_all(*near, "ence"));
  const auto filled = fill_more(*far);
  ASSERT_FALSE(filled.has_value());
  EXPECT_TRUE(filled.error().is(rt::kTls));
  EXPECT_NE(filled.error().context().find("close_notify"), std::string::npos);
}

// Whether a reset overtakes the last words is chance, so it is tried often.
TEST_F(PairTest, AFarewellReachesAPeerThatStillTalks) {
  for (int round = 0; round < 30; ++round) {
    connect();
    if (round % 2 == 1) secure();
    std::string got;
    spawn(*near, send_all(*near, std::string(100'000, 'c')));
    ASSERT_TRUE(run(far->fill(soon())).has_value());  // it talks
    EXPECT_TRUE(run(far->send("bye!", soon())).has_value());
    spawn(*far, finish(*far));
    sim.run_for(Duration::milliseconds(sim.random().between(0, 200)));
    spawn(*near, read_into(*near, 4, got));
    sim.run_for(Duration::seconds(20));
    EXPECT_EQ(got, "bye!");
    near->close();
  }
}

TEST_F(PairTest, AFarewellEndsByTheClockAndByItsSize) {
  calm();
  connect();
  const Instant before = sim.now();
  run(*far, finish(*far));
  EXPECT_EQ(sim.now() - before, Duration::seconds(5));
  connect();
  spawn(*near, send_all(*near, std::string(100'000'000, 'c')));
  run(*far, finish(*far));
  sim.run_for(Duration::seconds(20));
  EXPECT_LT(far->input().size(), kInputBytes);
}

TEST_F(PairTest, AWireMovesToAnotherLoopWithWhatIsUnread) {
  for (const bool with_tls : {false, true}) {
    connect();
    if (with_tls) secure();
    spawn(*near, send_all(*near, "first second"));
    while (far->input().size() < 12) ASSERT_TRUE(run(far->fill(soon())).has_value());
    far->consume(6);
    auto moved = far->rehome(server.loop(1));
    ASSERT_TRUE(moved.has_value());
    far.emplace(std::move(*moved));
    EXPECT_EQ(&far->loop(), &server.loop(1));
    EXPECT_EQ(far->input(), "second");
    EXPECT_EQ(far->is_secure(), with_tls);
    far->consume(6);
    spawn(*near, send_all(*near, "third"));
    EXPECT_EQ(read_all(*far, 5), "third");
    spawn(*far, send_all(*far, "fourth"));
    EXPECT_EQ(read_all(*near, 6), "fourth");
  }
}

}  // namespace
}  // namespace ph::wire
