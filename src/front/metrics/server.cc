#include "front/metrics/server.h"

#include <utility>

#include "codec/http/server.h"
#include "rt/errors.h"

namespace ph::metrics_server {
namespace {

constexpr Duration kListenAgain = Duration::seconds(30);
constexpr Duration kAcceptPause = Duration::seconds(1);
constexpr Duration kFarewellMax = Duration::seconds(2);
constexpr std::string_view kPath = "/metrics";
constexpr std::string_view kFormat = "text/plain; version=0.0.4; charset=utf-8";

}  // namespace

Server::Server(Parts parts)
    : parts_(std::move(parts)),
      requests_(parts_.metrics.counter("posthorn_metrics_requests_total")),
      refused_(parts_.metrics.counter("posthorn_metrics_requests_refused_total")),
      turned_away_(parts_.metrics.counter("posthorn_metrics_connections_turned_away_total")),
      listening_(parts_.loop, "metrics listeners"),
      connections_(parts_.loop, "metrics connections") {
  parts_.metrics.describe("posthorn_metrics_requests_total", "Requests to the metrics page.");
  parts_.metrics.describe("posthorn_metrics_requests_refused_total",
                          "Requests to it that were answered with an error.");
  parts_.metrics.describe("posthorn_metrics_connections_turned_away_total",
                          "Connections to it beyond the limit.");
}

Server::~Server() = default;

Status Server::listen(const rt::Endpoint& at) {
  if (!rt::is_loopback(at)) {
    return fail(kNotLoopback, rt::to_text(at) +
                                  " is not on loopback, and the metrics page knows no login: "
                                  "let a proxy with one stand before it");
  }
  listening_.spawn("metrics listener", keep_listening(at));
  return {};
}

std::vector<rt::Endpoint> Server::endpoints() const {
  std::vector<rt::Endpoint> out;
  for (const rt::Listener* listener : listeners_) out.push_back(listener->local());
  return out;
}

rt::Task<void> Server::keep_listening(rt::Endpoint at) {
  for (bool told = false;;) {
    rt::ListenOptions options{at};
    Result<std::unique_ptr<rt::Listener>> listener =
        parts_.runtime.listen(parts_.loop, std::move(options));
    if (listener.has_value()) {
      if (told) parts_.log.info("metrics.listening", {{"at", rt::to_text(at)}});
      struct Listed {
        std::set<const rt::Listener*>& all;
        const rt::Listener* one;
        ~Listed() { all.erase(one); }
      };
      listeners_.insert(listener->get());
      const Listed listed{listeners_, listener->get()};
      co_await accept_all(**listener);
      co_return;
    }
    if (!std::exchange(told, true)) {
      parts_.log.warning("metrics.not_listening",
                         {{"at", rt::to_text(at)}, {"why", listener.error().to_text()}});
    }
    const rt::Woken woken =
        co_await rt::sleep(parts_.loop, parts_.loop.in(kListenAgain), "a free port");
    if (woken == rt::Woken::cancelled) co_return;
  }
}

rt::Task<void> Server::accept_all(rt::Listener& listener) {
  for (;;) {
    auto stream = co_await listener.accept(parts_.loop.in(rt::kIdleRecheck));
    if (stream.has_value()) {
      if (connections_.active() < kConnectionsMax) {
        connections_.spawn("metrics connection", serve(std::move(*stream)));
      } else {
        turned_away_.add();
      }
      continue;
    }
    if (stream.error().is(rt::kCancelled) || stream.error().is(rt::kClosed)) co_return;
    if (stream.error().is(rt::kTimedOut)) continue;
    parts_.log.warning("metrics.accept_failed", {{"why", stream.error().to_text()}});
    const rt::Woken woken =
        co_await rt::sleep(parts_.loop, parts_.loop.in(kAcceptPause), "another accept");
    if (woken == rt::Woken::cancelled) co_return;
  }
}

http::Response Server::respond(const http::Request& request) {
  requests_.add();
  if (request.path() != kPath) {
    refused_.add();
    return http::error_response(404, "there is only /metrics");
  }
  if (request.method != "GET" && request.method != "HEAD") {
    refused_.add();
    http::Response out = http::error_response(405, "only GET and HEAD");
    out.fields.push_back({"Allow", "GET, HEAD"});
    return out;
  }
  if (parts_.refresh) parts_.refresh();
  http::Response out;
  out.content_type = kFormat;
  out.body = parts_.metrics.exposition();
  out.fields.push_back({"Cache-Control", "no-store"});
  return out;
}

rt::Task<void> Server::serve(std::unique_ptr<rt::Stream> stream) {
  rt::Loop& loop = parts_.loop;
  wire::Wire wire(std::move(stream));
  http::Server engine;
  rt::Deadline until = loop.in(kHeadMax);  // for the whole head, however slowly it drips
  bool in_head = true;
  while (engine.phase() != http::ServerPhase::closed || engine.has_output()) {
    if (engine.has_output()) {
      const Status sent = co_await wire.send(engine.take_output(), loop.in(kAnswerMax));
      if (!sent.has_value()) co_return;
      until = loop.in(kIdleMax);
      in_head = false;
      continue;
    }
    const size_t taken = engine.feed(wire.input());
    wire.consume(taken);
    if (std::optional<http::ServerEvent> event = engine.next()) {
      if (const auto* fault = std::get_if<http::Fault>(&*event)) {
        requests_.add();
        refused_.add();
        engine.answer(fault->response, loop.wall());
      } else {
        engine.answer(respond(std::get<http::Request>(*event)), loop.wall());
      }
      continue;
    }
    if (!in_head && engine.phase() == http::ServerPhase::head) {
      in_head = true;
      until = loop.in(kHeadMax);
    }
    const Result<wire::Filled> filled = co_await wire.fill(until);
    if (!filled.has_value() || *filled == wire::Filled::end_of_stream) co_return;
  }
  co_await wire.finish(loop.in(kFarewellMax));
}

}  // namespace ph::metrics_server
