#include "rt/loop.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "rt/errors.h"
#include "rt/parking.h"
#include "rt/scope.h"

namespace ph::rt {

Loop::Loop(size_t index) : index_(index), guests_(std::make_unique<Scope>(*this, "guests")) {}

Loop::~Loop() {
  guests_.reset();
  PH_CHECK(scopes_.empty());
}

void Loop::kill_guests() {
  guests_.reset();
  guests_ = std::make_unique<Scope>(*this, "guests");
}

std::vector<const Activity*> Loop::activities() const {
  std::vector<const Activity*> out;
  for (const Scope* scope : scopes_) {
    for (const Activity* a = scope->first_; a != nullptr; a = a->next_) out.push_back(a);
  }
  std::ranges::sort(out, {}, &Activity::id);
  return out;
}

std::vector<const Activity*> Loop::overdue(Duration grace) const {
  std::vector<const Activity*> out = activities();
  const Instant limit = now() - grace;
  std::erase_if(out, [limit](const Activity* a) {
    return a->wait().what == nullptr || a->wait().deadline > limit;
  });
  return out;
}

size_t Loop::run_ready() {
  const size_t count = ready_.size();
  for (size_t i = 0; i < count; ++i) {
    Activity* const activity = ready_.front();
    ready_.pop_front();
    if (activity == nullptr) continue;  // killed while it was in the queue
    activity->ready_ = false;
    activity->wait_ = {};
    std::exchange(activity->resume_, nullptr).resume();
  }
  return count;
}

void Loop::make_ready(Activity& activity) {
  PH_CHECK(!activity.ready_);
  PH_CHECK(activity.resume_ != nullptr);
  activity.ready_ = true;
  ready_.push_back(&activity);
  wake_driver();
}

void Loop::forget(Activity& activity) {
  if (activity.ready_) std::ranges::replace(ready_, &activity, static_cast<Activity*>(nullptr));
}

Activity::Activity(Loop& loop, Scope& scope, std::string name)
    : loop_(loop), scope_(scope), name_(std::move(name)), id_(loop.next_activity_id_++) {
  ++loop_.activity_count_;
}

Activity::~Activity() {
  loop_.forget(*this);
  --loop_.activity_count_;
}

void Activity::cancel() {
  cancelled_ = true;
  if (parked_ != nullptr) parked_->finish(Woken::cancelled);
}

Status to_status(Woken woken, std::string_view what) {
  if (woken == Woken::hint) return {};
  return fail(woken == Woken::deadline ? kTimedOut : kCancelled, std::string(what));
}

bool ParkAwaiter::suspend(Activity& activity, std::coroutine_handle<> self) {
  PH_CHECK(&activity.loop_ == &loop_);
  if (activity.cancelled_) {
    woken_ = Woken::cancelled;
    return false;
  }
  if (parking_ != nullptr) {
    PH_CHECK(parking_->parked_ == nullptr);
    if (std::exchange(parking_->woken_, false)) {
      woken_ = Woken::hint;
      return false;
    }
    parking_->parked_ = this;
  }
  activity_ = &activity;
  activity.parked_ = this;
  activity.resume_ = self;
  activity.wait_ = Wait{what_, where_, loop_.now(), deadline_.when()};
  loop_.timers().arm(*this, deadline_.when());
  return true;
}

void ParkAwaiter::finish(Woken woken) {
  PH_CHECK(activity_ != nullptr);
  woken_ = woken;
  loop_.timers().disarm(*this);
  if (parking_ != nullptr) parking_->parked_ = nullptr;
  Activity& activity = *std::exchange(activity_, nullptr);
  activity.parked_ = nullptr;
  loop_.make_ready(activity);
}

ParkAwaiter::~ParkAwaiter() {
  if (activity_ == nullptr) return;  // not suspended: nothing refers to it
  if (parking_ != nullptr) parking_->parked_ = nullptr;
  activity_->parked_ = nullptr;
}

Parking::~Parking() { PH_CHECK(parked_ == nullptr); }

void Parking::wake() {
  if (parked_ == nullptr) {
    woken_ = true;
    return;
  }
  parked_->finish(Woken::hint);
}

}  // namespace ph::rt
