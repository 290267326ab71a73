#include "rt_sim/detail/net.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/check.h"
#include "rt_sim/detail/sim_stream.h"
#include "rt_sim/detail/world.h"

namespace ph::rt_sim::detail {
namespace {

bool matches(const Link& link, const Machine& from, const Machine& to, const rt::Endpoint& at) {
  if (!link.from.empty() && link.from != from.name) return false;
  if (!link.to.empty() && link.to != to.name) return false;
  if (at.kind == rt::Endpoint::Kind::local) {
    return link.path.empty() ? !link.port.has_value() : link.path == at.host;
  }
  return link.path.empty() && (!link.port || *link.port == at.port);
}

bool is_wildcard(const rt::Endpoint& endpoint) {
  return endpoint.host == "0.0.0.0" || endpoint.host == "::";
}

bool listens_at(const rt::Endpoint& listener, const rt::Endpoint& to) {
  if (listener.port != to.port) return false;
  if (listener.host == to.host) return true;
  if (to.kind == rt::Endpoint::Kind::local) return false;
  // "::" takes both families, as it does on Linux by default.
  return listener.host == "::" || (listener.host == "0.0.0.0" && to.kind == listener.kind);
}

}  // namespace

bool Machine::owns(const rt::Endpoint& endpoint) const {
  return endpoint.host == ipv4 || endpoint.host == ipv6;
}

Net::Net(World& world, Random random) : world_(world), random_(random) {}
Net::~Net() = default;

Machine& Net::add_machine(std::string name, std::string ipv4, std::string ipv6) {
  const size_t number = machines_.size();
  if (ipv4.empty()) ipv4 = fmt::format("10.0.{}.{}", number / 250, number % 250 + 1);
  if (ipv6.empty()) ipv6 = fmt::format("fd00::{:x}", number + 1);
  const auto v4 = rt::endpoint_of(ipv4, 0);
  const auto v6 = rt::endpoint_of(ipv6, 0);
  PH_CHECK(v4.has_value() && v4->kind == rt::Endpoint::Kind::ipv4);
  PH_CHECK(v6.has_value() && v6->kind == rt::Endpoint::Kind::ipv6);
  for (const auto& machine : machines_) {
    PH_CHECK(machine->name != name);
    PH_CHECK(!machine->owns(*v4) && !machine->owns(*v6));
  }
  auto machine = std::make_unique<Machine>();
  machine->name = std::move(name);
  machine->ipv4 = v4->host;
  machine->ipv6 = v6->host;
  return *machines_.emplace_back(std::move(machine));
}

void Net::machine_down(Machine& machine, Crash crash) {
  machine.up = false;
  for (SimListener* listener : machine.listeners) listener->orphan();
  machine.listeners.clear();
  const auto farewell =
      crash == Crash::process ? Connection::Farewell::reset : Connection::Farewell::silence;
  for (auto& [id, connection] : connections_) {
    for (const Side side : {Side::client, Side::server}) {
      if (&connection->machine(side) == &machine) connection->die(side, farewell);
    }
  }
  std::erase_if(connections_, [](const auto& entry) { return entry.second->abandoned(); });
}

void Net::machine_up(Machine& machine) {
  machine.up = true;
  for (auto& [id, connection] : connections_) {
    for (const Side side : {Side::client, Side::server}) {
      const bool dead = connection->end(side).state == Connection::State::dead;
      if (dead && &connection->machine(side) == &machine && connection->pipe_to(side).has_lost()) {
        connection->answer_with_reset(side);
      }
    }
  }
}

Machine* Net::find(Machine& from, const rt::Endpoint& to) {
  if (is_loopback(to) || from.owns(to)) return &from;
  const auto at = std::ranges::find_if(machines_, [&to](const auto& m) { return m->owns(to); });
  return at == machines_.end() ? nullptr : at->get();
}

uint16_t Net::free_port(Machine& machine) {
  for (;;) {
    const uint16_t port = machine.next_port;
    machine.next_port = port == 65535 ? uint16_t{49152} : static_cast<uint16_t>(port + 1);
    const bool taken = std::ranges::any_of(
        machine.listeners, [port](const SimListener* l) { return l->place().at.port == port; });
    if (!taken) return port;
  }
}

Fault Net::decide(const Machine& from, const Machine& to, const rt::Endpoint& at) {
  for (auto rule = rules_.begin(); rule != rules_.end(); ++rule) {
    if (!matches(rule->link, from, to, at)) continue;
    Fault fault = rule->fault;
    if (rule->times != kAlways && --rule->times == 0) rules_.erase(rule);
    return fault;
  }
  return &from == &to ? Fault{} : draw();
}

Fault Net::draw() {
  const FaultProfile& p = profile_;
  uint64_t left = random_.below(100);
  const auto hit = [&left](uint32_t percent) {
    if (left < percent) return true;
    left -= percent;
    return false;
  };
  const auto direction = [this] { return static_cast<Direction>(random_.below(3)); };
  const auto offset = [this, &p] { return random_.below(p.cut_bytes_max + 1); };
  Fault fault;
  if (hit(p.refuse)) {
    fault.dial = DialFault::refuse;
  } else if (hit(p.unreachable)) {
    fault.dial = DialFault::unreachable;
  } else if (hit(p.dial_silence)) {
    fault.dial = DialFault::silence;
  } else if (hit(p.slow)) {
    fault.delay = random_.between(Duration(), p.delay_max);
  } else if (hit(p.stall)) {
    fault.stall = Stall{direction(), offset(), random_.between(Duration(), p.stall_max)};
  } else if (hit(p.stall_ever)) {
    fault.stall = Stall{direction(), offset(), Duration::max()};
  } else if (hit(p.cut_reset)) {
    fault.cut = Cut{CutKind::reset, direction(), offset()};
  } else if (hit(p.cut_silence)) {
    fault.cut = Cut{CutKind::silence, direction(), offset()};
  } else if (hit(p.half_close)) {
    fault.cut = Cut{CutKind::half_close, direction(), offset()};
  }
  return fault;
}

Duration Net::latency(const Machine& from, const Machine& to, const Fault& fault) {
  const Duration base =
      &from == &to ? random_.between(Duration::microseconds(5), Duration::microseconds(50))
                   : random_.between(std::max(shape_.latency_min, Duration::microseconds(1)),
                                     std::max(shape_.latency_max, Duration::microseconds(1)));
  return base + fault.delay;
}

SimListener* Net::listener_at(Machine& machine, const rt::Endpoint& to) {
  std::vector<SimListener*> found;
  for (SimListener* listener : machine.listeners) {
    if (listens_at(listener->place().at, to)) found.push_back(listener);
  }
  if (found.empty()) return nullptr;
  return found.size() == 1 ? found.front() : found[random_.below(found.size())];
}

Status Net::may_listen(const Machine& machine, const ListenPlace& place) const {
  const bool local = place.at.kind == rt::Endpoint::Kind::local;
  if (!local && !is_loopback(place.at) && !is_wildcard(place.at) && !machine.owns(place.at)) {
    return fail(rt::kBadAddress, to_text(place.at) + " is not an address of " + machine.name);
  }
  for (const SimListener* listener : machine.listeners) {
    const ListenPlace& theirs = listener->place();
    if (!listens_at(theirs.at, place.at) && !listens_at(place.at, theirs.at)) continue;
    const bool shared = theirs.sharing == rt::ListenOptions::Sharing::with_other_loops &&
                        place.sharing == rt::ListenOptions::Sharing::with_other_loops;
    if (!shared || theirs.at != place.at) return fail(rt::kAddressInUse, to_text(place.at));
  }
  return {};
}

Connection& Net::connect(Connection::Making making) {
  making.id = ++connections_made_;
  making.shape = shape_;
  Capture* capture = nullptr;
  if (capturing_) {
    capture = &captures_.emplace_back();
    capture->connection = making.id;
    capture->from_host = making.client->name;
    capture->to_host = making.server->name;
    capture->to = making.server_endpoint;
    capture->at = world_.now();
  }
  auto connection = std::make_unique<Connection>(*this, std::move(making));
  connection->set_capture(capture);
  Connection& made = *connection;
  connections_.emplace(made.id(), std::move(connection));
  return made;
}

Connection* Net::connection(uint64_t id) {
  const auto at = connections_.find(id);
  return at == connections_.end() ? nullptr : at->second.get();
}

void Net::sweep(Connection& connection) {
  if (connection.abandoned()) connections_.erase(connection.id());
}

Net::Pair Net::pair_of(const std::string& a, const std::string& b) {
  return a < b ? Pair(a, b) : Pair(b, a);
}

Instant Net::parted_until(const Machine& a, const Machine& b) const {
  if (partitions_.empty() || &a == &b) return Instant();
  const auto at = partitions_.find(pair_of(a.name, b.name));
  return at == partitions_.end() ? Instant() : at->second;
}

void Net::set_fault(Link link, Fault fault, uint64_t times) {
  if (times > 0) rules_.push_front(Rule{std::move(link), fault, times});
}

void Net::for_each(const Link& link, const std::function<void(Connection&)>& change) {
  for (auto& [id, connection] : connections_) {
    const auto& making = connection->making();
    if (matches(link, *making.client, *making.server, making.server_endpoint)) change(*connection);
  }
}

void Net::partition(const Link& hosts, Instant until) {
  PH_CHECK(!hosts.from.empty());
  PH_CHECK(!hosts.to.empty());
  partitions_[pair_of(hosts.from, hosts.to)] = until;
  reschedule_all();
}

void Net::heal(const Link& hosts) {
  partitions_.erase(pair_of(hosts.from, hosts.to));
  reschedule_all();
}

void Net::heal() {
  partitions_.clear();
  rules_.clear();
  profile_ = {};
  for (auto& [id, connection] : connections_) connection->heal();
}

void Net::reschedule_all() {
  for (auto& [id, connection] : connections_) connection->reschedule();
}

}  // namespace ph::rt_sim::detail
