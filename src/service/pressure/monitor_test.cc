#include "service/pressure/monitor.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>

#include "kv_mem/store.h"
#include "rt/errors.h"
#include "rt_sim/simulation.h"
#include "service/pressure/detail/commit_window.h"
#include "service/pressure/options.h"

namespace ph::pressure {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr uint64_t kMib = 1024 * 1024;
constexpr uint64_t kGib = 1024 * kMib;

// What a look does: answers, fails, waits for its deadline, or ignores that too.
enum class Manner : uint8_t { answers, fails, hangs, hangs_for_good };

class ScriptedResources final : public Resources {
 public:
  rt::Task<Result<kv::DiskSpace>> disk(rt::Loop& loop, rt::Deadline deadline) override {
    PH_CO_TRY_STATUS(co_await behave(disk_manner, loop, deadline));
    co_return kv::DiskSpace{disk_free, disk_size};
  }
  rt::Task<Result<rt::MemoryUse>> memory(rt::Loop& loop, rt::Deadline deadline) override {
    PH_CO_TRY_STATUS(co_await behave(memory_manner, loop, deadline));
    co_return rt::MemoryUse{resident, 8 * kGib};
  }
  rt::Task<Result<CommitFigures>> commits(rt::Loop& loop, rt::Deadline deadline) override {
    PH_CO_TRY_STATUS(co_await behave(commit_manner, loop, deadline));
    if (commits_take > Duration()) {
      for (int i = 0; i < 10; ++i) times.add(commits_take);
    }
    co_return CommitFigures{times.counts(), oldest, waiting};
  }
  rt::Task<Status> give_back_memory(rt::Loop&, rt::Deadline) override {
    ++given_back;
    co_return Status();
  }

  Manner disk_manner = Manner::answers;
  Manner memory_manner = Manner::answers;
  Manner commit_manner = Manner::answers;
  uint64_t disk_free = 50 * kGib;
  uint64_t disk_size = 100 * kGib;
  uint64_t resident = kGib;
  DurationHistogram times;
  Duration commits_take = Duration::milliseconds(3);
  std::optional<Instant> oldest;
  uint64_t waiting = 0;
  int given_back = 0;

 private:
  static rt::Task<Status> behave(Manner manner, rt::Loop& loop, rt::Deadline deadline) {
    if (manner == Manner::answers) co_return Status();
    if (manner == Manner::fails) co_return fail(rt::kIo, "the machine does not say");
    const rt::Deadline until = manner == Manner::hangs ? deadline : loop.in(Duration::hours(2));
    const rt::Woken woken = co_await rt::sleep(loop, until, "a hanging look");
    co_return rt::to_status(woken, "a look");
  }
};

class KeptLog final : public obs::Log {
 public:
  bool enabled(obs::Level) const override { return true; }
  void write(obs::Level level, std::string_view event,
             std::initializer_list<obs::Field> fields) override {
    lines.push_back(obs::format_event(level, event, fields));
  }
  std::vector<std::string> lines;
};

class MonitorTest : public ::testing::Test {
 protected:
  MonitorTest() : sim(5), host(sim.add_host({.name = "server"})) {
    add_settings(schema);
    monitor.emplace(Parts{host.loop(), resources, settings, log, metrics});
    monitor->start();
    run(Duration::seconds(5));
  }
  ~MonitorTest() override {
    monitor.reset();
    EXPECT_EQ(sim.check(), rt_sim::Findings());
  }
  void run(Duration length) { sim.run_for(length); }
  void set(std::string_view name, std::string_view value) {
    settings.set(settings.current().with(schema, name, value).value());
  }
  Standing of(Resource resource) { return monitor->report()[static_cast<size_t>(resource)]; }
  std::string stranger() { return monitor->refusal(Sender::stranger); }
  std::string user() { return monitor->refusal(Sender::user); }
  int64_t level(std::string_view resource) {
    return metrics.value("posthorn_pressure_level", obs::labels({{"resource", resource}}));
  }
  int64_t changes(std::string_view resource) {
    return metrics.value("posthorn_pressure_changes_total", obs::labels({{"resource", resource}}));
  }

  rt_sim::Simulation sim;
  rt_sim::Host& host;
  ScriptedResources resources;
  config::Schema schema;
  config::FixedSource settings;
  KeptLog log;
  obs::Metrics metrics;
  std::optional<Monitor> monitor;
};

TEST_F(MonitorTest, WithEnoughOfEverythingItTakesAllMailAndSaysNothing) {
  EXPECT_EQ(stranger(), "");
  EXPECT_EQ(user(), "");
  EXPECT_THAT(log.lines, IsEmpty());
  for (const Resource resource : kResources) {
    EXPECT_EQ(of(resource).level, Level::low) << to_text(resource);
    EXPECT_EQ(of(resource).problem, "");
  }
  EXPECT_EQ(of(Resource::disk).words, "50 % free (50 GiB of 100 GiB)");
  EXPECT_EQ(of(Resource::memory).words, "16 % (1024 MiB of 6144 MiB)");
  EXPECT_EQ(metrics.value("posthorn_disk_free_bytes"), static_cast<int64_t>(50 * kGib));
}

TEST_F(MonitorTest, AFullDiskRefusesStrangersFirstThenEveryone) {
  resources.disk_free = 3 * kGib + 500 * kMib;
  run(Duration::seconds(3));
  EXPECT_EQ(stranger(), "The disk is nearly full (3 % free); try again later");
  EXPECT_EQ(user(), "");
  EXPECT_EQ(level("disk"), 1);
  resources.disk_free = 2 * kGib;
  run(Duration::seconds(3));
  EXPECT_EQ(stranger(), "The disk is nearly full (2 % free); try again later");
  EXPECT_EQ(user(), stranger());
  EXPECT_EQ(level("disk"), 2);
  const Time since = of(Resource::disk).since;
  EXPECT_GE(since + Duration::seconds(3), sim.wall());
  resources.disk_free = 10 * kGib;
  run(Duration::seconds(7));
  EXPECT_NE(user(), "");
  EXPECT_EQ(of(Resource::disk).since, since);
  run(Duration::seconds(7));
  EXPECT_EQ(stranger(), "");
  EXPECT_THAT(log.lines, ElementsAre("warning pressure.level resource=disk from=low to=medium "
                                     "why=\"3 % free (3572 MiB of 100 GiB)\"",
                                     "warning pressure.level resource=disk from=medium to=high "
                                     "why=\"2 % free (2048 MiB of 100 GiB)\"",
                                     "info pressure.level resource=disk from=high to=low "
                                     "why=\"10 % free (10 GiB of 100 GiB)\""));
  EXPECT_EQ(metrics.value("posthorn_pressure_refused_total", "sender=\"stranger\""), 3);
  EXPECT_EQ(metrics.value("posthorn_pressure_refused_total", "sender=\"user\""), 2);
}

TEST_F(MonitorTest, AValueThatSwingsChangesTheLevelOnce) {
  for (int i = 0; i < 500; ++i) {
    resources.disk_free = (i % 2 == 0 ? 4 : 6) * kGib;  // both thresholds
    run(Duration::milliseconds(1900));
  }
  EXPECT_EQ(changes("disk"), 1);
  EXPECT_EQ(log.lines.size(), 1U);
}

TEST_F(MonitorTest, MemoryIsNamedAndGivenBack) {
  resources.resident = 5 * kGib;  // of 6
  run(Duration::seconds(3));
  EXPECT_EQ(stranger(), "Memory is nearly used up (83 % of it); try again later");
  EXPECT_EQ(user(), "");
  EXPECT_EQ(resources.given_back, 1);
  run(Duration::minutes(1));
  EXPECT_GE(resources.given_back, 2);
  EXPECT_LE(resources.given_back, 3);
  resources.resident = 6 * kGib;
  run(Duration::seconds(3));
  EXPECT_NE(user(), "");
  resources.resident = kGib;
  run(Duration::seconds(15));
  EXPECT_EQ(stranger(), "");
}

TEST_F(MonitorTest, SlowCommitsAreNamed) {
  resources.commits_take = Duration::seconds(7);
  run(Duration::seconds(15));
  EXPECT_THAT(stranger(), HasSubstr("Storage is slow (a commit takes 10 s)"));
  EXPECT_EQ(user(), "");
  resources.commits_take = Duration::milliseconds(3);
  run(Duration::seconds(25));
  EXPECT_EQ(stranger(), "");
}

TEST_F(MonitorTest, ADiskThatStandsStillShowsThoughNoCommitIsAnswered) {
  resources.commits_take = Duration();
  resources.oldest = host.loop().now();
  run(Duration::seconds(8));
  EXPECT_THAT(stranger(), HasSubstr("Storage is slow"));
  EXPECT_EQ(user(), "");
  run(Duration::seconds(15));
  EXPECT_THAT(user(), HasSubstr("Storage is slow"));
  resources.oldest.reset();
  run(Duration::seconds(13));
  EXPECT_EQ(stranger(), "");
}

TEST_F(MonitorTest, ManyCommitsThatWaitAreNamed) {
  resources.waiting = 12'000;
  run(Duration::seconds(3));
  EXPECT_EQ(stranger(), "Storage is behind (12000 commits wait); try again later");
  resources.waiting = 25'000;
  run(Duration::seconds(3));
  EXPECT_NE(user(), "");
  EXPECT_EQ(of(Resource::commits).level, Level::high);
  EXPECT_EQ(of(Resource::latency).level, Level::low);
}

TEST_F(MonitorTest, TheWorstResourceIsNamed) {
  resources.disk_free = 4 * kGib;
  resources.waiting = 25'000;
  run(Duration::seconds(3));
  EXPECT_THAT(stranger(), HasSubstr("Storage is behind"));
  EXPECT_THAT(user(), HasSubstr("Storage is behind"));
}

TEST_F(MonitorTest, ALookThatHangsDoesNotFreezeTheLevel) {
  for (const Manner manner : {Manner::hangs, Manner::fails, Manner::hangs_for_good}) {
    resources.disk_free = kGib;
    run(Duration::seconds(12));
    EXPECT_NE(user(), "");
    log.lines.clear();
    resources.disk_manner = manner;
    run(Duration::seconds(15));
    EXPECT_NE(user(), "");  // a reading of 20 s ago still counts
    run(Duration::seconds(10));
    EXPECT_EQ(user(), "") << static_cast<int>(manner);
    EXPECT_EQ(of(Resource::disk).level, std::nullopt);
    EXPECT_EQ(level("disk"), -1);
    ASSERT_EQ(log.lines.size(), 1U);
    EXPECT_THAT(log.lines[0],
                HasSubstr("warning pressure.level resource=disk from=high to=unknown"));
    if (manner != Manner::hangs_for_good) EXPECT_NE(of(Resource::disk).problem, "");
    // The others go on.
    EXPECT_EQ(of(Resource::memory).level, Level::low);
    run(Duration::hours(1));
    EXPECT_EQ(log.lines.size(), 1U);
    resources.disk_manner = Manner::answers;
    run(Duration::hours(2));
    EXPECT_NE(user(), "");
    EXPECT_EQ(of(Resource::disk).problem, "");
    EXPECT_EQ(log.lines.size(), 2U);
  }
}

TEST_F(MonitorTest, AResourceThatWasNeverReadSaysSoOnce) {
  monitor.reset();
  log.lines.clear();
  resources.memory_manner = Manner::fails;
  monitor.emplace(Parts{host.loop(), resources, settings, log, metrics});
  monitor->start();
  run(Duration::hours(1));
  ASSERT_EQ(log.lines.size(), 1U);
  EXPECT_THAT(log.lines[0], HasSubstr("resource=memory from=unknown to=unknown"));
  EXPECT_EQ(level("memory"), -1);
  resources.memory_manner = Manner::answers;
  run(Duration::seconds(3));
  EXPECT_EQ(level("memory"), 0);
}

TEST_F(MonitorTest, ASettingActsAtTheNextLook) {
  resources.disk_free = 10 * kGib;
  run(Duration::seconds(3));
  EXPECT_EQ(stranger(), "");
  set("pressure.disk_medium_enter", "15");
  run(Duration::seconds(3));
  EXPECT_NE(stranger(), "");
  // It contradicts disk_medium_leave (6): then the level is kept while it is entered.
  run(Duration::minutes(1));
  EXPECT_NE(stranger(), "");
  set("pressure.disk_medium_enter", "4");
  run(Duration::seconds(15));
  EXPECT_EQ(stranger(), "");
}

TEST(CommitWindow, OneSlowCommitAmongManyIsNoReason) {
  CommitWindow window;
  DurationHistogram times;
  Instant now;
  const auto step = [&](std::initializer_list<Duration> commits) {
    for (const Duration d : commits) times.add(d);
    now = now + Duration::seconds(2);
    return window.step({times.counts(), std::nullopt, 0}, now);
  };
  const Duration quick = Duration::milliseconds(1);
  const Duration slow = Duration::seconds(30);
  EXPECT_EQ(step({slow, slow, slow, slow, slow}), Duration());  // before it began to look
  EXPECT_EQ(step({quick, quick, quick, slow}), Duration());     // too few for a median
  EXPECT_EQ(step({quick, slow}), quick);
  EXPECT_EQ(step({slow, slow, slow, slow}), slow);
  EXPECT_EQ(step({}), slow);
  // Ten seconds later nothing of that is left.
  EXPECT_EQ(step({quick}), slow);
  for (int i = 0; i < 4; ++i) step({});
  EXPECT_EQ(step({}), Duration());
  const CommitFigures stuck{times.counts(), now - Duration::seconds(17), 0};
  EXPECT_EQ(window.step(stuck, now), Duration::seconds(17));
}

// On the store and the runtime as the program has them.
TEST(Machine, SeesAStalledDiskAndLargeMemory) {
  kv_mem::MemDisk disk;
  rt_sim::Simulation sim(11);
  rt_sim::Host& host = sim.add_host({.name = "server"});
  kv_mem::MemStore store(disk);
  auto partition = store.open(host.loop(), "p").value();
  Machine machine(host.runtime(), store);
  config::FixedSource settings;
  obs::Metrics metrics;
  std::optional<Monitor> monitor;
  monitor.emplace(Parts{host.loop(), machine, settings, obs::silent_log(), metrics});
  monitor->start();
  sim.run_for(Duration::seconds(3));
  for (const Standing& standing : monitor->report()) EXPECT_EQ(standing.level, Level::low);

  disk.stall_for(Duration::seconds(60));
  kv::Batch batch;
  batch.put("k", "v");
  auto committed =
      partition->commit(std::move(batch), {std::nullopt, host.loop().in(Duration::seconds(90))});
  sim.run_for(Duration::seconds(30));
  EXPECT_THAT(monitor->refusal(Sender::user), HasSubstr("Storage is slow"));
  EXPECT_TRUE(sim.await(host.loop(), std::move(committed))->has_value());
  sim.run_for(Duration::seconds(15));
  EXPECT_EQ(monitor->refusal(Sender::stranger), "");

  disk.set_space(kv_mem::Space::reserve);
  sim.run_for(Duration::seconds(3));
  EXPECT_THAT(monitor->refusal(Sender::user), HasSubstr("disk"));
  disk.set_space(kv_mem::Space::plenty);
  sim.run_for(Duration::seconds(15));
  host.memory().set({7 * kGib, 8 * kGib});
  sim.run_for(Duration::seconds(3));
  EXPECT_THAT(monitor->refusal(Sender::user), HasSubstr("Memory"));
  EXPECT_GT(host.memory().given_back(), 0U);
  monitor.reset();
  EXPECT_EQ(sim.check(), rt_sim::Findings());
}

}  // namespace
}  // namespace ph::pressure
