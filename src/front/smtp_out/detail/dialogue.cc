#include "front/smtp_out/detail/dialogue.h"

#include <algorithm>
#include <utility>

#include "codec/sasl/client.h"
#include "rt/errors.h"

namespace ph::smtp_out {
namespace {

using queue::TlsPolicy;

// Whether an opportunistic handshake is tried. After one that failed the next connection to the
// same address goes without, because mail in the clear is what the policy allows.
enum class TryTls : uint8_t { yes, no };

struct Target {
  const queue::HopHost& host;
  const std::string& address;
  const queue::NextHop& hop;
  TryTls try_tls = TryTls::yes;
};

model::QueueReason reason_of(const Error& error) {
  if (error.is(rt::kRefused)) return model::QueueReason::connection_refused;
  if (error.is(rt::kUnreachable)) return model::QueueReason::unreachable;
  if (error.is(rt::kTimedOut)) return model::QueueReason::timed_out;
  if (error.is(rt::kNoDescriptors)) return model::QueueReason::internal_error;
  return model::QueueReason::connection_lost;
}

Fault fault(model::QueueReason reason, model::Stage stage, std::string host, std::string text,
            Time now) {
  return {reason, record_of({0, {}, std::move(text)}, stage, std::move(host), now)};
}

std::string peer_name(const Target& target) {
  if (target.host.name == target.address) return target.address;
  return target.host.name + " (" + target.address + ")";
}

// The events until the peer is ready, refused us or is gone. nullopt: ready.
rt::Task<std::optional<Fault>> until_ready(Connection& connection, rt::Loop& loop,
                                           rt::Deadline deadline) {
  for (;;) {
    const smtp::ClientEvent event = co_await connection.next(deadline);
    if (std::holds_alternative<smtp::Ready>(event)) co_return std::nullopt;
    if (const auto* refused = std::get_if<smtp::Refused>(&event)) {
      const auto reason = refused->reply.is_permanent() ? model::QueueReason::peer_5xx
                                                        : model::QueueReason::peer_4xx;
      co_return Fault{
          reason,
          record_of(refused->reply, stage_of(refused->stage), connection.peer(), loop.wall()),
          says_crowded(refused->reply)};
    }
    if (const auto* lost = std::get_if<smtp::Lost>(&event)) co_return connection.fault_of(*lost);
    if (std::holds_alternative<smtp::Closed>(event)) {
      co_return fault(model::QueueReason::connection_lost, model::Stage::greeting,
                      connection.peer(), "the connection ended", loop.wall());
    }
  }
}

rt::Task<std::optional<Fault>> secure(const Parts& parts, rt::Loop& loop, Connection& connection,
                                      const Target& target, rt::Deadline deadline) {
  const TlsPolicy policy = target.hop.tls;
  const bool must = policy == TlsPolicy::required || policy == TlsPolicy::verified;
  const auto tls_fault = [&](std::string text) {
    return fault(model::QueueReason::tls_failure, model::Stage::tls, connection.peer(),
                 std::move(text), loop.wall());
  };
  const bool offered = connection.engine().capabilities().starttls && parts.trust != nullptr;
  if (policy == TlsPolicy::none || target.try_tls == TryTls::no) co_return std::nullopt;
  if (!offered) {
    if (must) co_return tls_fault("the peer does not offer STARTTLS, which is required here");
    co_return std::nullopt;
  }
  connection.engine().start_tls();
  const smtp::ClientEvent event = co_await connection.next(deadline);
  if (std::holds_alternative<smtp::TlsRefused>(event)) {
    if (must) co_return tls_fault("the peer refused STARTTLS, which is required here");
    co_return std::nullopt;
  }
  if (const auto* lost = std::get_if<smtp::Lost>(&event)) co_return connection.fault_of(*lost);
  if (!std::holds_alternative<smtp::TlsReady>(event)) co_return tls_fault("no answer to STARTTLS");
  const auto verify =
      policy == TlsPolicy::verified ? tls::Verify::required : tls::Verify::opportunistic;
  tls::ClientSetup setup{target.host.name, verify, loop.wall()};
  const Status shaken =
      co_await connection.start_tls(tls::Engine::client(*parts.trust, setup), deadline);
  if (!shaken.has_value()) co_return tls_fault(shaken.error().to_text());
  co_return co_await until_ready(connection, loop, deadline);
}

rt::Task<std::optional<Fault>> log_in(const Parts& parts, rt::Loop& loop, Connection& connection,
                                      const Target& target, rt::Deadline deadline) {
  if (target.hop.login.empty()) co_return std::nullopt;
  const auto auth_fault = [&](std::string text) {
    return fault(model::QueueReason::auth_failure, model::Stage::auth, connection.peer(),
                 std::move(text), loop.wall());
  };
  const std::optional<Credentials> credentials = parts.credentials(target.hop.login);
  if (!credentials.has_value()) co_return auth_fault("no credentials " + target.hop.login);
  if (!connection.is_secure()) co_return auth_fault("no TLS, so no password is sent");
  const auto& offered = connection.engine().capabilities().auth_mechanisms;
  if (std::ranges::find(offered, "PLAIN") == offered.end()) {
    co_return auth_fault("the peer does not offer AUTH PLAIN");
  }
  const std::string message = sasl::plain_message({credentials->user, credentials->password, {}});
  connection.engine().authenticate("PLAIN", message);
  const smtp::ClientEvent event = co_await connection.next(deadline);
  if (const auto* lost = std::get_if<smtp::Lost>(&event)) co_return connection.fault_of(*lost);
  const auto* reply = std::get_if<smtp::AuthReply>(&event);
  if (reply == nullptr) co_return auth_fault("the login did not come to an end");
  if (reply->reply.is_positive()) co_return std::nullopt;
  co_return Fault{model::QueueReason::auth_failure,
                  record_of(reply->reply, model::Stage::auth, connection.peer(), loop.wall())};
}

rt::Task<Connected> connect_to(const Parts& parts, rt::Loop& loop, const Target& target,
                               rt::Deadline deadline) {
  const std::string peer = peer_name(target);
  const auto failed = [&](const Error& error) {
    return std::unexpected(
        fault(reason_of(error), model::Stage::connect, peer, error.to_text(), loop.wall()));
  };
  const Result<rt::Endpoint> to = rt::endpoint_of(target.address, target.host.port);
  if (!to.has_value()) co_return failed(to.error());
  const Duration patience = parts.settings(loop).current().get(kConnectTimeout);
  rt::DialOptions dial{*to, {}};
  auto stream =
      co_await parts.runtime.dial(loop, std::move(dial), deadline.earlier(loop.in(patience)));
  if (!stream.has_value()) co_return failed(stream.error());
  smtp::ClientOptions options;
  options.host = parts.host;
  if (target.hop.kind == queue::HopKind::lmtp) options.protocol = smtp::Protocol::lmtp;
  auto connection = std::make_unique<Connection>(parts, loop, wire::Wire(std::move(*stream)), peer,
                                                 std::move(options));
  std::optional<Fault> problem = co_await until_ready(*connection, loop, deadline);
  if (!problem) problem = co_await secure(parts, loop, *connection, target, deadline);
  if (!problem) problem = co_await log_in(parts, loop, *connection, target, deadline);
  if (problem.has_value()) co_return std::unexpected(std::move(*problem));
  co_return connection;
}

}  // namespace

rt::Task<Connected> connect(const Parts& parts, rt::Loop& loop, const queue::NextHop& hop,
                            rt::Deadline deadline) {
  Fault last = fault(model::QueueReason::unreachable, model::Stage::connect, hop.lane,
                     "the next hop has no address", loop.wall());
  uint64_t left = parts.settings(loop).current().get(kAddressesMax);
  for (const queue::HopHost& host : hop.hosts) {
    for (const std::string& address : host.addresses) {
      if (left-- == 0 || deadline.passed(loop.now())) co_return std::unexpected(std::move(last));
      Target target{host, address, hop};
      Connected connected = co_await connect_to(parts, loop, target, deadline);
      const bool tls_failed = !connected.has_value() &&
                              connected.error().reason == model::QueueReason::tls_failure &&
                              hop.tls == TlsPolicy::opportunistic;
      if (tls_failed) {
        target.try_tls = TryTls::no;
        connected = co_await connect_to(parts, loop, target, deadline);
      }
      if (connected.has_value()) co_return connected;
      // That a host has enough of us says more than that another one is not there.
      if (!last.crowded) last = std::move(connected.error());
    }
  }
  co_return std::unexpected(std::move(last));
}

}  // namespace ph::smtp_out
