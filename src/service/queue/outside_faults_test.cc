// Regression tests by the numbers of real cases of mail stuck in other servers: those in which
// something outside the queue's own bookkeeping was the cause (a poison message, somebody who does
// not answer, a bad record, a dead worker, too many reports, a command that did nothing). What a
// scenario can express stands in scenarios/regress/case-*.scn.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "service/queue/test_damage.h"

namespace ph::queue::test {
namespace {

using model::QueueId;
using model::QueueReason;
using model::QueueRow;
using model::QueueState;

constexpr const char* kFar = "smtp:far.example";

QueueId send(World& w, std::vector<std::string> to, std::string message_id = "a@b") {
  auto id = w.accept(message_to(std::move(to), std::move(message_id)));
  EXPECT_TRUE(id.has_value());
  return id.value_or(QueueId{});
}

// Given at once, not one after the other.
rt::Task<void> give(World& w, NewMessage message) {
  rt::Loop& home = w.loop();
  (void)co_await w.queue().accept(home, std::move(message), home.in(Duration::minutes(5)));
}

void send_many(World& w, int count, const std::string& to) {
  for (int i = 0; i < count; ++i) w.host.spawn("sender", give(w, message_to({to})));
}

std::vector<ListedRow> rows_of(World& w, const ListFilter& filter) {
  std::vector<ListedRow> out;
  std::string from;
  do {
    auto page = w.sim.await(w.loop(), w.queue().list(w.loop(), filter, from, 500, w.soon()));
    if (!page.has_value() || !page->has_value()) break;
    from = (*page)->next;
    std::ranges::move((*page)->rows, std::back_inserter(out));
  } while (!from.empty());
  return out;
}

size_t count_of(World& w, QueueState state, QueueReason reason) {
  ListFilter filter;
  filter.state = state;
  filter.reason = reason;
  filter.with_ended = true;
  return rows_of(w, filter).size();
}

void expect_sound(World& w) {
  EXPECT_EQ(w.sweep().defects(), 0U) << w.log.text;
  EXPECT_EQ(w.hits(), 0) << w.log.text;
}

Result<Explanation> ask(World& w, ControlRequest request) {
  auto answer = w.sim.await(w.loop(), w.queue().control(w.loop(), std::move(request), w.soon()));
  if (!answer.has_value()) return fail(kBusy, "no answer");
  return std::move(*answer);
}

// KumoMTA wrote a changed recipient or schedule down under the wrong mark, and the change was gone
// when the message was loaded again. Here what a command answered is what is read after a death.
TEST(StuckCases, Case14AChangeIsThereAfterTheReload) {
  World w;
  w.set("queue.schedule", "1 h");
  w.hop(kFar).normal = Behaviour::refuse;
  const QueueId id = send(w, {"old@far.example", "kept@far.example"});
  w.sim.run_for(Duration::seconds(5));
  ControlRequest redirect{
      .id = id, .recipient = 0, .command = Command::redirect, .by = "anna", .to = "new@b.example"};
  w.hop("smtp:b.example").normal = Behaviour::refuse;
  ASSERT_TRUE(ask(w, redirect).has_value());
  w.sim.run_for(Duration::seconds(5));
  ControlRequest hold{.id = id, .recipient = 1, .command = Command::hold, .by = "anna: later"};
  hold.hold_for = Duration::minutes(30);
  ASSERT_TRUE(ask(w, hold).has_value());
  const std::vector<QueueRow> before = w.why(id)->rows;
  ASSERT_EQ(before.size(), 3U);
  EXPECT_EQ(before[1].state, QueueState::held);
  EXPECT_EQ(before[2].recipient.address, "new@b.example");

  w.crash_and_restart();
  EXPECT_EQ(w.why(id)->rows, before);
  w.hop(kFar).normal = Behaviour::take;
  w.hop("smtp:b.example").normal = Behaviour::take;
  w.sim.run_for(Duration::minutes(70));
  EXPECT_EQ(w.outside.arrived_at["new@b.example"], 1);
  EXPECT_EQ(w.outside.arrived_at["old@far.example"], 0);
  EXPECT_EQ(w.outside.arrived_at["kept@far.example"], 1);
  EXPECT_EQ(w.resting(), 0U);
  expect_sound(w);
}

// A purge at KumoMTA made bounces faster than they could leave, and the server ran out of memory.
// Here reports have a budget, what waits for its report is a row like others, and new mail flows.
TEST(StuckCases, Case15APurgeMakesReportsNoFasterThanTheirBudget) {
  World w;
  w.set("queue.reports-per-minute", "30");
  w.hop(kFar).normal = Behaviour::refuse;
  w.hop("smtp:else.example").normal = Behaviour::refuse;  // where the reports are to go
  send_many(w, 150, "bob@far.example");
  w.sim.run_for(Duration::seconds(10));
  BulkRequest purge;
  purge.control.command = Command::remove;
  purge.control.by = "anna";
  purge.control.telling = Telling::with_report;
  do {
    const auto done = w.sim.await(w.loop(), w.queue().control_all(w.loop(), purge, w.soon()));
    ASSERT_TRUE(done.has_value() && done->has_value());
    purge.from = (*done)->next;
  } while (!purge.from.empty());
  w.sim.run_for(Duration::seconds(30));
  EXPECT_LE(w.outside.reports, 80U);
  EXPECT_GE(count_of(w, QueueState::reporting, QueueReason::report_budget), 70U);
  send(w, {"ann@local.example"});
  w.sim.run_for(Duration::seconds(1));
  EXPECT_EQ(w.outside.arrived_at["ann@local.example"], 1);

  w.sim.run_for(Duration::minutes(6));
  EXPECT_EQ(w.outside.reports, 150U);
  EXPECT_EQ(count_of(w, QueueState::removed, QueueReason::removed_by_administrator), 150U);
  w.hop("smtp:else.example").normal = Behaviour::take;
  w.sim.run_for(Duration::hours(1));
  EXPECT_EQ(w.outside.arrived_at["sender@else.example"], 150);
  EXPECT_EQ(w.resting(), 0U);
  expect_sound(w);
}

// One key that Stalwart could not decode ended its scan, and nothing was delivered any more. Here
// every kind of record is spoilt in turn, and keys that are none stand at both ends of each range.
TEST(StuckCases, Case18AnUndecodableRecordStopsNothingElse) {
  const std::string garbage("\xFF\xFF\x00 no record", 13);
  for (const std::string_view prefix :
       {kMessagePrefix, kRowPrefix, kDuePrefix, kEndedPrefix, kMessageIdPrefix, kHandoverPrefix,
        kSuspensionPrefix, kAuditPrefix, kPolicyKey}) {
    SCOPED_TRACE(prefix);
    World w;
    w.set("queue.schedule", "60 s");
    w.hop(kFar).normal = Behaviour::refuse;
    send(w, {"first@far.example"});
    const QueueId victim = send(w, {"victim@far.example"});
    send(w, {"last@far.example", "ann@local.example"});
    w.sim.run_for(Duration::minutes(10));
    {
      Damage d(w);
      kv::Batch batch;
      if (prefix == kMessagePrefix) batch.put(message_key(victim), garbage);
      if (prefix == kRowPrefix) batch.put(row_key(victim, 0), garbage);
      if (prefix == kPolicyKey) batch.put(std::string(kPolicyKey), garbage);
      batch.put(std::string(prefix) + '\0', garbage);
      batch.put(std::string(prefix) + "\x80", garbage);
      batch.put(std::string(prefix) + std::string(40, '\xFF'), garbage);
      d.commit(std::move(batch));
    }
    w.hop(kFar).normal = Behaviour::take;
    w.sim.run_for(Duration::minutes(10));
    for (const char* address : {"first@far.example", "last@far.example", "ann@local.example"}) {
      EXPECT_EQ(w.outside.arrived_at[address], 1) << address;
    }
    send(w, {"new@far.example"});
    w.sim.run_for(Duration::seconds(2));
    EXPECT_EQ(w.outside.arrived_at["new@far.example"], 1);
    EXPECT_EQ(w.sweep().defects(), 0U) << w.log.text;
    EXPECT_EQ(w.resting(), 0U);
  }
}

// Events of a former format were never deleted by Stalwart, and were worked on without a pause.
// Here what leads to nothing is removed by one sweep, and costs nothing before and after it.
TEST(StuckCases, Case19EntriesOfAFormerFormatAreRemovedAndDoNotSpin) {
  World w;
  w.hop(kFar).normal = Behaviour::refuse;
  const QueueId id = send(w, {"bob@far.example"});
  w.sim.run_for(Duration::minutes(10));
  {
    Damage d(w);
    kv::Batch batch;
    for (uint64_t i = 0; i < 500; ++i) {
      const std::string tail = std::to_string(1000 + i);
      batch.put(std::string(kDuePrefix) + "event" + tail, "an old form");  // no key of ours
      batch.put(due_key(w.sim.wall() - Duration::days(9), model::make_queue_id(0, i + 1), 0), "");
    }
    d.commit(std::move(batch));
  }
  w.sim.run_for(Duration::minutes(2));
  EXPECT_EQ(w.hits(), 1000) << w.log.text;
  EXPECT_EQ(w.sweep().defects(), 0U);
  const uint64_t commits = w.disk.commits();
  const uint64_t steps = w.sim.steps();
  w.sim.run_for(Duration::minutes(10));
  EXPECT_LE(w.disk.commits() - commits, 20U);
  EXPECT_LE(w.sim.steps() - steps, 5000U);
  w.hop(kFar).normal = Behaviour::take;
  w.sim.run_for(Duration::hours(1));
  EXPECT_EQ(w.row(id).state, QueueState::relayed);
  EXPECT_EQ(w.hits(), 1000) << w.log.text;
}

// Mails that James could not load filled its window, because nobody acknowledged them, and delivery
// stopped for all. Here the window has 100 places and 200 messages cannot be read: each waits for
// that reason in the table, and goes back to its sender in the end.
TEST(StuckCases, Case33UnreadableMessagesDoNotFillTheWindow) {
  World w;
  w.set("queue.window", "100");
  w.set("queue.expiry", "3 h");
  w.hop(kFar).normal = Behaviour::refuse;
  for (int i = 0; i < 200; ++i) {
    const auto id = w.accept(message_to({"bad@far.example"}, "bad" + std::to_string(i)));
    ASSERT_TRUE(id.has_value());
    w.disk.damage_blob(w.why(*id)->message.blob);
  }
  w.hop(kFar).normal = Behaviour::take;
  w.sim.run_for(Duration::minutes(10));
  EXPECT_EQ(count_of(w, QueueState::waiting_retry, QueueReason::message_unreadable), 200U);
  for (int i = 0; i < 20; ++i) {
    send(w, {"good" + std::to_string(i) + "@far.example"});
    w.sim.run_for(Duration::seconds(2));
    EXPECT_EQ(w.outside.arrived_at["good" + std::to_string(i) + "@far.example"], 1);
  }
  w.sim.run_for(Duration::hours(4));
  EXPECT_EQ(count_of(w, QueueState::expired, QueueReason::too_old), 200U);
  EXPECT_EQ(w.outside.told[ReportAction::failed], 200U);
  EXPECT_EQ(w.resting(), 0U);
  expect_sound(w);
}

// An event on which one listener of James failed was given to all again and again, for there was no
// dead letter for that listener. Here the one recipient is isolated, and its siblings and
// neighbours know nothing of it.
TEST(StuckCases, Case35OneRecipientThatAlwaysFailsIsIsolatedAlone) {
  World w;
  w.set("queue.expiry", "5 h");
  w.outside.route_throws.insert("bad.example");
  std::vector<QueueId> ids;
  for (int i = 0; i < 8; ++i) {
    ids.push_back(send(w, {"ann@local.example", "x@bad.example", "bob@far.example"}));
  }
  w.sim.run_for(Duration::minutes(5));
  EXPECT_EQ(w.outside.arrived_at["ann@local.example"], 8);
  EXPECT_EQ(w.outside.arrived_at["bob@far.example"], 8);
  for (const QueueId id : ids) {
    const QueueRow row = w.row(id, 1);
    EXPECT_EQ(row.state, QueueState::held);
    EXPECT_EQ(row.reason, QueueReason::internal_error);
    EXPECT_LE(row.next_action_at, w.sim.wall() + Duration::hours(1));
  }
  w.sim.run_for(Duration::hours(6));
  EXPECT_EQ(count_of(w, QueueState::expired, QueueReason::too_old), 8U);
  EXPECT_EQ(w.outside.told[ReportAction::failed], 8U);
  EXPECT_EQ(w.outside.arrived_at["ann@local.example"], 8);
  EXPECT_EQ(w.outside.arrived_at["bob@far.example"], 8);
  EXPECT_EQ(w.resting(), 0U);
  expect_sound(w);
}

// The worker of one of ZoneMTA's zones was gone, and the zone sent nothing for a day. Here every
// worker of a lane is killed while it carries, and once more while new ones do.
TEST(StuckCases, Case36ALaneWithoutWorkersGetsNewOnes) {
  World w;
  w.set("queue.lease", "2 min");
  w.set("queue.poison-after", "5");
  w.outside.slow_for = Duration::seconds(10);
  w.hop(kFar).normal = Behaviour::slow;
  for (int i = 0; i < 40; ++i) send(w, {"bob" + std::to_string(i) + "@far.example"});
  for (int round = 0; round < 2; ++round) {
    w.sim.run_for(Duration::seconds(5));
    int killed = 0;
    while (w.queue().kill_worker(w.loop(), 0)) ++killed;
    EXPECT_GT(killed, 0);
    w.sim.run_for(Duration::minutes(2));
    send(w, {"ann@local.example"});
    w.sim.run_for(Duration::seconds(1));
    EXPECT_EQ(w.outside.arrived_at["ann@local.example"], round + 1);
  }
  w.sim.run_for(Duration::minutes(15));
  for (int i = 0; i < 40; ++i) {
    EXPECT_GE(w.outside.arrived_at["bob" + std::to_string(i) + "@far.example"], 1);
  }
  EXPECT_EQ(w.resting(), 0U);
  expect_sound(w);
}

// One message made ZoneMTA's sender process die, and after each start it was the first one again.
// Here it costs its own attempts, is isolated after two, and is tried again alone after a while.
TEST(StuckCases, Case38AMessageThatKillsItsWorkerIsIsolated) {
  World w;
  w.set("queue.lease", "2 min");
  w.set("queue.lane-start", "2");
  w.set("queue.lane-connections", "2");
  w.hop(kFar).script = {Behaviour::throws, Behaviour::take};
  const QueueId bad = send(w, {"bad@far.example"});
  w.sim.run_for(Duration::milliseconds(500));
  for (int i = 0; i < 20; ++i) send(w, {"good@far.example"});
  w.sim.run_for(Duration::seconds(10));
  EXPECT_EQ(w.outside.arrived_at["good@far.example"], 20);
  EXPECT_EQ(w.row(bad).state, QueueState::in_flight);
  w.hop(kFar).script = {Behaviour::throws};  // the next one is its second attempt
  w.sim.run_for(Duration::minutes(5));
  const QueueRow row = w.row(bad);
  EXPECT_EQ(row.state, QueueState::held);
  EXPECT_EQ(row.reason, QueueReason::poison);
  EXPECT_LE(row.next_action_at, w.sim.wall() + Duration::hours(1));
  send(w, {"good@far.example"});
  w.sim.run_for(Duration::seconds(2));
  EXPECT_EQ(w.outside.arrived_at["good@far.example"], 21);
  w.sim.run_for(Duration::hours(1));
  EXPECT_EQ(w.row(bad).state, QueueState::relayed);
  expect_sound(w);
}

// OpenSMTPD's scheduler turned in circles, and nothing left. Here most of the table cannot go on: a
// hop that says nothing for five minutes each time has 400 rows. The rows say so and wait for their
// schedule; they are not written again every few seconds, and others leave at once.
TEST(StuckCases, Case44RowsThatCannotGoOnDoNotKeepTheSchedulerBusy) {
  World w;
  w.set("queue.schedule", "15 min");
  w.outside.slow_for = Duration::minutes(5);
  w.hop(kFar).normal = Behaviour::say_nothing;
  send_many(w, 400, "bob@far.example");
  w.sim.run_for(Duration::minutes(30));  // the lane rests, and probes
  const uint64_t commits = w.disk.commits();
  w.sim.run_for(Duration::hours(1));
  // In an hour each of them is due four times.
  EXPECT_LE(w.disk.commits() - commits, 400U * 5);
  EXPECT_GE(count_of(w, QueueState::waiting_retry, QueueReason::timed_out), 370U);
  for (int i = 0; i < 10; ++i) send(w, {"ann@local.example"});
  w.sim.run_for(Duration::seconds(1));
  EXPECT_EQ(w.outside.arrived_at["ann@local.example"], 10);

  w.hop(kFar).normal = Behaviour::take;
  w.sim.run_for(Duration::minutes(20));  // a probe that still waits, and a step of the schedule
  EXPECT_EQ(w.outside.arrived_at["bob@far.example"], 400);
  EXPECT_EQ(w.resting(), 0U);
  expect_sound(w);
}

// A header that Postfix had to rewrite was longer than a reply inside it might be, and the message
// stayed. Here texts are cut where they are kept, and their length is nobody's reason to wait.
TEST(StuckCases, Case59LongTextsAreCutAndStopNothing) {
  World w;
  w.hop(kFar).script = {Behaviour::say_451};
  NewMessage message = message_to({"bob@far.example"});
  message.message_id = "<" + std::string(500'000, 'i') + "@far>";
  message.subject = std::string(1'000'000, '\xFF');
  message.handover_id = std::string(kHandoverIdMax, 'h');
  message.envelope.client_helo = std::string(100'000, 'c');
  message.envelope.envelope_id = std::string(100'000, 'e');
  message.recipients[0].original_type = "rfc822";
  message.recipients[0].original_address = std::string(100'000, 'o');
  const auto id = w.accept(std::move(message));
  ASSERT_TRUE(id.has_value()) << id.error().to_text();
  w.sim.run_for(Duration::seconds(5));
  EXPECT_EQ(w.row(*id).state, QueueState::waiting_retry);
  ControlRequest hold{.id = *id, .command = Command::hold, .by = std::string(1'000'000, 'b')};
  ASSERT_TRUE(ask(w, hold).has_value());
  EXPECT_LE(w.row(*id).held_by.size(), 2000U);
  w.crash_and_restart();
  ASSERT_TRUE(w.control(*id, Command::release).has_value());
  w.sim.run_for(Duration::seconds(1));
  EXPECT_EQ(w.row(*id).state, QueueState::relayed);
  EXPECT_EQ(w.outside.arrived_at["bob@far.example"], 1);
  expect_sound(w);
}

// A queue file of mailcow's Postfix vanished while its message was under way. Here that is told as
// what it is, for that message alone, which goes back to its sender if nobody brings it back.
TEST(StuckCases, Case65AMessageThatVanishesUnderWayStopsNothingElse) {
  World w;
  w.set("queue.schedule", "60 s");
  w.set("queue.jitter", "0");
  w.set("queue.expiry", "5 h");
  w.outside.slow_for = Duration::seconds(20);
  w.hop(kFar).script = {Behaviour::say_451, Behaviour::say_451};  // then nobody has it in memory
  w.hop(kFar).normal = Behaviour::slow;
  const QueueId gone = send(w, {"gone@far.example"}, "gone@m");
  const QueueId good = send(w, {"good@far.example"});
  w.sim.run_for(Duration::seconds(65));
  EXPECT_EQ(w.row(gone).state, QueueState::in_flight);
  w.disk.damage_blob(w.why(gone)->message.blob);
  w.sim.run_for(Duration::seconds(30));
  EXPECT_EQ(w.row(gone).state, QueueState::waiting_retry);
  EXPECT_EQ(w.row(gone).reason, QueueReason::message_unreadable);
  EXPECT_EQ(w.row(good).state, QueueState::relayed);
  send(w, {"ann@local.example"});
  w.sim.run_for(Duration::hours(6));
  EXPECT_EQ(w.row(gone).state, QueueState::expired);
  EXPECT_EQ(w.resting(), 0U);
  expect_sound(w);
}

// The same with the records themselves: the rows of a message that was in flight are gone at the
// next start, while their entries in the index stand.
TEST(StuckCases, Case65RecordsThatVanishAreCountedAndForgotten) {
  World w;
  w.hop(kFar).normal = Behaviour::hang;
  const QueueId gone = send(w, {"gone@far.example", "too@far.example"});
  w.sim.run_for(Duration::seconds(5));
  {
    Damage d(w);
    EXPECT_EQ(d.row(gone, 0).state, QueueState::in_flight);
    kv::Batch batch;
    batch.erase(row_key(gone, 0));
    batch.erase(row_key(gone, 1));
    d.commit(std::move(batch));
  }
  w.hop(kFar).normal = Behaviour::take;
  send(w, {"good@far.example"});
  w.sim.run_for(Duration::minutes(3));
  EXPECT_EQ(w.outside.arrived_at["good@far.example"], 1);
  EXPECT_GE(w.hits(), 1);
  EXPECT_EQ(w.sweep().defects(), 0U) << w.log.text;
  EXPECT_EQ(w.resting(), 0U);
}

}  // namespace
}  // namespace ph::queue::test
