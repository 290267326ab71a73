// The state of the simulated network behind rt_sim::Network: machines, listeners, connections,
// rules and partitions.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/random.h"
#include "base/result.h"
#include "base/time.h"
#include "rt/stream.h"
#include "rt_sim/detail/connection.h"
#include "rt_sim/faults.h"
#include "rt_sim/host.h"
#include "rt_sim/network.h"

namespace ph::rt_sim::detail {

class SimListener;
class World;

struct ListenPlace {
  rt::Endpoint at;
  size_t backlog = 1;
  rt::ListenOptions::Sharing sharing = rt::ListenOptions::Sharing::alone;
};

// What the network knows of a host. Lives as long as the Net.
struct Machine {
  std::string name;
  std::string ipv4;
  std::string ipv6;
  bool up = true;
  uint16_t next_port = 49152;
  bool descriptors_left = true;
  std::vector<SimListener*> listeners;

  bool owns(const rt::Endpoint& endpoint) const;
};

class Net {
 public:
  Net(World& world, Random random);
  ~Net();
  Net(const Net&) = delete;
  Net& operator=(const Net&) = delete;

  World& world() { return world_; }
  Random& random() { return random_; }

  // `ipv4` and `ipv6` may be empty: then free ones are chosen.
  Machine& add_machine(std::string name, std::string ipv4, std::string ipv6);
  void machine_down(Machine& machine, Crash crash);
  void machine_up(Machine& machine);

  // Where a dial from `from` to `to` ends up; null if nobody has that address.
  Machine* find(Machine& from, const rt::Endpoint& to);
  uint16_t free_port(Machine& machine);
  // The fate of a new connection.
  Fault decide(const Machine& from, const Machine& to, const rt::Endpoint& at);
  Duration latency(const Machine& from, const Machine& to, const Fault& fault);
  Status may_listen(const Machine& machine, const ListenPlace& place) const;
  SimListener* listener_at(Machine& machine, const rt::Endpoint& to);
  Connection& connect(Connection::Making making);
  Connection* connection(uint64_t id);  // null if it is gone
  void sweep(Connection& connection);   // removes it if nobody refers to it
  // Until when nothing passes between them; the past if they are not parted.
  Instant parted_until(const Machine& a, const Machine& b) const;

  void set_shape(LinkShape shape) { shape_ = shape; }
  void set_profile(FaultProfile profile) { profile_ = profile; }
  void set_fault(Link link, Fault fault, uint64_t times);
  void for_each(const Link& link, const std::function<void(Connection&)>& change);
  void partition(const Link& hosts, Instant until);
  void heal(const Link& hosts);
  void heal();

  void start_capture() { capturing_ = true; }
  const std::deque<Capture>& captures() const { return captures_; }
  size_t open_connections() const { return connections_.size(); }
  uint64_t connections_made() const { return connections_made_; }
  void count_dial() { ++dials_; }
  uint64_t dials() const { return dials_; }
  const LinkShape& shape() const { return shape_; }

 private:
  struct Rule {
    Link link;
    Fault fault;
    uint64_t times;
  };
  using Pair = std::pair<std::string, std::string>;
  static Pair pair_of(const std::string& a, const std::string& b);
  Fault draw();
  void reschedule_all();

  World& world_;
  Random random_;
  LinkShape shape_;
  FaultProfile profile_;
  std::list<Rule> rules_;  // newest first
  std::map<Pair, Instant> partitions_;
  std::vector<std::unique_ptr<Machine>> machines_;
  std::map<uint64_t, std::unique_ptr<Connection>> connections_;
  std::deque<Capture> captures_;
  bool capturing_ = false;
  uint64_t connections_made_ = 0;
  uint64_t dials_ = 0;
};

}  // namespace ph::rt_sim::detail
