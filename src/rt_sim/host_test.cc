#include "rt_sim/host.h"

#include <gtest/gtest.h>

#include <set>
#include <utility>

#include "rt/errors.h"
#include "rt_sim/detail/echo_program.h"
#include "rt_sim/simulation.h"

namespace ph::rt_sim {
namespace {

using detail::kEchoPort;
using detail::talk;

struct Counts {
  int made = 0;
  int destroyed = 0;
  int ticks = 0;
};

// Counts in `counts`, ticks on every loop, and is in the middle of something when it dies.
class Ticker {
 public:
  Ticker(rt::Runtime& runtime, Counts& counts) : counts_(counts) {
    ++counts.made;
    for (rt::Loop* loop : runtime.loops()) {
      scopes_.push_back(std::make_unique<rt::Scope>(*loop, "ticker"));
      scopes_.back()->spawn("tick", tick(*loop, runtime));
    }
  }
  ~Ticker() { ++counts_.destroyed; }

 private:
  rt::Task<void> tick(rt::Loop& loop, rt::Runtime& runtime) {
    for (;;) {
      co_await rt::sleep(loop, loop.in(Duration::milliseconds(1)), "its next tick");
      auto done = co_await rt::blocking(
          loop, runtime.pool(), "a sum", [] { return 1; }, loop.in(Duration::seconds(1)));
      if (done.has_value()) counts_.ticks += *done;
    }
  }

  Counts& counts_;
  std::vector<std::unique_ptr<rt::Scope>> scopes_;
};

TEST(Host, AProgramDiesAtAnyMomentAndStartsAgain) {
  for (uint64_t seed = 1; seed <= 50; ++seed) {
    Counts counts;  // before the simulation, whose end destroys the program that counts
    Simulation sim(seed);
    Host& host = sim.add_host({.name = "host"});
    host.start([&counts](rt::Runtime& r) { return std::make_shared<Ticker>(r, counts); });
    EXPECT_NE(host.program<Ticker>(), nullptr);
    sim.run_for(sim.random().between(Duration::milliseconds(3), Duration::milliseconds(30)));
    sim.after(Duration::microseconds(1), [&host] { host.kill(); });
    sim.run_for(Duration::milliseconds(1));
    EXPECT_FALSE(host.up());
    EXPECT_EQ(counts.destroyed, 1);
    const int ticks = counts.ticks;
    EXPECT_GT(ticks, 0);
    sim.run_for(Duration::seconds(1));
    EXPECT_EQ(counts.ticks, ticks);
    host.restart();
    sim.run_for(Duration::seconds(1));
    EXPECT_GT(counts.ticks, ticks);
    EXPECT_EQ(counts.made, 2);
    EXPECT_EQ(host.starts(), 2U);
    EXPECT_EQ(sim.check(), Findings());
  }
}

rt::Task<void> kill_own_host(rt::Loop& loop, Host& host) {
  co_await rt::sleep(loop, loop.in(Duration::milliseconds(5)), "its end");
  host.restart();
  co_await rt::sleep(loop, loop.in(Duration::milliseconds(5)), "what never comes");
  ADD_FAILURE() << "it lives after its own host was killed";
}

TEST(Host, AnActivityMayKillItsOwnHost) {
  Counts counts;
  Simulation sim(1);
  Host& host = sim.add_host({.name = "host"});
  host.start([&counts](rt::Runtime& r) { return std::make_shared<Ticker>(r, counts); });
  host.spawn("killer", kill_own_host(host.loop(), host));
  sim.run_for(Duration::seconds(1));
  EXPECT_EQ(counts.made, 2);
  EXPECT_EQ(counts.destroyed, 1);
  EXPECT_TRUE(host.up());
}

// A program with guests on another loop, which touch it when their frames are destroyed.
class Hostess {
 public:
  Hostess(rt::Runtime& runtime, Counts& counts) : counts_(counts) {
    ++counts.made;
    rt::Loop& other = *runtime.loops()[1];
    other.guests().spawn("guest", visit(other));
    other.post([mark = Mark{this}]() mutable { mark.hostess = nullptr; });
  }
  ~Hostess() { ++counts_.destroyed; }

 private:
  struct Mark {
    explicit Mark(Hostess* h) : hostess(h), counts(&h->counts_) {}
    Mark(Mark&& other) noexcept
        : hostess(std::exchange(other.hostess, nullptr)), counts(other.counts) {}
    ~Mark() {
      if (hostess != nullptr)
        EXPECT_EQ(counts->destroyed, 0);  // else it would touch a dead program
    }
    Hostess* hostess;
    Counts* counts;
  };
  rt::Task<void> visit(rt::Loop& loop) {
    const Mark mark(this);
    co_await rt::sleep(loop, loop.in(Duration::hours(1)), "the end of its visit");
  }

  Counts& counts_;
};

TEST(Host, GuestsAndPostedCallbacksDieBeforeTheProgram) {
  for (const Duration life : {Duration(), Duration::seconds(1)}) {
    Counts counts;
    Simulation sim(1);
    Host& host = sim.add_host({.name = "host"});
    host.start([&counts](rt::Runtime& r) { return std::make_shared<Hostess>(r, counts); });
    if (life > Duration()) sim.run_for(life);
    host.kill();
    EXPECT_EQ(counts.destroyed, 1);
  }
}

TEST(Host, AHookMayKillAtEveryStep) {
  for (uint64_t step = 1; step <= 120; ++step) {
    Simulation sim(step);
    Host& server = sim.add_host({.name = "server"});
    server.start([&server](rt::Runtime& r) {
      return std::make_shared<detail::EchoProgram>(r, server.endpoint(kEchoPort));
    });
    Host& client = sim.add_host({.name = "client"});
    sim.set_step_hook([&] {
      if (sim.steps() == step) server.restart(step % 2 == 0 ? Crash::power : Crash::process);
    });
    const std::string sent(3000, 'x');
    const auto got = sim.await(
        client.loop(), talk(client.runtime(), client.loop(), server.endpoint(kEchoPort), sent));
    ASSERT_TRUE(got.has_value()) << "step " << step;
    if (got->has_value()) EXPECT_TRUE(**got == sent);
    EXPECT_EQ(sim.check(), Findings()) << "step " << step;
  }
}

TEST(Host, PoolWorkTouchesNoLoopAndAFullPoolIsToldAtTheDeadline) {
  Simulation sim(1);
  Host& host = sim.add_host({.name = "host", .pool_full_percent = 0});
  const auto work = [&host] { return host.loop(0).is_current() || host.loop(1).is_current(); };
  rt::Loop& loop = host.loop();
  const auto run = [&] {
    return *sim.await(loop, rt::blocking(loop, host.runtime().pool(), "a question", work,
                                         loop.in(Duration::seconds(3))));
  };
  const auto touched = run();
  ASSERT_TRUE(touched.has_value());
  EXPECT_FALSE(*touched);
  host.set_pool_room(Host::PoolRoom::none);
  const Instant before = sim.now();
  const auto full = run();
  ASSERT_FALSE(full.has_value());
  EXPECT_TRUE(full.error().is(rt::kPoolFull));
  EXPECT_GE(sim.now() - before, Duration::seconds(3));
  host.set_pool_room(Host::PoolRoom::plenty);
  EXPECT_TRUE(run().has_value());
}

TEST(Host, ThePoolHasABound) {
  Simulation sim(1);
  Host& host = sim.add_host({.name = "host", .pool_queue_max = 3, .pool_full_percent = 0});
  int done = 0;
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(host.runtime().pool().submit([&done] { ++done; }));
  EXPECT_FALSE(host.runtime().pool().submit([&done] { ++done; }));
  sim.run_until_idle();
  EXPECT_EQ(done, 3);
  EXPECT_TRUE(host.runtime().pool().submit([] {}));
}

constexpr auto kPrivate = rt::FileAccess::owner_only;

TEST(Host, FilesAnswerAsADiskDoes) {
  Simulation sim(1);
  Host& host = sim.add_host({.name = "host"});
  rt::Files& files = host.runtime().files();
  EXPECT_TRUE(files.read("a", 10).error().is(rt::kNotFound));
  EXPECT_TRUE(files.replace("no/such/folder", "x", kPrivate).error().is(rt::kNotFound));
  ASSERT_TRUE(files.make_folder("keys/old", kPrivate).has_value());
  ASSERT_TRUE(files.make_folder("keys/old", kPrivate).has_value());
  ASSERT_TRUE(files.replace("keys/old/a", "content", kPrivate).has_value());
  EXPECT_EQ(*files.read("keys/./old/a", 7), "content");
  EXPECT_TRUE(files.read("keys/old/a", 6).error().is(rt::kIo));
  EXPECT_TRUE(files.read("keys", 100).error().is(rt::kIo));
  EXPECT_TRUE(files.exists("keys"));
  ASSERT_TRUE(files.remove("keys/old/a").has_value());
  ASSERT_TRUE(files.remove("keys/old/a").has_value());
  EXPECT_FALSE(files.exists("keys/old/a"));
}

TEST(Host, ADiskThatIsFullOrFailsSaysSo) {
  Simulation sim(1);
  Host& host = sim.add_host({.name = "host"});
  rt::Files& files = host.runtime().files();
  ASSERT_TRUE(files.replace("a", "old", kPrivate).has_value());
  int told = 0;
  host.disk().on_change([&told](const SimDisk& disk) {
    told += disk.room() == SimDisk::Room::none || disk.failures_left() == 2 ? 1 : 0;
  });
  host.disk().set_room(SimDisk::Room::none);
  EXPECT_TRUE(files.replace("a", "new", kPrivate).error().is(rt::kDiskFull));
  host.disk().heal();
  host.disk().fail_next(2);
  EXPECT_TRUE(files.replace("a", "new", kPrivate).error().is(rt::kIo));
  EXPECT_TRUE(files.remove("a").error().is(rt::kIo));
  EXPECT_EQ(*files.read("a", 10), "old");
  host.disk().fail_next_reads(1);
  EXPECT_TRUE(files.read("a", 10).error().is(rt::kIo));
  EXPECT_TRUE(files.replace("a", "new", kPrivate).has_value());
  EXPECT_EQ(told, 2);
}

TEST(Host, ReplaceIsDurableAndRemovalsMayBeUndoneByALossOfPower) {
  std::set<bool> removed;
  std::set<std::string> replaced;
  for (uint64_t seed = 1; seed <= 30; ++seed) {
    Simulation sim(seed);
    Host& host = sim.add_host({.name = "host"});
    rt::Files* files = &host.runtime().files();
    ASSERT_TRUE(files->make_folder("f", kPrivate).has_value());
    ASSERT_TRUE(files->replace("a", "kept", kPrivate).has_value());
    ASSERT_TRUE(files->replace("f/b", "b", kPrivate).has_value());
    ASSERT_TRUE(files->remove("f/b").has_value());
    host.crash_in_next_replace();
    EXPECT_TRUE(files->replace("a", "new", kPrivate).error().is(rt::kIo));
    sim.run_for(Duration::seconds(1));
    ASSERT_FALSE(host.up());
    host.restart();
    files = &host.runtime().files();
    ASSERT_TRUE(files->read("a", 10).has_value());
    replaced.insert(*files->read("a", 10));
    removed.insert(!files->exists("f/b"));
  }
  EXPECT_EQ(removed, (std::set<bool>{false, true}));
  EXPECT_EQ(replaced, (std::set<std::string>{"kept", "new"}));
}

TEST(Host, ACrashOfTheProcessAloneLeavesFilesAsTheyWere) {
  for (uint64_t seed = 1; seed <= 10; ++seed) {
    Simulation sim(seed);
    Host& host = sim.add_host({.name = "host"});
    ASSERT_TRUE(host.runtime().files().replace("a", "x", kPrivate).has_value());
    ASSERT_TRUE(host.runtime().files().remove("a").has_value());
    host.restart(Crash::process);
    EXPECT_FALSE(host.runtime().files().exists("a"));
  }
}

TEST(Host, EntropyFollowsTheSeed) {
  const auto draw = [](uint64_t seed) {
    Simulation sim(seed);
    return sim.add_host({.name = "host"}).runtime().entropy().bytes(32);
  };
  EXPECT_EQ(draw(1), draw(1));
  EXPECT_NE(draw(1), draw(2));
}

}  // namespace
}  // namespace ph::rt_sim
