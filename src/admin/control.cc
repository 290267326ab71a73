#include "admin/control.h"

#include <nlohmann/json.hpp>
#include <utility>

#include "base/text.h"
#include "rt/errors.h"
#include "service/wire/wire.h"

namespace ph::admin {
namespace {

constexpr Duration kFarewellMax = Duration::seconds(2);

std::string error_line(const Error& error) {
  const std::string kind = std::string(error.kind().module) + "." + std::string(error.kind().name);
  const std::string text = error.context().empty() ? kind : error.context();
  const Json answer = {{"ok", false}, {"error", {{"kind", kind}, {"text", text}}}};
  return answer.dump(-1, ' ', false, Json::error_handler_t::replace);
}

// Reads until a whole line is there; empty at the end of the stream.
rt::Task<Result<std::string>> read_line(wire::Wire& wire, rt::Deadline deadline) {
  std::string line;
  for (;;) {
    const std::string_view input = wire.input();
    const size_t end = input.find('\n');
    const size_t taken = end == std::string_view::npos ? input.size() : end + 1;
    line += input.substr(0, taken);
    wire.consume(taken);
    if (end != std::string_view::npos) {
      line.pop_back();
      co_return line;
    }
    if (line.size() > kRequestBytesMax) co_return fail(kBadArgument, "the line is too long");
    PH_CO_TRY(const wire::Filled filled, co_await wire.fill(deadline));
    if (filled == wire::Filled::end_of_stream) co_return std::string();
  }
}

}  // namespace

rt::Task<std::string> answer_line(const Verbs& verbs, rt::Loop& loop, std::string line) {
  const Json request = Json::parse(line, nullptr, /*allow_exceptions=*/false);
  if (!request.is_object()) co_return error_line(fail(kBadArgument, "a request is a JSON object"));
  const auto verb = request.find("verb");
  if (verb == request.end() || !verb->is_string()) {
    co_return error_line(fail(kBadArgument, "a request names its verb"));
  }
  const Handler* handler = verbs.find(verb->get<std::string>());
  if (handler == nullptr) {
    co_return error_line(
        fail(kUnknownVerb, "there is no verb " + printable(verb->get<std::string>(), 64)));
  }
  const auto args = request.find("args");
  const auto who = request.find("who");
  const Json none = Json::object();
  const bool has_args = args != request.end() && args->is_object();
  const bool has_who = who != request.end() && who->is_string();
  Call call{has_args ? *args : none, has_who ? who->get<std::string>() : "administrator",
            loop.in(kCallMax)};
  auto task = (*handler)(std::move(call));
  Result<Json> result = co_await task;
  if (!result.has_value()) co_return error_line(result.error());
  const Json answer = {{"ok", true}, {"result", std::move(*result)}};
  co_return answer.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Control::Control(ControlPorts ports) : ports_(ports), scope_(ports.loop, "control") {}
Control::~Control() = default;

Status Control::start(const std::string& socket_path) {
  rt::ListenOptions options{rt::local_endpoint(socket_path)};
  PH_TRY(listener_, ports_.runtime.listen(ports_.loop, std::move(options)));
  scope_.spawn("control accepts", accept_all());
  return {};
}

rt::Task<void> Control::accept_all() {
  for (;;) {
    Result<std::unique_ptr<rt::Stream>> stream =
        co_await listener_->accept(ports_.loop.in(rt::kIdleRecheck));
    if (stream.has_value()) {
      if (scope_.active() > kConnectionsMax) continue;  // dropped: the client sees it closed
      scope_.spawn("control connection", serve(std::move(*stream)));
      continue;
    }
    if (stream.error().is(rt::kCancelled)) co_return;
    if (stream.error().is(rt::kTimedOut)) continue;
    ports_.log.warning("control.accept_failed", {{"why", stream.error().to_text()}});
    co_await rt::sleep(ports_.loop, ports_.loop.in(Duration::seconds(1)), "another accept");
  }
}

rt::Task<void> Control::serve(std::unique_ptr<rt::Stream> stream) {
  wire::Wire wire(std::move(stream));
  for (;;) {
    Result<std::string> line = co_await read_line(wire, ports_.loop.in(kIdleMax));
    const bool overlong = !line.has_value() && line.error().is(kBadArgument);
    if (!overlong && (!line.has_value() || line->empty())) co_return;
    std::string answer = overlong ? error_line(line.error()) : std::string();
    if (!overlong) answer = co_await answer_line(ports_.verbs, ports_.loop, std::move(*line));
    answer += '\n';
    const Status sent = co_await wire.send(std::move(answer), ports_.loop.in(kIdleMax));
    if (!sent.has_value()) co_return;
    if (overlong) break;
  }
  co_await wire.finish(ports_.loop.in(kFarewellMax));
}

rt::Task<Result<Json>> call(rt::Runtime& runtime, rt::Loop& loop, Request request, const Json& args,
                            rt::Deadline deadline) {
  rt::DialOptions options{rt::local_endpoint(request.socket_path), {}};
  auto stream = co_await runtime.dial(loop, std::move(options), deadline);
  if (!stream.has_value()) {
    co_return fail(kNotRunning, "no server answers at " + request.socket_path);
  }
  wire::Wire wire(std::move(*stream));
  const Json line = {{"verb", request.verb}, {"args", args}, {"who", request.who}};
  std::string text = line.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
  PH_CO_TRY_STATUS(co_await wire.send(std::move(text), deadline));
  std::string answer;
  while (answer.find('\n') == std::string::npos) {  // answers are not bounded: they are our own
    PH_CO_TRY(const wire::Filled filled, co_await wire.fill(deadline));
    if (filled == wire::Filled::end_of_stream) co_return fail(kNotRunning, "the server went away");
    answer += wire.input();
    wire.consume(wire.input().size());
  }
  Json parsed = Json::parse(answer, nullptr, /*allow_exceptions=*/false);
  if (!parsed.is_object() || !parsed.contains("ok")) co_return fail(kRemote, "not an answer");
  if (parsed["ok"] == true) co_return std::move(parsed["result"]);
  const Json& error = parsed["error"];
  const bool told = error.is_object() && error.contains("text") && error["text"].is_string();
  co_return fail(kRemote, told ? error["text"].get<std::string>() : "no reason given");
}

}  // namespace ph::admin
