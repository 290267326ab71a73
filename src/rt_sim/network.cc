#include "rt_sim/network.h"

#include <utility>

#include "rt_sim/detail/net.h"
#include "rt_sim/detail/world.h"

namespace ph::rt_sim {

void Network::set_shape(LinkShape shape) { net_.set_shape(shape); }
void Network::set_profile(FaultProfile profile) { net_.set_profile(profile); }

void Network::set_fault(Link link, Fault fault, uint64_t times) {
  net_.set_fault(std::move(link), fault, times);
}

void Network::cut(const Link& link, Cut cut) {
  net_.for_each(link, [&cut](detail::Connection& connection) {
    connection.set_cut(cut);
    connection.established();
  });
}

void Network::stall(const Link& link, Stall stall) {
  net_.for_each(link, [&stall](detail::Connection& connection) { connection.set_stall(stall); });
}

void Network::partition(const Link& hosts, Duration length) {
  net_.partition(hosts, net_.world().now() + length);
}

void Network::heal(const Link& hosts) { net_.heal(hosts); }
void Network::heal() { net_.heal(); }
void Network::start_capture() { net_.start_capture(); }
const std::deque<Capture>& Network::captures() const { return net_.captures(); }
size_t Network::open_connections() const { return net_.open_connections(); }
uint64_t Network::connections_made() const { return net_.connections_made(); }
uint64_t Network::dials() const { return net_.dials(); }

}  // namespace ph::rt_sim
