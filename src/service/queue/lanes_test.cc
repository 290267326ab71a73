// Lanes as seen from outside: how many connections a hop gets and when, who goes first, what a
// fault of one means to others, and that places are never lost.
#include <gtest/gtest.h>

#include "base/record.h"
#include "service/queue/detail/shard.h"
#include "service/queue/test_world.h"

namespace ph::queue::test {
namespace {

using model::QueueReason;
using model::QueueRow;
using model::QueueState;

const std::string kFar = "smtp:far.example";

struct Mail {
  std::string to = "u@far.example";
  std::string sender = "sender@else.example";
  int mt_priority = 0;
  size_t recipients = 1;
};

NewMessage message_of(const Mail& mail) {
  std::vector<std::string> to;
  const size_t at = mail.to.find('@');
  for (size_t i = 0; i < mail.recipients; ++i) {
    to.push_back(i == 0 ? mail.to : mail.to.substr(0, at) + std::to_string(i) + mail.to.substr(at));
  }
  NewMessage message = message_to(std::move(to));
  message.envelope.sender = mail.sender;
  message.envelope.mt_priority = mail.mt_priority;
  return message;
}

// Given at once, not one after the other.
rt::Task<void> give(World& w, NewMessage message) {
  rt::Loop& home = w.loop();
  (void)co_await w.queue().accept(home, std::move(message), home.in(Duration::minutes(5)));
}

void send(World& w, size_t count, const Mail& mail = {}) {
  for (size_t i = 0; i < count; ++i) w.host.spawn("sender", give(w, message_of(mail)));
}

// How many of the first `count` messages of a hop were the sender's.
size_t first_of(const Hop& hop, size_t count, const std::string& sender) {
  size_t n = 0;
  for (size_t i = 0; i < std::min(count, hop.log.size()); ++i) n += hop.log[i].sender == sender;
  return n;
}

// ---- connections ----

TEST(Lanes, ALaneBeginsSmallAndGrowsWithItsSuccesses) {
  World w;
  w.hop(kFar).each = Duration::seconds(1);
  send(w, 600);
  w.sim.run_for(Duration::milliseconds(900));
  EXPECT_EQ(w.hop(kFar).open, 5U);  // queue.lane-start
  w.sim.run_for(Duration::milliseconds(1500));
  EXPECT_GE(w.hop(kFar).open, 6U);
  EXPECT_LE(w.hop(kFar).open, 8U);  // one more a round
  w.sim.run_for(Duration::seconds(40));
  EXPECT_EQ(w.hop(kFar).open_most, 20U);  // queue.lane-connections
  w.sim.run_for(Duration::minutes(2));
  EXPECT_EQ(w.hop(kFar).log.size(), 600U);
  EXPECT_EQ(w.hop(kFar).open, 0U);
  EXPECT_EQ(w.hits(), 0);
}

TEST(Lanes, AHopThatHasEnoughConnectionsGetsFewerAndIsNotRested) {
  World w;
  w.log.lowest = obs::Level::warning;
  w.set("queue.lane-start", "16");
  w.hop(kFar).wanted = 3;
  w.hop(kFar).each = Duration::milliseconds(500);
  send(w, 300);
  w.sim.run_for(Duration::seconds(20));
  EXPECT_EQ(w.hop(kFar).open_most, 3U);
  // It asks for one more now and then, and no more than that.
  const uint64_t before = w.hop(kFar).turned_away;
  w.sim.run_for(Duration::seconds(20));
  EXPECT_LE(w.hop(kFar).turned_away - before, 12U);
  w.sim.run_for(Duration::seconds(60));
  EXPECT_EQ(w.outside.arrived_at["u@far.example"], 300);
  EXPECT_EQ(w.log.text, "");
}

TEST(Lanes, CapsOfASingleLaneGoBeforeTheGeneralOnes) {
  World w;
  w.set("queue.lane-limits",
        "smtp:far.example connections=2 messages=10 recipients=3; smtp:near.example recipients=7");
  w.hop(kFar).each = Duration::milliseconds(100);
  send(w, 100);
  w.sim.run_for(Duration::seconds(30));
  EXPECT_EQ(w.hop(kFar).log.size(), 100U);
  EXPECT_LE(w.hop(kFar).open_most, 2U);
  EXPECT_GE(w.hop(kFar).connections, 10U);  // ten messages each
  EXPECT_LE(w.hop(kFar).connections, 16U);

  send(w, 1, {.to = "v@far.example", .recipients = 10});
  send(w, 1, {.to = "v@near.example", .recipients = 10});
  w.sim.run_for(Duration::seconds(5));
  ASSERT_EQ(w.hop(kFar).log.size(), 104U);
  for (size_t i = 100; i < 104; ++i) EXPECT_LE(w.hop(kFar).log[i].recipients, 3U);
  EXPECT_EQ(w.hop("smtp:near.example").log.size(), 2U);
  EXPECT_EQ(w.resting(), 0U);
}

TEST(Lanes, MoreRecipientsThanElsewhereGoAtOnceWhereThatIsAllowed) {
  World w;
  w.set("queue.recipients-per-attempt", "5");
  w.set("queue.lane-limits", "smtp:far.example recipients=20");
  send(w, 1, {.recipients = 20});
  send(w, 1, {.to = "u@near.example", .recipients = 20});
  w.sim.run_for(Duration::seconds(10));
  EXPECT_EQ(w.hop(kFar).log.size(), 1U);
  EXPECT_EQ(w.hop("smtp:near.example").log.size(), 4U);
}

TEST(Lanes, ARateIsKeptAndWhatWaitsForItKnowsItsTime) {
  World w;
  w.set("queue.lane-limits", "smtp:far.example rate=60");
  send(w, 300);
  w.sim.run_for(Duration::seconds(5));
  const auto states = w.sim.await(w.loop(), w.queue().counts(w.loop(), w.soon()));
  uint64_t limited = 0;
  for (const StateCount& count : **states) {
    if (count.reason == QueueReason::rate_limited) limited += count.rows;
  }
  EXPECT_GE(limited, 200U);
  w.sim.run_for(Duration::minutes(6));
  const std::vector<Carried>& log = w.hop(kFar).log;
  ASSERT_EQ(log.size(), 300U);
  for (size_t i = 0; i + 66 < log.size(); ++i) {
    EXPECT_GE(log[i + 66].when - log[i].when, Duration::seconds(59)) << i;
  }
  EXPECT_LE(log.back().when - log.front().when, Duration::seconds(330));  // and it is used
  EXPECT_EQ(w.hits(), 0);
}

TEST(Lanes, ARaisedRateActsOnWhatWaitsAlready) {
  for (const std::string limits : {"smtp:far.example rate=6000", ""}) {
    World w;
    w.set("queue.lane-limits", "smtp:far.example rate=6");
    send(w, 100);
    w.sim.run_for(Duration::seconds(20));
    EXPECT_LE(w.hop(kFar).log.size(), 5U);
    w.set("queue.lane-limits", limits);
    w.queue().settings_changed(w.loop());
    w.sim.run_for(Duration::seconds(5));
    EXPECT_EQ(w.hop(kFar).log.size(), 100U) << limits;
    EXPECT_EQ(w.resting(), 0U);
    EXPECT_EQ(w.hits(), 0);
  }
}

TEST(Lanes, ARateThatIsRaisedALittleIsKept) {
  World w;
  w.set("queue.lane-limits", "smtp:far.example rate=6");
  send(w, 200);
  w.sim.run_for(Duration::minutes(2));
  const size_t before = w.hop(kFar).log.size();
  w.set("queue.lane-limits", "smtp:far.example rate=30");
  w.queue().settings_changed(w.loop());
  w.sim.run_for(Duration::minutes(2));
  const size_t sent = w.hop(kFar).log.size() - before;
  EXPECT_GE(sent, 57U);
  EXPECT_LE(sent, 64U);
  w.sim.run_for(Duration::minutes(6));
  EXPECT_EQ(w.hop(kFar).log.size(), 200U);
  EXPECT_EQ(w.hits(), 0);
}

// ---- fairness within a lane ----

TEST(Lanes, UrgentMailGoesFirstAndTheRestIsNotStarved) {
  World w;
  w.set("queue.lane-connections", "4");
  w.hop(kFar).each = Duration::milliseconds(200);
  send(w, 150, {.sender = "low@x", .mt_priority = -4});
  w.sim.run_for(Duration::seconds(3));
  const size_t before = w.hop(kFar).log.size();
  send(w, 150, {.sender = "high@x", .mt_priority = 4});
  w.sim.run_for(Duration::milliseconds(5500));  // a hundred messages or so
  size_t high = 0;
  size_t low = 0;
  for (size_t i = before; i < w.hop(kFar).log.size(); ++i) {
    ++(w.hop(kFar).log[i].sender == "high@x" ? high : low);
  }
  EXPECT_GE(high, 2 * low);
  EXPECT_GE(low, 15U);  // a quarter of the connections
  w.sim.run_for(Duration::seconds(60));
  EXPECT_EQ(w.resting(), 0U);
}

TEST(Lanes, ASenderOfFewIsNotBehindASenderOfMany) {
  World w;
  w.set("queue.lane-connections", "2");
  w.hop(kFar).each = Duration::milliseconds(100);
  send(w, 700, {.sender = "bulk@x"});
  w.sim.run_for(Duration::seconds(5));
  const size_t before = w.hop(kFar).log.size();
  send(w, 5, {.sender = "ann@x"});
  w.sim.run_for(Duration::seconds(3));
  EXPECT_EQ(first_of(w.hop(kFar), before + 60, "ann@x"), 5U);
  w.sim.run_for(Duration::seconds(90));
  EXPECT_EQ(w.resting(), 0U);
}

// ---- fairness between lanes ----

TEST(Lanes, ALaneThatFindsNoConnectionFreeGetsTheNextOne) {
  World w;
  w.set("queue.connections", "4");
  for (const std::string name : {"a", "b", "c"}) {
    w.hop("smtp:" + name + ".example").each = Duration::seconds(2);
    send(w, 60, {.to = "u@" + name + ".example"});
  }
  w.sim.run_for(Duration::seconds(10));
  for (const std::string name : {"d", "e"}) send(w, 3, {.to = "u@" + name + ".example"});
  w.sim.run_for(Duration::seconds(5));
  EXPECT_EQ(w.outside.arrived_at["u@d.example"], 3);
  EXPECT_EQ(w.outside.arrived_at["u@e.example"], 3);
  size_t open = 0;
  for (const auto& [lane, hop] : w.outside.hops) open += hop.open;
  EXPECT_LE(open, 4U);
  w.sim.run_for(Duration::minutes(10));
  EXPECT_EQ(w.resting(), 0U);
  EXPECT_EQ(w.hits(), 0);
}

TEST(Lanes, FiftyDeadSlowLanesDoNotDelayAHealthyOne) {
  World w;
  w.set("queue.window", "300");
  w.set("queue.connections", "240");
  for (int i = 0; i < 50; ++i) {
    const std::string name = "slow" + std::to_string(i) + ".example";
    w.hop("smtp:" + name).each = Duration::seconds(200);
    send(w, 10, {.to = "u@" + name, .recipients = 8});
  }
  w.sim.run_for(Duration::minutes(4));
  for (int i = 0; i < 5; ++i) {
    const std::string to = "u" + std::to_string(i) + "@healthy.example";
    send(w, 1, {.to = to});
    w.sim.run_for(Duration::seconds(1));
    EXPECT_EQ(w.outside.arrived_at[to], 1) << i;
    w.sim.run_for(Duration::seconds(20));
  }
  EXPECT_EQ(w.hits(), 0);
}

TEST(Lanes, WithMoreLanesThanConnectionsTheyTakeTurns) {
  World w;
  w.set("queue.connections", "2");
  for (int i = 0; i < 6; ++i) {
    const std::string name = "d" + std::to_string(i) + ".example";
    w.hop("smtp:" + name).each = Duration::seconds(3);
    send(w, 60, {.to = "u@" + name});
  }
  w.sim.run_for(Duration::seconds(60));
  for (const auto& [lane, hop] : w.outside.hops) EXPECT_GE(hop.log.size(), 2U) << lane;
  EXPECT_EQ(w.hits(), 0);
}

// ---- the breaker ----

struct Outage {
  std::vector<model::QueueId> ids;
  // The earliest attempt that is shown: of rows that wait, since a running one has no such time.
  Time first_attempt(World& w) {
    Time first = Time::max();
    for (const auto id : ids) {
      const QueueRow row = w.row(id);
      if (row.state == QueueState::in_flight) return {};
      if (!model::is_end(row.state)) first = std::min(first, row.clock_at);
    }
    return first;
  }
};

void run_outage(uint64_t seed) {
  World w(seed);
  Random random(seed * 7919);
  w.set("queue.expiry", "20 d");
  w.hop(kFar).normal = Behaviour::refuse;
  const int64_t exponent = random.between(0, 18);
  const Duration length = std::min(
      Duration::seconds(int64_t{1} << exponent) + random.between({}, Duration::seconds(60)),
      Duration::days(3));
  Outage outage;
  const int64_t messages = random.between(1, 15);
  for (int64_t i = 0; i < messages; ++i) {
    outage.ids.push_back(*w.accept(message_to({"u" + std::to_string(i) + "@far.example"})));
    if (random.chance(50)) w.sim.run_for(random.between({}, length / (2 * messages)));
  }
  w.sim.run_for(length / 2);
  Time shown = outage.first_attempt(w);
  for (int i = 0; i < 100 && shown == Time{}; ++i) {
    w.sim.run_for(Duration::milliseconds(7));
    shown = outage.first_attempt(w);
  }
  ASSERT_NE(shown, Time{});
  w.hop(kFar).normal = Behaviour::take;
  const Time healed = w.loop().wall();
  const Time bound = std::max(shown, healed) + Duration::seconds(1);
  w.sim.run_until([&] { return !w.hop(kFar).log.empty(); }, Duration::hours(3));
  EXPECT_LE(w.loop().wall(), bound)
      << "healed at " << to_iso8601(healed) << ", shown " << to_iso8601(shown);
  w.sim.run_for(Duration::seconds(3));
  EXPECT_EQ(w.resting(), 0U);
  EXPECT_EQ(w.hits(), 0) << w.log.text;
}

TEST(Lanes, AfterAnOutageTheFirstMessageLeavesAtTheTimeShown) {
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    run_outage(seed);
    if (testing::Test::HasFailure()) break;
  }
}

TEST(Lanes, ADeadHopIsProbedByOneAtATimeAndNewMailIsNotTried) {
  World w;
  w.hop(kFar).normal = Behaviour::refuse;
  for (int i = 0; i < 200; ++i) (void)w.accept(message_to({"u@far.example"}));
  w.sim.run_for(Duration::minutes(3));
  const uint64_t before = w.hop(kFar).attempted;
  w.sim.run_for(Duration::minutes(10));
  EXPECT_LE(w.hop(kFar).attempted - before, 600U);  // about one a second at most
  // New mail goes to the table in the commit that accepts it.
  w.sim.run_until([&, seen = w.hop(kFar).attempted] { return w.hop(kFar).attempted > seen; },
                  Duration::hours(2));
  w.sim.run_for(Duration::seconds(1));
  const uint64_t commits = w.disk.commits();
  const uint64_t attempted = w.hop(kFar).attempted;
  const auto id = w.accept(message_to({"new@far.example"}));
  EXPECT_EQ(w.disk.commits() - commits, 1U);
  EXPECT_EQ(w.hop(kFar).attempted, attempted);
  EXPECT_EQ(w.row(*id).state, QueueState::waiting_retry);
  EXPECT_EQ(w.row(*id).reason, QueueReason::connection_refused);
  EXPECT_EQ(w.hits(), 0);
}

TEST(Lanes, RetryGoesOutWithinASecondWhateverTheBreakerThinks) {
  World w;
  w.hop(kFar).normal = Behaviour::refuse;
  std::vector<model::QueueId> ids;
  for (int i = 0; i < 20; ++i) ids.push_back(*w.accept(message_to({"u@far.example"})));
  w.sim.run_for(Duration::hours(30));
  w.hop(kFar).normal = Behaviour::take;
  ASSERT_TRUE(w.control(ids[7], Command::retry).has_value());
  w.sim.run_for(Duration::seconds(1));
  EXPECT_EQ(w.row(ids[7]).state, QueueState::relayed);
  w.sim.run_for(Duration::seconds(2));
  EXPECT_EQ(w.resting(), 0U);  // the others follow
}

TEST(Lanes, AfterAnOutageALaneWithARateGoesOnAtThatRate) {
  World w;
  w.set("queue.lane-limits", "smtp:far.example rate=60");
  w.hop(kFar).normal = Behaviour::refuse;
  for (int i = 0; i < 25; ++i) (void)w.accept(message_to({"u@far.example"}));
  w.sim.run_for(Duration::hours(9));
  w.hop(kFar).normal = Behaviour::take;
  w.sim.run_until([&] { return !w.hop(kFar).log.empty(); }, Duration::hours(2));
  w.sim.run_for(Duration::seconds(40));
  EXPECT_EQ(w.hop(kFar).log.size(), 25U);
  EXPECT_EQ(w.hits(), 0);
}

TEST(Lanes, ARowThatIsDueShortlyAfterAnotherGoesAtItsOwnTime) {
  World w;
  w.set("queue.schedule", "10 s");
  w.set("queue.jitter", "0");
  w.hop("smtp:a.example").script = {Behaviour::say_451};
  w.hop("smtp:b.example").script = {Behaviour::say_451};
  (void)w.accept(message_to({"u@a.example"}));
  w.sim.run_for(Duration::milliseconds(250));
  const auto later = w.accept(message_to({"u@b.example"}));
  w.sim.run_for(Duration::seconds(2));
  const Time due = w.row(*later).clock_at;
  w.sim.run_for(due - w.loop().wall() + Duration::milliseconds(400));
  EXPECT_EQ(w.outside.arrived_at["u@b.example"], 1);
}

// ---- leases, suspensions ----

TEST(Lanes, ALeakedPlaceIsFoundAndFreedByTheAuditor) {
  World w(1, 1, Defect::leaked_slot);
  w.set("queue.sweep", "1 h");
  w.set("queue.connections", "5");
  send(w, 5);
  w.sim.run_for(Duration::seconds(30));  // five connections have come and gone
  EXPECT_EQ(w.outside.arrived_at["u@far.example"], 5);
  send(w, 1, {.to = "late@far.example"});
  w.sim.run_for(Duration::minutes(10));
  EXPECT_EQ(w.outside.arrived_at["late@far.example"], 0);  // no place is left
  EXPECT_EQ(w.hits(), 0);
  w.sweep();
  EXPECT_EQ(w.hits(), 5);
  w.sim.run_for(Duration::seconds(5));
  EXPECT_EQ(w.outside.arrived_at["late@far.example"], 1);
}

TEST(Lanes, AWorkerThatDiesWhileIdleIsNoticedByTheEndOfItsIdleLease) {
  World w;
  w.set("queue.lane-idle", "1 min");
  ASSERT_TRUE(w.accept(message_to({"u@far.example"})).has_value());
  w.sim.run_for(Duration::seconds(30));
  ASSERT_TRUE(w.queue().kill_worker(w.loop(), 0));
  w.sim.run_for(Duration::seconds(50));
  EXPECT_EQ(w.metrics.value("posthorn_queue_lost_workers_total"), 1);
  w.sim.run_for(Duration::minutes(3));
  EXPECT_EQ(w.hits(), 0);
}

// Its lease runs on for as long as its attempt may take, which is minutes; its place is needed now.
TEST(Lanes, AWorkerThatDiesInAnAttemptKeepsNobodyWaiting) {
  World w;
  w.set("queue.lane-connections", "1");
  w.hop(kFar).script = {Behaviour::hang};
  send(w, 1);
  w.sim.run_for(Duration::seconds(5));
  ASSERT_TRUE(w.queue().kill_worker(w.loop(), 0));
  send(w, 3, {.to = "others@far.example"});
  w.sim.run_for(Duration::seconds(3));
  EXPECT_EQ(w.outside.arrived_at["others@far.example"], 3);
  EXPECT_EQ(w.metrics.value("posthorn_queue_lost_workers_total"), 1);
  EXPECT_EQ(w.hits(), 0);
}

TEST(Lanes, RowsThatFindNoRoomAreNotAskedAgainEverySecond) {
  World w;
  w.set("queue.window", "100");
  w.set("queue.lane-connections", "1");
  w.set("queue.schedule", "10 min");
  w.hop(kFar).normal = Behaviour::refuse;
  send(w, 300);
  w.sim.run_for(Duration::minutes(8));
  w.hop(kFar).normal = Behaviour::take;
  w.hop(kFar).each = Duration::seconds(1);
  w.sim.run_for(Duration::minutes(4));  // all have come due
  EXPECT_GT(w.outside.arrived_at["u@far.example"], 50);
  const auto page = w.sim.await(w.loop(), w.queue().list(w.loop(), {}, "", 1000, w.soon()));
  ASSERT_TRUE(page.has_value() && page->has_value());
  size_t soon = 0;
  for (const ListedRow& listed : (*page)->rows) {
    soon += listed.row.next_action_at < w.sim.wall() + Duration::seconds(10) ? 1 : 0;
  }
  EXPECT_LT(soon, 40U);
  EXPECT_GT(w.resting(), 60U);
  EXPECT_EQ(w.hits(), 0);
}

TEST(Lanes, AHopThatWorksAgainIsToldOfOnAllLoops) {
  World w(3, 2);
  w.set("queue.schedule", "1 h");
  w.hop(kFar).normal = Behaviour::refuse;
  std::vector<model::QueueId> ids;
  for (size_t i = 0; i < 40; ++i) {
    rt::Loop& loop = w.host.loop(i % 2);
    auto answer =
        w.sim.await(loop, w.queue().accept(loop, message_to({"u@far.example"}), w.soon()));
    ASSERT_TRUE(answer.has_value() && answer->has_value());
    ids.push_back(**answer);
  }
  w.sim.run_for(Duration::minutes(2));
  EXPECT_EQ(w.resting(), 40U);
  w.hop(kFar).normal = Behaviour::take;
  ASSERT_TRUE(w.control(ids.front(), Command::retry).has_value());
  w.sim.run_for(Duration::seconds(5));
  EXPECT_EQ(w.outside.arrived_at["u@far.example"], 40);
  EXPECT_EQ(w.hits(), 0);
}

TEST(Lanes, ASecondListOfFailedRowsIsFoundByTheAuditor) {
  World w(1, 1, Defect::second_list);
  w.set("queue.sweep", "1 h");
  w.hop(kFar).script = std::vector<Behaviour>(9, Behaviour::say_451);
  for (int i = 0; i < 9; ++i) (void)w.accept(message_to({"u@far.example"}));
  w.sim.run_for(Duration::seconds(5));
  (void)w.accept(message_to({"v@far.example"}));  // a success: the list is merged
  w.sim.run_for(Duration::minutes(30));
  EXPECT_EQ(w.outside.arrived_at["u@far.example"], 6);
  EXPECT_EQ(w.resting(), 3U);
  w.sweep();
  EXPECT_EQ(w.hits(), 3);
  w.sim.run_for(Duration::seconds(5));
  EXPECT_EQ(w.outside.arrived_at["u@far.example"], 9);
}

// A shard by itself, to reach what the queue's other rooms reach through it.
struct ShardServer {
  ShardServer(rt::Runtime& runtime, kv_mem::MemDisk& disk, Outside& outside,
              config::FixedSource& source, obs::Metrics& figures, obs::Log& errors)
      : store(disk),
        router(outside),
        carriers(outside),
        reporter(outside),
        settings(source),
        metrics(figures),
        log(errors),
        boot(*runtime.loops()[0], "boot") {
    boot.spawn("boot", run(runtime));
  }
  rt::Task<void> run(rt::Runtime& runtime) {
    rt::Loop& loop = *runtime.loops()[0];
    auto partition = store.open(loop, "queue/0");
    if (!partition.has_value()) co_return;
    QueuePorts ports{.runtime = runtime,
                     .store = store,
                     .log = log,
                     .metrics = metrics,
                     .router = router,
                     .carriers = carriers,
                     .reporter = reporter,
                     .settings = [this](const rt::Loop&) -> config::Source& { return settings; }};
    auto made = std::make_unique<Shard>(std::move(ports), loop, std::move(*partition), 0,
                                        key_u64(runtime.entropy().bytes(8), 0) | 1);
    const Status loaded = co_await made->load();
    if (!loaded.has_value()) co_return;
    shard = std::move(made);
    shard->start();
  }
  kv_mem::MemStore store;
  ScriptedRouter router;
  ScriptedCarriers carriers;
  ScriptedReporter reporter;
  config::FixedSource& settings;
  obs::Metrics& metrics;
  obs::Log& log;
  std::unique_ptr<Shard> shard;
  rt::Scope boot;
};

rt::Task<void> give_shard(Shard& shard, NewMessage message) {
  (void)co_await shard.accept(std::move(message), shard.home().in(Duration::minutes(5)));
}

struct ShardWorld {
  explicit ShardWorld(uint64_t seed = 1)
      : disk(World::disk_options(seed)),
        outside(seed * 31 + 7),
        sim(seed),
        host(sim.add_host({.name = "mx", .loops = 1})) {
    add_settings(schema);
    host.start([this](rt::Runtime& runtime) {
      return std::make_shared<ShardServer>(runtime, disk, outside, settings, metrics, log);
    });
    sim.run_until([this] { return host.program<ShardServer>()->shard != nullptr; },
                  Duration::minutes(1));
  }
  Shard& shard() { return *host.program<ShardServer>()->shard; }
  Dispatcher& lanes() { return shard().dispatcher(); }
  void set(std::string_view name, std::string_view value) {
    auto next = settings.current().with(schema, name, value);
    settings.set(std::move(*next));
  }
  void send(size_t count, const Mail& mail = {}) {
    for (size_t i = 0; i < count; ++i) {
      host.spawn("sender", give_shard(shard(), message_of(mail)));
    }
  }
  uint64_t in_state(QueueState state) {
    const rt::Deadline soon = host.loop(0).in(Duration::minutes(5));
    auto counted = sim.await(host.loop(0), shard().desk().counts(soon));
    uint64_t n = 0;
    for (const StateCount& count : **counted) n += count.state == state ? count.rows : 0;
    return n;
  }
  LaneView view(const std::string& lane) {
    for (LaneView& view : lanes().view()) {
      if (view.lane == lane) return view;
    }
    return {};
  }

  kv_mem::MemDisk disk;
  Outside outside;
  config::Schema schema;
  config::FixedSource settings;
  obs::Metrics metrics;
  ErrorLog log;
  rt_sim::Simulation sim;
  rt_sim::Host& host;
};

TEST(Lanes, ASuspendedLaneHandsBackWhatWaitsAndGoesOnWhenResumed) {
  ShardWorld w;
  w.outside.hops[kFar].each = Duration::seconds(10);
  w.send(60);
  w.sim.run_for(Duration::seconds(1));
  Suspension suspension{.lane = kFar, .by = "test", .since = {}, .until = {}};
  suspension.until = w.host.loop(0).wall() + Duration::hours(5);
  w.lanes().suspend(suspension);
  w.sim.run_for(Duration::seconds(30));
  EXPECT_EQ(w.outside.hops[kFar].log.size(), 5U);  // those that were running
  EXPECT_EQ(w.in_state(QueueState::held), 55U);
  EXPECT_EQ(w.view(kFar).health, LaneHealth::suspended);
  w.send(3);
  w.sim.run_for(Duration::minutes(30));
  EXPECT_EQ(w.outside.hops[kFar].log.size(), 5U);
  EXPECT_EQ(w.in_state(QueueState::held), 58U);

  w.outside.hops[kFar].each = {};
  w.lanes().resume(kFar);
  w.sim.run_for(Duration::seconds(5));
  EXPECT_EQ(w.outside.hops[kFar].log.size(), 63U);
  EXPECT_EQ(w.metrics.value("posthorn_auditor_hits"), 0);
}

TEST(Lanes, AViewSaysHowALaneIs) {
  ShardWorld w;
  w.outside.hops[kFar].each = Duration::seconds(10);
  w.outside.hops["smtp:dead.example"].normal = Behaviour::refuse;
  w.send(40);
  w.send(10, {.to = "u@dead.example"});
  w.sim.run_for(Duration::seconds(5));
  const LaneView busy = w.view(kFar);
  EXPECT_EQ(busy.health, LaneHealth::healthy);
  EXPECT_EQ(busy.connections, 5U);
  EXPECT_EQ(busy.connections_allowed, 5U);
  EXPECT_EQ(busy.waiting, 35U);
  const LaneView dead = w.view("smtp:dead.example");
  EXPECT_EQ(dead.health, LaneHealth::resting);
  EXPECT_EQ(dead.fault.text, "connection refused");
  EXPECT_GE(dead.failures, 3U);
  EXPECT_GT(dead.next_action_at, w.host.loop(0).wall());
}

TEST(Lanes, WorkersThatAreKilledAnywhereAreReplacedByTheClockAlone) {
  for (uint64_t seed = 1; seed <= 15; ++seed) {
    SCOPED_TRACE(seed);
    ShardWorld w(seed);
    Random random(seed);
    w.set("queue.lease", "2 min");
    w.set("queue.poison-after", "50");
    w.outside.hops["smtp:dead.example"].normal = Behaviour::refuse;
    size_t sent = 0;
    for (int round = 0; round < 40; ++round) {
      const auto count = static_cast<size_t>(random.between(0, 8));
      sent += 2 * count;
      w.send(count);
      w.send(count, {.to = "u@dead.example"});
      w.sim.run_for(random.between(Duration::microseconds(1), Duration::milliseconds(80)));
      w.lanes().kill_worker(random.next());
    }
    w.outside.hops["smtp:dead.example"].normal = Behaviour::take;
    w.sim.run_for(Duration::minutes(20));
    EXPECT_EQ(w.in_state(QueueState::relayed), sent);
    EXPECT_EQ(w.lanes().workers(), 0U);
    EXPECT_EQ(w.lanes().audit().leaked, 0U);
    EXPECT_EQ(w.metrics.value("posthorn_auditor_hits"), 0) << w.log.text;
    if (testing::Test::HasFailure()) break;
  }
}

TEST(Lanes, ALaneIsForgottenWhenItIsEmptyButNotThatItDoesNotWork) {
  ShardWorld w;
  w.outside.hops["smtp:dead.example"].normal = Behaviour::refuse;
  w.set("queue.schedule", "2 h");
  w.set("queue.lane-probe", "1 h");
  w.send(1);
  w.send(10, {.to = "u@dead.example"});
  w.sim.run_for(Duration::minutes(30));
  EXPECT_EQ(w.view(kFar).lane, "");
  EXPECT_EQ(w.view("smtp:dead.example").health, LaneHealth::resting);
  const uint64_t attempted = w.outside.hops["smtp:dead.example"].attempted;
  w.send(1, {.to = "u@dead.example"});
  w.sim.run_for(Duration::seconds(5));
  EXPECT_EQ(w.outside.hops["smtp:dead.example"].attempted, attempted);
}

}  // namespace
}  // namespace ph::queue::test
