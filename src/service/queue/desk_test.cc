// What administrators ask of the queue and do to it: every command in every state, commands on
// everything that fits a filter, suspensions, the audit log, what `trace` is made of.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "service/queue/detail/records.h"
#include "service/queue/test_world.h"

namespace ph::queue::test {
namespace {

using model::QueueReason;
using model::QueueState;
using ::testing::HasSubstr;

class Desk : public World, public ::testing::Test {
 protected:
  Desk() : World(5) { calm(); }
  ~Desk() override {
    EXPECT_EQ(sweep().defects(), 0U) << log.text;
    EXPECT_EQ(hits(), 0) << log.text;
    EXPECT_EQ(sim.check(), rt_sim::Findings());
  }
  // What waits does not try again by itself while a test looks.
  void calm() {
    set("queue.schedule", "1 h");
    set("queue.lane-failures", "100");
  }

  template <class T>
  T ask(rt::Task<T> task) {
    std::optional<T> out = sim.await(loop(), std::move(task));
    PH_CHECK(out.has_value());
    return std::move(*out);
  }
  // A message whose one recipient rests in `state`, or has ended in it.
  model::QueueId in_state(QueueState state, const std::string& name) {
    const std::string far = "x@" + name + ".example";
    Hop& there = hop("smtp:" + name + ".example");
    NewMessage message =
        message_to({state == QueueState::delivered ? "x@local.example" : far}, name + "@m");
    there.normal = Behaviour::say_451;
    switch (state) {
      case QueueState::in_flight: there.normal = Behaviour::hang; break;
      case QueueState::relayed: there.normal = Behaviour::take; break;
      case QueueState::failed: there.normal = Behaviour::say_550; break;
      case QueueState::scheduled:
        message.envelope.hold_until = sim.wall() + Duration::hours(2);
        break;
      default: break;
    }
    const model::QueueId id = accept(std::move(message)).value();
    sim.run_for(Duration::seconds(5));
    if (state == QueueState::held) EXPECT_TRUE(control(id, Command::hold).has_value());
    if (state == QueueState::removed) EXPECT_TRUE(control(id, Command::remove).has_value());
    if (state == QueueState::expired) {
      sim.run_for(Duration::days(2) + Duration::minutes(1));
    }
    EXPECT_EQ(row(id).state, state) << name;
    return id;
  }
  Result<Explanation> command(ControlRequest request) {
    return ask(queue().control(loop(), std::move(request), soon()));
  }
  // All slices of one command.
  BulkResult all(BulkRequest request) {
    BulkResult sum;
    do {
      auto one = ask(queue().control_all(loop(), request, soon()));
      EXPECT_TRUE(one.has_value()) << one.error().to_text();
      if (!one.has_value()) break;
      sum.looked_at += one->looked_at;
      sum.matched += one->matched;
      sum.messages += one->messages;
      sum.changed += one->changed;
      sum.refused += one->refused;
      if (!one->refusal.empty()) sum.refusal = one->refusal;
      for (const StateCount& count : one->after) sum.after.push_back(count);
      request.from = one->next;
      sum.next = one->next;
      ++slices;
    } while (!request.from.empty());
    return sum;
  }
  std::vector<ListedRow> find(const ListFilter& filter) {
    std::vector<ListedRow> out;
    std::string from;
    do {
      auto page = ask(queue().list(loop(), filter, from, 100, soon()));
      EXPECT_TRUE(page.has_value());
      if (!page.has_value()) break;
      std::ranges::move(page->rows, std::back_inserter(out));
      from = page->next;
    } while (!from.empty());
    return out;
  }
  std::vector<AuditEntry> audit(size_t limit = 100) {
    return ask(queue().audit(loop(), limit, soon())).value();
  }
  Status suspend(const std::string& lane, Duration length) {
    return ask(queue().suspend_lane(
        loop(),
        {.lane = lane, .by = "anna: their wish", .since = sim.wall(), .until = sim.wall() + length},
        soon()));
  }
  Status resume(const std::string& lane) {
    return ask(queue().resume_lane(loop(), lane, "anna", soon()));
  }
  void down(const std::string& domain) { hop("smtp:" + domain).normal = Behaviour::say_451; }
  void up(const std::string& domain) { hop("smtp:" + domain).normal = Behaviour::take; }

  int slices = 0;
};

ControlRequest request_of(model::QueueId id, Command command) {
  ControlRequest out;
  out.id = id;
  out.command = command;
  out.by = "anna: a test";
  if (command == Command::redirect) out.to = "new@local.example";
  return out;
}

// ---- every command in every state ----

struct Case {
  QueueState state;
  // What it comes to; absent: refused.
  std::optional<QueueState> hold;
  std::optional<QueueState> release;
  std::optional<QueueState> retry;
  std::optional<QueueState> remove;
  std::optional<QueueState> redirect;
};

using enum QueueState;
constexpr std::nullopt_t kNo = std::nullopt;
// After a retry or a release an attempt has begun and failed again by the time that we look.
const Case kCases[] = {
    {waiting_retry, held, kNo, waiting_retry, removed, expanded},
    {in_flight, held, kNo, kNo, removed, kNo},
    {held, held, waiting_retry, waiting_retry, removed, expanded},
    {scheduled, held, waiting_retry, waiting_retry, removed, expanded},
    {delivered, kNo, kNo, kNo, kNo, kNo},
    {relayed, kNo, kNo, kNo, kNo, kNo},
    {failed, kNo, kNo, kNo, kNo, kNo},
    {expired, kNo, kNo, kNo, kNo, kNo},
    {removed, kNo, kNo, kNo, kNo, kNo},
};

class DeskCase : public Desk, public ::testing::WithParamInterface<Case> {};

TEST_P(DeskCase, EveryCommandDoesWhatItSaysOrRefusesWithASentence) {
  const Case& c = GetParam();
  const std::pair<Command, std::optional<QueueState>> wanted[] = {{Command::hold, c.hold},
                                                                  {Command::release, c.release},
                                                                  {Command::retry, c.retry},
                                                                  {Command::remove, c.remove},
                                                                  {Command::redirect, c.redirect}};
  for (const auto& [what, state] : wanted) {
    const std::string words = "command " + std::to_string(static_cast<int>(what));
    const model::QueueId id = in_state(c.state, "case" + std::to_string(static_cast<int>(what)));
    const model::QueueRow before = row(id);
    const Result<Explanation> answer = command(request_of(id, what));
    if (!state.has_value()) {
      ASSERT_FALSE(answer.has_value()) << words;
      EXPECT_TRUE(answer.error().is(kNotPossible)) << words;
      EXPECT_FALSE(answer.error().context().empty()) << words;
      EXPECT_EQ(row(id), before) << words;
      continue;
    }
    ASSERT_TRUE(answer.has_value()) << words << ": " << answer.error().to_text();
    ASSERT_FALSE(answer->rows.empty());
    EXPECT_TRUE(model::fault_of(answer->rows[0]).empty()) << words;
    EXPECT_TRUE(model::is_end(answer->rows[0].state) || answer->rows[0].next_action_at != Time{});
    sim.run_for(Duration::seconds(5));
    EXPECT_EQ(row(id).state, *state) << words;
    const auto entries = audit(1);
    ASSERT_EQ(entries.size(), 1U);
    EXPECT_EQ(entries[0].subject, model::to_text(id)) << words;
  }
}

INSTANTIATE_TEST_SUITE_P(States, DeskCase, ::testing::ValuesIn(kCases),
                         [](const auto& each) { return std::string(to_text(each.param.state)); });

// A ready row that waits for its lane, and one whose report has to wait.
TEST_F(Desk, CommandsActOnReadyAndRefuseForReporting) {
  set("queue.lane-connections", "1");
  set("queue.lane-start", "1");
  set("queue.messages-per-connection", "1");
  hop("smtp:full.example").normal = Behaviour::hang;
  for (int i = 0; i < 300; ++i) {
    ASSERT_TRUE(accept(message_to({"x@full.example"}, "f" + std::to_string(i))).has_value());
  }
  sim.run_for(Duration::seconds(1));
  ListFilter ready_ones;
  ready_ones.state = ready;
  auto rows = find(ready_ones);
  ASSERT_GE(rows.size(), 5U);
  const auto take = [&rows] {
    const model::QueueId id = rows.back().row.id;
    rows.pop_back();
    return id;
  };
  EXPECT_EQ(command(request_of(take(), Command::hold)).value().rows[0].state, held);
  EXPECT_EQ(command(request_of(take(), Command::retry)).value().rows[0].state, ready);
  EXPECT_FALSE(command(request_of(take(), Command::release)).has_value());
  EXPECT_EQ(command(request_of(take(), Command::remove)).value().rows[0].state, removed);
  EXPECT_EQ(command(request_of(take(), Command::redirect)).value().rows[0].state, expanded);
  ListFilter everything;
  BulkRequest tidy{.filter = everything, .control = request_of({}, Command::remove)};
  all(tidy);

  set("queue.reports-per-minute", "1");
  hop("smtp:no.example").normal = Behaviour::say_550;
  std::vector<model::QueueId> ids;
  for (int i = 0; i < 3; ++i) ids.push_back(accept(message_to({"x@no.example"})).value());
  sim.run_for(Duration::seconds(2));
  const model::QueueId id = ids.back();
  ASSERT_EQ(row(id).state, reporting);
  for (const Command what : {Command::hold, Command::release, Command::redirect}) {
    const auto answer = command(request_of(id, what));
    ASSERT_FALSE(answer.has_value());
    EXPECT_TRUE(answer.error().is(kNotPossible));
    EXPECT_EQ(row(id).state, reporting);
  }
  EXPECT_TRUE(command(request_of(id, Command::remove)).has_value());
  EXPECT_EQ(row(id).state, removed);
}

TEST_F(Desk, AHoldEndsWhenItSaidAndItsOwnerIsKnown) {
  down("far.example");
  const model::QueueId id = in_state(waiting_retry, "far");
  ControlRequest request = request_of(id, Command::hold);
  request.hold_for = Duration::minutes(30);
  const auto answer = command(request);
  ASSERT_TRUE(answer.has_value());
  EXPECT_EQ(answer->rows[0].held_by, "anna: a test");
  EXPECT_LE(answer->rows[0].clock_at - sim.wall(), Duration::minutes(30));
  EXPECT_GT(answer->rows[0].clock_at - sim.wall(), Duration::minutes(29));
  up("far.example");
  sim.run_for(Duration::minutes(29));
  EXPECT_EQ(row(id).state, held);
  sim.run_for(Duration::minutes(2));
  EXPECT_EQ(row(id).state, relayed);
  request.hold_for = Duration{};
  EXPECT_TRUE(command(request).error().is(kBadFilter));
}

TEST_F(Desk, RemovingTellsTheSenderOnlyWhenAsked) {
  ControlRequest request = request_of(in_state(waiting_retry, "one"), Command::remove);
  ASSERT_TRUE(command(request).has_value());
  EXPECT_EQ(outside.reports, 0U);
  request.id = in_state(waiting_retry, "two");
  request.telling = Telling::with_report;
  ASSERT_TRUE(command(request).has_value());
  EXPECT_EQ(outside.reports, 1U);
}

TEST_F(Desk, ARedirectNeverLosesTheMessage) {
  down("a.example");
  down("b.example");
  const model::QueueId id = accept(message_to({"x@a.example"})).value();
  sim.run_for(Duration::seconds(2));
  ControlRequest request = request_of(id, Command::redirect);
  request.to = "X@A.example";
  EXPECT_THAT(command(request).error().context(), HasSubstr("already"));
  request.to = "x@b.example";
  ASSERT_TRUE(command(request).has_value());
  sim.run_for(Duration::seconds(2));
  EXPECT_EQ(row(id, 1).recipient.address, "x@b.example");
  // Back to where it came from, whose first row has ended as expanded: it gets another one.
  request.to = "x@a.example";
  ASSERT_TRUE(command(request).has_value());
  EXPECT_EQ(row(id, 1).state, model::QueueState::expanded);
  sim.run_for(Duration::seconds(2));
  EXPECT_EQ(row(id, 2).recipient.address, "x@a.example");
  EXPECT_EQ(row(id, 2).state, waiting_retry);
  request.to = "no address";
  EXPECT_TRUE(command(request).error().is(kBadFilter));
  request.to.clear();
  EXPECT_TRUE(command(request).error().is(kBadFilter));
  for (const char* via : {"relay", "relay:0", "relay:x", ":25", "a b:25", "relay:70000"}) {
    request.via = via;
    EXPECT_TRUE(command(request).error().is(kBadFilter)) << via;
  }
  request.via = "[2001:db8::1]:25";
  ASSERT_TRUE(command(request).has_value());
  EXPECT_EQ(row(id, 2).recipient.via, "[2001:db8::1]:25");
  sim.run_for(Duration::seconds(2));
  request.via = "";
  ASSERT_TRUE(command(request).has_value());
  EXPECT_EQ(row(id, 2).recipient.via, "");
}

// ---- filters ----

TEST_F(Desk, AFilterIsEveryOneOfItsFields) {
  down("far.example");
  NewMessage first = message_to({"x@far.example", "y@far.example"}, "one@m");
  first.subject = "Quarterly figures \xE2\x82\xAC";
  first.envelope.mt_priority = 4;
  ASSERT_TRUE(accept(std::move(first)).has_value());
  sim.run_for(Duration::minutes(10));
  NewMessage second = message_to({"z@far.example"}, "two@m");
  second.envelope.sender.clear();
  second.raw = std::make_shared<const std::string>("Received: x\r\n\r\n" + std::string(5000, 'x'));
  ASSERT_TRUE(accept(std::move(second)).has_value());
  sim.run_for(Duration::seconds(5));
  const auto count = [this](auto change) {
    ListFilter filter;
    change(filter);
    return find(filter).size();
  };
  EXPECT_EQ(count([](ListFilter&) {}), 3U);
  EXPECT_EQ(count([](ListFilter& f) { f.older_than = Duration::minutes(5); }), 2U);
  EXPECT_EQ(count([](ListFilter& f) { f.younger_than = Duration::minutes(5); }), 1U);
  EXPECT_EQ(count([](ListFilter& f) { f.larger_than = 4000; }), 1U);
  EXPECT_EQ(count([](ListFilter& f) { f.smaller_than = 4000; }), 2U);
  EXPECT_EQ(count([](ListFilter& f) { f.priority = model::Priority::high; }), 2U);
  EXPECT_EQ(count([](ListFilter& f) { f.priority = model::Priority::low; }), 0U);
  EXPECT_EQ(count([](ListFilter& f) { f.subject = "FIGURES"; }), 2U);
  EXPECT_EQ(count([](ListFilter& f) { f.subject = "\xE2\x82\xAC"; }), 2U);
  EXPECT_EQ(count([](ListFilter& f) { f.message_id = "two@m"; }), 1U);
  EXPECT_EQ(count([](ListFilter& f) { f.message_id = "two"; }), 0U);
  EXPECT_EQ(count([](ListFilter& f) { f.sender = "<>"; }), 1U);
  EXPECT_EQ(count([](ListFilter& f) { f.sender = "sender@ELSE"; }), 2U);
  EXPECT_EQ(count([](ListFilter& f) { f.recipient = "z@"; }), 1U);
  EXPECT_EQ(count([](ListFilter& f) { f.lane = "smtp:far.example"; }), 3U);
  EXPECT_EQ(count([](ListFilter& f) {
              f.lane = "smtp:far.example";
              f.subject = "figures";
              f.recipient = "y@";
            }),
            1U);
}

// The front of what has ended is passed once, and hides nothing that waits.
TEST_F(Desk, AListOfWhatWaitsDoesNotPassWhatHasEndedAgain) {
  for (int i = 0; i < 300; ++i) {
    ASSERT_TRUE(accept(message_to({"x@local.example"})).has_value());
  }
  down("far.example");
  const model::QueueId waits = accept(message_to({"x@far.example", "y@local.example"})).value();
  for (int i = 0; i < 50; ++i) {
    ASSERT_TRUE(accept(message_to({"x@local.example"})).has_value());
  }
  sim.run_for(Duration::minutes(20));
  BulkRequest dry{.filter = {}, .control = request_of({}, Command::retry), .doing = Doing::dry_run};
  EXPECT_EQ(all(dry).looked_at, 352U);
  ListFilter filter;
  EXPECT_EQ(find(filter).size(), 1U);
  const BulkResult again = all(dry);
  EXPECT_LT(again.looked_at, 60U);
  EXPECT_EQ(again.matched, 1U);
  filter.with_ended = true;
  EXPECT_EQ(find(filter).size(), 352U);
  up("far.example");
  EXPECT_TRUE(control(waits, Command::retry).has_value());
  sim.run_for(Duration::seconds(5));
  EXPECT_TRUE(find(ListFilter{}).empty());
}

// ---- commands on many ----

class DeskOfMany : public Desk {
 protected:
  static constexpr size_t kMessages = 5100;
  // Held from the start by a suspension-like trick would be quicker, but this is how it happens.
  void fill(const std::string& domain, size_t count) {
    down(domain);
    set("queue.lane-connections", "50");
    for (size_t i = 0; i < count; ++i) {
      NewMessage message = message_to({"x@" + domain}, std::to_string(i) + "@m");
      message.envelope.hold_until = sim.wall() + Duration::days(1);  // no attempts meanwhile
      message.subject = i % 2 == 0 ? "even" : "odd";
      ASSERT_TRUE(accept(std::move(message)).has_value());
    }
  }
};

TEST_F(DeskOfMany, ACommandOnAllGoesByPagesAndCountsWhatItDid) {
  fill("far.example", kMessages);
  BulkRequest request{.filter = {}, .control = request_of({}, Command::hold)};
  request.control.hold_for = Duration::hours(3);
  request.doing = Doing::dry_run;
  const BulkResult dry = all(request);
  EXPECT_EQ(dry.matched, kMessages);
  EXPECT_EQ(dry.changed, kMessages);
  EXPECT_EQ(dry.refused, 0U);
  ASSERT_FALSE(dry.after.empty());
  EXPECT_EQ(dry.after[0].state, scheduled);
  EXPECT_EQ(states()[scheduled], kMessages);
  EXPECT_TRUE(audit().empty());

  request.doing = Doing::really;
  request.filter.subject = "even";
  slices = 0;
  const Instant before = loop().now();
  const BulkResult done = all(request);
  EXPECT_LT(loop().now() - before, Duration::seconds(3));
  EXPECT_EQ(done.matched, kMessages / 2);
  EXPECT_EQ(done.messages, kMessages / 2);
  EXPECT_EQ(done.changed, kMessages / 2);
  uint64_t after = 0;
  for (const StateCount& count : done.after) {
    EXPECT_EQ(count.state, held);
    after += count.rows;
  }
  EXPECT_EQ(after, kMessages / 2);
  EXPECT_EQ(states()[held], kMessages / 2);
  const auto entries = audit();
  ASSERT_FALSE(entries.empty());
  EXPECT_EQ(entries[0].what, "hold");
  EXPECT_EQ(entries[0].subject, "subject even");
  EXPECT_EQ(entries[0].by, "anna: a test");

  request.control = request_of({}, Command::remove);
  request.filter = {};
  slices = 0;
  EXPECT_EQ(all(request).changed, kMessages);
  EXPECT_GT(slices, 1);
  EXPECT_EQ(resting(), 0U);
}

TEST_F(DeskOfMany, WhatACommandDoesNotFitIsCountedAsRefused) {
  fill("far.example", 10);
  BulkRequest request{.filter = {}, .control = request_of({}, Command::hold)};
  request.filter.subject = "odd";
  EXPECT_EQ(all(request).changed, 5U);
  request.control = request_of({}, Command::redirect);
  request.control.to = "x@far.example";
  request.filter = {};
  const BulkResult refused = all(request);
  EXPECT_EQ(refused.matched, 10U);
  EXPECT_EQ(refused.refused, 10U);
  EXPECT_EQ(refused.changed, 0U);
  EXPECT_THAT(refused.refusal, HasSubstr("already"));
  EXPECT_EQ(resting(), 10U);
  request.control.to = "new@local.example";
  EXPECT_EQ(all(request).changed, 10U);
  sim.run_for(Duration::seconds(5));
  EXPECT_EQ(outside.arrived_at["new@local.example"], 0);  // their senders' time has not come
  sim.run_for(Duration::days(1));
  EXPECT_EQ(outside.arrived_at["new@local.example"], 10);
}

TEST_F(DeskOfMany, ACommandCutOffByACrashIsFinishedByGivingItAgain) {
  fill("far.example", 1500);
  BulkRequest request{.filter = {}, .control = request_of({}, Command::remove)};
  auto scope = std::make_unique<rt::Scope>(loop(), "a client that is cut off");
  struct Cut {
    static rt::Task<void> go(Queue& queue, rt::Loop& home, BulkRequest what, rt::Deadline until) {
      auto ignored = co_await queue.control_all(home, std::move(what), until);
      static_cast<void>(ignored);
    }
  };
  scope->spawn("bulk", Cut::go(queue(), loop(), request, soon()));
  sim.run_for(Duration::milliseconds(4));
  scope.reset();
  crash_and_restart();
  const uint64_t left = resting();
  EXPECT_GT(left, 0U);
  EXPECT_LT(left, 1500U);
  EXPECT_EQ(all(request).changed, left);
  EXPECT_EQ(resting(), 0U);
  EXPECT_EQ(all(request).matched, 0U);
}

TEST(DeskOfLoops, CommandsReachEveryShard) {
  World w(9, 3);
  w.set("queue.schedule", "1 h");
  w.hop("smtp:far.example").normal = Behaviour::say_451;
  for (size_t i = 0; i < 30; ++i) {
    rt::Loop& at = w.host.loop(i % 3);
    auto id = w.sim.await(at, w.queue().accept(at, message_to({"x@far.example"}), w.soon()));
    ASSERT_TRUE(id.has_value() && id->has_value());
  }
  w.sim.run_for(Duration::seconds(30));
  const auto suspend = [&w] {
    return w.queue().suspend_lane(w.loop(),
                                  {.lane = "smtp:far.example",
                                   .by = "anna",
                                   .since = w.sim.wall(),
                                   .until = w.sim.wall() + Duration::hours(1)},
                                  w.soon());
  };
  ASSERT_TRUE(w.sim.await(w.loop(), suspend())->has_value());
  w.sim.run_for(Duration::seconds(5));
  EXPECT_EQ(w.states()[held], 30U);
  auto audit = w.sim.await(w.loop(), w.queue().audit(w.loop(), 10, w.soon()));
  EXPECT_EQ((*audit)->size(), 1U);
  auto lanes = w.sim.await(w.loop(), w.queue().lanes(w.loop(), 10, w.soon()));
  ASSERT_EQ((*lanes)->size(), 1U);
  EXPECT_EQ((*lanes)->front().health, LaneHealth::suspended);
  BulkRequest request{.filter = {}, .control = request_of({}, Command::remove)};
  uint64_t changed = 0;
  do {
    auto one = w.sim.await(w.loop(), w.queue().control_all(w.loop(), request, w.soon()));
    changed += (*one)->changed;
    request.from = (*one)->next;
  } while (!request.from.empty());
  EXPECT_EQ(changed, 30U);
  EXPECT_EQ(w.resting(), 0U);
  EXPECT_EQ(w.sim.check(), rt_sim::Findings());
}

// ---- suspensions ----

TEST_F(Desk, ASuspendedLaneRestsAndGoesOnWhenResumed) {
  down("far.example");
  const model::QueueId id = in_state(waiting_retry, "far");
  ASSERT_TRUE(suspend("smtp:far.example", Duration::hours(6)).has_value());
  sim.run_for(Duration::seconds(2));
  model::QueueRow now = row(id);
  EXPECT_EQ(now.state, held);
  EXPECT_EQ(now.reason, QueueReason::lane_suspended);
  EXPECT_EQ(now.held_by, "anna: their wish");
  EXPECT_GT(now.clock_at - sim.wall(), Duration::hours(5));
  // Others come in meanwhile and rest as well; a new end counts for all.
  const model::QueueId later = accept(message_to({"y@far.example"})).value();
  ASSERT_TRUE(suspend("smtp:far.example", Duration::hours(2)).has_value());
  sim.run_for(Duration::seconds(2));
  for (const model::QueueId one : {id, later}) {
    EXPECT_EQ(row(one).reason, QueueReason::lane_suspended);
    EXPECT_LE(row(one).clock_at - sim.wall(), Duration::hours(2));
  }
  up("far.example");
  ASSERT_TRUE(resume("smtp:far.example").has_value());
  sim.run_for(Duration::seconds(2));
  EXPECT_EQ(row(id).state, relayed);
  EXPECT_EQ(row(later).state, relayed);
  EXPECT_TRUE(resume("smtp:far.example").error().is(kNotPossible));
  EXPECT_TRUE(suspend("", Duration::hours(1)).error().is(kBadFilter));
  EXPECT_TRUE(suspend("x", Duration{}).error().is(kBadFilter));
  const auto entries = audit();
  ASSERT_EQ(entries.size(), 3U);
  EXPECT_EQ(entries[0].what, "resume-lane");
  EXPECT_THAT(entries[1].what, HasSubstr("suspend-lane until"));
}

TEST_F(Desk, ASuspensionSurvivesARestartAndEndsByItsClock) {
  down("far.example");
  const model::QueueId id = in_state(waiting_retry, "far");
  ASSERT_TRUE(suspend("smtp:far.example", Duration::hours(3)).has_value());
  crash_and_restart();
  up("far.example");
  sim.run_for(Duration::hours(2));
  EXPECT_EQ(row(id).reason, QueueReason::lane_suspended);
  EXPECT_EQ(ask(queue().lanes(loop(), 10, soon())).value()[0].suspension->by, "anna: their wish");
  sim.run_for(Duration::hours(1) + Duration::minutes(2));
  EXPECT_EQ(row(id).state, relayed);
  for (const LaneView& lane : ask(queue().lanes(loop(), 10, soon())).value()) {
    EXPECT_FALSE(lane.suspension.has_value());
  }
}

// What was resumed just before a crash lets its rows go after it.
TEST_F(Desk, AResumedLaneIsResumedAfterACrash) {
  down("far.example");
  const model::QueueId id = in_state(waiting_retry, "far");
  ASSERT_TRUE(suspend("smtp:far.example", Duration::days(1)).has_value());
  sim.run_for(Duration::seconds(2));
  ASSERT_EQ(row(id).reason, QueueReason::lane_suspended);
  up("far.example");
  ASSERT_TRUE(resume("smtp:far.example").has_value());
  crash_and_restart();
  sim.run_for(Duration::minutes(1));
  EXPECT_EQ(row(id).state, relayed);
}

// ---- the audit log, the trace, the octets ----

TEST_F(Desk, TheAuditLogIsBoundedInNumberAndAge) {
  const auto note = [this](const std::string& what) {
    return ask(queue().note(
        loop(), {.when = {}, .by = "anna", .what = what, .subject = "s", .rows = 1}, soon()));
  };
  for (int i = 0; i < 50; ++i) ASSERT_TRUE(note("old").has_value());
  set("queue.keep-ended", "1 h");
  sim.run_for(Duration::hours(2));
  crash_and_restart();
  ASSERT_TRUE(note("new").has_value());
  EXPECT_EQ(audit(1000).size(), 1U);
  struct Many {
    static rt::Task<void> go(Queue& queue, rt::Loop& home, rt::Deadline until) {
      const Status done = co_await queue.note(
          home, {.when = {}, .by = "anna", .what = "n", .subject = "s", .rows = 1}, until);
      EXPECT_TRUE(done.has_value());
    }
  };
  rt::Scope scope(loop(), "many notes");
  for (size_t i = 0; i < kAuditKept + 20; ++i) {
    scope.spawn("a note", Many::go(queue(), loop(), soon()));
  }
  sim.run_until([&scope] { return scope.active() == 0; }, Duration::minutes(5));
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(note("last").has_value());
  EXPECT_EQ(audit(2 * kAuditKept).size(), kAuditKept);
  EXPECT_EQ(audit(3).size(), 3U);
}

TEST_F(Desk, ATraceHasTheTrailTheCommandsAndTheReports) {
  const model::QueueId id = in_state(waiting_retry, "far");
  ASSERT_TRUE(control(id, Command::hold).has_value());
  hop("smtp:far.example").normal = Behaviour::say_550;
  ASSERT_TRUE(control(id, Command::release).has_value());
  sim.run_for(Duration::seconds(10));
  ASSERT_EQ(row(id).state, failed);
  const Trace trace = ask(queue().trace(loop(), id, soon())).value();
  EXPECT_EQ(trace.explanation.message.id, id);
  ASSERT_EQ(trace.commands.size(), 2U);
  EXPECT_EQ(trace.commands[0].what, "release");
  ASSERT_EQ(trace.reports.size(), 1U);
  EXPECT_EQ(trace.reports[0].message.envelope.origin, model::Origin::report);
  std::vector<QueueState> way;
  for (const model::TrailStep& step : trace.explanation.rows[0].trail) way.push_back(step.state);
  EXPECT_THAT(way, ::testing::Contains(held));
  EXPECT_EQ(way.front(), ready);
  EXPECT_EQ(way.back(), failed);
}

TEST_F(Desk, TheOctetsAreThereUntilTheEnd) {
  const model::QueueId id = in_state(waiting_retry, "far");
  const auto read = [&](uint64_t offset, uint64_t length) {
    return ask(queue().content(loop(), id, offset, length, soon()));
  };
  const std::string all = read(0, 1 << 20).value();
  EXPECT_THAT(all, HasSubstr("Hello far@m"));
  EXPECT_EQ(read(10, 5).value(), all.substr(10, 5));
  EXPECT_EQ(read(all.size(), 5).value(), "");
  ASSERT_TRUE(control(id, Command::remove).has_value());
  EXPECT_TRUE(read(0, 5).error().is(kNotPossible));
  EXPECT_TRUE(
      ask(queue().content(loop(), model::QueueId{77}, 0, 5, soon())).error().is(kNoSuchMessage));
}

}  // namespace
}  // namespace ph::queue::test
