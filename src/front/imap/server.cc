#include "front/imap/server.h"

#include <utility>

#include "base/check.h"
#include "front/imap/detail/connection.h"
#include "front/imap/detail/session.h"
#include "front/imap/errors.h"
#include "rt/errors.h"

namespace ph::imap_server {
namespace {

constexpr Duration kTurnAwayMax = Duration::seconds(5);
constexpr Duration kAcceptPause = Duration::milliseconds(200);

imap::EngineOptions engine_options(const config::Values& values) {
  imap::EngineOptions options;
  options.message_limit = values.get(kMessageSizeMax).value;
  options.multi_append = imap::MultiAppend::accepted;
  return options;
}

}  // namespace

Fleet::Fleet(obs::Metrics& metrics, size_t loops)
    : gate_({metrics.gauge("posthorn_imap_connections"),
             metrics.gauge("posthorn_imap_message_bytes")}) {
  for (size_t i = 0; i < loops; ++i) berths_.push_back(std::make_unique<Berth>());
}

Fleet::~Fleet() = default;

Server::Server(Parts parts, rt::Loop& loop, config::Source& settings)
    : parts_(std::move(parts)),
      loop_(loop),
      settings_(settings),
      accepted_(parts_.metrics.counter("posthorn_imap_connections_accepted")),
      turned_away_(parts_.metrics.counter("posthorn_imap_connections_turned_away")),
      moved_(parts_.metrics.counter("posthorn_imap_connections_moved")),
      listening_(loop, "imap listeners"),
      sessions_(loop, "imap sessions") {
  PH_CHECK(loop.index() < parts_.fleet.berths_.size());
  parts_.fleet.berths_[loop.index()]->server = this;
}

Server::~Server() { parts_.fleet.berths_[loop_.index()]->server = nullptr; }

Status Server::listen(const rt::Endpoint& at, Service service) {
  rt::ListenOptions options{at, 1024, rt::ListenOptions::Sharing::with_other_loops};
  PH_TRY(std::unique_ptr<rt::Listener> listener, parts_.runtime.listen(loop_, std::move(options)));
  listeners_.push_back(std::move(listener));
  listening_.spawn("imap accepts", accept_all(*listeners_.back(), service));
  return {};
}

std::vector<rt::Endpoint> Server::endpoints() const {
  std::vector<rt::Endpoint> out;
  for (const auto& listener : listeners_) out.push_back(listener->local());
  return out;
}

rt::Task<Status> Server::drain(rt::Deadline deadline) {
  draining_ = true;
  listening_.cancel();
  for (const auto& listener : listeners_) listener->close();
  for (Session* session : here_) session->wake();
  co_return co_await sessions_.join(deadline);
}

rt::Task<void> Server::accept_all(rt::Listener& listener, Service service) {
  for (;;) {
    auto stream = co_await listener.accept(loop_.in(rt::kIdleRecheck));
    if (stream.has_value()) {
      greet(std::move(*stream), service);
      continue;
    }
    if (stream.error().is(rt::kCancelled) || stream.error().is(rt::kClosed)) co_return;
    if (stream.error().is(rt::kTimedOut)) continue;
    parts_.log.warning("imap.accept_failed", {{"why", stream.error().to_text()}});
    co_await rt::sleep(loop_, loop_.in(kAcceptPause), "another accept");
  }
}

void Server::greet(std::unique_ptr<rt::Stream> stream, Service service) {
  const config::Values& values = settings_.current();
  const wire::Gate::Limits limits{values.get(kConnectionsMax), values.get(kConnectionsPerIpMax)};
  const rt::Endpoint peer = stream->peer();
  std::optional<wire::Gate::Place> place = parts_.fleet.gate_.enter(peer.host, limits);
  if (!place.has_value()) {
    turned_away_.add();
    sessions_.spawn("imap turn away", turn_away(std::move(stream), service));
    return;
  }
  accepted_.add();
  auto connection = std::make_unique<Connection>(
      Connection{wire::Wire(std::move(stream)), imap::ServerEngine(engine_options(values)),
                 std::move(*place), service, peer, loop_.now() + values.get(kLoginTimeout)});
  sessions_.spawn("imap session", serve(std::move(connection)));
}

rt::Task<void> Server::turn_away(std::unique_ptr<rt::Stream> stream, Service service) {
  if (service == Service::tls) co_return;  // a handshake is what there is no room for
  std::string text;
  const FixedAnswer& why = answers::kTooManyConnections;
  imap::ResponseWriter(text).status({"*", why.condition, why.code, why.text});
  const Status sent = co_await stream->write(text, loop_.in(kTurnAwayMax));
  static_cast<void>(sent);  // told or not, the connection ends
}

rt::Task<void> Server::serve(std::unique_ptr<Connection> connection) {
  rt::Loop* target = nullptr;
  {
    Session session(*this, std::move(connection));
    co_await session.run();
    target = session.wanted_loop();
    if (target != nullptr) connection = session.release();
  }
  if (target != nullptr) hand_over(std::move(connection), *target);
}

void Server::hand_over(std::unique_ptr<Connection> connection, rt::Loop& target) {
  Result<wire::Wire> moved = connection->wire.rehome(target);
  if (!moved.has_value()) {
    parts_.log.warning("imap.move_failed", {{"why", moved.error().to_text()}});
    return;
  }
  connection->wire = std::move(*moved);
  moved_.add();
  // It waits in the fleet, not in the callback, so that whatever ends first, nothing is left over.
  Fleet::Berth& berth = *parts_.fleet.berths_[target.index()];
  {
    const std::lock_guard lock(berth.mutex);
    berth.arriving.push_back(std::move(connection));
  }
  target.post([&berth] {
    if (berth.server != nullptr) berth.server->welcome_arriving();
  });
}

void Server::welcome_arriving() {
  Fleet::Berth& berth = *parts_.fleet.berths_[loop_.index()];
  std::vector<std::unique_ptr<Connection>> arriving;
  {
    const std::lock_guard lock(berth.mutex);
    arriving.swap(berth.arriving);
  }
  for (auto& connection : arriving) {
    sessions_.spawn("imap session", serve(std::move(connection)));
  }
}

}  // namespace ph::imap_server
