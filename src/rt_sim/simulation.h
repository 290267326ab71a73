// The deterministic simulator: product code on virtual time, a faulty network and disks that tear,
// with everything decided by one seed. Equal seeds and equal tests give equal runs, bit for bit.
//
// All loops of all hosts run on the calling thread, one step at a time: a step is one posted
// callback, one batch of ready activities, or the due timers of one loop; the seed picks the loop
// and the kind. Time stands still while anything can run and then jumps to the next timer or event.
//
//   Simulation sim(seed);
//   Host& server = sim.add_host({.name = "server"});
//   server.start([](rt::Runtime& r) { return std::make_shared<EchoServer>(r); });
//   Host& client = sim.add_host({.name = "client"});
//   auto got = sim.await(client.loop(), talk(client.runtime(), server.endpoint(7)));
//   EXPECT_EQ(sim.check(), Findings());
//
// Outside of a step (a test's body, at() callbacks, step hooks) any loop may be touched and
// Loop::is_current() holds for all of them.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/random.h"
#include "base/time.h"
#include "rt/loop.h"
#include "rt/runtime.h"
#include "rt/scope.h"
#include "rt/task.h"
#include "rt_sim/dns.h"
#include "rt_sim/faults.h"
#include "rt_sim/host.h"
#include "rt_sim/network.h"

namespace ph::rt_sim {

struct SimulationOptions {
  Time start = Time::from_unix_s(1'795'219'200);  // 2026-11-21T00:00:00Z
  // What the monotonic clock shows at the start. Not zero, so that a default Instant lies in the
  // past as it does on a real machine; shortly before 2^32 ms to see a 32-bit tick roll over.
  Instant monotonic_start = Instant::from_us(1'000'000'000);
  // Reaching either limit is a finding and ends the run: the program is livelocked.
  uint64_t steps_max = 20'000'000;
  uint64_t steps_per_instant_max = 500'000;
  // The task registry is looked through every so many steps and at the end of every run.
  uint64_t registry_check_steps = 1024;
  // An activity whose wait is over by more than this is a finding.
  Duration overdue_grace = Duration::milliseconds(1);
  // A deadline further away than this counts as a wait without an end, a finding.
  Duration wait_max = Duration::days(366);
};

enum class RunEnd : uint8_t {
  reached,     // what was asked for has happened
  time_is_up,  // the limit came first
  stuck,       // too many steps: see check()
};

using Findings = std::vector<std::string>;

class Simulation {
 public:
  explicit Simulation(uint64_t seed, SimulationOptions options = {});
  ~Simulation();
  Simulation(const Simulation&) = delete;
  Simulation& operator=(const Simulation&) = delete;

  uint64_t seed() const { return seed_; }
  Host& add_host(HostOptions options);
  Host& host(std::string_view name);  // must exist
  Network& network() { return *network_; }
  Dns& dns() { return *dns_; }

  Instant now() const;
  Time wall() const;  // without a host's own error
  // Every host's wall clock jumps; no deadline moves.
  void step_wall(Duration by);

  // Predicates are looked at before the first and after each step.
  RunEnd run_until(const std::function<bool()>& done, Duration limit);
  RunEnd run_until(Instant when);
  RunEnd run_for(Duration length);
  // Until nothing runs and nothing is on its way (network, DNS, pool, at()); armed timers alone do
  // not count, but those that come due before that do fire.
  RunEnd run_until_idle(Duration limit = Duration::hours(1));
  // Runs `task` as an activity on `loop` until it ends; at the limit it is killed: nullopt. The
  // loop's host must stay up meanwhile.
  template <class T>
  std::optional<T> await(rt::Loop& loop, rt::Task<T> task, Duration limit = Duration::hours(1));

  // Runs `callback` between two steps at that time.
  void at(Instant when, rt::Callback callback);
  void after(Duration length, rt::Callback callback);
  // Called after every step; for auditors and invariants. It may kill hosts.
  void set_step_hook(std::function<void()> hook);

  // For the test's own choices, from the seed but apart from the simulator's.
  Random& random() { return random_; }
  bool chance(uint32_t percent) { return random_.chance(percent); }

  // Over every scheduling decision, network event and virtual time so far.
  uint64_t trace_hash() const;
  uint64_t steps() const;
  // Everything found wrong so far (livelock, overdue or endless waits, stray exceptions), now
  // looked for once more; empty is good.
  Findings check();
  // A finding of the test's own, kept with the others.
  void report(std::string finding);
  // Every living activity: host, loop, name, what it waits for, where, since and until when.
  std::string registry() const;

 private:
  uint64_t seed_;
  Random random_;
  std::unique_ptr<detail::World> world_;
  std::unique_ptr<Dns> dns_;
  std::unique_ptr<detail::Net> net_;
  std::unique_ptr<Network> network_;
  std::vector<std::unique_ptr<Host>> hosts_;
};

namespace detail {
template <class T>
rt::Task<void> keep_result(rt::Task<T> task, std::optional<T>& out) {
  out.emplace(co_await task);
}
}  // namespace detail

template <class T>
std::optional<T> Simulation::await(rt::Loop& loop, rt::Task<T> task, Duration limit) {
  std::optional<T> out;
  rt::Scope scope(loop, "test");
  scope.spawn("test", detail::keep_result<T>(std::move(task), out));
  run_until([&scope] { return scope.active() == 0; }, limit);
  return out;
}

}  // namespace ph::rt_sim
