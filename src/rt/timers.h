// The timers of one loop: an indexed binary heap ordered by (due time, order of arming), so equal
// programs fire in equal order. Arming and disarming cost O(log n) and no allocation per timer.
//
// A Timer belongs to whoever embeds it and disarms itself when destroyed. Home loop only.
#pragma once

#include <cstdint>
#include <vector>

#include "base/time.h"

namespace ph::rt {

class Timers;

class Timer {
 public:
  Timer() = default;
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;
  virtual ~Timer();

  bool armed() const { return timers_ != nullptr; }
  Instant due() const { return due_; }

 protected:
  // Called once by the loop when due; the timer is disarmed by then and may be armed again.
  virtual void fired() = 0;

 private:
  friend class Timers;
  Timers* timers_ = nullptr;
  size_t place_ = 0;
  Instant due_;
  uint64_t order_ = 0;
};

class Timers {
 public:
  void arm(Timer& timer, Instant due);  // re-arms an armed one
  void disarm(Timer& timer);
  bool empty() const { return heap_.empty(); }
  size_t size() const { return heap_.size(); }
  Instant next_due() const;  // Instant::max() when empty
  // Fires every timer due at `now`; returns how many.
  size_t fire_due(Instant now);

 private:
  static bool before(const Timer& a, const Timer& b);
  void put(size_t place, Timer& timer);
  void sift_up(size_t place);
  void sift_down(size_t place);

  std::vector<Timer*> heap_;
  uint64_t next_order_ = 0;
};

}  // namespace ph::rt
