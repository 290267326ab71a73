#include "model/queue_row.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/random.h"

namespace ph::model {
namespace {

const Time kNow = Time::from_unix_s(1'795'219'200);
const QueuePolicy kPolicy;

QueueRow fresh() {
  return new_row(make_queue_id(3, 77), 0, {.address = "bob@far.example"}, {}, kNow, kPolicy);
}

QueueHappening begin(Time now) {
  QueueHappening h{.event = QueueEvent::begin, .lane = "smtp:far.example"};
  h.lease = {.owner = 9, .attempt = 1, .until = now + kPolicy.lease};
  return h;
}

QueueRow after(const QueueRow& row, const QueueHappening& h, Time now = kNow) {
  const auto next = step(row, h, now, kPolicy);
  EXPECT_TRUE(next.has_value());
  return next.has_value() ? *next : row;
}

TEST(QueueRow, FollowsTheRetrySchedule) {
  QueueRow row = fresh();
  Time now = kNow;
  const int64_t minutes[] = {1, 1, 1, 5, 15, 30, 60, 60, 60};
  for (const int64_t expected : minutes) {
    row = after(row, begin(now), now);
    row = after(row, {.event = QueueEvent::fail_for_now, .reason = QueueReason::connection_refused},
                now);
    const Duration wait = row.next_action_at - now;
    EXPECT_GE(wait, Duration::seconds(expected * 54));
    EXPECT_LE(wait, Duration::seconds(expected * 66));
    now = row.next_action_at;
  }
  EXPECT_EQ(row.attempts, 9U);
}

TEST(QueueRow, TheSpreadDiffersBetweenRowsAndIsDerivable) {
  QueueRow row = fresh();
  row.step = 7;
  std::vector<int64_t> seen;
  for (uint32_t i = 0; i < 100; ++i) {
    row.index = i;
    EXPECT_EQ(retry_delay(row, kPolicy), retry_delay(row, kPolicy));
    seen.push_back(retry_delay(row, kPolicy).us());
  }
  std::ranges::sort(seen);
  EXPECT_GT(seen[90] - seen[10], Duration::minutes(5).us());
}

TEST(QueueRow, NoClockPassesExpiry) {
  QueueRow row = fresh();
  const Time late = row.expires_at - Duration::seconds(10);
  row = after(row, {.event = QueueEvent::tell_delay}, late);
  row = after(row, begin(late), late);
  row = after(row, {.event = QueueEvent::fail_for_now, .reason = QueueReason::peer_4xx}, late);
  EXPECT_EQ(row.next_action_at, row.expires_at);
  QueueHappening hold{.event = QueueEvent::hold, .reason = QueueReason::held_by_administrator};
  hold.until = late + Duration::days(30);
  row = after(row, hold, late);
  EXPECT_EQ(row.next_action_at, row.expires_at);
  EXPECT_EQ(next_action_of(row), "it expires and goes back to its sender");
}

TEST(QueueRow, TwoLostAttemptsIsolateTheRowAndAnEndedOneForgives) {
  QueueRow row = fresh();
  row = after(row, begin(kNow));
  row = after(row, {.event = QueueEvent::lease_ended});
  EXPECT_EQ(row.reason, QueueReason::worker_lost);
  EXPECT_TRUE(row.maybe_delivered);
  QueueRow forgiven = after(after(row, begin(kNow)),
                            {.event = QueueEvent::fail_for_now, .reason = QueueReason::peer_4xx});
  EXPECT_EQ(forgiven.lost, 0U);
  row = after(after(row, begin(kNow)), {.event = QueueEvent::lease_ended});
  EXPECT_EQ(row.state, QueueState::held);
  EXPECT_EQ(row.reason, QueueReason::poison);
  EXPECT_EQ(row.next_action_at, kNow + kPolicy.poison_review);
}

TEST(QueueRow, ALostAttemptAtAMailboxDuplicatesNothing) {
  QueueHappening h = begin(kNow);
  h.lease.repeat = Lease::Repeat::harmless;
  EXPECT_FALSE(after(after(fresh(), h), {.event = QueueEvent::lease_ended}).maybe_delivered);
}

TEST(QueueRow, AnAttemptThatIsCutOffMayHaveHadItsEffect) {
  QueueHappening hold{.event = QueueEvent::hold, .reason = QueueReason::held_by_administrator};
  hold.until = kNow + Duration::hours(1);
  const QueueHappening all[] = {{.event = QueueEvent::expire}, {.event = QueueEvent::remove}, hold};
  for (const QueueHappening& cut : all) {
    EXPECT_FALSE(after(fresh(), cut).maybe_delivered) << to_text(cut.event);
    EXPECT_TRUE(after(after(fresh(), begin(kNow)), cut).maybe_delivered) << to_text(cut.event);
    QueueHappening harmless = begin(kNow);
    harmless.lease.repeat = Lease::Repeat::harmless;
    EXPECT_FALSE(after(after(fresh(), harmless), cut).maybe_delivered) << to_text(cut.event);
  }
}

TEST(QueueRow, HistoryIsBoundedAndKeepsTheNewest) {
  QueueRow row = fresh();
  for (int i = 0; i < 40; ++i) {
    row = after(row, begin(kNow));
    QueueHappening h{.event = QueueEvent::fail_for_now, .reason = QueueReason::peer_4xx};
    h.replies.push_back({.code = 451, .text = std::string(2000, 'x') + std::to_string(i)});
    h.replies.back().text.insert(0, std::to_string(i) + " ");
    row = after(row, h);
  }
  ASSERT_EQ(row.history.size(), kRepliesKept);
  EXPECT_TRUE(row.history.back().text.starts_with("39 "));
  EXPECT_EQ(row.history.back().text.size(), kReplyTextMax);
}

TEST(QueueRow, CommandsThatMeanNothingAreRefused) {
  QueueRow row = fresh();
  EXPECT_FALSE(step(row, {.event = QueueEvent::release}, kNow, kPolicy).has_value());
  row = after(row, {.event = QueueEvent::remove});
  for (int e = 0; e <= static_cast<int>(QueueEvent::expire); ++e) {
    EXPECT_FALSE(step(row, {.event = static_cast<QueueEvent>(e)}, kNow, kPolicy).has_value());
  }
}

TEST(QueueRow, AHoldIsNotTheBusinessOfALane) {
  const Time until = kNow + Duration::minutes(5);
  const QueueRow row = after(
      fresh(),
      {.event = QueueEvent::hold, .reason = QueueReason::held_by_administrator, .until = until},
      kNow);
  const QueueHappening suspended{.event = QueueEvent::suspend, .until = until + Duration::hours(1)};
  EXPECT_FALSE(step(row, suspended, until - Duration::seconds(1), kPolicy).has_value());
  EXPECT_FALSE(step(row, {.event = QueueEvent::lane_opened}, kNow, kPolicy).has_value());
  EXPECT_EQ(after(row, suspended, until).reason, QueueReason::lane_suspended);
}

TEST(QueueRow, AnyWayThroughTheTableKeepsARowSound) {
  Random random(11);
  for (int walk = 0; walk < 2000; ++walk) {
    QueueRow row = fresh();
    Time now = kNow;
    for (int i = 0; i < 30 && !is_end(row.state); ++i) {
      const auto& edge = kQueueTable.edges[random.below(kQueueTable.edges.size())];
      now = now + random.between(Duration{}, Duration::hours(3));
      QueueHappening h{.event = edge.on};
      for (uint64_t r = 0; r < kQueueReasons; ++r) {
        if (edge.reasons.has(static_cast<QueueReason>(r))) h.reason = static_cast<QueueReason>(r);
      }
      h.lease = {.owner = 1, .attempt = random.next(), .until = now + kPolicy.lease};
      h.until = now + random.between(Duration{}, Duration::days(4));
      if (h.event == QueueEvent::await_report) {
        h.end_state = random.chance(50) ? QueueState::failed : QueueState::expired;
        h.wait_reason = QueueReason::report_budget;
        h.reason = h.end_state == QueueState::failed ? QueueReason::peer_5xx : QueueReason::too_old;
      }
      const auto next = step(row, h, now, kPolicy);
      if (!next.has_value()) continue;
      EXPECT_TRUE(kQueueTable.allows(row.state, h.event, next->state, next->reason));
      row = *next;
      EXPECT_EQ(fault_of(row), "");
      EXPECT_EQ(fault_of(mended(row, now, kPolicy)), "");
      EXPECT_EQ(fault_of(follow_policy(row, now, kPolicy)), "");
      EXPECT_EQ(fault_of(follow_clock(row, now, now - Duration::hours(2), kPolicy)), "");
      EXPECT_EQ(fault_of(follow_clock(row, now, now + Duration::hours(2), kPolicy)), "");
    }
  }
}

TEST(QueueRow, ANewPolicyMovesTheClockOfAWaitingRow) {
  QueueRow row = after(fresh(), begin(kNow));
  row = after(row, {.event = QueueEvent::fail_for_now, .reason = QueueReason::peer_4xx});
  QueuePolicy quick = kPolicy;
  quick.schedule = {Duration::seconds(5)};
  quick.jitter_percent = 0;
  EXPECT_EQ(follow_policy(row, kNow, quick).next_action_at, kNow + Duration::seconds(5));
  const Time late = kNow + Duration::seconds(30);
  EXPECT_EQ(follow_policy(row, late, quick).next_action_at, late);
  quick.expiry = Duration::seconds(2);
  EXPECT_EQ(follow_policy(row, kNow, quick).next_action_at, kNow + Duration::seconds(2));
  EXPECT_EQ(follow_policy(row, late, quick).expires_at, late);
}

TEST(QueueRow, ASenderIsToldOnceThatItWaits) {
  QueueRow row = fresh();
  EXPECT_EQ(row.notice_at, kNow + Duration::hours(4));
  row = after(row, begin(kNow));
  const QueueHappening refused{.event = QueueEvent::fail_for_now, .reason = QueueReason::peer_4xx};
  row = after(row, refused, kNow);
  const Time due = row.notice_at;
  EXPECT_FALSE(is_notice_due(row, kNow));
  EXPECT_TRUE(is_notice_due(row, due));
  const QueueRow told = after(row, {.event = QueueEvent::tell_delay}, due);
  EXPECT_EQ(told.state, row.state);
  EXPECT_EQ(told.since, row.since);
  EXPECT_EQ(told.clock_at, row.clock_at);
  EXPECT_FALSE(is_notice_due(told, due + Duration::days(1)));
  EXPECT_FALSE(is_notice_due(follow_policy(told, due, kPolicy), due + Duration::days(1)));
  Recipient quiet{.address = "bob@far.example", .notify = {.failure = true}};
  EXPECT_EQ(new_row(row.id, 0, quiet, {}, kNow, kPolicy).notice_at, Time{});
}

TEST(QueueRow, PrioritiesAndLanesHaveSchedulesOfTheirOwn) {
  QueuePolicy policy = kPolicy;
  policy.jitter_percent = 0;
  policy.high = {{Duration::seconds(7)}, Duration::hours(8), Duration::minutes(30)};
  policy.routes = {{"smtp:slow.example", {Duration::minutes(9)}}};
  Envelope urgent;
  urgent.mt_priority = 4;
  QueueRow row = new_row(fresh().id, 0, {.address = "x@y.example"}, urgent, kNow, policy);
  EXPECT_EQ(row.expires_at, kNow + Duration::hours(8));
  EXPECT_EQ(row.notice_at, kNow + Duration::minutes(30));
  row.step = 1;
  EXPECT_EQ(retry_delay(row, policy), Duration::seconds(7));
  row.lane = "smtp:slow.example";
  EXPECT_EQ(retry_delay(row, policy), Duration::minutes(9));
  row.priority = Priority::low;
  row.lane = "smtp:far.example";
  EXPECT_EQ(retry_delay(row, policy), policy.schedule.front());
}

TEST(QueueRow, DeliverByEndsOrTells) {
  Envelope by;
  by.deliver_by = {DeliverBy::Mode::return_it, kNow + Duration::minutes(10), false};
  QueueRow row = new_row(fresh().id, 0, {.address = "x@y.example"}, by, kNow, kPolicy);
  EXPECT_EQ(row.expires_at, by.deliver_by.at);
  row = after(row, {.event = QueueEvent::expire}, by.deliver_by.at);
  EXPECT_EQ(row.reason, QueueReason::deliver_by_passed);
  by.deliver_by.mode = DeliverBy::Mode::notify;
  row = new_row(fresh().id, 0, {.address = "x@y.example"}, by, kNow, kPolicy);
  EXPECT_EQ(row.notice_at, by.deliver_by.at);
  EXPECT_EQ(row.expires_at, kNow + kPolicy.expiry);
  const Recipient asks{.address = "x@y.example", .notify = {.failure = true, .delay = true}};
  EXPECT_EQ(new_row(fresh().id, 0, asks, by, kNow, kPolicy).notice_at, by.deliver_by.at);
  const Recipient no_delay{.address = "x@y.example", .notify = {.failure = true}};
  EXPECT_EQ(new_row(fresh().id, 0, no_delay, by, kNow, kPolicy).notice_at, Time{});
}

TEST(QueueRow, WhatIsToLeaveLaterIsScheduledAndItsAgeCountsFromThen) {
  Envelope later;
  later.hold_until = kNow + Duration::days(30);
  QueueRow row = new_row(fresh().id, 0, {.address = "x@y.example"}, later, kNow, kPolicy);
  EXPECT_EQ(row.state, QueueState::scheduled);
  EXPECT_EQ(row.next_action_at, later.hold_until);
  EXPECT_EQ(row.expires_at, later.hold_until + kPolicy.expiry);
  EXPECT_EQ(fault_of(row), "");
  const QueueRow child = child_row(row, 1, {.address = "z@y.example"}, kNow);
  EXPECT_EQ(child.state, QueueState::scheduled);
  EXPECT_EQ(child.next_action_at, later.hold_until);
  const QueueRow released = after(row, {.event = QueueEvent::release}, kNow);
  EXPECT_EQ(child_row(released, 1, {.address = "z@y.example"}, kNow).state, QueueState::ready);
  row = after(row, {.event = QueueEvent::review}, later.hold_until);
  EXPECT_EQ(row.state, QueueState::ready);
  EXPECT_EQ(row.reason, QueueReason::release_time);
}

TEST(QueueRow, ALostDeliveryIsLookedAfterOnceBeyondExpiry) {
  QueueRow row = fresh();
  QueueHappening h = begin(row.expires_at - Duration::seconds(1));
  h.lease.repeat = Lease::Repeat::harmless;
  h.lease.until = row.expires_at + Duration::days(1);
  row = after(row, h, row.expires_at - Duration::seconds(1));
  EXPECT_EQ(row.clock_at, row.expires_at + kAttemptPastExpiry);
  const Time lost = row.clock_at;
  row = after(row, {.event = QueueEvent::lease_ended}, lost);
  EXPECT_EQ(row.state, QueueState::ready);
  EXPECT_EQ(row.expires_at, lost + kPolicy.lease);
  EXPECT_EQ(follow_policy(row, lost, kPolicy).expires_at, row.expires_at);
  row = after(row, h, lost);
  EXPECT_FALSE(has_grace(row));
}

TEST(QueueRow, WhatHasEndedButCannotBeReportedRests) {
  QueueRow row = after(fresh(), begin(kNow));
  QueueHappening wait{.event = QueueEvent::await_report, .reason = QueueReason::peer_5xx};
  wait.until = kNow + Duration::minutes(1);
  row = after(row, wait);
  EXPECT_EQ(row.state, QueueState::reporting);
  EXPECT_EQ(row.reason, QueueReason::report_budget);
  EXPECT_EQ(fault_of(row), "");
  const QueueRow reported = after(row, {.event = QueueEvent::report}, row.clock_at);
  EXPECT_EQ(reported.state, QueueState::failed);
  EXPECT_EQ(reported.reason, QueueReason::peer_5xx);
  const QueueRow gone = after(row, {.event = QueueEvent::expire}, row.expires_at);
  EXPECT_EQ(gone.state, QueueState::failed);
  wait.end_state = QueueState::held;
  EXPECT_FALSE(step(fresh(), wait, kNow, kPolicy).has_value());
}

TEST(QueueRow, TheTrailIsBoundedAndKeepsItsBeginning) {
  QueueRow row = fresh();
  for (int i = 0; i < 100; ++i) {
    row = after(row, begin(kNow));
    row = after(row, {.event = QueueEvent::fail_for_now, .reason = QueueReason::peer_4xx});
  }
  EXPECT_EQ(row.trail.size(), kTrailKept);
  EXPECT_EQ(row.trail.front().reason, QueueReason::new_message);
  EXPECT_EQ(row.trail.back().state, QueueState::waiting_retry);
}

TEST(QueueRow, AStepOfTheClockAgesNothing) {
  QueueRow row = after(fresh(), begin(kNow));
  row = after(row, {.event = QueueEvent::fail_for_now, .reason = QueueReason::peer_4xx});
  const Time later = kNow + Duration::days(3650);
  EXPECT_EQ(follow_clock(row, kNow, later, kPolicy).expires_at, later + kPolicy.expiry);
  const Time earlier = kNow - Duration::days(3650);
  const QueueRow back = follow_clock(row, kNow, earlier, kPolicy);
  EXPECT_LE(back.next_action_at, earlier + Duration::seconds(66));
  EXPECT_LE(back.expires_at, earlier + kPolicy.expiry);
}

TEST(QueueId, TextGoesBothWays) {
  Random random(5);
  for (int i = 0; i < 1000; ++i) {
    const QueueId id = make_queue_id(static_cast<uint32_t>(random.below(kShardsMax)),
                                     1 + random.below(kQueueNumberMax));
    EXPECT_EQ(to_text(id).size(), 13U);
    EXPECT_EQ(parse_queue_id(to_text(id)), id);
  }
  const QueueId id = make_queue_id(1, 1);
  EXPECT_EQ(shard_of(id), 1U);
  EXPECT_EQ(number_of(id), 1U);
  EXPECT_EQ(to_text(id), "00G0000000001");
  EXPECT_EQ(parse_queue_id("oog000000000i"), id);
  for (const char* wrong : {"", "00G000000000", "00G00000000011", "U0G0000000001", "0000000000000",
                            "ZZZZZZZZZZZZZ", "00G000000-001"}) {
    EXPECT_FALSE(parse_queue_id(wrong).has_value()) << wrong;
  }
}

}  // namespace
}  // namespace ph::model
