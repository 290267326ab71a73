// Parking: the one way to suspend. An activity parks until wake(), its deadline, or cancellation.
//
// A wake() while nobody is parked is remembered (once), so no wake-up is lost; still, a wake-up is
// only a hint: after it the caller looks again. At most one activity parks at a time. Home loop
// only; another thread wakes through Loop::post. A Parking must outlive the park.
#pragma once

#include <coroutine>
#include <source_location>

#include "base/result.h"
#include "rt/activity.h"
#include "rt/deadline.h"
#include "rt/loop.h"
#include "rt/task.h"
#include "rt/timers.h"

namespace ph::rt {

enum class Woken : uint8_t { hint, deadline, cancelled };

// hint is success; deadline is kTimedOut naming `what`; cancelled is kCancelled.
Status to_status(Woken woken, std::string_view what);

class Parking;

class ParkAwaiter final : private Timer {
 public:
  ParkAwaiter(Loop& loop, Parking* parking, Deadline deadline, const char* what,
              std::source_location where)
      : loop_(loop), parking_(parking), deadline_(deadline), what_(what), where_(where) {}
  ~ParkAwaiter() override;

  bool await_ready() const noexcept { return false; }
  template <class Promise>
  bool await_suspend(std::coroutine_handle<Promise> self) {
    return suspend(*self.promise().activity(), self);
  }
  Woken await_resume() const noexcept { return woken_; }

 private:
  friend class Activity;
  friend class Parking;
  bool suspend(Activity& activity, std::coroutine_handle<> self);
  void finish(Woken woken);
  void fired() override { finish(Woken::deadline); }

  Loop& loop_;
  Parking* parking_;  // may be absent: then only the clock or cancellation ends it
  Deadline deadline_;
  const char* what_;
  std::source_location where_;
  Activity* activity_ = nullptr;
  Woken woken_ = Woken::hint;
};

class Parking {
 public:
  explicit Parking(Loop& loop) : loop_(loop) {}
  ~Parking();
  Parking(const Parking&) = delete;
  Parking& operator=(const Parking&) = delete;

  ParkAwaiter park(Deadline deadline, const char* what,
                   std::source_location where = std::source_location::current()) {
    return {loop_, this, deadline, what, where};
  }
  void wake();
  bool occupied() const { return parked_ != nullptr; }
  Loop& loop() const { return loop_; }

 private:
  friend class ParkAwaiter;
  Loop& loop_;
  ParkAwaiter* parked_ = nullptr;
  bool woken_ = false;
};

// Sleeps until the deadline: `co_await rt::sleep(loop, loop.in(d), "retry delay");`
inline ParkAwaiter sleep(Loop& loop, Deadline until, const char* what,
                         std::source_location where = std::source_location::current()) {
  return {loop, nullptr, until, what, where};
}

// Lets everything else that is ready run first; long work calls it between slices.
inline ParkAwaiter yield(Loop& loop, std::source_location where = std::source_location::current()) {
  return {loop, nullptr, Deadline::at(loop.now()), "its next slice", where};
}

}  // namespace ph::rt
