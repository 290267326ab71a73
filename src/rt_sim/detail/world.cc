#include "rt_sim/detail/world.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>

#include "base/check.h"

namespace ph::rt_sim::detail {
namespace {

constexpr size_t kFindingsMax = 100;

std::string describe(const SimLoop& loop, const rt::Activity& activity, Instant now) {
  const rt::Wait& wait = activity.wait();
  const std::string who =
      fmt::format("{}/{} #{} {}", loop.host(), loop.index(), activity.id(), activity.name());
  if (wait.what == nullptr) return who + ": ready to run";
  return fmt::format("{}: waits for {} at {}:{} since {} us ago, until {} us from now{}", who,
                     wait.what, wait.where.file_name(), wait.where.line(), (now - wait.since).us(),
                     (wait.deadline - now).us(), activity.cancelled() ? ", cancelled" : "");
}

}  // namespace

World::World(Random random, SimulationOptions options)
    : options_(options),
      seeds_(random),
      schedule_(seeds_.fork()),
      now_(options.monotonic_start),
      callbacks_(events_) {}

World::~World() {
  PH_CHECK(loops_.empty());
  PH_CHECK(on_its_way_ == 0);
}

Time World::wall() const { return options_.start + (now_ - options_.monotonic_start) + wall_step_; }

uint64_t World::enlist(SimLoop& loop) {
  loops_.push_back(&loop);
  return next_loop_id_++;
}

void World::discharge(SimLoop& loop) {
  unlist(loop);
  std::erase(loops_, &loop);
}

void World::list(SimLoop& loop) {
  if (loop.listed_ || loop.stopped_ || &loop == current_ || loop.frozen()) return;
  loop.listed_ = true;
  runnable_.push_back(&loop);
}

void World::unlist(SimLoop& loop) {
  if (!loop.listed_) return;
  loop.listed_ = false;
  std::erase(runnable_, &loop);
}

bool World::may_touch(const SimLoop& loop) const {
  if (context_ == Context::outside) return true;
  return context_ == Context::loop && current_ == &loop;
}

void World::between_steps(rt::Callback action) {
  if (context_ == Context::outside) {
    action();
  } else {
    after_step(std::move(action));
  }
}

void World::run_on_pool(rt::Callback& work) {
  PH_CHECK(context_ == Context::outside);
  context_ = Context::pool;
  work();
  context_ = Context::outside;
}

RunEnd World::run(const Goal& goal) {
  PH_CHECK(!running_);  // a callback or hook must not run the simulation it is called from
  running_ = true;
  RunEnd end = RunEnd::stuck;
  while (!stuck_) {
    if (goal.done != nullptr && (*goal.done)()) {
      end = RunEnd::reached;
      break;
    }
    if (!runnable_.empty()) {
      run_one();
    } else if (goal.idle == Goal::Idle::ends && events_.empty() && on_its_way_ == 0) {
      end = RunEnd::reached;
      break;
    } else if (!advance(goal.limit)) {
      end = RunEnd::time_is_up;
      break;
    }
    end_step();
  }
  finish_actions();
  look_through_registry();
  running_ = false;
  return end;
}

void World::run_one() {
  const size_t pick = runnable_.size() == 1 ? 0 : schedule_.below(runnable_.size());
  SimLoop& loop = *runnable_[pick];
  runnable_[pick] = runnable_.back();
  runnable_.pop_back();
  loop.listed_ = false;
  context_ = Context::loop;
  current_ = &loop;
  loop.step();
  current_ = nullptr;
  context_ = Context::outside;
  if (loop.stray_exceptions() != loop.strays_seen_) check_strays(loop);
  if (loop.can_run()) list(loop);
}

Instant World::next_time() const {
  Instant next = events_.next_due();
  for (const SimLoop* loop : loops_) next = std::min(next, loop->next_wake());
  return next == Instant::max() ? next : std::max(next, now_);
}

bool World::advance(Instant limit) {
  const Instant next = next_time();
  if (next > limit || next == Instant::max()) {
    if (limit != Instant::max()) now_ = std::max(now_, limit);
    return false;
  }
  if (next > now_) steps_at_instant_ = 0;
  now_ = next;
  note(Event::advance, 0);
  events_.fire_due(now_);
  for (SimLoop* loop : loops_) {
    if (loop->can_run()) list(*loop);
  }
  return true;
}

void World::end_step() {
  ++steps_;
  ++steps_at_instant_;
  if (!after_step_.empty()) finish_actions();
  if (steps_at_instant_ >= options_.steps_per_instant_max || steps_ >= options_.steps_max) {
    check_limits();
  }
  if (options_.registry_check_steps != 0 && steps_ % options_.registry_check_steps == 0) {
    look_through_registry();
  }
  if (hook_) hook_();
}

void World::finish_actions() {
  while (!after_step_.empty()) {
    std::vector<rt::Callback> actions = std::exchange(after_step_, {});
    for (rt::Callback& action : actions) action();
  }
}

void World::check_limits() {
  if (std::exchange(stuck_, true)) return;
  report(fmt::format("livelock: {} steps, {} of them at this instant\n{}", steps_,
                     steps_at_instant_, registry()));
}

void World::check_strays(SimLoop& loop) {
  report(fmt::format("{} stray exception(s) on {}/{}", loop.stray_exceptions() - loop.strays_seen_,
                     loop.host(), loop.index()));
  loop.strays_seen_ = loop.stray_exceptions();
}

// An order-sensitive mix: each event goes through a multiplication and a rotation.
void World::note(Event event, uint64_t detail) {
  const uint64_t word = (detail << 8 | static_cast<uint64_t>(event)) +
                        static_cast<uint64_t>(now_.us()) * 0xd6e8feb86659fd93;
  trace_ = std::rotl((trace_ ^ word) * 0xff51afd7ed558ccd, 29);
}

void World::report(std::string finding) {
  if (findings_.size() < kFindingsMax) findings_.push_back(std::move(finding));
}

void World::look_through_registry() {
  const Instant limit = now_ - options_.overdue_grace;
  for (const SimLoop* loop : loops_) {
    if (loop->frozen_until() >= limit) continue;  // frozen, or has not had its turn since
    for (const rt::Activity* activity : loop->activities()) {
      const rt::Wait& wait = activity->wait();
      if (wait.what == nullptr) continue;
      const bool overdue = wait.deadline < limit;
      const bool endless = wait.deadline - wait.since > options_.wait_max;
      if (!overdue && !endless) continue;
      if (!reported_.emplace(loop->id(), activity->id()).second) continue;
      report((overdue ? "overdue: " : "wait without an end: ") + describe(*loop, *activity, now_));
    }
  }
}

std::string World::registry() const {
  std::string out;
  for (const SimLoop* loop : loops_) {
    for (const rt::Activity* activity : loop->activities()) {
      out += describe(*loop, *activity, now_) + "\n";
    }
  }
  return out;
}

}  // namespace ph::rt_sim::detail
