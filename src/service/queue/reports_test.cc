// Who is told what, when, and how often: the queue's side of delivery reports (RFC 3461). What a
// report looks like is tested in service/report.
#include <gtest/gtest.h>

#include "service/queue/test_world.h"

namespace ph::queue::test {
namespace {

using model::Notify;
using model::QueueId;
using model::QueueReason;
using model::QueueState;

const std::string kSender = "sender@local.example";

constexpr Notify kNotGiven{};
constexpr Notify kNever{.never = true};
constexpr Notify kSuccess{.success = true};
constexpr Notify kFailure{.failure = true};
constexpr Notify kDelay{.delay = true};
constexpr Notify kAll{.success = true, .failure = true, .delay = true};

// From a mailbox here, so that a report arrives once however often the machine dies.
QueueId send(World& w, std::vector<std::string> to, Notify notify, std::string sender = kSender) {
  NewMessage message = message_to(std::move(to));
  message.envelope.sender = std::move(sender);
  for (model::Recipient& recipient : message.recipients) recipient.notify = notify;
  const auto id = w.accept(std::move(message));
  EXPECT_TRUE(id.has_value());
  return id.has_value() ? *id : QueueId{};
}

// What the reports about this message say that are in the queue or were: oldest first.
std::vector<std::string> told(World& w, QueueId id) {
  std::vector<std::string> out;
  auto found = w.sim.await(w.loop(),
                           w.queue().find(w.loop(), "report." + model::to_text(id), 100, w.soon()));
  if (!found.has_value() || !found->has_value()) return {"no answer"};
  for (const QueueId report : **found) {
    const auto explained = w.why(report);
    out.push_back(explained.has_value() ? explained->message.subject : "unknown");
  }
  return out;
}

using Told = std::vector<std::string>;

Told after_relay(World& w, QueueId id) {
  w.sim.run_for(Duration::seconds(30));
  return told(w, id);
}

// The delay is told after four hours as ever; the end comes soon behind it.
constexpr Duration kBeyondExpiry = Duration::hours(6) + Duration::minutes(10);

void expect_sound(World& w) {
  EXPECT_EQ(w.sweep().defects(), 0U);
  EXPECT_EQ(w.hits(), 0) << w.log.text;
  EXPECT_EQ(w.sim.check(), rt_sim::Findings());
}

void set_hops(World& w) {
  w.set("queue.expiry", "6 h");
  w.hop("smtp:no.example").normal = Behaviour::say_550;
  w.hop("smtp:later.example").normal = Behaviour::say_451;
  w.hop("smtp:dsn.example").onward = Onward::next_hop_reports;
}

// ---- NOTIFY ----

TEST(QueueReports, NotifyDecidesWhatTheSenderIsTold) {
  World w;
  set_hops(w);
  struct Case {
    Notify notify;
    QueueId local{}, relayed{}, dsn{}, failed{}, waiting{};
  };
  std::vector<Case> cases = {{kNotGiven}, {kNever}, {kSuccess}, {kFailure}, {kDelay}, {kAll}};
  for (Case& c : cases) {
    c.local = send(w, {"a@local.example"}, c.notify);
    c.relayed = send(w, {"a@plain.example"}, c.notify);
    c.dsn = send(w, {"a@dsn.example"}, c.notify);
    c.failed = send(w, {"a@no.example"}, c.notify);
    c.waiting = send(w, {"a@later.example"}, c.notify);
  }
  w.sim.run_for(kBeyondExpiry);
  EXPECT_EQ(w.resting(), 0U);
  for (size_t i = 0; i < cases.size(); ++i) {
    SCOPED_TRACE(i);
    const Case& c = cases[i];
    const auto if_asked = [](bool asked, const char* words) {
      return asked ? Told{words} : Told{};
    };
    EXPECT_EQ(told(w, c.local), if_asked(c.notify.success, "delivered a@local.example"));
    EXPECT_EQ(told(w, c.relayed), if_asked(c.notify.success, "relayed a@plain.example"));
    EXPECT_EQ(told(w, c.dsn), Told{});
    const bool failure = c.notify.wants_failure() && !c.notify.never;
    EXPECT_EQ(told(w, c.failed), if_asked(failure, "failed a@no.example"));
    Told waiting = if_asked(c.notify.wants_delay() && !c.notify.never, "delayed a@later.example");
    if (failure) waiting.push_back("failed a@later.example");
    EXPECT_EQ(told(w, c.waiting), waiting);
    EXPECT_EQ(w.row(c.waiting).state, QueueState::expired);
  }
  expect_sound(w);
}

TEST(QueueReports, ATraceTellsOfEachRelayUnlessNothingIsWanted) {
  using Mode = model::DeliverBy::Mode;
  World w;
  set_hops(w);
  const auto send_by = [&w](const std::string& to, Mode mode, bool trace, Notify notify) {
    NewMessage message = message_to({to});
    message.envelope.sender = kSender;
    message.envelope.deliver_by = {mode, w.sim.wall() + Duration::hours(1), trace};
    message.recipients.front().notify = notify;
    return w.accept(std::move(message)).value();
  };
  // To a next hop that promises to report, and to one that does not.
  const Told promised{"relayed a@dsn.example"};
  const Told plain{"relayed a@plain.example"};
  EXPECT_EQ(after_relay(w, send_by("a@dsn.example", Mode::notify, false, kNotGiven)), Told{});
  EXPECT_EQ(after_relay(w, send_by("a@dsn.example", Mode::notify, true, kNotGiven)), promised);
  EXPECT_EQ(after_relay(w, send_by("a@dsn.example", Mode::return_it, true, kFailure)), promised);
  EXPECT_EQ(after_relay(w, send_by("a@dsn.example", Mode::notify, true, kNever)), Told{});
  EXPECT_EQ(after_relay(w, send_by("a@plain.example", Mode::notify, false, kNotGiven)), plain);
  EXPECT_EQ(after_relay(w, send_by("a@plain.example", Mode::notify, true, kNotGiven)), plain);
  EXPECT_EQ(after_relay(w, send_by("a@plain.example", Mode::notify, true, kNever)), Told{});
  // A mailbox is no relay.
  EXPECT_EQ(after_relay(w, send_by("a@local.example", Mode::notify, true, kNotGiven)), Told{});
  expect_sound(w);
}

TEST(QueueReports, NothingIsToldToTheNullSender) {
  World w;
  set_hops(w);
  std::vector<QueueId> all;
  for (const std::string domain : {"local", "plain", "no", "later"}) {
    all.push_back(send(w, {"a@" + domain + ".example"}, kAll, ""));
  }
  w.sim.run_for(kBeyondExpiry);
  EXPECT_EQ(w.resting(), 0U);
  for (const QueueId id : all) EXPECT_EQ(told(w, id), Told{});
  EXPECT_EQ(w.outside.reports + w.outside.double_bounces, 0U);
  expect_sound(w);
}

TEST(QueueReports, AListIsReportedAsExpandedAndItsMembersOnlyWhenTheyFail) {
  World w;
  set_hops(w);
  w.outside.aliases["list@local.example"] = {"m1@local.example", "m2@no.example"};
  w.outside.aliases["one@local.example"] = {"m3@local.example"};
  const QueueId list = send(w, {"list@local.example"}, kAll);
  const QueueId success = send(w, {"list@local.example"}, kSuccess);
  const QueueId plain = send(w, {"list@local.example"}, kNotGiven);
  const QueueId never = send(w, {"list@local.example"}, kNever);
  const QueueId one = send(w, {"one@local.example"}, kSuccess);
  w.sim.run_for(Duration::minutes(2));
  EXPECT_EQ(told(w, list), (Told{"expanded list@local.example", "failed m2@no.example"}));
  EXPECT_EQ(told(w, success), Told{"expanded list@local.example"});
  EXPECT_EQ(told(w, plain), Told{"failed m2@no.example"});
  EXPECT_EQ(told(w, never), Told{});
  EXPECT_EQ(told(w, one), Told{"delivered m3@local.example"});  // RFC 3461 section 5.2.7.2
  expect_sound(w);
}

// ---- moments ----

TEST(QueueReports, ADelayIsToldInEveryStateOnce) {
  World w;
  set_hops(w);
  w.set("queue.lease", "6 h");
  w.set("queue.expiry", "2 d");
  w.hop("smtp:hang.example").normal = Behaviour::hang;
  const QueueId waiting = send(w, {"a@later.example"}, kNotGiven);
  const QueueId running = send(w, {"a@hang.example"}, kNotGiven);
  w.hop("local").normal = Behaviour::say_451;
  const QueueId held = send(w, {"a@local.example"}, kNotGiven);
  w.sim.run_for(Duration::minutes(1));
  w.hop("local").normal = Behaviour::take;
  ControlRequest hold{
      .id = held, .command = Command::hold, .by = "test", .hold_for = Duration::hours(8)};
  (void)w.sim.await(w.loop(), w.queue().control(w.loop(), hold, w.soon()));
  w.sim.run_for(Duration::hours(3) + Duration::minutes(55));
  EXPECT_EQ(w.outside.reports, 0U);
  w.sim.run_for(Duration::minutes(6));
  EXPECT_EQ(told(w, waiting), Told{"delayed a@later.example"});
  EXPECT_EQ(told(w, running), Told{"delayed a@hang.example"});
  EXPECT_EQ(told(w, held), Told{"delayed a@local.example"});
  EXPECT_EQ(w.row(running).state, QueueState::in_flight);
  EXPECT_EQ(w.row(held).state, QueueState::held);
  w.sim.run_for(Duration::hours(3));
  EXPECT_EQ(told(w, waiting), Told{"delayed a@later.example"});
  EXPECT_EQ(told(w, running), Told{"delayed a@hang.example"});
  EXPECT_EQ(told(w, held), Told{"delayed a@local.example"});
  expect_sound(w);
}

TEST(QueueReports, OneReportTellsOfAllRecipientsOfAMoment) {
  World w;
  set_hops(w);
  const QueueId later =
      send(w, {"a@later.example", "b@later.example", "c@later.example"}, kNotGiven);
  const QueueId refused = send(w, {"a@no.example", "b@no.example"}, kNotGiven);
  w.sim.run_for(kBeyondExpiry);
  EXPECT_EQ(told(w, later),
            (Told{"delayed a@later.example, delayed b@later.example, delayed c@later.example",
                  "failed a@later.example, failed b@later.example, failed c@later.example"}));
  EXPECT_EQ(told(w, refused), Told{"failed a@no.example, failed b@no.example"});
  expect_sound(w);
}

TEST(QueueReports, ARemovalIsToldWhenTheAdministratorSaysSo) {
  World w;
  set_hops(w);
  const QueueId silent = send(w, {"a@later.example"}, kNotGiven);
  const QueueId loud = send(w, {"b@later.example"}, kNotGiven);
  const QueueId never = send(w, {"c@later.example"}, kNever);
  w.sim.run_for(Duration::seconds(5));
  (void)w.control(silent, Command::remove);
  for (const QueueId id : {loud, never}) {
    ControlRequest request{.id = id, .command = Command::remove, .by = "test"};
    request.telling = Telling::with_report;
    (void)w.sim.await(w.loop(), w.queue().control(w.loop(), request, w.soon()));
  }
  EXPECT_EQ(told(w, silent), Told{});
  EXPECT_EQ(told(w, loud), Told{"failed b@later.example"});
  EXPECT_EQ(told(w, never), Told{});
  expect_sound(w);
}

// ---- reports that cannot be delivered ----

TEST(QueueReports, ALostReportIsToldToThePostmasterOnceAndThatIsTheEnd) {
  World w;
  set_hops(w);
  const QueueId id = send(w, {"a@no.example"}, kNotGiven, "forged@no.example");
  w.sim.run_for(Duration::minutes(2));
  EXPECT_EQ(told(w, id), Told{"failed a@no.example"});
  EXPECT_EQ(w.outside.arrived_at["postmaster@local.example"], 1);
  EXPECT_EQ(w.outside.reports, 1U);
  EXPECT_EQ(w.outside.double_bounces, 1U);
  // The postmaster's address fails too: nobody hears of that.
  w.hop("local").normal = Behaviour::say_550;
  (void)send(w, {"b@no.example"}, kNotGiven, "forged@no.example");
  w.sim.run_for(Duration::hours(8));
  EXPECT_EQ(w.outside.reports, 2U);
  EXPECT_EQ(w.outside.double_bounces, 2U);
  EXPECT_EQ(w.outside.arrived_at["postmaster@local.example"], 1);
  EXPECT_EQ(w.resting(), 0U);
  expect_sound(w);
}

TEST(QueueReports, ThePostmasterHearsNothingWhenSetSo) {
  World w;
  set_hops(w);
  w.set("queue.double-bounce", "off");
  (void)send(w, {"a@no.example"}, kNotGiven, "forged@no.example");
  w.sim.run_for(Duration::minutes(2));
  EXPECT_EQ(w.outside.reports, 1U);
  EXPECT_EQ(w.outside.double_bounces, 0U);
  EXPECT_EQ(w.resting(), 0U);
  expect_sound(w);
}

TEST(QueueReports, ALostReportWaitsForRoomToTellThePostmaster) {
  World w;
  set_hops(w);
  w.hop("smtp:no.example").normal = Behaviour::say_451;
  w.hop("smtp:no.example").script = {Behaviour::say_550};
  const QueueId id = send(w, {"a@no.example"}, kNotGiven, "forged@no.example");
  w.sim.run_for(Duration::seconds(30));
  EXPECT_EQ(told(w, id), Told{"failed a@no.example"});
  w.hop("smtp:no.example").normal = Behaviour::say_550;
  w.disk.set_space(kv_mem::Space::reserve);
  w.sim.run_for(Duration::minutes(10));
  w.disk.set_space(kv_mem::Space::plenty);
  w.sim.run_for(Duration::minutes(10));
  EXPECT_EQ(w.outside.arrived_at["postmaster@local.example"], 1);
  EXPECT_EQ(w.resting(), 0U);
  expect_sound(w);
}

// ---- reports that must wait ----

TEST(QueueReports, ReportsBeyondTheBudgetWaitAndAllAreTold) {
  World w;
  set_hops(w);
  w.set("queue.reports-per-minute", "2");
  std::vector<QueueId> all;
  for (int i = 0; i < 12; ++i) {
    all.push_back(send(w, {"u" + std::to_string(i) + "@no.example"}, kNotGiven));
  }
  w.sim.run_for(Duration::seconds(20));
  size_t rest = 0;
  for (const QueueId id : all) {
    const model::QueueRow row = w.row(id);
    if (row.state != QueueState::reporting) continue;
    ++rest;
    EXPECT_EQ(row.reason, QueueReason::report_budget);
    EXPECT_EQ(row.end_state, QueueState::failed);
    EXPECT_EQ(row.end_reason, QueueReason::peer_5xx);
    EXPECT_EQ(row.history.size(), 1U);
  }
  EXPECT_GE(rest, 9U);
  EXPECT_LE(rest, 10U);
  w.sim.run_for(Duration::minutes(4));
  EXPECT_GT(w.resting(), 0U) << "the budget is kept";
  w.sim.run_for(Duration::minutes(4));
  EXPECT_EQ(w.resting(), 0U);
  for (size_t i = 0; i < all.size(); ++i) {
    EXPECT_EQ(told(w, all[i]), Told{"failed u" + std::to_string(i) + "@no.example"});
    EXPECT_EQ(w.row(all[i]).state, QueueState::failed);
  }
  expect_sound(w);
}

// Delays are told without waiting; that may not starve the failures for longer than their turn.
TEST(QueueReports, AFloodOfDelaysDoesNotStarveFailures) {
  World w;
  set_hops(w);
  w.set("queue.reports-per-minute", "1");
  w.set("queue.delay-notice", "30 min");
  for (int i = 0; i < 60; ++i) {
    (void)send(w, {"u" + std::to_string(i) + "@later.example"}, kDelay);
  }
  w.sim.run_for(Duration::minutes(35));
  const QueueId id = send(w, {"a@no.example"}, kNotGiven);
  w.sim.run_for(Duration::minutes(10));
  EXPECT_EQ(told(w, id), Told{"failed a@no.example"});
}

TEST(QueueReports, AFullDiskPutsReportsOff) {
  World w;
  set_hops(w);
  const QueueId refused = send(w, {"a@no.example"}, kNotGiven);
  const QueueId delivered = send(w, {"a@plain.example"}, kSuccess);
  const QueueId removed = send(w, {"b@later.example"}, kNotGiven);
  w.disk.set_space(kv_mem::Space::reserve);
  w.sim.run_for(Duration::seconds(5));
  ControlRequest request{.id = removed, .command = Command::remove, .by = "test"};
  request.telling = Telling::with_report;
  (void)w.sim.await(w.loop(), w.queue().control(w.loop(), request, w.soon()));
  w.sim.run_for(Duration::minutes(10));
  for (const QueueId id : {refused, delivered, removed}) {
    EXPECT_EQ(w.row(id).state, QueueState::reporting);
    EXPECT_EQ(w.row(id).reason, QueueReason::disk_full);
    EXPECT_EQ(told(w, id), Told{});
  }
  w.disk.set_space(kv_mem::Space::plenty);
  w.sim.run_for(Duration::minutes(10));
  EXPECT_EQ(told(w, refused), Told{"failed a@no.example"});
  EXPECT_EQ(told(w, delivered), Told{"relayed a@plain.example"});
  EXPECT_EQ(told(w, removed), Told{"failed b@later.example"});
  EXPECT_EQ(w.row(refused).state, QueueState::failed);
  EXPECT_EQ(w.row(delivered).state, QueueState::relayed);
  EXPECT_EQ(w.row(removed).state, QueueState::removed);
  EXPECT_EQ(w.outside.arrived_at["a@plain.example"], 1);
  EXPECT_EQ(w.resting(), 0U);
  expect_sound(w);
}

TEST(QueueReports, AFullDiskPutsADelayOff) {
  World w;
  set_hops(w);
  const QueueId id = send(w, {"a@later.example"}, kNotGiven);
  w.sim.run_for(Duration::hours(3));
  w.disk.set_space(kv_mem::Space::reserve);
  w.sim.run_for(Duration::hours(2));
  EXPECT_EQ(told(w, id), Told{});
  EXPECT_EQ(w.row(id).state, QueueState::waiting_retry);
  w.disk.set_space(kv_mem::Space::plenty);
  w.sim.run_for(Duration::minutes(50));
  EXPECT_EQ(told(w, id), Told{"delayed a@later.example"});
  expect_sound(w);
}

// The disk stays full beyond the time that a report may wait: no spinning, and an end.
TEST(QueueReports, AReportThatCanNeverBeWrittenDoesNotKeepTheQueueBusy) {
  World w;
  set_hops(w);
  const QueueId id = send(w, {"a@no.example"}, kNotGiven);
  w.disk.set_space(kv_mem::Space::reserve);
  w.sim.run_for(Duration::hours(6) + Duration::minutes(5));
  const uint64_t before = w.disk.commits();
  w.sim.run_for(Duration::minutes(10));
  EXPECT_LE(w.disk.commits() - before, 60U);
  EXPECT_EQ(w.hits(), 0) << w.log.text;
  w.disk.set_space(kv_mem::Space::plenty);
  w.sim.run_for(Duration::minutes(10));
  EXPECT_EQ(w.row(id).state, QueueState::failed);
  EXPECT_EQ(w.resting(), 0U);
  expect_sound(w);
}

// The schedule's last step falls into the last minutes before the expiry: one attempt is made, and
// the queue does not turn in circles until the report is due.
TEST(QueueReports, TheLastAttemptBeforeTheExpiryIsMadeOnce) {
  World w;
  set_hops(w);
  w.set("queue.jitter", "0");
  w.set("queue.schedule", "5 h, 58 min");
  const QueueId id = send(w, {"a@later.example"}, kFailure);
  w.sim.run_for(Duration::hours(5) + Duration::minutes(50));
  const uint64_t before = w.disk.commits();
  w.sim.run_for(Duration::minutes(20));
  EXPECT_LE(w.disk.commits() - before, 30U);
  EXPECT_EQ(w.hop("smtp:later.example").carried, 3U);
  EXPECT_EQ(told(w, id), Told{"failed a@later.example"});
  expect_sound(w);
}

// ---- deaths ----

// How often each recipient was told of, as "failed a@b": its number.
std::map<std::string, int> told_each(World& w, QueueId id) {
  std::map<std::string, int> out;
  for (const std::string& subject : told(w, id)) {
    size_t begin = 0;
    while (begin < subject.size()) {
      const size_t end = std::min(subject.find(", ", begin), subject.size());
      ++out[subject.substr(begin, end - begin)];
      begin = std::min(end + 2, subject.size());
    }
  }
  return out;
}

// The power fails at the n-th commit from now, before or after it is durable.
struct Fall {
  uint64_t commit = 0;
  kv_mem::CrashPoint::Phase phase = kv_mem::CrashPoint::Phase::before_durable;
};

bool fall_at(World& w, Fall fall) {
  bool fell = false;
  w.disk.set_hook([&w, &fell, fall](const kv_mem::CrashPoint& point) {
    if (fell || point.commit != fall.commit || point.phase != fall.phase) return;
    fell = true;
    w.disk.power_off();
  });
  w.sim.run_until([&fell] { return fell; }, Duration::minutes(10));
  w.disk.set_hook({});
  if (!fell) return false;
  w.host.restart();
  w.wait_for_start();
  return true;
}

void fail_some(World& w, Fall first, Fall second) {
  set_hops(w);
  w.set("queue.lease", "1 min");
  const QueueId id =
      send(w, {"a@no.example", "b@no.example", "c@local.example", "d@plain.example"}, kAll);
  const uint64_t now = w.disk.commits();
  fall_at(w, {now + first.commit, first.phase});
  fall_at(w, {w.disk.commits() + second.commit, second.phase});
  w.sim.run_for(Duration::hours(2));
  const auto each = told_each(w, id);
  EXPECT_EQ(each.at("failed a@no.example"), 1);
  EXPECT_EQ(each.at("failed b@no.example"), 1);
  EXPECT_EQ(each.at("delivered c@local.example"), 1);
  EXPECT_EQ(each.at("relayed d@plain.example"), 1);
  EXPECT_EQ(each.size(), 4U);
  EXPECT_EQ(static_cast<size_t>(w.outside.arrived_at[kSender]), told(w, id).size());
  EXPECT_EQ(w.resting(), 0U);
  expect_sound(w);
}

TEST(QueueReports, EveryEndIsToldOnceWhereverTheMachineDies) {
  using Phase = kv_mem::CrashPoint::Phase;
  for (uint64_t commit = 1; commit <= 10; ++commit) {
    for (const Phase phase : {Phase::before_durable, Phase::before_answer}) {
      SCOPED_TRACE(
          "commit " + std::to_string(commit) +
          (phase == Phase::before_durable ? " before it is durable" : " before its answer"));
      World w(commit);
      fail_some(w, {commit, phase}, {commit % 4 + 1, phase});
      if (testing::Test::HasFailure()) return;
    }
  }
}

TEST(QueueReports, EveryFailureIsToldOnceThroughDeathsBudgetAndAFullDisk) {
  for (uint64_t seed = 1; seed <= 8; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    World w(seed);
    Random random(seed * 131 + 5);
    set_hops(w);
    w.set("queue.lease", "1 min");
    w.set("queue.reports-per-minute", "5");
    std::vector<QueueId> all;
    for (int round = 0; round < 6; ++round) {
      w.disk.set_space(kv_mem::Space::plenty);
      for (int i = 0; i < 3; ++i)
        all.push_back(send(w, {"a@no.example", "b@no.example"}, kNotGiven));
      if (random.chance(40)) w.disk.set_space(kv_mem::Space::reserve);
      w.sim.run_for(random.between(Duration::milliseconds(1), Duration::milliseconds(80)));
      if (random.chance(70)) w.crash_and_restart();
      w.sim.run_for(random.between(Duration::milliseconds(1), Duration::seconds(70)));
      if (random.chance(30)) w.crash_and_restart();
    }
    w.disk.set_space(kv_mem::Space::plenty);
    w.sim.run_for(Duration::hours(2));
    const std::map<std::string, int> once{{"failed a@no.example", 1}, {"failed b@no.example", 1}};
    for (const QueueId id : all) EXPECT_EQ(told_each(w, id), once);
    EXPECT_EQ(w.resting(), 0U);
    expect_sound(w);
    if (testing::Test::HasFailure()) return;
  }
}

}  // namespace
}  // namespace ph::queue::test
