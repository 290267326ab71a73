#include "rt_sim/simulation.h"

#include <algorithm>

#include "base/check.h"
#include "rt_sim/detail/net.h"
#include "rt_sim/detail/sim_runtime.h"
#include "rt_sim/detail/world.h"

namespace ph::rt_sim {

Simulation::Simulation(uint64_t seed, SimulationOptions options)
    : seed_(seed),
      random_(seed),
      world_(std::make_unique<detail::World>(random_.fork(), options)),
      dns_(std::make_unique<Dns>(world_->fork_random())),
      net_(std::make_unique<detail::Net>(*world_, world_->fork_random())),
      network_(std::make_unique<Network>(*net_)) {}

Simulation::~Simulation() {
  world_->callbacks().clear();
  while (!hosts_.empty()) hosts_.pop_back();
}

Host& Simulation::add_host(HostOptions options) {
  PH_CHECK(!options.name.empty());
  const Host::Surroundings surroundings{world_.get(), net_.get(), dns_.get()};
  return *hosts_.emplace_back(std::make_unique<Host>(surroundings, std::move(options)));
}

Host& Simulation::host(std::string_view name) {
  const auto at = std::ranges::find_if(hosts_, [name](const auto& h) { return h->name() == name; });
  PH_CHECK(at != hosts_.end());
  return **at;
}

Instant Simulation::now() const { return world_->now(); }
Time Simulation::wall() const { return world_->wall(); }
void Simulation::step_wall(Duration by) { world_->step_wall(by); }

RunEnd Simulation::run_until(const std::function<bool()>& done, Duration limit) {
  return world_->run({.done = &done, .limit = now() + limit});
}

RunEnd Simulation::run_until(Instant when) {
  const RunEnd end = world_->run({.limit = when});
  return end == RunEnd::time_is_up ? RunEnd::reached : end;
}

RunEnd Simulation::run_for(Duration length) { return run_until(now() + length); }

RunEnd Simulation::run_until_idle(Duration limit) {
  return world_->run({.limit = now() + limit, .idle = detail::World::Goal::Idle::ends});
}

void Simulation::at(Instant when, rt::Callback callback) {
  world_->callbacks().at(when, std::move(callback));
}

void Simulation::after(Duration length, rt::Callback callback) {
  at(now() + length, std::move(callback));
}

void Simulation::set_step_hook(std::function<void()> hook) {
  world_->set_step_hook(std::move(hook));
}

uint64_t Simulation::trace_hash() const { return world_->trace(); }
uint64_t Simulation::steps() const { return world_->steps(); }

Findings Simulation::check() {
  world_->look_through_registry();
  return world_->findings();
}

void Simulation::report(std::string finding) { world_->report(std::move(finding)); }
std::string Simulation::registry() const { return world_->registry(); }

}  // namespace ph::rt_sim
