// Cases of mail that stayed stuck in other servers, by their number in the collection: each does to
// the queue what was done there. Those that a script can tell are in scenarios/regress; here are
// those with dying workers, taken places, lost hints and leases.
#include <gtest/gtest.h>

#include <algorithm>

#include "service/queue/test_world.h"

namespace ph::queue::test {
namespace {

using model::QueueReason;
using model::QueueRow;
using model::QueueState;

const std::string kFar = "smtp:far.example";

rt::Task<void> give(World& w, std::string to, size_t loop) {
  rt::Loop& home = w.host.loop(loop);
  NewMessage message = message_to({to}, to);
  (void)co_await w.queue().accept(home, std::move(message), home.in(Duration::minutes(5)));
}

void send(World& w, std::string to, size_t loop = 0) {
  w.host.spawn("sender", give(w, std::move(to), loop), loop);
}

bool arrives(World& w, const std::string& address, Duration within, int times = 1) {
  const auto there = [&] { return w.outside.arrived_at[address] >= times; };
  return w.sim.run_until(there, within) == rt_sim::RunEnd::reached;
}

// How often an event is in the log.
size_t count_of(const std::string& log, std::string_view event) {
  size_t n = 0;
  for (size_t at = log.find(event); at != std::string::npos; at = log.find(event, at + 1)) ++n;
  return n;
}

// ---- a hint that is lost, a waiter that nobody knows ----

// Case 25 (gromox): a client looked whether something was there, then began to wait; what came in
// between woke nobody for minutes. Here messages come at every moment around that at which a worker
// finds nothing, begins to wait, and gives up; from another loop as well.
TEST(StuckCases, Case25WhatComesWhileAWorkerGoesToSleepWakesIt) {
  for (const std::string_view idle : {"40 ms", "5 s"}) {
    for (const size_t loop : {size_t{0}, size_t{1}}) {
      World w(25, 2);
      w.set("queue.lane-idle", idle);
      for (int i = 0; i < 240; ++i) {
        send(w, "u@far.example", loop);
        ASSERT_TRUE(arrives(w, "u@far.example", Duration::milliseconds(400), i + 1)) << i;
        w.sim.run_for(Duration::microseconds(250 * i));
      }
      EXPECT_EQ(w.hits(), 0);
    }
  }
}

// Case 26 (gromox): contexts were parked and never woken, until none was left and clients were
// refused. Here every connection that is allowed is kept idle by a next hop that has nothing to do,
// over and over; mail for another one gets a place in a moment.
TEST(StuckCases, Case26ConnectionsThatIdleArePlacesForOthers) {
  World w;
  w.set("queue.connections", "2");
  w.set("queue.lane-idle", "5 min");
  for (int i = 0; i < 40; ++i) {
    const std::string to = "u@d" + std::to_string(i % 20) + ".example";
    send(w, to);
    EXPECT_TRUE(arrives(w, to, Duration::seconds(2), 1 + i / 20)) << i;
  }
  w.sim.run_for(Duration::minutes(10));
  EXPECT_EQ(w.resting(), 0U);
  EXPECT_EQ(w.hits(), 0);
}

// Case 27 (gromox): a waiter was taken off its list before memory was asked for, and there was
// none: nobody owned it any more. Here the work on a row ends by an exception after the row was
// taken out of the index's view; it is found again by the clock, and its siblings never notice.
TEST(StuckCases, Case27WhatIsTakenUpBeforeAFailureIsTakenUpAgain) {
  World w;
  w.set("queue.poison-review", "2 min");
  w.outside.route_throws.insert("bad.example");
  const auto id = w.accept(message_to({"x@bad.example", "y@far.example", "z@local.example"}));
  ASSERT_TRUE(id.has_value());
  w.sim.run_for(Duration::seconds(2));
  EXPECT_EQ(w.outside.arrived_at["y@far.example"], 1);
  EXPECT_EQ(w.outside.arrived_at["z@local.example"], 1);
  w.sim.run_for(Duration::minutes(5));
  EXPECT_LE(w.row(*id).next_action_at, w.loop().wall() + Duration::minutes(2));
  w.outside.route_throws.clear();
  w.sim.run_for(Duration::minutes(2) + Duration::seconds(5));
  EXPECT_EQ(w.row(*id).state, QueueState::relayed);
  EXPECT_EQ(w.resting(), 0U);
  EXPECT_EQ(w.hits(), 0);
}

// Case 43 (OpenSMTPD #67): the scheduler slept with work due. Here rows become due at any time of
// an hour, while others are held, released and removed and so change what is next; each leaves at
// its own time.
TEST(StuckCases, Case43EachRowGoesAtItsOwnTimeWhateverElseMoves) {
  World w(43);
  Random random(43);
  std::vector<std::pair<Time, std::string>> due;
  const auto other = w.accept(message_to({"other@later.example"}));
  w.hop("smtp:later.example").normal = Behaviour::refuse;
  for (int i = 0; i < 80; ++i) {
    NewMessage message = message_to({"u" + std::to_string(i) + "@far.example"});
    const Time when = w.loop().wall() + random.between(Duration::seconds(5), Duration::hours(1));
    message.envelope.hold_until = when;
    due.emplace_back(when, message.recipients.front().address);
    ASSERT_TRUE(w.accept(std::move(message)).has_value());
  }
  std::ranges::sort(due);
  for (const auto& [when, address] : due) {
    const Command command = random.chance(50) ? Command::hold : Command::release;
    (void)w.control(*other, command);
    const Duration left = when - w.loop().wall();
    if (left > Duration{}) w.sim.run_for(left);
    EXPECT_TRUE(arrives(w, address, Duration::seconds(2))) << address;
  }
  EXPECT_EQ(w.hits(), 0);
}

// ---- an item that no sweep looks for ----

// Case 24 (gromox #129): what was to be sent later was given to a helper at its time; when that
// failed, the failure was final and nobody was told. Here the disk fails, the process dies, the
// next hop says no, at just that moment: it is one more reason to wait, with a time and a sentence.
TEST(StuckCases, Case24SendLaterSurvivesAFailureAtItsTime) {
  enum class Fault : uint8_t { disk, death, refusal };
  for (const Fault fault : {Fault::disk, Fault::death, Fault::refusal}) {
    World w;
    NewMessage message = message_to({"bob@far.example"});
    const Time when = w.loop().wall() + Duration::hours(1);
    message.envelope.hold_until = when;
    const auto id = w.accept(std::move(message));
    ASSERT_TRUE(id.has_value());
    if (fault == Fault::refusal) w.hop(kFar).script = {Behaviour::say_451};
    w.sim.run_for(when - w.loop().wall() - Duration::milliseconds(1));
    EXPECT_EQ(w.row(*id).state, QueueState::scheduled);
    if (fault == Fault::disk) w.disk.fail_next(1);
    w.sim.run_for(Duration::milliseconds(3));
    if (fault == Fault::death) w.crash_and_restart();
    w.sim.run_for(Duration::seconds(fault == Fault::refusal ? 90 : 10));
    EXPECT_EQ(w.row(*id).state, QueueState::relayed) << static_cast<int>(fault);
    EXPECT_EQ(w.outside.arrived_at["bob@far.example"], 1);
    EXPECT_EQ(w.hits(), 0);
  }
  // And when it cannot be sent at all, its sender hears of it.
  World w;
  w.hop(kFar).normal = Behaviour::say_550;
  NewMessage message = message_to({"bob@far.example"});
  message.envelope.hold_until = w.loop().wall() + Duration::hours(1);
  ASSERT_TRUE(w.accept(std::move(message)).has_value());
  w.sim.run_for(Duration::hours(1) + Duration::seconds(5));
  EXPECT_EQ(w.outside.told[ReportAction::failed], 1U);
}

// Case 31 (gromox): one slot was lost, and the search for files that nobody had delivered needed
// all slots free at once. Here one connection hangs for hours; the table is read over and over all
// the same, and everything else leaves, also what memory had no room for.
TEST(StuckCases, Case31TheTableIsReadWhileAPlaceIsTakenForHours) {
  World w;
  w.set("queue.lease", "6 h");
  w.set("queue.window", "100");
  w.set("queue.lane-connections", "2");
  w.hop(kFar).script = {Behaviour::hang};
  w.hop(kFar).script.insert(w.hop(kFar).script.end(), 30, Behaviour::say_451);
  for (int i = 0; i < 300; ++i) send(w, "u" + std::to_string(i) + "@far.example");
  w.sim.run_for(Duration::minutes(5));
  EXPECT_EQ(w.resting(), 1U);
  EXPECT_EQ(w.states()[QueueState::in_flight], 1U);
  w.sim.run_for(Duration::hours(6));
  EXPECT_EQ(w.resting(), 0U);
  EXPECT_EQ(w.hits(), 0);
}

// ---- a lease, a place, a lock of somebody who is gone ----

// Case 8 (Exchange 2003): each move of a mailbox parked a thread of the store for up to 150 min,
// until none was left for deliveries. Here as many deliveries hang as may run at once: each place
// has an end, its message is tried again, and the others are delivered.
TEST(StuckCases, Case08DeliveriesThatHangGiveTheirPlacesBack) {
  World w;
  w.set("queue.lease", "2 min");
  w.set("queue.mailbox-workers", "4");
  w.hop("local").script = std::vector<Behaviour>(4, Behaviour::hang);
  for (int i = 0; i < 4; ++i) send(w, "moving" + std::to_string(i) + "@local.example");
  w.sim.run_for(Duration::seconds(1));
  for (int i = 0; i < 40; ++i) send(w, "other" + std::to_string(i) + "@local.example");
  w.sim.run_for(Duration::minutes(3));
  EXPECT_EQ(w.resting(), 0U);
  EXPECT_EQ(w.outside.arrived.size(), 44U);
  EXPECT_EQ(w.hits(), 0);
}

// Case 16 (Stalwart #1066): messages stayed for hours without any reason, while the lock of each
// was asked for in a loop at full speed. Here no attempt can be written down for half an hour: the
// row shows its state and a time, the server tries at a bounded pace, and then the message goes.
TEST(StuckCases, Case16WhatCannotBeBegunIsTriedAtABoundedPace) {
  World w;
  w.log.lowest = obs::Level::warning;
  w.hop(kFar).normal = Behaviour::refuse;
  const auto id = w.accept(message_to({"bob@far.example"}));
  ASSERT_TRUE(id.has_value());
  w.sim.run_for(Duration::seconds(30));
  w.hop(kFar).normal = Behaviour::take;
  w.disk.fail_next(1'000'000);
  for (int minute = 0; minute < 30; ++minute) {
    w.sim.run_for(Duration::minutes(1));
    const QueueRow row = w.row(*id);
    EXPECT_EQ(row.state, QueueState::waiting_retry);
    EXPECT_FALSE(row.history.empty());
  }
  EXPECT_GE(count_of(w.log.text, "queue.begin_failed"), 10U);
  EXPECT_LE(count_of(w.log.text, "queue.begin_failed"), 30U * 60);  // one a second
  w.disk.fail_next(0);
  w.sim.run_for(Duration::seconds(20));
  EXPECT_EQ(w.row(*id).state, QueueState::relayed);
  EXPECT_EQ(w.hits(), 0);
}

// Case 17 (Stalwart 0.16.16): whoever failed to get the lock of a dead worker made it last longer.
// Here the worker of an attempt dies, and everybody who may touches its row: commands, a new
// schedule, a delay notice, the auditor, the expiry that changes. The lease ends when it said.
TEST(StuckCases, Case17NobodyElseMakesTheLeaseOfADeadWorkerLonger) {
  World w;
  w.set("queue.lease", "10 min");
  w.set("queue.delay-notice", "3 min");
  w.hop(kFar).script = {Behaviour::hang};
  const auto id = w.accept(message_to({"bob@far.example"}));
  ASSERT_TRUE(id.has_value());
  w.sim.run_for(Duration::seconds(5));
  const Time until = w.row(*id).lease.until;
  ASSERT_EQ(w.row(*id).state, QueueState::in_flight);
  ASSERT_TRUE(w.queue().kill_worker(w.loop(), 0));
  for (int minute = 0; minute < 9; ++minute) {
    w.sim.run_for(Duration::minutes(1));
    EXPECT_FALSE(w.control(*id, Command::retry).has_value());
    EXPECT_FALSE(w.control(*id, Command::release).has_value());
    w.set("queue.schedule", minute % 2 == 0 ? "2 h" : "3 h");
    w.set("queue.expiry", minute % 2 == 0 ? "20 h" : "30 h");
    (void)w.accept(message_to({"cy@far.example"}));
    EXPECT_EQ(w.sweep().defects(), 0U);
    const QueueRow row = w.row(*id);
    EXPECT_EQ(row.state, QueueState::in_flight);
    EXPECT_LE(row.lease.until, until);
    EXPECT_LE(row.next_action_at, until);
  }
  EXPECT_EQ(w.outside.told[ReportAction::delayed], 1U);
  w.sim.run_for(until - w.loop().wall() + Duration::seconds(10));
  EXPECT_EQ(w.row(*id).state, QueueState::relayed);
  EXPECT_EQ(w.outside.arrived_at["bob@far.example"], 1);
  EXPECT_EQ(w.hits(), 0);
}

// Case 23 (Stalwart): a worker died in a panic; the message was locked for a year, and the count of
// running deliveries was never lowered. Here all workers that a next hop may have die, several
// times.
TEST(StuckCases, Case23AWorkerThatDiesCostsOneLeaseAndNoPlace) {
  World w;
  w.set("queue.lease", "5 min");
  w.set("queue.connections", "2");
  w.set("queue.poison-after", "10");
  w.outside.slow_for = Duration::minutes(2);
  for (int round = 0; round < 3; ++round) {
    w.hop(kFar).script = {Behaviour::slow, Behaviour::slow};
    send(w, "a" + std::to_string(round) + "@far.example");
    send(w, "b" + std::to_string(round) + "@far.example");
    w.sim.run_for(Duration::seconds(5));
    ASSERT_EQ(w.states()[QueueState::in_flight], 2U);
    while (w.queue().kill_worker(w.loop(), 0)) {
    }
    send(w, "c" + std::to_string(round) + "@far.example");
    const auto page = w.sim.await(w.loop(), w.queue().list(w.loop(), {}, {}, 10, w.soon()));
    for (const ListedRow& listed : (*page)->rows) {
      EXPECT_LE(listed.row.next_action_at, w.loop().wall() + Duration::minutes(5));
    }
    w.sim.run_for(Duration::minutes(6));
    EXPECT_EQ(w.resting(), 0U);
    EXPECT_EQ(w.hop(kFar).open, 0U);
  }
  EXPECT_EQ(w.outside.arrived.size(), 9U);
  EXPECT_EQ(w.hits(), 0);
}

// ---- a lock over slow work, one that waits for the other ----

// Case 54 (Cyrus #2012 and others): the lock of a mailbox was held while something was written to a
// client that did not read, and all others of that mailbox waited. Here the carrier of a message
// does not return; all that one may ask or tell about that message is answered at once.
TEST(StuckCases, Case54AMessageUnderWayCanBeAskedAboutAndCommanded) {
  World w;
  w.hop(kFar).script = {Behaviour::hang};
  const auto id = w.accept(message_to({"bob@far.example", "ann@local.example"}, "m1"));
  ASSERT_TRUE(id.has_value());
  w.sim.run_for(Duration::seconds(2));
  ASSERT_EQ(w.row(*id).state, QueueState::in_flight);
  const Instant before = w.sim.now();
  EXPECT_TRUE(w.why(*id).has_value());
  EXPECT_EQ(w.sweep().defects(), 0U);
  EXPECT_TRUE(w.sim.await(w.loop(), w.queue().trace(w.loop(), *id, w.soon()))->has_value());
  EXPECT_TRUE(w.sim.await(w.loop(), w.queue().find(w.loop(), "m1", 1, w.soon()))->has_value());
  EXPECT_TRUE(w.control(*id, Command::hold).has_value());
  EXPECT_EQ(w.row(*id).state, QueueState::held);
  EXPECT_TRUE(w.control(*id, Command::remove).has_value());
  EXPECT_LT(w.sim.now() - before, Duration::seconds(1));
  w.sim.run_for(Duration::hours(1));
  EXPECT_EQ(w.row(*id).state, QueueState::removed);
  EXPECT_EQ(w.hits(), 0);
}

// Case 55 (Cyrus #3203 and others): deliveries to all stood behind one mailbox with long work, or
// behind one message on which the server went round for ever. Here one message hangs whoever
// delivers it; it is isolated after the second time, and all that time the others pass it.
TEST(StuckCases, Case55OneMessageThatHangsItsWorkerDelaysNoOther) {
  World w;
  w.set("queue.lease", "2 min");
  w.hop("local").script = {Behaviour::hang};
  const auto bad = w.accept(message_to({"bad@local.example"}));
  ASSERT_TRUE(bad.has_value());
  w.sim.run_for(Duration::seconds(1));
  const Time second = w.row(*bad).lease.until;
  for (int i = 0; w.loop().wall() < second - Duration::seconds(4); ++i) {
    const std::string to = "u" + std::to_string(i) + "@local.example";
    send(w, to);
    EXPECT_TRUE(arrives(w, to, Duration::milliseconds(500))) << i;
    w.sim.run_for(Duration::seconds(3));
  }
  w.hop("local").script = {Behaviour::hang};
  w.sim.run_for(Duration::seconds(20));
  for (int i = 0; i < 60; ++i) {
    const std::string to = "v" + std::to_string(i) + "@local.example";
    send(w, to);
    EXPECT_TRUE(arrives(w, to, Duration::milliseconds(500))) << i;
    w.sim.run_for(Duration::seconds(3));
  }
  EXPECT_EQ(w.row(*bad).state, QueueState::held);
  EXPECT_EQ(w.row(*bad).reason, QueueReason::poison);
  w.sim.run_for(Duration::hours(1));
  EXPECT_EQ(w.row(*bad).state, QueueState::delivered);
  EXPECT_EQ(w.hits(), 0);
}

// Case 60 (Postfix): the queue manager waited for each report to be taken, and stood for ten
// seconds and more. Here reports cannot be written at all, and mail for others leaves at once, also
// what had to be tried twice.
TEST(StuckCases, Case60AReportThatTakesForEverHoldsUpNoMail) {
  World w;
  w.set("queue.schedule", "1 s");
  w.hop("smtp:b.example").normal = Behaviour::say_550;
  w.outside.report_hangs = true;
  for (int i = 0; i < 100; ++i) {
    if (i % 3 == 0) send(w, "x" + std::to_string(i) + "@b.example");
    w.sim.run_for(Duration::seconds(1));
    const bool twice = i % 2 == 0;
    if (twice) w.hop(kFar).script = {Behaviour::say_451};
    const std::string to = "u" + std::to_string(i) + (twice ? "@far.example" : "@local.example");
    send(w, to);
    EXPECT_TRUE(arrives(w, to, twice ? Duration::seconds(3) : Duration::milliseconds(500))) << i;
  }
  w.outside.report_hangs = false;
  w.sim.run_for(Duration::minutes(30));
  EXPECT_EQ(w.resting(), 0U);
  EXPECT_EQ(w.outside.told[ReportAction::failed], 34U);
  EXPECT_EQ(w.hits(), 0);
}

// Case 61 (Postfix): a cap on processes let those that waited for each other take all of them, and
// a random choice among next hops left some without a turn. Here one connection serves a dozen slow
// next hops; each comes to its turn again and again, and deliveries and reports need no connection.
TEST(StuckCases, Case61WithOneConnectionEachNextHopHasItsTurn) {
  World w;
  w.set("queue.connections", "1");
  w.hop("smtp:d0.example").normal = Behaviour::say_550;
  for (int i = 0; i < 12; ++i) {
    const std::string name = "d" + std::to_string(i) + ".example";
    w.hop("smtp:" + name).each = Duration::seconds(1);
    for (int n = 0; n < 30; ++n) send(w, "u" + std::to_string(n) + "@" + name);
  }
  w.sim.run_for(Duration::minutes(4));
  for (int i = 0; i < 12; ++i) {
    const std::string lane = "smtp:d" + std::to_string(i) + ".example";
    EXPECT_GE(w.hop(lane).log.size(), 5U) << lane;
  }
  send(w, "ann@local.example");
  EXPECT_TRUE(arrives(w, "ann@local.example", Duration::seconds(1)));
  w.sim.run_for(Duration::minutes(10));
  EXPECT_EQ(w.resting(), 0U);
  EXPECT_EQ(w.outside.told[ReportAction::failed], 30U);
  EXPECT_EQ(w.hits(), 0);
}

}  // namespace
}  // namespace ph::queue::test
