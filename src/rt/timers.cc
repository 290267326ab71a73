#include "rt/timers.h"

#include <utility>

#include "base/check.h"

namespace ph::rt {

Timer::~Timer() {
  if (timers_ != nullptr) timers_->disarm(*this);
}

bool Timers::before(const Timer& a, const Timer& b) {
  return a.due_ != b.due_ ? a.due_ < b.due_ : a.order_ < b.order_;
}

void Timers::put(size_t place, Timer& timer) {
  heap_[place] = &timer;
  timer.place_ = place;
}

void Timers::sift_up(size_t place) {
  Timer& timer = *heap_[place];
  while (place > 0) {
    const size_t parent = (place - 1) / 2;
    if (!before(timer, *heap_[parent])) break;
    put(place, *heap_[parent]);
    place = parent;
  }
  put(place, timer);
}

void Timers::sift_down(size_t place) {
  Timer& timer = *heap_[place];
  for (;;) {
    size_t child = place * 2 + 1;
    if (child >= heap_.size()) break;
    if (child + 1 < heap_.size() && before(*heap_[child + 1], *heap_[child])) ++child;
    if (!before(*heap_[child], timer)) break;
    put(place, *heap_[child]);
    place = child;
  }
  put(place, timer);
}

void Timers::arm(Timer& timer, Instant due) {
  if (timer.armed()) timer.timers_->disarm(timer);
  timer.timers_ = this;
  timer.due_ = due;
  timer.order_ = next_order_++;
  heap_.push_back(&timer);
  timer.place_ = heap_.size() - 1;
  sift_up(timer.place_);
}

void Timers::disarm(Timer& timer) {
  if (!timer.armed()) return;
  PH_CHECK(timer.timers_ == this);
  PH_CHECK(heap_[timer.place_] == &timer);
  const size_t place = timer.place_;
  Timer& last = *heap_.back();
  heap_.pop_back();
  timer.timers_ = nullptr;
  if (&last == &timer) return;
  put(place, last);
  sift_up(place);
  sift_down(last.place_);
}

Instant Timers::next_due() const { return heap_.empty() ? Instant::max() : heap_.front()->due_; }

size_t Timers::fire_due(Instant now) {
  size_t count = 0;
  while (!heap_.empty() && heap_.front()->due_ <= now) {
    Timer& timer = *heap_.front();
    disarm(timer);
    timer.fired();
    ++count;
  }
  return count;
}

}  // namespace ph::rt
