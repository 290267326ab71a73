#include "service/queue/ledger.h"

#include <gtest/gtest.h>

#include "kv/errors.h"
#include "kv_mem/store.h"
#include "rt_sim/simulation.h"

namespace ph::queue {
namespace {

class LedgerTest : public ::testing::Test {
 protected:
  LedgerTest()
      : host_(sim_.add_host({.name = "mx", .loops = 1})),
        store_(disk_),
        ledger_(host_.loop(), store_, *store_.open(host_.loop(), "queue/0"), 0) {}

  // Changes the message and does not wait for the disk any longer than `patience`.
  static rt::Task<Status> change(Ledger& ledger, model::QueueId id, Duration patience) {
    rt::Loop& home = ledger.home();
    PH_CO_TRY(const MessageGuard guard, co_await ledger.guard(id, home.in(Duration::minutes(1))));
    MessageFacts facts;
    facts.id = id;
    facts.open = 1;
    ledger.put_message(ledger.batch(Ledger::Way::changes), facts);
    co_return co_await ledger.commit(Ledger::Way::changes, Ledger::proof_of(facts),
                                     home.in(patience));
  }
  bool may_be_changed() { return ledger_.try_guard(id_).is_held(); }
  bool is_visible() {
    auto facts = sim_.await(host_.loop(), ledger_.message(id_));
    return facts.has_value() && facts->has_value();
  }

  model::QueueId id_ = model::make_queue_id(0, 1);
  rt_sim::Simulation sim_{1};
  rt_sim::Host& host_;
  kv_mem::MemDisk disk_;
  kv_mem::MemStore store_;
  Ledger ledger_;
};

TEST_F(LedgerTest, AGuardLastsUntilItsCommitIsSettledWhoeverGaveUp) {
  disk_.stall_for(Duration::seconds(30));
  const auto gave_up = sim_.await(host_.loop(), change(ledger_, id_, Duration::seconds(5)));
  ASSERT_TRUE(gave_up.has_value());
  ASSERT_FALSE(gave_up->has_value());
  EXPECT_TRUE(gave_up->error().is(kv::kUncertain));
  EXPECT_FALSE(is_visible());
  EXPECT_FALSE(may_be_changed());
  sim_.run_for(Duration::seconds(40));
  EXPECT_TRUE(is_visible());
  EXPECT_TRUE(may_be_changed());
}

TEST_F(LedgerTest, AGuardOfACallerWhoDiedToo) {
  disk_.stall_for(Duration::seconds(30));
  {
    rt::Scope scope(host_.loop(), "a caller");
    scope.spawn("a change", [](Ledger& ledger, model::QueueId id) -> rt::Task<void> {
      (void)co_await change(ledger, id, Duration::minutes(1));
    }(ledger_, id_));
    sim_.run_for(Duration::seconds(5));
    EXPECT_FALSE(may_be_changed());
  }
  EXPECT_FALSE(may_be_changed());
  sim_.run_for(Duration::seconds(40));
  EXPECT_TRUE(is_visible());
  EXPECT_TRUE(may_be_changed());
}

// The store says that it does not know, for minutes: whoever asked is told so in time, and the
// message can be changed again as soon as the disk answers.
TEST_F(LedgerTest, ADiskThatDoesNotAnswerForMinutesKeepsTheGuardNoLonger) {
  disk_.stall_for(Duration::minutes(10));
  const auto gave_up = sim_.await(host_.loop(), change(ledger_, id_, Duration::minutes(5)));
  ASSERT_TRUE(gave_up.has_value());
  EXPECT_FALSE(gave_up->has_value());
  EXPECT_FALSE(may_be_changed());
  sim_.run_for(Duration::minutes(9));
  EXPECT_TRUE(may_be_changed());
  const auto changed = sim_.await(host_.loop(), change(ledger_, id_, Duration::seconds(5)));
  ASSERT_TRUE(changed.has_value());
  EXPECT_TRUE(changed->has_value());
}

}  // namespace
}  // namespace ph::queue
