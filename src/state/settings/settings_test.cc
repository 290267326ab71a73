#include "state/settings/settings.h"

#include <gtest/gtest.h>

#include <utility>

#include "kv/errors.h"
#include "kv_mem/store.h"
#include "rt_sim/simulation.h"

namespace ph::settings {
namespace {

constexpr config::NumberSetting kLow{{"test.low", "The lower end."}, 1, 0, 100};
constexpr config::NumberSetting kHigh{{"test.high", "The upper end."}, 10, 0, 100};
constexpr config::TextSetting kNew{{"test.new", "Of a newer program."}, "none"};

std::string check_order(const config::Values& values) {
  if (values.get(kLow) <= values.get(kHigh)) return {};
  return "test.low is above test.high";
}

class SettingsTest : public ::testing::Test {
 protected:
  SettingsTest() : sim(12), host(sim.add_host({.name = "mx"})) {
    schema.add(kLow);
    schema.add(kHigh);
    schema.add(kNew);
    older.add(kLow);
    older.add(kHigh);
    open(schema);
  }
  ~SettingsTest() override {
    settings.reset();
    store.reset();
    EXPECT_EQ(sim.check(), rt_sim::Findings());
  }

  void open(const config::Schema& with) {
    settings.reset();
    store = nullptr;
    store = std::make_unique<kv_mem::MemStore>(disk);
    const SettingsPorts ports{host.runtime(), *store, with, obs::silent_log()};
    auto made = run(Settings::open(ports, host.loop(), check_order));
    ASSERT_TRUE(made.has_value());
    settings = std::move(*made);
  }
  template <class T>
  T run(rt::Task<T> task) {
    std::optional<T> out = sim.await(host.loop(), std::move(task));
    PH_CHECK(out.has_value());
    return std::move(*out);
  }
  rt::Deadline soon(Duration d = Duration::seconds(10)) { return host.loop().in(d); }
  Status set(const std::string& name, const std::string& value) {
    return run(settings->set(name, value, "anna", soon()));
  }
  uint64_t high(size_t loop = 0) { return settings->source(host.loop(loop)).current().get(kHigh); }

  kv_mem::MemDisk disk;
  config::Schema schema;
  config::Schema older;
  rt_sim::Simulation sim;
  rt_sim::Host& host;
  std::unique_ptr<kv_mem::MemStore> store;
  std::unique_ptr<Settings> settings;
};

TEST_F(SettingsTest, AChangeActsOnItsLoopAtOnceAndOnTheOthersSoon) {
  EXPECT_EQ(high(), 10U);
  const uint64_t epoch = settings->source(host.loop(1)).current().epoch();
  ASSERT_TRUE(set("test.high", "20").has_value());
  EXPECT_EQ(high(), 20U);
  sim.run_until_idle();
  EXPECT_EQ(high(1), 20U);
  EXPECT_GT(settings->source(host.loop(1)).current().epoch(), epoch);
  ASSERT_TRUE(run(settings->reset("test.high", "anna", soon())).has_value());
  EXPECT_EQ(high(), 10U);
  sim.run_until_idle();
  EXPECT_EQ(high(1), 10U);
}

TEST_F(SettingsTest, ARestartKeepsWhatWasSetAndWhatWasReset) {
  ASSERT_TRUE(set("test.high", "20").has_value());
  ASSERT_TRUE(set("test.low", "5").has_value());
  ASSERT_TRUE(run(settings->reset("test.low", "anna", soon())).has_value());
  open(schema);
  for (size_t loop = 0; loop < 2; ++loop) EXPECT_EQ(high(loop), 20U);
  EXPECT_EQ(settings->source(host.loop()).current().get(kLow), 1U);
  EXPECT_EQ(settings->source(host.loop()).current().changed().size(), 1U);
}

TEST_F(SettingsTest, WhatIsIllegalOrContradictoryChangesNothing) {
  EXPECT_TRUE(set("test.nothing", "1").error().is(config::kUnknownSetting));
  EXPECT_TRUE(set("test.high", "101").error().is(config::kBadValue));
  EXPECT_TRUE(set("test.high", "many").error().is(config::kBadValue));
  EXPECT_TRUE(run(settings->reset("x", "anna", soon())).error().is(config::kUnknownSetting));
  const Status contradiction = set("test.high", "0");
  ASSERT_FALSE(contradiction.has_value());
  EXPECT_TRUE(contradiction.error().is(kContradiction));
  EXPECT_EQ(contradiction.error().context(), "test.low is above test.high");
  ASSERT_TRUE(set("test.high", "50").has_value());
  ASSERT_TRUE(set("test.low", "40").has_value());
  EXPECT_TRUE(run(settings->reset("test.high", "anna", soon())).error().is(kContradiction));
  EXPECT_EQ(high(), 50U);
  EXPECT_EQ(run(settings->audit(10))->size(), 2U);
}

TEST_F(SettingsTest, TheAuditSaysWhoChangedWhatNewestFirst) {
  ASSERT_TRUE(set("test.high", "20").has_value());
  ASSERT_TRUE(run(settings->set("test.low", "2", "bert", soon())).has_value());
  ASSERT_TRUE(run(settings->reset("test.high", "anna", soon())).has_value());
  open(schema);
  const auto audit = run(settings->audit(2));
  ASSERT_TRUE(audit.has_value());
  ASSERT_EQ(audit->size(), 2U);
  EXPECT_EQ((*audit)[0].name, "test.high");
  EXPECT_EQ((*audit)[0].value, "");
  EXPECT_EQ((*audit)[1].who, "bert");
  EXPECT_EQ((*audit)[1].value, "2");
  EXPECT_GT((*audit)[0].when.unix_s(), 0);
}

TEST_F(SettingsTest, AValueThatTheSchemaNoLongerAllowsIsIgnoredButKept) {
  ASSERT_TRUE(set("test.new", "x").has_value());
  ASSERT_TRUE(set("test.high", "20").has_value());
  open(older);
  EXPECT_EQ(high(), 20U);
  EXPECT_EQ(settings->source(host.loop()).current().changed().size(), 1U);
  open(schema);
  EXPECT_EQ(settings->source(host.loop()).current().get(kNew), "x");
}

rt::Task<void> keep(rt::Task<Status> task, std::optional<Status>& out) {
  out.emplace(co_await task);
}

TEST_F(SettingsTest, OfTwoChangesAtOnceOneIsAConflict) {
  std::optional<Status> first;
  std::optional<Status> second;
  rt::Scope scope(host.loop(), "admins");
  scope.spawn("first", keep(settings->set("test.low", "20", "a", soon()), first));
  scope.spawn("second", keep(settings->set("test.high", "15", "b", soon()), second));
  scope.spawn("third", keep(settings->set("test.high", "30", "c", soon()), second));
  sim.run_until([&] { return scope.active() == 0; }, Duration::seconds(10));
  EXPECT_LE(settings->source(host.loop()).current().get(kLow), high());
}

TEST_F(SettingsTest, AFailedCommitChangesNothing) {
  disk.fail_next(1);
  EXPECT_TRUE(set("test.high", "20").error().is(kv::kIo));
  EXPECT_EQ(high(), 10U);
  ASSERT_TRUE(set("test.high", "21").has_value());
  EXPECT_EQ(high(), 21U);
}

TEST_F(SettingsTest, AChangeOfUnknownFateActsOnceTheDiskAnswers) {
  disk.stall_for(Duration::seconds(90));
  const Status answer = run(settings->set("test.high", "20", "anna", soon(Duration::seconds(1))));
  ASSERT_FALSE(answer.has_value());
  EXPECT_TRUE(answer.error().is(kv::kUncertain));
  EXPECT_EQ(high(), 10U);
  sim.run_for(Duration::minutes(5));
  EXPECT_EQ(high(), 20U);
  EXPECT_EQ(high(1), 20U);
  ASSERT_TRUE(set("test.low", "15").has_value());
}

TEST_F(SettingsTest, AKilledChangeStopsNoLaterOne) {
  {
    std::optional<Status> answer;
    rt::Scope scope(host.loop(), "admin");
    scope.spawn("set", keep(settings->set("test.high", "3", "anna", soon()), answer));
    disk.stall_for(Duration::seconds(1));
    sim.run_for(Duration::milliseconds(100));
    ASSERT_FALSE(answer.has_value());
  }
  // The killed one came first, so this contradicts it.
  EXPECT_TRUE(set("test.low", "5").error().is(kContradiction));
  EXPECT_EQ(high(), 3U);
  ASSERT_TRUE(set("test.high", "30").has_value());
}

}  // namespace
}  // namespace ph::settings
