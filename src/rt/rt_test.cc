#include <gtest/gtest.h>

#include <stdexcept>

#include "rt/bounded.h"
#include "rt/errors.h"
#include "rt/loop.h"
#include "rt/parking.h"
#include "rt/runtime.h"
#include "rt/scope.h"
#include "rt/task.h"

namespace ph::rt {
namespace {

// A loop whose clock moves only when the test says so.
class CrankedLoop : public Loop {
 public:
  explicit CrankedLoop(size_t index = 0) : Loop(index) {}
  ~CrankedLoop() override { kill_guests(); }
  Instant now() const override { return now_; }
  Time wall() const override { return Time::from_unix_us(now_.us()); }
  void post(Callback callback) override { posted_.push_back(std::move(callback)); }
  bool is_current() const override { return true; }

  void run() {
    while (!posted_.empty() || has_ready()) {
      std::deque<Callback> batch = std::exchange(posted_, {});
      for (Callback& callback : batch) callback();
      run_ready();
    }
  }
  void advance(Duration d) {
    const Instant end = now_ + d;
    run();
    while (timers().next_due() <= end) {
      now_ = timers().next_due();
      timers().fire_due(now_);
      run();
    }
    now_ = end;
  }

 private:
  Instant now_;
  std::deque<Callback> posted_;
};

Task<int> add_later(Loop& loop, int a, int b) {
  co_await sleep(loop, loop.in(Duration::seconds(1)), "a test");
  co_return a + b;
}

Task<void> store_sum(Loop& loop, int& out) {
  const int first = co_await add_later(loop, 1, 2);
  const int second = co_await add_later(loop, first, 3);
  out = second;
}

TEST(Task, NestedTasksResumeInOrder) {
  CrankedLoop loop;
  Scope scope(loop, "test");
  int out = 0;
  scope.spawn("sum", store_sum(loop, out));
  loop.advance(Duration::milliseconds(1500));
  EXPECT_EQ(out, 0);
  loop.advance(Duration::seconds(1));
  EXPECT_EQ(out, 6);
  EXPECT_EQ(scope.active(), 0U);
}

Task<void> wait_for(Parking& parking, Deadline deadline, std::optional<Woken>& out) {
  out = co_await parking.park(deadline, "a test");
}

TEST(Parking, AWakeBeforeTheParkIsNotLost) {
  CrankedLoop loop;
  Parking parking(loop);
  Scope scope(loop, "test");
  std::optional<Woken> out;
  parking.wake();
  scope.spawn("waiter", wait_for(parking, loop.in(Duration::seconds(1)), out));
  loop.run();
  EXPECT_EQ(out, Woken::hint);
}

TEST(Parking, TheClockEndsAWaitWithoutAnyHint) {
  CrankedLoop loop;
  Parking parking(loop);
  Scope scope(loop, "test");
  std::optional<Woken> out;
  scope.spawn("waiter", wait_for(parking, loop.in(Duration::seconds(1)), out));
  loop.advance(Duration::milliseconds(999));
  EXPECT_FALSE(out.has_value());
  loop.advance(Duration::milliseconds(1));
  EXPECT_EQ(out, Woken::deadline);
}

TEST(Scope, CancelReachesAParkedAndALaterWait) {
  CrankedLoop loop;
  Parking parking(loop);
  Scope scope(loop, "test");
  std::optional<Woken> first;
  scope.spawn("waiter", wait_for(parking, loop.in(Duration::seconds(1)), first));
  loop.run();
  scope.cancel();
  loop.run();
  EXPECT_EQ(first, Woken::cancelled);
  std::optional<Woken> second;
  scope.spawn("late", wait_for(parking, loop.in(Duration::seconds(1)), second));
  loop.run();
  EXPECT_EQ(second, Woken::cancelled);
}

struct Counted {
  int& living;
  explicit Counted(int& counter) : living(counter) { ++living; }
  Counted(const Counted&) = delete;
  Counted& operator=(const Counted&) = delete;
  ~Counted() { --living; }
};

Task<int> hold(Loop& loop, int& living) {
  const Counted counted(living);
  co_await sleep(loop, loop.in(Duration::hours(1)), "a test");
  co_return 1;
}

Task<void> hold_twice(Loop& loop, int& living) {
  const Counted counted(living);
  co_await hold(loop, living);
}

TEST(Scope, KillingItFreesEveryFrame) {
  CrankedLoop loop;
  int living = 0;
  {
    Scope scope(loop, "test");
    for (int i = 0; i < 10; ++i) scope.spawn("holder", hold_twice(loop, living));
    loop.run();
    EXPECT_EQ(living, 20);
    ASSERT_EQ(loop.activities().size(), 10U);
    EXPECT_STREQ(loop.activities()[0]->wait().what, "a test");
    EXPECT_TRUE(loop.overdue(Duration()).empty());
  }
  EXPECT_EQ(living, 0);
  EXPECT_EQ(loop.activity_count(), 0U);
  EXPECT_TRUE(loop.timers().empty());
}

Task<void> join_into(Scope& inner, Deadline deadline, std::optional<Status>& out) {
  out = co_await inner.join(deadline);
}

TEST(Scope, JoinEndsWithTheLastActivityOrTheDeadline) {
  CrankedLoop loop;
  int living = 0;
  Scope inner(loop, "inner");
  Scope outer(loop, "outer");
  inner.spawn("holder", hold_twice(loop, living));
  std::optional<Status> early;
  outer.spawn("joiner", join_into(inner, loop.in(Duration::seconds(1)), early));
  loop.advance(Duration::seconds(2));
  ASSERT_TRUE(early.has_value());
  EXPECT_TRUE(early->error().is(kTimedOut));
  std::optional<Status> late;
  outer.spawn("joiner", join_into(inner, loop.in(Duration::hours(2)), late));
  loop.advance(Duration::hours(3));
  ASSERT_TRUE(late.has_value());
  EXPECT_TRUE(late->has_value());
}

Task<int> throws() {
  throw std::runtime_error("stray");
  co_return 0;
}

Task<void> call_throws() { co_await throws(); }

TEST(Scope, AStrayExceptionEndsItsActivityAndIsCounted) {
  CrankedLoop loop;
  Scope scope(loop, "test");
  scope.spawn("thrower", call_throws());
  loop.run();
  EXPECT_EQ(loop.stray_exceptions(), 1U);
  EXPECT_EQ(scope.active(), 0U);
}

Task<void> ask(Loop& home, Loop& target, Deadline deadline, std::optional<Result<int>>& out) {
  out = co_await call_on(
      home, target, "guest", [&target] { return add_later(target, 20, 22); }, deadline);
}

Task<int> never_answer(Loop& loop) {
  while (true) co_await sleep(loop, loop.in(Duration::hours(1)), "nothing");
}

Task<int> throw_at_once(Loop& loop) {
  co_await sleep(loop, loop.in(Duration::seconds(1)), "a test");
  throw std::runtime_error("on purpose");
}

Task<void> ask_bounded(Loop& loop, Task<int> task, std::optional<int>& out, bool& answered) {
  out = co_await bounded(loop, "a test", std::move(task), loop.in(Duration::seconds(5)));
  answered = true;
}

TEST(Bounded, AnswersKillsWhatHangsAndOutlivesWhatThrows) {
  CrankedLoop loop;
  std::optional<int> out;
  bool answered = false;
  Scope scope(loop, "test");
  scope.spawn("good", ask_bounded(loop, add_later(loop, 1, 2), out, answered));
  loop.advance(Duration::seconds(2));
  EXPECT_EQ(out, 3);
  answered = false;
  scope.spawn("hanging", ask_bounded(loop, never_answer(loop), out, answered));
  loop.advance(Duration::seconds(4));
  EXPECT_FALSE(answered);
  loop.advance(Duration::seconds(2));
  EXPECT_TRUE(answered);
  EXPECT_FALSE(out.has_value());
  answered = false;
  scope.spawn("throwing", ask_bounded(loop, throw_at_once(loop), out, answered));
  loop.advance(Duration::seconds(2));
  EXPECT_TRUE(answered);
  EXPECT_FALSE(out.has_value());
  EXPECT_EQ(scope.active(), 0U);
}

TEST(CallOn, BringsTheResultBackOrTimesOut) {
  CrankedLoop home(0);
  CrankedLoop target(1);
  Scope scope(home, "test");
  std::optional<Result<int>> good;
  std::optional<Result<int>> late;
  scope.spawn("ask", ask(home, target, home.in(Duration::seconds(5)), good));
  scope.spawn("ask", ask(home, target, home.in(Duration::milliseconds(10)), late));
  home.run();
  home.advance(Duration::milliseconds(20));
  ASSERT_TRUE(late.has_value());
  EXPECT_TRUE(late->error().is(kTimedOut));
  target.advance(Duration::seconds(2));
  home.run();
  ASSERT_TRUE(good.has_value());
  EXPECT_EQ(good->value(), 42);
}

TEST(Timers, FireInOrderOfTimeThenOfArming) {
  struct Noted : Timer {
    std::vector<int>& out;
    int id;
    Noted(std::vector<int>& notes, int number) : out(notes), id(number) {}
    void fired() override { out.push_back(id); }
  };
  Timers timers;
  std::vector<int> out;
  std::deque<Noted> all;
  for (int i = 0; i < 100; ++i) {
    all.emplace_back(out, i);
    timers.arm(all.back(), Instant::from_us((i * 37) % 10));
  }
  for (int i = 0; i < 100; i += 3) timers.disarm(all[static_cast<size_t>(i)]);
  EXPECT_EQ(timers.fire_due(Instant::from_us(100)), 66U);
  for (size_t i = 1; i < out.size(); ++i) {
    const int a = (out[i - 1] * 37) % 10;
    const int b = (out[i] * 37) % 10;
    EXPECT_TRUE(a < b || (a == b && out[i - 1] < out[i]));
  }
}

TEST(Endpoint, OnlyNumericAddresses) {
  EXPECT_EQ(to_text(endpoint_of("0:0::1", 25).value()), "[::1]:25");
  EXPECT_EQ(to_text(endpoint_of("127.0.0.1", 25).value()), "127.0.0.1:25");
  EXPECT_TRUE(endpoint_of("localhost", 25).error().is(kBadAddress));
}

}  // namespace
}  // namespace ph::rt
