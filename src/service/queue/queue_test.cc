#include "service/queue/queue.h"

#include <gtest/gtest.h>

#include "service/queue/test_world.h"

namespace ph::queue::test {
namespace {

using model::QueueReason;
using model::QueueRow;
using model::QueueState;

TEST(Queue, AMessageForAMailboxIsDeliveredOnceAndCanBeAskedAbout) {
  World w;
  const auto id = w.accept(message_to({"ann@local.example"}));
  ASSERT_TRUE(id.has_value());
  w.sim.run_for(Duration::seconds(5));
  EXPECT_EQ(w.outside.arrived_at["ann@local.example"], 1);
  const QueueRow row = w.row(*id);
  EXPECT_EQ(row.state, QueueState::delivered);
  EXPECT_EQ(row.reason, QueueReason::taken_by_mailbox);
  EXPECT_EQ(row.attempts, 1U);
  EXPECT_EQ(w.sweep().defects(), 0U);
  EXPECT_EQ(w.disk.blobs(), 0U);  // the octets went with the last row
  EXPECT_EQ(w.sim.check(), rt_sim::Findings());
}

TEST(Queue, AHealthyIdleLaneCostsTwoCommits) {
  World w;
  w.sim.run_for(Duration::seconds(1));
  const uint64_t before = w.disk.commits();
  ASSERT_TRUE(w.accept(message_to({"ann@far.example"})).has_value());
  w.sim.run_for(Duration::seconds(5));
  EXPECT_EQ(w.outside.arrived_at["ann@far.example"], 1);
  EXPECT_EQ(w.disk.commits() - before, 2U);
}

TEST(Queue, ADeadHopIsWaitedForAndThenServed) {
  World w;
  w.hop("smtp:far.example").normal = Behaviour::refuse;
  const auto id = w.accept(message_to({"bob@far.example"}));
  ASSERT_TRUE(id.has_value());
  w.sim.run_for(Duration::seconds(10));
  QueueRow row = w.row(*id);
  EXPECT_EQ(row.state, QueueState::waiting_retry);
  EXPECT_EQ(row.reason, QueueReason::connection_refused);
  ASSERT_FALSE(row.history.empty());
  EXPECT_EQ(row.history.back().text, "connection refused");
  EXPECT_GT(row.next_action_at, w.loop().wall());
  EXPECT_LE(row.next_action_at, w.loop().wall() + Duration::seconds(66));

  w.sim.run_for(Duration::hours(5));
  row = w.row(*id);
  EXPECT_EQ(row.state, QueueState::waiting_retry);
  EXPECT_GE(row.attempts, 6U);
  const Time promised = row.next_action_at;

  w.hop("smtp:far.example").normal = Behaviour::take;
  w.sim.run_for(promised - w.loop().wall() + Duration::seconds(3));
  EXPECT_EQ(w.row(*id).state, QueueState::relayed);
  EXPECT_EQ(w.outside.arrived_at["bob@far.example"], 1);
  EXPECT_EQ(w.hits(), 0);
}

TEST(Queue, ARefusalForNowIsTriedAgainAndARefusalForGoodComesBackAsAReport) {
  World w;
  w.hop("smtp:a.example").script = {Behaviour::say_451};
  w.hop("smtp:b.example").normal = Behaviour::say_550;
  const auto a = w.accept(message_to({"x@a.example"}));
  const auto b = w.accept(message_to({"y@b.example"}));
  ASSERT_TRUE(a.has_value() && b.has_value());
  w.sim.run_for(Duration::seconds(5));
  EXPECT_EQ(w.row(*a).reason, QueueReason::peer_4xx);
  EXPECT_EQ(w.row(*b).state, QueueState::failed);
  EXPECT_EQ(w.outside.reports, 1U);
  w.sim.run_for(Duration::seconds(70));
  EXPECT_EQ(w.row(*a).state, QueueState::relayed);
  EXPECT_EQ(w.outside.arrived_at["sender@else.example"], 1);  // the report
  EXPECT_EQ(w.resting(), 0U);
  EXPECT_EQ(w.hits(), 0);
}

TEST(Queue, AReportThatFailsIsNotReported) {
  World w;
  w.hop("smtp:b.example").normal = Behaviour::say_550;
  w.hop("smtp:else.example").normal = Behaviour::say_550;
  ASSERT_TRUE(w.accept(message_to({"y@b.example"})).has_value());
  w.sim.run_for(Duration::minutes(5));
  EXPECT_EQ(w.outside.reports, 1U);
  EXPECT_EQ(w.resting(), 0U);
}

TEST(Queue, NotifyNeverIsKept) {
  World w;
  w.hop("smtp:b.example").normal = Behaviour::say_550;
  NewMessage message = message_to({"y@b.example"});
  message.recipients[0].notify.never = true;
  ASSERT_TRUE(w.accept(std::move(message)).has_value());
  w.sim.run_for(Duration::minutes(5));
  EXPECT_EQ(w.outside.reports, 0U);
}

TEST(Queue, WhatWaitsTooLongExpiresWithAReport) {
  World w;
  w.set("queue.expiry", "3 h");
  w.hop("smtp:far.example").normal = Behaviour::refuse;
  const auto id = w.accept(message_to({"bob@far.example"}));
  ASSERT_TRUE(id.has_value());
  w.sim.run_for(Duration::minutes(179));
  EXPECT_EQ(w.row(*id).state, QueueState::waiting_retry);
  w.sim.run_for(Duration::minutes(2));
  EXPECT_EQ(w.row(*id).state, QueueState::expired);
  EXPECT_EQ(w.outside.reports, 1U);
  EXPECT_EQ(w.hits(), 0);
}

TEST(Queue, WhatIsHeldExpiresToo) {
  World w;
  w.set("queue.expiry", "3 h");
  w.hop("smtp:far.example").normal = Behaviour::refuse;
  const auto id = w.accept(message_to({"bob@far.example"}));
  w.sim.run_for(Duration::seconds(10));
  ASSERT_TRUE(w.control(*id, Command::hold).has_value());
  EXPECT_EQ(w.row(*id).state, QueueState::held);
  w.sim.run_for(Duration::minutes(185));
  EXPECT_EQ(w.row(*id).state, QueueState::expired);
}

TEST(Queue, AHangingWorkerIsLostAndItsMessageTriedAgain) {
  World w;
  w.set("queue.lease", "10 min");
  w.hop("smtp:far.example").script = {Behaviour::hang};
  const auto id = w.accept(message_to({"bob@far.example"}));
  w.sim.run_for(Duration::minutes(5));
  EXPECT_EQ(w.row(*id).state, QueueState::in_flight);
  w.sim.run_for(Duration::minutes(6));
  const QueueRow row = w.row(*id);
  EXPECT_EQ(row.state, QueueState::relayed);
  EXPECT_TRUE(row.maybe_delivered);  // the hanging attempt may have arrived: one cannot know
  EXPECT_EQ(w.metrics.value("posthorn_queue_lost_workers_total"), 1);
  EXPECT_EQ(w.hits(), 0);
}

TEST(Queue, AMessageThatHangsItsWorkerTwiceIsIsolatedAndReviewed) {
  World w;
  w.set("queue.lease", "10 min");
  w.hop("smtp:far.example").script = {Behaviour::hang, Behaviour::hang};
  const auto id = w.accept(message_to({"bob@far.example"}));
  w.sim.run_for(Duration::minutes(25));
  QueueRow row = w.row(*id);
  EXPECT_EQ(row.state, QueueState::held);
  EXPECT_EQ(row.reason, QueueReason::poison);
  w.sim.run_for(Duration::minutes(61));
  EXPECT_EQ(w.row(*id).state, QueueState::relayed);
}

TEST(Queue, ALostAnswerToTheFinalDotIsItsOwnReason) {
  World w;
  w.hop("smtp:far.example").script = {Behaviour::lose_answer};
  const auto id = w.accept(message_to({"bob@far.example"}));
  w.sim.run_for(Duration::seconds(10));
  EXPECT_EQ(w.row(*id).reason, QueueReason::maybe_delivered);
  w.sim.run_for(Duration::seconds(70));
  EXPECT_TRUE(w.row(*id).maybe_delivered);
  EXPECT_EQ(w.row(*id).state, QueueState::relayed);
}

TEST(Queue, AnAliasStandsForItsMembersOnceEach) {
  World w;
  w.outside.aliases["all@local.example"] = {"ann@local.example", "bob@local.example",
                                            "more@local.example"};
  w.outside.aliases["more@local.example"] = {"BOB@local.example", "cy@far.example",
                                             "all@local.example"};
  const auto id = w.accept(message_to({"all@local.example"}));
  w.sim.run_for(Duration::seconds(20));
  EXPECT_EQ(w.outside.arrived_at["ann@local.example"], 1);
  EXPECT_EQ(w.outside.arrived_at["bob@local.example"], 1);
  EXPECT_EQ(w.outside.arrived_at["cy@far.example"], 1);
  EXPECT_EQ(w.resting(), 0U);
  EXPECT_EQ(w.row(*id, 1).recipient.original_address, "all@local.example");
  EXPECT_EQ(w.sweep().defects(), 0U);
}

TEST(Queue, RecipientsOfOneMessageGoTheirOwnWays) {
  World w;
  w.hop("smtp:dead.example").normal = Behaviour::refuse;
  w.hop("smtp:no.example").normal = Behaviour::say_550;
  const auto id = w.accept(message_to(
      {"a@local.example", "b@dead.example", "c@no.example", "d@far.example", "e@local.example"}));
  w.sim.run_for(Duration::seconds(20));
  EXPECT_EQ(w.row(*id, 0).state, QueueState::delivered);
  EXPECT_EQ(w.row(*id, 1).state, QueueState::waiting_retry);
  EXPECT_EQ(w.row(*id, 2).state, QueueState::failed);
  EXPECT_EQ(w.row(*id, 3).state, QueueState::relayed);
  EXPECT_EQ(w.row(*id, 4).state, QueueState::delivered);
  EXPECT_EQ(w.disk.blobs(), 1U);  // kept for the one that waits
  EXPECT_EQ(w.sweep().defects(), 0U);
}

TEST(Queue, ASlowRouteAndADeadDnsHoldUpNobody) {
  World w;
  w.server()->router.peeks = false;
  w.outside.dns_dead = {"gone.example"};
  std::vector<model::QueueId> ids;
  for (int i = 0; i < 20; ++i) {
    ids.push_back(*w.accept(message_to({"x@gone.example"})));
    ids.push_back(*w.accept(message_to({"y@local.example"})));
  }
  w.sim.run_for(Duration::seconds(10));
  EXPECT_EQ(w.outside.arrived_at["y@local.example"], 20);
  EXPECT_EQ(w.row(ids[0]).reason, QueueReason::dns_failure);
  w.outside.dns_dead.clear();
  w.sim.run_for(Duration::seconds(70));
  EXPECT_EQ(w.outside.arrived_at["x@gone.example"], 20);
}

TEST(Queue, ANewScheduleActsOnRowsThatWait) {
  World w;
  w.hop("smtp:far.example").normal = Behaviour::refuse;
  const auto id = w.accept(message_to({"bob@far.example"}));
  w.sim.run_for(Duration::hours(5));  // by now an hour between attempts
  w.hop("smtp:far.example").normal = Behaviour::take;
  w.set("queue.schedule", "10 s");
  w.sim.run_for(Duration::seconds(45));
  EXPECT_EQ(w.row(*id).state, QueueState::relayed);
  EXPECT_EQ(w.hits(), 0);
}

TEST(Queue, CommandsAnswerTheStateReadBack) {
  World w;
  w.hop("smtp:far.example").normal = Behaviour::refuse;
  const auto id = w.accept(message_to({"bob@far.example"}));
  w.sim.run_for(Duration::minutes(30));
  const auto held = w.control(*id, Command::hold);
  ASSERT_TRUE(held.has_value());
  EXPECT_EQ(held->rows[0].state, QueueState::held);
  EXPECT_EQ(held->rows[0].held_by, "test");
  const auto released = w.control(*id, Command::release);
  ASSERT_TRUE(released.has_value());
  EXPECT_EQ(released->rows[0].reason, QueueReason::released);
  w.sim.run_for(Duration::seconds(5));
  const auto wrong = w.control(*id, Command::release);
  ASSERT_FALSE(wrong.has_value());
  EXPECT_TRUE(wrong.error().is(kNotPossible));

  // `retry` goes out within a second of the hop being healthy, whatever the breaker thinks.
  w.hop("smtp:far.example").normal = Behaviour::take;
  ASSERT_TRUE(w.control(*id, Command::retry).has_value());
  w.sim.run_for(Duration::seconds(1));
  EXPECT_EQ(w.row(*id).state, QueueState::relayed);
  EXPECT_FALSE(w.control(*id, Command::remove).has_value());
}

TEST(Queue, AHoldEndsByItself) {
  World w;
  w.hop("smtp:far.example").script = {Behaviour::say_451};
  const auto id = w.accept(message_to({"bob@far.example"}));
  w.sim.run_for(Duration::seconds(10));
  ASSERT_TRUE(w.control(*id, Command::hold).has_value());
  w.sim.run_for(Duration::minutes(241));
  EXPECT_EQ(w.row(*id).state, QueueState::relayed);
}

TEST(Queue, RemovedIsGoneForGood) {
  World w;
  w.hop("smtp:far.example").normal = Behaviour::refuse;
  const auto id = w.accept(message_to({"bob@far.example"}));
  w.sim.run_for(Duration::seconds(10));
  const auto removed = w.control(*id, Command::remove);
  ASSERT_TRUE(removed.has_value());
  EXPECT_EQ(removed->rows[0].state, QueueState::removed);
  EXPECT_EQ(w.disk.blobs(), 0U);
  EXPECT_EQ(w.outside.reports, 0U);
}

TEST(Queue, AMessageIsFoundByItsMessageId) {
  World w(1, 2);
  w.hop("smtp:far.example").normal = Behaviour::refuse;
  const auto first = w.accept(message_to({"a@far.example"}, "one@x"));
  const auto second = w.accept(message_to({"b@far.example"}, "one@x"));
  ASSERT_TRUE(w.accept(message_to({"c@far.example"}, "two@x")).has_value());
  auto found = w.sim.await(w.loop(), w.queue().find(w.loop(), "<one@x>", 10, w.soon()));
  ASSERT_TRUE(found.has_value() && found->has_value());
  EXPECT_EQ(**found, (std::vector<model::QueueId>{*first, *second}));
}

TEST(Queue, ListsComeInPages) {
  World w(3, 2);
  w.hop("smtp:far.example").normal = Behaviour::refuse;
  for (int i = 0; i < 25; ++i) {
    ASSERT_TRUE(w.accept(message_to({"u" + std::to_string(i) + "@far.example"})).has_value());
  }
  std::string from;
  size_t seen = 0;
  do {
    auto page = w.sim.await(
        w.loop(), w.queue().list(w.loop(), {.lane = {}, .sender = "SENDER", .recipient = "@far"},
                                 from, 10, w.soon()));
    ASSERT_TRUE(page.has_value() && page->has_value());
    EXPECT_LE((*page)->rows.size(), 10U);
    seen += (*page)->rows.size();
    from = (*page)->next;
  } while (!from.empty());
  EXPECT_EQ(seen, 25U);
}

TEST(Queue, TheSameHandoverIsAcceptedOnce) {
  World w(5, 2);
  NewMessage message = message_to({"ann@local.example"});
  message.handover_id = "mailbox 7, submission 12";
  const auto first = w.accept(message);
  w.sim.run_for(Duration::seconds(5));
  const auto again = w.accept(message);
  // From another loop, too.
  auto elsewhere = w.sim.await(
      w.host.loop(1),
      w.queue().accept(w.host.loop(1), message, w.host.loop(1).in(Duration::minutes(1))));
  ASSERT_TRUE(first.has_value() && again.has_value() && elsewhere.has_value());
  EXPECT_EQ(*first, *again);
  EXPECT_EQ(*first, **elsewhere);
  EXPECT_EQ(w.outside.arrived_at["ann@local.example"], 1);
}

TEST(Queue, AFullLaneGivesBackToTheTableAndDrainsWhenItHasRoom) {
  World w;
  w.set("queue.window", "100");
  w.set("queue.lane-connections", "1");
  for (int i = 0; i < 300; ++i) {
    ASSERT_TRUE(w.accept(message_to({"u@far.example"})).has_value());
  }
  ASSERT_TRUE(w.accept(message_to({"v@near.example"})).has_value());
  w.sim.run_for(Duration::seconds(30));
  EXPECT_EQ(w.outside.arrived_at["v@near.example"], 1);
  EXPECT_EQ(w.outside.arrived_at["u@far.example"], 300);
  EXPECT_EQ(w.hits(), 0);
}

TEST(Queue, WhenALaneOpensEverythingThatWaitsForItGoesAtOnce) {
  World w;
  w.hop("smtp:far.example").normal = Behaviour::refuse;
  std::vector<model::QueueId> ids;
  for (int i = 0; i < 100; ++i) ids.push_back(*w.accept(message_to({"u@far.example"})));
  w.sim.run_for(Duration::hours(8));
  EXPECT_EQ(w.resting(), 100U);
  Time first = Time::max();
  for (const auto id : ids) first = std::min(first, w.row(id).next_action_at);
  w.hop("smtp:far.example").normal = Behaviour::take;
  w.sim.run_for(first - w.loop().wall() + Duration::seconds(3));
  EXPECT_EQ(w.outside.arrived_at["u@far.example"], 100);
  EXPECT_EQ(w.hits(), 0);
}

TEST(Queue, StoppingHandsBackAndNothingIsLost) {
  World w;
  w.hop("smtp:far.example").normal = Behaviour::slow;
  for (int i = 0; i < 50; ++i) ASSERT_TRUE(w.accept(message_to({"u@far.example"})).has_value());
  w.sim.run_for(Duration::milliseconds(100));
  auto stopped = w.sim.await(w.loop(), w.queue().stop(w.loop(), w.loop().in(Duration::minutes(2))));
  ASSERT_TRUE(stopped.has_value());
  EXPECT_TRUE(stopped->has_value());
  const auto states = w.states();
  EXPECT_EQ(states.contains(QueueState::in_flight), false);
  EXPECT_EQ(w.sim.check(), rt_sim::Findings());
  w.host.restart(rt_sim::Crash::process);
  w.wait_for_start();
  w.hop("smtp:far.example").normal = Behaviour::take;
  w.sim.run_for(Duration::minutes(2));
  EXPECT_EQ(w.outside.arrived_at["u@far.example"], 50);
}

TEST(Queue, AFullDiskRefusesIntakeAndLosesNothing) {
  World w;
  w.hop("smtp:b.example").script = {Behaviour::say_451};
  const auto id = w.accept(message_to({"y@b.example"}));
  w.sim.run_for(Duration::seconds(5));
  w.disk.set_space(kv_mem::Space::reserve);
  EXPECT_FALSE(w.accept(message_to({"z@b.example"})).has_value());
  w.hop("smtp:b.example").normal = Behaviour::say_550;
  w.sim.run_for(Duration::minutes(3));
  // It failed, but its report has no room: it waits, so that the sender will be told.
  EXPECT_EQ(w.row(*id).reason, QueueReason::disk_full);
  w.disk.set_space(kv_mem::Space::plenty);
  w.sim.run_for(Duration::hours(2));
  EXPECT_EQ(w.row(*id).state, QueueState::failed);
  EXPECT_EQ(w.outside.arrived_at["sender@else.example"], 1);
  EXPECT_EQ(w.hits(), 0);
}

TEST(Queue, ACommitOfWhichNoAnswerCameIsLookedUp) {
  World w;
  w.sim.run_for(Duration::seconds(1));
  w.disk.stall_for(Duration::seconds(70));  // longer than a commit may take
  const auto id = w.accept(message_to({"ann@local.example"}));
  ASSERT_TRUE(id.has_value()) << id.error().to_text();
  w.sim.run_for(Duration::minutes(30));
  EXPECT_EQ(w.row(*id).state, QueueState::delivered);
  EXPECT_EQ(w.outside.arrived_at["ann@local.example"], 1);
  EXPECT_EQ(w.hits(), 0) << w.log.text;
}

TEST(Queue, ShardsOfAFormerStartWithMoreLoopsAreServed) {
  kv_mem::MemDisk disk;
  Outside outside(1);
  config::FixedSource settings;
  obs::Metrics metrics;
  ErrorLog log;
  rt_sim::Simulation sim(4);
  const auto boot = [&](rt::Runtime& runtime) {
    return std::make_shared<Server>(runtime, disk, outside, settings, metrics, log);
  };
  outside.hops["smtp:far.example"].normal = Behaviour::refuse;
  rt_sim::Host& large = sim.add_host({.name = "large", .loops = 4});
  large.start(boot);
  sim.run_for(Duration::seconds(5));
  Queue& queue = *large.program<Server>()->queue;
  for (size_t i = 0; i < 4; ++i) {
    rt::Loop& loop = large.loop(i);
    auto given = sim.await(
        loop, queue.accept(loop, message_to({"u@far.example"}), loop.in(Duration::minutes(1))));
    ASSERT_TRUE(given.has_value() && given->has_value());
  }
  large.kill();
  rt_sim::Host& small = sim.add_host({.name = "small", .loops = 1});
  outside.hops["smtp:far.example"].normal = Behaviour::take;
  small.start(boot);
  sim.run_for(Duration::minutes(5));
  EXPECT_EQ(small.program<Server>()->queue->shards(), 4U);
  EXPECT_EQ(outside.arrived_at["u@far.example"], 4);
}

TEST(Queue, EndedMessagesAreForgottenAfterAWhile) {
  World w;
  w.set("queue.keep-ended", "1 h");
  const auto id = w.accept(message_to({"ann@local.example"}));
  w.sim.run_for(Duration::minutes(30));
  EXPECT_TRUE(w.why(*id).has_value());
  w.sim.run_for(Duration::minutes(40));
  const auto gone = w.why(*id);
  ASSERT_FALSE(gone.has_value());
  EXPECT_TRUE(gone.error().is(kNoSuchMessage));
  EXPECT_EQ(w.sweep().rows, 0U);
}

TEST(Queue, StepsOfTheWallClockDelayNothingAndRepeatNothing) {
  World w;
  w.hop("smtp:far.example").normal = Behaviour::slow;
  const auto id = w.accept(message_to({"bob@far.example"}));
  w.sim.run_for(Duration::seconds(5));
  w.sim.step_wall(Duration::hours(1));  // the lease seems over, but its worker lives
  w.sim.run_for(Duration::minutes(2));
  EXPECT_EQ(w.row(*id).state, QueueState::relayed);
  EXPECT_EQ(w.outside.arrived_at["bob@far.example"], 1);
  w.sim.step_wall(Duration::hours(-3));
  const auto later = w.accept(message_to({"cy@far.example"}));
  w.sim.run_for(Duration::minutes(2));
  EXPECT_EQ(w.row(*later).state, QueueState::relayed);
  EXPECT_EQ(w.hits(), 0);
}

}  // namespace
}  // namespace ph::queue::test
