// The simulated network: every listener and connection of all hosts, and the faults they meet.
//
// A connection has a latency, a bandwidth and a window per direction; reads and writes take random
// pieces. It behaves as TCP does where a program can notice: closing with unread octets resets the
// peer, so does sending to an end that is closed; a host without listener refuses; a host that is
// down is silent, and answers with a reset when it is back; an address nobody has is unreachable; a
// full backlog keeps the one who dials waiting.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>

#include "base/time.h"
#include "rt/stream.h"
#include "rt_sim/faults.h"

namespace ph::rt_sim {

namespace detail {
class Net;
}  // namespace detail

// What each side of one connection put on the wire, faults or not.
struct Capture {
  uint64_t connection = 0;  // counts from 1 over the simulation
  std::string from_host;
  std::string to_host;
  rt::Endpoint to;
  Instant at;
  std::string to_server;
  std::string to_client;
};

inline constexpr uint64_t kAlways = UINT64_MAX;

class Network {
 public:
  explicit Network(detail::Net& net) : net_(net) {}
  Network(const Network&) = delete;
  Network& operator=(const Network&) = delete;

  void set_shape(LinkShape shape);         // of connections made from now on
  void set_profile(FaultProfile profile);  // likewise
  // The next `times` dials that match meet this fault; newer rules go before older ones.
  void set_fault(Link link, Fault fault, uint64_t times = kAlways);
  // Connections that match and live now; octets count from now on.
  void cut(const Link& link, Cut cut);
  void stall(const Link& link, Stall stall);
  // Nothing passes between the two named hosts, in either direction: dials are silent, octets wait.
  void partition(const Link& hosts, Duration length = Duration::max());
  void heal(const Link& hosts);
  // Ends every partition and stall, forgets rules and profile. A connection that was cut silently
  // stays dead; who sends on it from now on sees a reset.
  void heal();

  // Captures start with connections made after this call.
  void start_capture();
  const std::deque<Capture>& captures() const;  // oldest first

  size_t open_connections() const;  // known to at least one living end
  uint64_t connections_made() const;
  uint64_t dials() const;

 private:
  detail::Net& net_;
};

}  // namespace ph::rt_sim
