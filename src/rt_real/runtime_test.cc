#include "rt_real/runtime.h"

#include <gtest/gtest.h>

#include <atomic>
#include <csignal>
#include <future>
#include <stdexcept>
#include <thread>

#include "rt_real/detail/real_test_world.h"

namespace ph::rt_real::detail {
namespace {

using rt::Task;

TEST(RealRuntime, RunsWhatWasStartedOnEachLoopUntilStopped) {
  World world(3);
  std::atomic<size_t> seen = 0;
  world.runtime().start_on_each([&](rt::Loop& loop) {
    EXPECT_TRUE(loop.is_current());
    EXPECT_EQ(world.loop((loop.index() + 1) % 3).is_current(), false);
    if (++seen == 3) world.runtime().stop();
  });
  EXPECT_TRUE(world.runtime().run().has_value());
  EXPECT_EQ(seen, 3U);
  EXPECT_TRUE(world.loop(1).is_current());  // no thread: whoever holds the runtime
}

TEST(RealRuntime, AStopBeforeTheRunIsNotLost) {
  World world(2);
  world.runtime().stop();
  EXPECT_TRUE(world.runtime().run().has_value());
}

TEST(RealRuntime, StopsFromASignalHandler) {
  static std::atomic<RealRuntime*> target;
  World world(2);
  target = &world.runtime();
  const auto before = std::signal(SIGUSR1, [](int) { target.load()->stop(); });
  world.runtime().start([] { std::raise(SIGUSR1); });
  EXPECT_TRUE(world.runtime().run().has_value());
  std::signal(SIGUSR1, before);
}

TEST(RealRuntime, CarriesSignalsToTheFirstLoop) {
  World world(2, {.signals = {SIGUSR1, SIGUSR2}});
  std::promise<void> over;
  std::thread of_a_library([ended = over.get_future()] { ended.wait(); });
  std::vector<int> seen;
  const Status carried = world.runtime().on_signals([&](int signal) {
    EXPECT_TRUE(world.loop(0).is_current());
    seen.push_back(signal);
    if (seen.size() == 2) world.runtime().stop();
  });
  ASSERT_TRUE(carried.has_value());
  ::kill(::getpid(), SIGUSR1);
  world.runtime().start([] { ::kill(::getpid(), SIGUSR2); });
  EXPECT_TRUE(world.runtime().run().has_value());
  EXPECT_EQ(seen, (std::vector<int>{SIGUSR1, SIGUSR2}));
  over.set_value();
  of_a_library.join();
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGUSR1);
  sigaddset(&set, SIGUSR2);
  pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
}

TEST(RealLoop, SurvivesAndCountsACallbackThatThrows) {
  auto runtime = RealRuntime::create({}).value();
  runtime->start([] { throw std::runtime_error("stray"); });
  runtime->start([&] { runtime->stop(); });
  EXPECT_TRUE(runtime->run().has_value());
  EXPECT_EQ(runtime->loops()[0]->stray_exceptions(), 1U);
}

TEST(RealLoop, TakesAStormOfPostsFromManyThreads) {
  constexpr size_t kThreads = 4;
  constexpr size_t kEach = 20'000;
  World world(2);
  std::vector<size_t> last(kThreads, 0);  // on the second loop
  size_t count = 0;
  const auto arrive = [&](size_t thread, size_t i) {
    EXPECT_EQ(last[thread], i);  // in the order of posting
    last[thread] = i + 1;
    if (++count == kThreads * kEach) world.runtime().stop();
  };
  std::vector<std::thread> threads;
  for (size_t t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (size_t i = 0; i < kEach; ++i) world.loop(1).post([&, t, i] { arrive(t, i); });
    });
  }
  EXPECT_TRUE(world.runtime().run().has_value());
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(count, kThreads * kEach);
}

Task<void> check_clock(World& world) {
  rt::Loop& loop = world.loop();
  for (const int64_t us : {0, 300, 5'000, 20'000}) {
    const Instant before = loop.now();
    const rt::Deadline until = loop.in(Duration::microseconds(us));
    const rt::Woken woken = co_await rt::sleep(loop, until, "a test");
    EXPECT_EQ(woken, rt::Woken::deadline);
    EXPECT_GE(loop.now() - before, Duration::microseconds(us));
  }
}

TEST(RealLoop, NeverWakesBeforeItsTime) {
  World world;
  world.run(check_clock(world));
}

Task<int> double_it(rt::Loop& loop, int value) {
  co_await rt::yield(loop);
  EXPECT_TRUE(loop.is_current());
  co_return value * 2;
}

Task<void> call_often(World& world, size_t from, size_t& done) {
  rt::Loop& home = world.loop(from);
  rt::Loop& target = world.loop((from + 1) % 3);
  for (int i = 0; i < 500; ++i) {
    auto call = rt::call_on(
        home, target, "double", [&target, i] { return double_it(target, i); }, world.later(from));
    PH_MUST(const int doubled, co_await call);
    EXPECT_EQ(doubled, 2 * i);
    auto work = rt::blocking(
        home, world.runtime().pool(), "adding", [i] { return i + 1; }, world.later(from));
    PH_MUST(const int added, co_await work);
    EXPECT_EQ(added, i + 1);
  }
  ++done;
}

Task<void> count_on_loop(World& world, size_t loop, std::shared_ptr<std::atomic<int>> left) {
  size_t done = 0;
  {
    rt::Scope scope(world.loop(loop), "callers");
    for (int i = 0; i < 8; ++i) scope.spawn("caller", call_often(world, loop, done));
    const Status joined = co_await scope.join(world.later(loop));
    EXPECT_TRUE(joined.has_value());
  }
  EXPECT_EQ(done, 8U);
  if (--*left == 0) world.runtime().stop();
}

TEST(RealLoop, CallsAcrossLoopsAndToThePoolUnderLoad) {
  RealOptions options;
  options.pool_threads = 2;
  options.pool_queue = 3;  // often full
  World world(3, options);
  auto left = std::make_shared<std::atomic<int>>(3);  // shared by three loops
  for (size_t i = 0; i < 3; ++i) world.scope(i).spawn("count", count_on_loop(world, i, left));
  EXPECT_TRUE(world.runtime().run().has_value());
  EXPECT_EQ(*left, 0);
}

Task<void> fill_pool(World& world) {
  auto gate = std::make_shared<std::promise<void>>();  // shared with the pool's thread
  auto opened = gate->get_future().share();
  auto running = std::make_shared<std::promise<void>>();
  EXPECT_TRUE(world.runtime().pool().submit([opened, running] {
    running->set_value();
    opened.wait();
  }));
  running->get_future().wait();
  EXPECT_TRUE(world.runtime().pool().submit([] {}));
  EXPECT_FALSE(world.runtime().pool().submit([] {}));
  auto late =
      rt::blocking(world.loop(), world.runtime().pool(), "work", [] { return 1; }, world.soon());
  const Result<int> refused = co_await late;
  EXPECT_TRUE(!refused.has_value() && refused.error().is(rt::kPoolFull));
  gate->set_value();
  auto work =
      rt::blocking(world.loop(), world.runtime().pool(), "work", [] { return 1; }, world.later());
  PH_MUST(const int one, co_await work);
  EXPECT_EQ(one, 1);
}

RealOptions one_thread() {
  RealOptions options;
  options.pool_threads = 1;
  options.pool_queue = 1;
  return options;
}

TEST(Pool, RefusesWhenFull) {
  World world(1, one_thread());
  world.run(fill_pool(world));
}

Task<void> throw_in_pool(World& world) {
  auto bad = rt::blocking(
      world.loop(), world.runtime().pool(), "throwing",
      []() -> int { throw std::runtime_error("stray"); }, world.soon());
  const Result<int> lost = co_await bad;
  EXPECT_TRUE(!lost.has_value() && lost.error().is(rt::kTimedOut));
  auto work =
      rt::blocking(world.loop(), world.runtime().pool(), "work", [] { return 1; }, world.later());
  PH_MUST(const int one, co_await work);
  EXPECT_EQ(one, 1);
  EXPECT_EQ(world.runtime().pool_stray_exceptions(), 1U);
}

TEST(Pool, SurvivesAndCountsAStrayException) {
  World world(1, one_thread());
  world.run(throw_in_pool(world));
}

Task<int> never(rt::Loop& loop, std::shared_ptr<int> living) {
  co_await rt::sleep(loop, loop.in(Duration::hours(1)), "a test");
  co_return *living;
}

Task<void> leave_guest(World& world, std::shared_ptr<int> living) {
  auto call = rt::call_on(
      world.loop(0), world.loop(1), "guest",
      [&world, living] { return never(world.loop(1), living); }, world.soon());
  const Result<int> late = co_await call;
  EXPECT_TRUE(!late.has_value() && late.error().is(rt::kTimedOut));
}

TEST(RealRuntime, ItsEndFreesGuestsAndWhatWasPostedTooLate) {
  auto living = std::make_shared<int>(1);  // counted by its owners
  {
    World world(2);
    world.run(leave_guest(world, living));
    world.loop(1).post([living] {});
    EXPECT_GE(living.use_count(), 3);
  }
  EXPECT_EQ(living.use_count(), 1);
}

}  // namespace
}  // namespace ph::rt_real::detail
