// Random outsides, random deaths of the machine: whatever happens, every acknowledged message comes
// to its end, once, or is marked as perhaps delivered.
#include <gtest/gtest.h>

#include "base/random.h"
#include "service/queue/test_world.h"

namespace ph::queue::test {
namespace {

using model::QueueRow;
using model::QueueState;

constexpr uint64_t kSeeds = 100;
const std::vector<std::string> kDomains{"local.example", "a.example", "b.example", "c.example"};

struct Sent {
  std::vector<std::string> to;
  std::optional<model::QueueId> id;  // acknowledged
};

// Several sessions' worth of messages, each given to the queue until it is acknowledged or lost.
struct Load {
  std::map<int, Sent> sent;
  int next = 0;
};

rt::Task<void> give(World& w, Load& load, int number, std::vector<std::string> to, size_t loop) {
  rt::Loop& home = w.host.loop(loop);
  NewMessage message = message_to(to, "m" + std::to_string(number) + "@load");
  auto answer = co_await w.queue().accept(home, std::move(message), home.in(Duration::minutes(1)));
  if (answer.has_value()) load.sent[number].id = *answer;
}

// Questions from every loop to every shard, which may die with the machine at any point.
rt::Task<void> ask(World& w, size_t loop) {
  rt::Loop& home = w.host.loop(loop);
  const rt::Deadline deadline = home.in(Duration::minutes(1));
  (void)co_await w.queue().counts(home, deadline);
  (void)co_await w.queue().find(home, "m1@load", 10, deadline);
  (void)co_await w.queue().sweep(home, deadline);
}

void send_some(World& w, Load& load, Random& random) {
  const int64_t count = random.between(1, 12);
  for (int64_t i = 0; i < count; ++i) {
    const int number = load.next++;
    std::vector<std::string> to;
    const int64_t recipients = random.chance(70) ? 1 : random.between(2, 5);
    for (int64_t r = 0; r < recipients; ++r) {
      to.push_back("u" + std::to_string(number) + "r" + std::to_string(r) + "@" +
                   kDomains[random.below(kDomains.size())]);
    }
    load.sent[number].to = to;
    const size_t loop = random.below(w.host.runtime().loops().size());
    w.host.spawn("sender", give(w, load, number, std::move(to), loop), loop);
  }
}

void shuffle_hops(World& w, Random& random) {
  constexpr Behaviour kAll[] = {Behaviour::take,    Behaviour::take,   Behaviour::say_451,
                                Behaviour::say_550, Behaviour::refuse, Behaviour::lose_answer,
                                Behaviour::hang,    Behaviour::slow};
  for (const std::string lane : {"smtp:a.example", "smtp:b.example", "smtp:c.example", "local"}) {
    w.hop(lane).normal = kAll[random.below(lane == "local" ? 3 : std::size(kAll))];
  }
  w.outside.dns_dead.clear();
  if (random.chance(20)) w.outside.dns_dead.insert("c.example");
}

void disturb(World& w, Random& random) {
  switch (random.below(7)) {
    case 0: w.disk.stall_for(random.between(Duration::seconds(1), Duration::seconds(50))); break;
    case 1: w.disk.fail_next(random.below(5)); break;
    case 2: w.disk.set_space(kv_mem::Space::reserve); break;
    case 3: w.sim.step_wall(Duration::minutes(random.between(-60, 60))); break;
    case 4:
      w.set("queue.schedule", random.chance(50) ? "30 s, 10 min" : "60 s, 5 min, 60 min");
      break;
    case 5: w.server()->router.peeks = random.chance(50); break;
    default: break;
  }
}

void check_messages(World& w, const Load& load) {
  for (const auto& [number, sent] : load.sent) {
    if (!sent.id.has_value()) continue;
    const auto explained = w.why(*sent.id);
    ASSERT_TRUE(explained.has_value()) << "message " << number << " is gone";
    ASSERT_EQ(explained->rows.size(), sent.to.size());
    for (const QueueRow& row : explained->rows) {
      const auto at = w.outside.arrived_at.find(row.recipient.address);
      const int arrived = at == w.outside.arrived_at.end() ? 0 : at->second;
      const bool took = row.state == QueueState::delivered || row.state == QueueState::relayed;
      EXPECT_TRUE(took || row.state == QueueState::failed) << model::to_text(row.state);
      if (took) EXPECT_GE(arrived, 1);
      if (!row.maybe_delivered) EXPECT_EQ(arrived, took ? 1 : 0) << row.recipient.address;
      if (row.recipient.address.ends_with("@local.example")) EXPECT_LE(arrived, 1);
    }
  }
}

void run_seed(uint64_t seed) {
  World w(seed, 1 + seed % 2);
  Random random(seed * 977 + 1);
  w.log.lowest = obs::Level::info;
  Load load;
  w.set("queue.lease", "2 min");
  w.set("queue.poison-after", "5");
  w.set("queue.poison-review", "2 min");
  const int64_t rounds = random.between(3, 10);
  for (int64_t round = 0; round < rounds; ++round) {
    shuffle_hops(w, random);
    send_some(w, load, random);
    w.sim.run_for(random.between(Duration::milliseconds(1), Duration::milliseconds(60)));
    for (size_t loop = 0; loop < w.host.runtime().loops().size(); ++loop) {
      w.host.spawn("asker", ask(w, loop), loop);
    }
    disturb(w, random);
    if (random.chance(50)) {
      w.sim.run_for(random.between(Duration::milliseconds(1), Duration::minutes(20)));
    }
    if (random.chance(60)) {
      w.crash_and_restart();
      ASSERT_NE(w.server(), nullptr);
      ASSERT_NE(w.server()->queue, nullptr);
    }
  }
  // The faults stop.
  w.disk.set_space(kv_mem::Space::plenty);
  w.disk.fail_next(0);
  w.outside.dns_dead.clear();
  for (auto& [lane, hop] : w.outside.hops) {
    hop.normal = Behaviour::take;
    hop.script.clear();
  }
  w.sim.run_for(Duration::minutes(75));  // the longest step of the schedule and a little
  EXPECT_EQ(w.resting(), 0U);
  check_messages(w, load);
  const SweepFindings last = w.sweep();
  EXPECT_EQ(last.defects(), 0U);
  EXPECT_EQ(w.hits(), 0) << w.log.text;
  EXPECT_EQ(w.disk.blobs(), 0U);
  EXPECT_EQ(w.sim.check(), rt_sim::Findings());
}

TEST(QueueCrash, EveryAcknowledgedMessageEndsOnceOrIsMarked) {
  for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    run_seed(seed);
    if (testing::Test::HasFailure()) break;
  }
}

}  // namespace
}  // namespace ph::queue::test
