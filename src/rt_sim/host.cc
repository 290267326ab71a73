#include "rt_sim/host.h"

#include <utility>

#include "base/check.h"
#include "rt/scope.h"
#include "rt_sim/detail/file_disk.h"
#include "rt_sim/detail/net.h"
#include "rt_sim/detail/sim_runtime.h"
#include "rt_sim/detail/world.h"

namespace ph::rt_sim {

Host::Host(Surroundings surroundings, HostOptions options)
    : world_(*surroundings.world),
      net_(*surroundings.net),
      dns_(*surroundings.dns),
      options_(std::move(options)),
      machine_(net_.add_machine(options_.name, options_.ipv4, options_.ipv6)),
      files_(std::make_unique<detail::FileDisk>()),
      wall_offset_(options_.wall_offset) {
  options_.ipv4 = machine_.ipv4;
  options_.ipv6 = machine_.ipv6;
  bring_up();
}

Host::~Host() { bring_down(Crash::process); }

rt::Endpoint Host::endpoint(uint16_t port) const {
  return rt::Endpoint{rt::Endpoint::Kind::ipv4, options_.ipv4, port};
}

void Host::bring_up() {
  runtime_ = std::make_unique<detail::SimRuntime>(
      detail::SimRuntime::Parts{.host = this,
                                .world = &world_,
                                .net = &net_,
                                .dns = &dns_,
                                .machine = &machine_,
                                .disk = files_.get(),
                                .wall_offset = &wall_offset_,
                                .loops = options_.loops,
                                .pool = {options_.pool_queue_max, options_.pool_full_percent}});
  runtime_->pool().set_room(pool_room_);
  net_.machine_up(machine_);
}

// First the network forgets the host, so that nothing the dying program does is seen; then what
// runs for the program, then the program, then its loops.
void Host::bring_down(Crash crash) {
  if (!up()) return;
  world_.note(detail::World::Event::kill, starts_);
  net_.machine_down(machine_, crash);
  runtime_->stop();
  std::exchange(program_, nullptr).reset();
  runtime_.reset();
  if (crash == Crash::power) {
    Random random = world_.fork_random();
    files_->lose_power(random);
  }
}

void Host::start(Boot boot) {
  PH_CHECK(program_ == nullptr);
  boot_ = std::move(boot);
  if (!up()) bring_up();
  run_boot();
}

void Host::run_boot() {
  if (!boot_) return;
  ++starts_;
  world_.note(detail::World::Event::start, starts_);
  program_ = boot_(*runtime_);
}

void Host::kill(Crash crash) {
  world_.between_steps([this, crash] { bring_down(crash); });
}

void Host::kill_after_step() {
  world_.after_step([this] { bring_down(Crash::power); });
}

void Host::restart(Crash crash) {
  world_.between_steps([this, crash] {
    bring_down(crash);
    bring_up();
    run_boot();
  });
}

void Host::freeze(Duration length) {
  if (up()) runtime_->freeze_until(world_.now() + length);
}

void Host::step_wall(Duration by) { wall_offset_ = wall_offset_ + by; }

rt::Runtime& Host::runtime() {
  PH_CHECK(up());
  return *runtime_;
}

rt::Loop& Host::loop(size_t index) {
  PH_CHECK(index < runtime().loops().size());
  return *runtime().loops()[index];
}

void Host::spawn(std::string name, rt::Task<void> task, size_t loop_index) {
  loop(loop_index).guests().spawn(std::move(name), std::move(task));
}

void Host::set_pool_room(PoolRoom room) {
  pool_room_ = room;
  if (up()) runtime_->pool().set_room(room);
}

void Host::set_descriptors(Descriptors descriptors) {
  machine_.descriptors_left = descriptors == Descriptors::plenty;
}

void Host::crash_in_next_replace() {
  PH_CHECK(up());
  runtime_->files().crash_in_next_replace();
}

}  // namespace ph::rt_sim
