// A Loop runs the activities that have their home on it, one at a time, on one thread.
//
// Everything of a connection, mailbox, lane or job is touched on its home loop only, so nothing
// there needs a lock. The one call other threads may make is post(). rt_real drives a loop with
// epoll and the machine's clocks, rt_sim with virtual time; both use the queue, timers and registry
// kept here.
#pragma once

#include <coroutine>
#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <source_location>
#include <vector>

#include "base/time.h"
#include "rt/activity.h"
#include "rt/deadline.h"
#include "rt/timers.h"

namespace ph::rt {

using Callback = std::move_only_function<void()>;

class Scope;

class Loop {
 public:
  explicit Loop(size_t index);
  virtual ~Loop();
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  size_t index() const { return index_; }
  virtual Instant now() const = 0;  // monotonic
  virtual Time wall() const = 0;    // UTC; may step
  Deadline in(Duration d) const { return Deadline::at(now() + d); }

  // Runs `callback` on this loop soon. From any thread.
  virtual void post(Callback callback) = 0;
  // Whether the calling code runs on this loop.
  virtual bool is_current() const = 0;

  Timers& timers() { return timers_; }
  const Timers& timers() const { return timers_; }
  // Activities that other loops started here (call_on); killed with the loop.
  Scope& guests() { return *guests_; }

  // The registry: every living activity of this loop, oldest first.
  std::vector<const Activity*> activities() const;
  size_t activity_count() const { return activity_count_; }
  // Activities whose wait is past its deadline by more than `grace`: always empty, unless a bug.
  std::vector<const Activity*> overdue(Duration grace) const;
  // Exceptions that reached the root of an activity or left a posted callback (each is a bug; tests
  // require 0).
  size_t stray_exceptions() const { return stray_exceptions_; }

 protected:
  // For drivers: resumes what is ready now (not what becomes ready meanwhile); how many it was.
  size_t run_ready();
  bool has_ready() const { return !ready_.empty(); }
  // For drivers' destructors: kills guests while the derived loop still works.
  void kill_guests();
  // For drivers: a posted callback threw.
  void note_stray_exception() { ++stray_exceptions_; }
  // For drivers: called when something became ready outside run_ready (default: nothing).
  virtual void wake_driver() {}

 private:
  friend class Activity;
  friend class Scope;
  friend class ParkAwaiter;

  void make_ready(Activity& activity);
  void forget(Activity& activity);

  size_t index_;
  Timers timers_;
  std::deque<Activity*> ready_;
  std::vector<Scope*> scopes_;
  std::unique_ptr<Scope> guests_;
  size_t activity_count_ = 0;
  uint64_t next_activity_id_ = 1;
  size_t stray_exceptions_ = 0;
};

}  // namespace ph::rt
