#include "rt_sim/detail/sim_loop.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/check.h"
#include "rt_sim/detail/world.h"

namespace ph::rt_sim::detail {

SimLoop::SimLoop(World& world, Place place)
    : Loop(place.index), world_(world), place_(std::move(place)), id_(world.enlist(*this)) {}

SimLoop::~SimLoop() {
  stop();
  world_.discharge(*this);
}

Instant SimLoop::now() const { return world_.now(); }
Time SimLoop::wall() const { return world_.wall() + *place_.wall_offset; }
bool SimLoop::is_current() const { return world_.may_touch(*this); }
bool SimLoop::frozen() const { return frozen_until_ > world_.now(); }

void SimLoop::post(rt::Callback callback) {
  if (stopped_) return;
  posted_.push_back(std::move(callback));
  world_.list(*this);
}

void SimLoop::wake_driver() { world_.list(*this); }

bool SimLoop::can_run() const {
  if (stopped_ || frozen()) return false;
  return has_ready() || !posted_.empty() || timers().next_due() <= world_.now();
}

Instant SimLoop::next_wake() const {
  if (stopped_) return Instant::max();
  const bool has_work = has_ready() || !posted_.empty();
  if (has_work) return frozen_until_;
  return timers().empty() ? Instant::max() : std::max(timers().next_due(), frozen_until_);
}

void SimLoop::freeze_until(Instant when) {
  frozen_until_ = std::max(frozen_until_, when);
  world_.unlist(*this);
}

SimLoop::Kind SimLoop::choose() const {
  std::array<Kind, 3> kinds{};
  size_t count = 0;
  if (!posted_.empty()) kinds[count++] = Kind::posted;
  if (has_ready()) kinds[count++] = Kind::ready;
  if (timers().next_due() <= world_.now()) kinds[count++] = Kind::timers;
  PH_CHECK(count > 0);
  return count == 1 ? kinds[0] : kinds[world_.schedule().below(count)];
}

void SimLoop::step() {
  const Kind kind = choose();
  world_.note(World::Event::step, id_ * 4 + static_cast<uint64_t>(kind));
  switch (kind) {
    case Kind::posted: {
      rt::Callback callback = std::move(posted_.front());
      posted_.pop_front();
      callback();
      break;
    }
    case Kind::ready: run_ready(); break;
    case Kind::timers: timers().fire_due(world_.now()); break;
  }
}

void SimLoop::stop() {
  if (std::exchange(stopped_, true)) return;
  world_.unlist(*this);
  std::exchange(posted_, {}).clear();
  kill_guests();
}

}  // namespace ph::rt_sim::detail
