// Every clock of a row holds in every state: expiry, the notice of delay, the sender's wishes.
#include <gtest/gtest.h>

#include "service/queue/queue.h"
#include "service/queue/test_world.h"

namespace ph::queue::test {
namespace {

using model::QueueReason;
using model::QueueRow;
using model::QueueState;

constexpr const char* kLane = "smtp:far.example";

// A row in each state in which one can rest, with an expiry of 3 h and a notice after 1 h.
model::QueueId rest_in(World& w, QueueState state) {
  w.set("queue.expiry", "3 h");
  w.set("queue.delay-notice", "1 h");
  w.set("queue.lease", "6 h");
  NewMessage message = message_to({"bob@far.example"});
  if (state == QueueState::scheduled) {
    message.envelope.hold_until = w.loop().wall() + Duration::minutes(30);
  }
  w.hop(kLane).normal = state == QueueState::in_flight ? Behaviour::slow : Behaviour::refuse;
  w.outside.slow_for = Duration::days(9);
  const auto id = w.accept(std::move(message));
  EXPECT_TRUE(id.has_value());
  w.sim.run_for(Duration::seconds(5));
  if (state == QueueState::held) {
    ControlRequest hold{.id = *id, .command = Command::hold, .by = "test"};
    hold.hold_for = Duration::days(20);
    const auto held = w.sim.await(w.loop(), w.queue().control(w.loop(), hold, w.soon()));
    EXPECT_TRUE(held.has_value() && held->has_value());
  }
  EXPECT_EQ(w.row(*id).state, state);
  return *id;
}

class InEachState : public ::testing::TestWithParam<QueueState> {};

TEST_P(InEachState, TheSenderIsToldOnceAndThenItExpires) {
  World w;
  const model::QueueId id = rest_in(w, GetParam());
  const Duration later =
      GetParam() == QueueState::scheduled ? Duration::minutes(30) : Duration::seconds(0);
  w.sim.run_for(later + Duration::minutes(59));
  EXPECT_EQ(w.outside.told[ReportAction::delayed], 0U);
  w.sim.run_for(Duration::minutes(2));
  EXPECT_EQ(w.outside.told[ReportAction::delayed], 1U);
  EXPECT_FALSE(model::is_end(w.row(id).state));
  w.sim.run_for(Duration::minutes(117));
  EXPECT_EQ(w.outside.told[ReportAction::delayed], 1U);
  EXPECT_FALSE(model::is_end(w.row(id).state));
  // A running attempt may go on for a while behind its row's expiry.
  w.sim.run_for(Duration::minutes(3) + model::kAttemptPastExpiry);
  EXPECT_EQ(w.row(id).state, QueueState::expired);
  EXPECT_EQ(w.row(id).reason, QueueReason::too_old);
  EXPECT_EQ(w.row(id).maybe_delivered, GetParam() == QueueState::in_flight);
  EXPECT_EQ(w.outside.told[ReportAction::failed], 1U);
  EXPECT_EQ(w.hits(), 0);
  EXPECT_EQ(w.sweep().defects(), 0U);
}

INSTANTIATE_TEST_SUITE_P(States, InEachState,
                         ::testing::Values(QueueState::waiting_retry, QueueState::held,
                                           QueueState::in_flight, QueueState::scheduled),
                         [](const auto& each) { return std::string(to_text(each.param)); });

TEST(Clocks, WhatIsToLeaveLaterLeavesThen) {
  World w;
  NewMessage message = message_to({"bob@far.example"});
  message.envelope.hold_until = w.loop().wall() + Duration::hours(3);
  const auto id = w.accept(std::move(message));
  ASSERT_TRUE(id.has_value());
  w.sim.run_for(Duration::hours(3) - Duration::seconds(1));
  EXPECT_EQ(w.row(*id).state, QueueState::scheduled);
  EXPECT_EQ(w.outside.arrived_at["bob@far.example"], 0);
  w.sim.run_for(Duration::seconds(3));
  EXPECT_EQ(w.row(*id).state, QueueState::relayed);
  EXPECT_EQ(w.hits(), 0);
}

TEST(Clocks, ALostDeliveryIsTriedOnceMoreBeyondExpiry) {
  World w;
  w.set("queue.expiry", "1 min");
  w.set("queue.lease", "2 min");
  w.hop("local").script = {Behaviour::hang};
  const auto id = w.accept(message_to({"ann@local.example"}));
  ASSERT_TRUE(id.has_value());
  w.sim.run_for(Duration::minutes(10));
  EXPECT_EQ(w.row(*id).state, QueueState::delivered);
  EXPECT_EQ(w.outside.arrived_at["ann@local.example"], 1);
  EXPECT_EQ(w.outside.reports, 0U);
}

TEST(Clocks, RowsFollowAPolicyThatChangedWhileNoServerRan) {
  World w;
  w.hop(kLane).normal = Behaviour::refuse;
  const auto id = w.accept(message_to({"bob@far.example"}));
  ASSERT_TRUE(id.has_value());
  w.sim.run_for(Duration::hours(5));
  w.host.kill();
  w.set("queue.schedule", "10 s");
  w.host.restart();
  w.wait_for_start();
  w.sim.run_for(Duration::seconds(5));
  EXPECT_LE(w.row(*id).next_action_at, w.loop().wall() + Duration::seconds(12));
}

TEST(Clocks, ARouterThatHangsOrThrowsIsolatesTheMessageAndNothingElse) {
  for (const bool hangs : {true, false}) {
    World w;
    (hangs ? w.outside.route_hangs : w.outside.route_throws).insert("bad.example");
    const auto bad = w.accept(message_to({"x@bad.example"}, "bad"));
    const auto good = w.accept(message_to({"x@far.example"}, "good"));
    ASSERT_TRUE(bad.has_value() && good.has_value());
    w.sim.run_for(Duration::minutes(5));
    EXPECT_EQ(w.row(*good).state, QueueState::relayed);
    const QueueRow row = w.row(*bad);
    EXPECT_EQ(row.state, QueueState::held) << hangs;
    EXPECT_EQ(row.reason, QueueReason::internal_error);
    EXPECT_FALSE(row.held_by.empty());
    w.outside.route_hangs.clear();
    w.outside.route_throws.clear();
    w.sim.run_for(Duration::hours(1) + Duration::minutes(2));
    EXPECT_EQ(w.row(*bad).state, QueueState::relayed);
    EXPECT_EQ(w.hits(), 0);
  }
}

TEST(Clocks, AReporterThatHangsHoldsNothingUp) {
  World w;
  w.hop("smtp:b.example").normal = Behaviour::say_550;
  w.outside.report_hangs = true;
  const auto id = w.accept(message_to({"x@b.example"}));
  ASSERT_TRUE(id.has_value());
  w.sim.run_for(Duration::minutes(5));
  EXPECT_EQ(w.row(*id).state, QueueState::reporting);
  EXPECT_EQ(w.row(*id).reason, QueueReason::internal_error);
  w.outside.report_hangs = false;
  w.sim.run_for(Duration::minutes(20));
  EXPECT_EQ(w.row(*id).state, QueueState::failed);
  EXPECT_EQ(w.outside.reports, 1U);
  EXPECT_EQ(w.hop("smtp:b.example").carried, 1U);
}

}  // namespace
}  // namespace ph::queue::test
