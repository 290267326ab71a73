// A Host is one simulated machine: addresses, a disk that survives, and a Runtime that does not.
//
// How a test runs a server on it:
//
//   Host& mx = sim.add_host({.name = "mx"});
//   mx.start([&](rt::Runtime& runtime) { return std::make_shared<Server>(runtime, disk); });
//   sim.run_for(Duration::seconds(5));
//   mx.kill();                       // the Server is destroyed wherever it was suspended
//   sim.run_for(Duration::seconds(1));
//   mx.restart();                    // a new Runtime, and the same function makes a new Server
//
// The program is whatever the function returns: it owns every Scope, Stream, Listener and Timer
// that it made on the runtime, and its destructor frees them without running anything. What must
// survive a kill (a MemDisk) lives outside the program; declare it before the Simulation, whose
// destructor ends every program that still runs. Actors without state (clients) need no program:
// spawn() runs a Task that dies with the host. Scopes, streams and timers that a test itself makes
// on the runtime must be gone before kill().
//
// kill() may be called at any moment. From inside a step of some loop it takes effect when that
// step ends; from a Simulation::at callback, a step hook or between runs it takes effect at once.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "base/time.h"
#include "rt/runtime.h"
#include "rt_sim/sim_disk.h"
#include "rt_sim/sim_memory.h"

namespace ph::rt_sim {

namespace detail {
class World;
class Net;
class SimRuntime;
class SimFiles;
class FileDisk;
struct Machine;
}  // namespace detail

class Dns;

struct HostOptions {
  std::string name = {};
  size_t loops = 2;
  std::string ipv4 = {};      // default: the next free 10.0.x.y
  std::string ipv6 = {};      // default: the next free fd00::n
  Duration wall_offset = {};  // how wrong this host's wall clock is
  size_t pool_queue_max = 64;
  uint32_t pool_full_percent = 2;  // this share of submissions finds the pool full
};

// process: the operating system goes on, peers see the connections reset, files keep their content.
// power: peers hear nothing; what was not synced to files is lost or torn.
enum class Crash : uint8_t { process, power };

class Host {
 public:
  // shared_ptr<void>, because it carries the destructor of any program type.
  using Boot = std::function<std::shared_ptr<void>(rt::Runtime&)>;

  struct Surroundings {
    detail::World* world = nullptr;
    detail::Net* net = nullptr;
    Dns* dns = nullptr;
  };
  Host(Surroundings surroundings, HostOptions options);  // made by Simulation::add_host
  ~Host();
  Host(const Host&) = delete;
  Host& operator=(const Host&) = delete;

  const std::string& name() const { return options_.name; }
  const std::string& ipv4() const { return options_.ipv4; }
  const std::string& ipv6() const { return options_.ipv6; }
  rt::Endpoint endpoint(uint16_t port) const;  // at its IPv4 address

  // A host is up from the start, without a program. start() gives it one (and brings it up).
  bool up() const { return runtime_ != nullptr; }
  void start(Boot boot);
  void kill(Crash crash = Crash::power);
  // Kills it if it is up, then brings it up and runs the last start()'s function if there was one.
  void restart(Crash crash = Crash::power);
  // Nothing of this host runs for so long, while its clocks and the network go on.
  void freeze(Duration length);
  void step_wall(Duration by);

  // Valid while up.
  rt::Runtime& runtime();
  rt::Loop& loop(size_t index = 0);
  void spawn(std::string name, rt::Task<void> task, size_t loop_index = 0);
  // The living program; T must be the type that `boot` made. Null while there is none.
  template <class T>
  T* program() const {
    return static_cast<T*>(program_.get());
  }

  SimDisk& disk() { return disk_; }
  SimMemory& memory() { return memory_; }
  // The pool refuses everything until set back.
  enum class PoolRoom : uint8_t { plenty, none };
  void set_pool_room(PoolRoom room);
  // none: dial, listen and accept answer kNoDescriptors until set back.
  enum class Descriptors : uint8_t { plenty, none };
  void set_descriptors(Descriptors descriptors);
  // The power fails inside the next Files::replace: afterwards either the old or the new content
  // is there.
  void crash_in_next_replace();

  uint64_t starts() const { return starts_; }

 private:
  friend class detail::SimFiles;
  void bring_up();
  void bring_down(Crash crash);
  void run_boot();
  void kill_after_step();

  detail::World& world_;
  detail::Net& net_;
  Dns& dns_;
  HostOptions options_;
  detail::Machine& machine_;
  SimDisk disk_;
  SimMemory memory_;
  std::unique_ptr<detail::FileDisk> files_;  // what is on the disk
  std::unique_ptr<detail::SimRuntime> runtime_;
  std::shared_ptr<void> program_;
  Boot boot_;
  PoolRoom pool_room_ = PoolRoom::plenty;
  Duration wall_offset_;
  uint64_t starts_ = 0;
};

}  // namespace ph::rt_sim
