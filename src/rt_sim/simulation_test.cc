#include "rt_sim/simulation.h"

#include <gtest/gtest.h>

#include <set>
#include <stdexcept>

#include "base/check.h"
#include "base/text.h"
#include "rt/errors.h"
#include "rt_sim/detail/echo_program.h"

namespace ph::rt_sim {
namespace {

using detail::kEchoPort;
using detail::talk;

Host& add_echo(Simulation& sim) {
  Host& server = sim.add_host({.name = "server"});
  server.start([&server](rt::Runtime& runtime) {
    return std::make_shared<detail::EchoProgram>(runtime, server.endpoint(kEchoPort));
  });
  return server;
}

uint64_t trace_of_a_rough_run(uint64_t seed) {
  Simulation sim(seed);
  Host& server = add_echo(sim);
  Host& client = sim.add_host({.name = "client"});
  sim.network().set_profile(FaultProfile::rough());
  sim.after(Duration::seconds(20), [&server] { server.restart(); });
  for (int i = 0; i < 5; ++i) {
    (void)sim.await(client.loop(), talk(client.runtime(), client.loop(), server.endpoint(kEchoPort),
                                        sim.random().bytes(5000)));
  }
  EXPECT_EQ(sim.check(), Findings());
  return sim.trace_hash();
}

TEST(Simulation, EqualSeedsGiveEqualRunsAndOthersDiffer) {
  std::set<uint64_t> traces;
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    const uint64_t trace = trace_of_a_rough_run(seed);
    EXPECT_EQ(trace, trace_of_a_rough_run(seed)) << "seed " << seed;
    traces.insert(trace);
  }
  EXPECT_EQ(traces.size(), 20U);
}

TEST(Simulation, EchoOverAFaultyNetworkGivesTheBytesOrAnError) {
  int whole = 0;
  int failed = 0;
  for (uint64_t seed = 1; seed <= 300; ++seed) {
    Simulation sim(seed);
    Host& server = add_echo(sim);
    Host& client = sim.add_host({.name = "client"});
    sim.network().set_profile(FaultProfile::rough());
    const std::string sent = sim.random().bytes(sim.random().below(20'000));
    const auto got = sim.await(
        client.loop(), talk(client.runtime(), client.loop(), server.endpoint(kEchoPort), sent));
    ASSERT_TRUE(got.has_value()) << "seed " << seed << "\n" << sim.registry();
    if (got->has_value()) {
      EXPECT_TRUE(**got == sent) << "seed " << seed;
      ++whole;
    } else {
      EXPECT_EQ(got->error().kind().module, "rt") << "seed " << seed;
      ++failed;
    }
    EXPECT_EQ(sim.check(), Findings()) << "seed " << seed;
  }
  EXPECT_GT(whole, 150);
  EXPECT_GT(failed, 30);
}

rt::Task<void> spin(rt::Loop& loop) {
  for (;;) co_await rt::yield(loop);
}

TEST(Simulation, ALivelockIsReportedWithTheRegistryInsteadOfHanging) {
  Simulation sim(1, {.steps_per_instant_max = 1000});
  Host& host = sim.add_host({.name = "busy"});
  host.spawn("spinner", spin(host.loop()));
  EXPECT_EQ(sim.run_for(Duration::seconds(1)), RunEnd::stuck);
  const Findings findings = sim.check();
  ASSERT_EQ(findings.size(), 1U);
  EXPECT_NE(findings[0].find("livelock"), std::string::npos);
  EXPECT_NE(findings[0].find("spinner"), std::string::npos);
}

rt::Task<void> tick(rt::Loop& loop) {
  for (;;) co_await rt::sleep(loop, loop.in(Duration::milliseconds(1)), "its next tick");
}

TEST(Simulation, ARunThatNeverEndsMeetsTheStepLimit) {
  Simulation sim(1, {.steps_max = 5000});
  Host& host = sim.add_host({.name = "busy"});
  host.spawn("ticker", tick(host.loop()));
  EXPECT_EQ(sim.run_for(Duration::days(1)), RunEnd::stuck);
  EXPECT_EQ(sim.check().size(), 1U);
}

rt::Task<void> wait_until(rt::Loop& loop, rt::Deadline deadline) {
  co_await rt::sleep(loop, deadline, "Godot");
}

rt::Task<void> throw_now(rt::Loop& loop) {
  co_await rt::yield(loop);
  throw std::runtime_error("stray");
}

TEST(Simulation, EndlessWaitsAndStrayExceptionsAreFindings) {
  Simulation sim(1);
  Host& host = sim.add_host({.name = "host"});
  host.spawn("endless", wait_until(host.loop(), rt::Deadline::at(Instant::max())));
  host.spawn("fine", wait_until(host.loop(), host.loop().in(Duration::days(30))));
  sim.run_for(Duration::seconds(1));
  ASSERT_EQ(sim.check().size(), 1U);
  EXPECT_NE(sim.check()[0].find("wait without an end"), std::string::npos);
  EXPECT_NE(sim.check()[0].find("Godot"), std::string::npos);
  host.spawn("thrower", throw_now(host.loop(1)), 1);
  sim.run_for(Duration::seconds(1));
  ASSERT_EQ(sim.check().size(), 2U);
  EXPECT_NE(sim.check()[1].find("stray exception"), std::string::npos);
}

TEST(Simulation, AStepOfTheWallClockMovesNoDeadline) {
  Simulation sim(1);
  Host& host = sim.add_host({.name = "host", .wall_offset = Duration::seconds(-5)});
  EXPECT_EQ(host.loop().wall(), SimulationOptions{}.start - Duration::seconds(5));
  bool woken = false;
  const Instant due = sim.now() + Duration::minutes(10);
  host.spawn("sleeper", [](rt::Loop& loop, bool& out) -> rt::Task<void> {
    co_await rt::sleep(loop, loop.in(Duration::minutes(10)), "a test");
    out = true;
  }(host.loop(), woken));
  sim.run_for(Duration::minutes(1));
  sim.step_wall(Duration::hours(-3));
  host.step_wall(Duration::days(2));
  sim.run_until(due - Duration::microseconds(1));
  EXPECT_FALSE(woken);
  sim.run_until(due);
  EXPECT_TRUE(woken);
  EXPECT_EQ(host.loop().wall() - SimulationOptions{}.start,
            Duration::minutes(10) - Duration::hours(3) + Duration::days(2) - Duration::seconds(5));
}

rt::Task<Result<int>> doubled_on(rt::Loop& home, rt::Loop& target, int value) {
  co_return co_await rt::call_on(
      home, target, "doubler",
      [&target, value] {
        return [](rt::Loop& loop, int v) -> rt::Task<int> {
          PH_CHECK(loop.is_current());
          co_await rt::sleep(loop, loop.in(Duration::seconds(1)), "a test");
          co_return v * 2;
        }(target, value);
      },
      home.in(Duration::seconds(5)));
}

TEST(Simulation, CallsGoToAnotherLoopAndBack) {
  Simulation sim(3);
  Host& host = sim.add_host({.name = "host", .loops = 3});
  const auto got = sim.await(host.loop(0), doubled_on(host.loop(0), host.loop(2), 21));
  ASSERT_TRUE(got.has_value());
  ASSERT_TRUE(got->has_value());
  EXPECT_EQ(**got, 42);
}

std::string order_of_posts(uint64_t seed) {
  Simulation sim(seed);
  Host& host = sim.add_host({.name = "host", .loops = 2});
  std::string order;
  for (const char c : {'a', 'b', 'c'}) {
    host.loop(0).post([&order, c] { order += c; });
    host.loop(1).post([&order, c] { order += ascii_upper(c); });
  }
  sim.run_until_idle();
  return order;
}

TEST(Simulation, PostedCallbacksOfDifferentLoopsInterleaveBySeed) {
  std::set<std::string> orders;
  for (uint64_t seed = 1; seed <= 60; ++seed) {
    std::string order = order_of_posts(seed);
    orders.insert(order);
    std::erase_if(order, [](char c) { return c < 'a'; });
    EXPECT_EQ(order, "abc");  // those to one loop keep their order
  }
  EXPECT_GT(orders.size(), 8U);
}

TEST(Simulation, RunEndsTellWhatHappened) {
  Simulation sim(1);
  int hooks = 0;
  sim.set_step_hook([&hooks] { ++hooks; });
  EXPECT_EQ(sim.run_until([] { return false; }, Duration::seconds(1)), RunEnd::time_is_up);
  const Instant then = sim.now() + Duration::seconds(7);
  bool done = false;
  sim.at(then, [&done] { done = true; });
  EXPECT_EQ(sim.run_until([&done] { return done; }, Duration::minutes(1)), RunEnd::reached);
  EXPECT_EQ(sim.now(), then);
  EXPECT_EQ(sim.run_until_idle(), RunEnd::reached);
  EXPECT_EQ(hooks, 1);
  EXPECT_EQ(sim.run_for(Duration::hours(5)), RunEnd::reached);
  EXPECT_EQ(sim.now(), then + Duration::hours(5));
}

TEST(Simulation, AFrozenHostRunsNothingUntilItThaws) {
  Simulation sim(1);
  Host& host = sim.add_host({.name = "host"});
  Instant woken;
  host.spawn("sleeper", [](rt::Loop& loop, Instant& out) -> rt::Task<void> {
    co_await rt::sleep(loop, loop.in(Duration::seconds(1)), "a test");
    out = loop.now();
  }(host.loop(), woken));
  sim.run_for(Duration::milliseconds(10));
  const Instant thaw = sim.now() + Duration::seconds(60);
  host.freeze(Duration::seconds(60));
  sim.run_for(Duration::minutes(2));
  EXPECT_EQ(woken, thaw);
  EXPECT_EQ(sim.check(), Findings());
}

}  // namespace
}  // namespace ph::rt_sim
