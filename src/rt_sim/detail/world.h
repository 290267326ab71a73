// The World: virtual time, the scheduler of all loops, the trace and the findings of one
// simulation. Everything random is drawn from sequences that are derived from its seed.
#pragma once

#include <cstdint>
#include <functional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/random.h"
#include "base/time.h"
#include "rt/timers.h"
#include "rt_sim/detail/one_shots.h"
#include "rt_sim/detail/sim_loop.h"
#include "rt_sim/simulation.h"

namespace ph::rt_sim::detail {

class World {
 public:
  World(Random random, SimulationOptions options);
  ~World();
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  Instant now() const { return now_; }
  Time wall() const;
  void step_wall(Duration by) { wall_step_ = wall_step_ + by; }
  Random& schedule() { return schedule_; }
  Random fork_random() { return seeds_.fork(); }

  // Things that happen outside of every loop: network events, answers, the test's callbacks.
  rt::Timers& events() { return events_; }
  OneShots& callbacks() { return callbacks_; }
  // Counts something that is on its way without being in events().
  class OnItsWay {
   public:
    explicit OnItsWay(World& world) : world_(world) { ++world_.on_its_way_; }
    ~OnItsWay() { --world_.on_its_way_; }
    OnItsWay(const OnItsWay&) = delete;
    OnItsWay& operator=(const OnItsWay&) = delete;

   private:
    World& world_;
  };

  // Loops report here.
  uint64_t enlist(SimLoop& loop);
  void discharge(SimLoop& loop);
  void list(SimLoop& loop);
  void unlist(SimLoop& loop);
  bool may_touch(const SimLoop& loop) const;

  // Runs `action` now, or when the step that runs now has ended.
  void between_steps(rt::Callback action);
  // Runs it after the step that runs now, or else after the next one.
  void after_step(rt::Callback action) { after_step_.push_back(std::move(action)); }
  // Runs pool work: no loop is current meanwhile.
  void run_on_pool(rt::Callback& work);

  struct Goal {
    const std::function<bool()>* done = nullptr;
    Instant limit;
    enum class Idle : uint8_t { goes_on, ends } idle = Idle::goes_on;
  };
  RunEnd run(const Goal& goal);

  enum class Event : uint8_t { step, advance, dial, arrival, reset, answer, pool, kill, start };
  void note(Event event, uint64_t detail);
  uint64_t trace() const { return trace_; }
  uint64_t steps() const { return steps_; }
  void set_step_hook(std::function<void()> hook) { hook_ = std::move(hook); }

  void report(std::string finding);
  void look_through_registry();
  const Findings& findings() const { return findings_; }
  std::string registry() const;

 private:
  enum class Context : uint8_t { outside, loop, pool };
  void run_one();
  bool advance(Instant limit);
  Instant next_time() const;
  void end_step();
  void finish_actions();
  void check_limits();
  void check_strays(SimLoop& loop);

  SimulationOptions options_;
  Random seeds_;
  Random schedule_;
  Instant now_;
  Duration wall_step_;
  rt::Timers events_;
  OneShots callbacks_;
  uint64_t on_its_way_ = 0;

  std::vector<SimLoop*> loops_;     // all that live, oldest first
  std::vector<SimLoop*> runnable_;  // in the order in which they became so, removals apart
  uint64_t next_loop_id_ = 1;
  Context context_ = Context::outside;
  const SimLoop* current_ = nullptr;
  bool running_ = false;
  std::vector<rt::Callback> after_step_;
  std::function<void()> hook_;

  uint64_t trace_ = 0x9e3779b97f4a7c15;
  uint64_t steps_ = 0;
  uint64_t steps_at_instant_ = 0;
  bool stuck_ = false;
  Findings findings_;
  std::set<std::pair<uint64_t, uint64_t>> reported_;  // loop and activity
};

}  // namespace ph::rt_sim::detail
