#include "service/queue/detail/fair_queue.h"

#include <gtest/gtest.h>

#include <map>

#include "base/random.h"

namespace ph::queue {
namespace {

constexpr FairQueue::Allowed kAll{true, true, true};

Item item_of(std::string sender, int mt_priority, std::string id, size_t rows = 1) {
  Item item;
  item.facts.envelope.sender = std::move(sender);
  item.facts.envelope.mt_priority = mt_priority;
  item.facts.message_id = std::move(id);
  item.rows.resize(rows);
  return item;
}

struct FairQueueTest : testing::Test {
  bool push(std::string sender, int mt_priority, std::string id, size_t cap = 1000) {
    Item item = item_of(std::move(sender), mt_priority, std::move(id));
    FairQueue::Pushed pushed = queue.push(item, cap);
    for (const Item& one : pushed.displaced) displaced.push_back(one.facts.message_id);
    return pushed.taken;
  }
  std::string pop(FairQueue::Allowed allowed = kAll) {
    const std::optional<Item> item = queue.pop(allowed);
    return item.has_value() ? item->facts.message_id : "";
  }
  FairQueue queue;
  std::vector<std::string> displaced;
};

TEST_F(FairQueueTest, SendersTakeTurnsAndKeepTheirOrder) {
  for (int i = 0; i < 5; ++i) push("bulk", 0, "b" + std::to_string(i));
  push("ann", 0, "a0");
  push("ann", 0, "a1");
  push("cy", 0, "c0");
  std::string order;
  while (!queue.empty()) order += pop() + " ";
  EXPECT_EQ(order, "b0 a0 c0 b1 a1 b2 b3 b4 ");
  EXPECT_EQ(pop(), "");
}

TEST_F(FairQueueTest, ClassesAreServedByWeight) {
  for (int i = 0; i < 300; ++i) {
    push("x", 5, "high");
    push("x", 0, "normal");
    push("x", -5, "low");
  }
  std::map<std::string, int> served;
  for (int i = 0; i < 210; ++i) ++served[pop()];
  EXPECT_NEAR(served["high"], 160, 2);
  EXPECT_NEAR(served["normal"], 40, 2);
  EXPECT_NEAR(served["low"], 10, 1);
}

TEST_F(FairQueueTest, AClassThatComesLateHasSavedNothingUp) {
  for (int i = 0; i < 100; ++i) push("x", -5, "low");
  for (int i = 0; i < 50; ++i) pop();
  for (int i = 0; i < 50; ++i) push("x", 5, "high");
  std::map<std::string, int> served;
  for (int i = 0; i < 20; ++i) ++served[pop()];
  EXPECT_GE(served["high"], 18);
  EXPECT_GE(served["low"], 1);
}

TEST_F(FairQueueTest, AClassThatStandsBackIsServedWhenNoOtherWaits) {
  push("x", 5, "high");
  push("x", -5, "low");
  EXPECT_EQ(pop({false, true, true}), "low");
  EXPECT_EQ(pop({false, true, true}), "high");
}

TEST_F(FairQueueTest, TheOneWithMostGivesWayWhenItIsFull) {
  for (int i = 0; i < 9; ++i) push("bulk", 0, "b" + std::to_string(i), 10);
  push("ann", 0, "a0", 10);
  EXPECT_FALSE(push("bulk", 0, "b9", 10));
  EXPECT_TRUE(displaced.empty());
  EXPECT_TRUE(push("cy", 0, "c0", 10));
  EXPECT_TRUE(push("ann", 0, "a1", 10));
  EXPECT_EQ(displaced, (std::vector<std::string>{"b8", "b7"}));
  EXPECT_EQ(queue.size(), 10U);
}

TEST_F(FairQueueTest, AClassHasAClaimToAQuarter) {
  for (int i = 0; i < 8; ++i) push("s" + std::to_string(i), -3, "low", 8);
  EXPECT_TRUE(push("ann", 3, "high", 8));
  EXPECT_TRUE(push("ann", 3, "high", 8));
  EXPECT_FALSE(push("ann", 3, "high", 8));
  EXPECT_EQ(displaced.size(), 2U);
  for (int i = 0; i < 8; ++i) EXPECT_LE(queue.rows(), 8U);
}

TEST_F(FairQueueTest, TheCapCountsRows) {
  Item large = item_of("bulk", 0, "large", 100);
  EXPECT_TRUE(queue.push(large, 10).taken);  // alone it has room
  Item small = item_of("bulk", 0, "small");
  EXPECT_FALSE(queue.push(small, 10).taken);
  EXPECT_EQ(small.facts.message_id, "small");  // still the caller's
  pop();
  EXPECT_TRUE(queue.push(small, 10).taken);
  EXPECT_EQ(queue.rows(), 1U);
}

TEST_F(FairQueueTest, WhatIsPutBackIsTheNextOfItsSender) {
  for (int i = 0; i < 3; ++i) push("x", 0, std::to_string(i));
  push("y", 0, "y");
  std::optional<Item> first = queue.pop(kAll);
  queue.put_back(std::move(*first));
  EXPECT_EQ(pop(), "0");
  EXPECT_EQ(pop(), "y");
  EXPECT_EQ(pop(), "1");
}

TEST_F(FairQueueTest, WhatArrivedByThenIsTakenOut) {
  for (int i = 0; i < 6; ++i) {
    Item item = item_of(i % 2 == 0 ? "x" : "y", i - 3, std::to_string(i));
    item.queued_at = Instant::from_us(i);
    queue.push(item, 100);
  }
  EXPECT_EQ(queue.oldest(), Instant::from_us(0));
  EXPECT_EQ(queue.take_until(Instant::from_us(3)).size(), 4U);
  EXPECT_EQ(queue.oldest(), Instant::from_us(4));
  EXPECT_EQ(queue.take_until(Instant::max()).size(), 2U);
  EXPECT_TRUE(queue.empty());
  EXPECT_EQ(queue.oldest(), Instant::max());
}

// Whatever comes and goes: the bound holds, nothing is lost or doubled, a sender's order is kept,
// and a class that waits is served within kPicksMax picks.
TEST(FairQueueProperty, NobodyStarvesAndNothingIsLost) {
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    FairQueue queue;
    const size_t cap = 1 + random.below(60);
    std::map<std::string, uint64_t> last;  // by sender and class
    std::array<size_t, kClasses> passed_over{};
    uint64_t pushed = 0;
    uint64_t gone = 0;
    for (uint64_t step = 0; step < 400; ++step) {
      if (random.chance(55)) {
        const int64_t priority = random.between(-1, 1);
        Item item = item_of("s" + std::to_string(random.below(6)), static_cast<int>(priority),
                            std::to_string(step));
        const FairQueue::Pushed answer = queue.push(item, cap);
        pushed += answer.taken ? 1 : 0;
        gone += answer.displaced.size();
        if (!answer.taken) ASSERT_EQ(item.rows.size(), 1U);
      } else if (std::optional<Item> item = queue.pop(kAll)) {
        ++gone;
        const size_t rank = rank_of(item->facts.envelope.priority());
        const uint64_t number = std::stoull(item->facts.message_id);
        uint64_t& before = last[item->facts.envelope.sender + std::to_string(rank)];
        ASSERT_TRUE(before == 0 || number > before);
        before = number;
        for (size_t r = 0; r < kClasses; ++r) {
          passed_over[r] = r == rank || queue.waiting(r) == 0 ? 0 : passed_over[r] + 1;
          ASSERT_LE(passed_over[r], FairQueue::kPicksMax) << "class " << r;
        }
      }
      ASSERT_LE(queue.rows(), cap);
      ASSERT_EQ(queue.size(), pushed - gone);
      ASSERT_EQ(queue.size(), queue.waiting(0) + queue.waiting(1) + queue.waiting(2));
    }
  }
}

}  // namespace
}  // namespace ph::queue
