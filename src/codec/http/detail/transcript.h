// For tests and fuzzing: runs the engine over octets cut in some way, with a driver that answers
// every request with what it asked for, and keeps what came out.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "codec/http/server.h"

namespace ph::http::detail {

struct Transcript {
  std::vector<ServerEvent> events;
  std::string output;
  size_t consumed = 0;
  ServerPhase phase = ServerPhase::idle;
  bool operator==(const Transcript&) const = default;
};

// `cut` answers how many of the octets that are left go into the next feed, at least one.
inline Transcript run(Server engine, std::string_view input,
                      const std::function<size_t(size_t)>& cut) {
  constexpr Time kNow = Time::from_unix_s(1'795'219'200);
  Transcript out;
  for (;;) {
    while (const std::optional<ServerEvent> event = engine.next()) {
      PH_CHECK(engine.phase() == ServerPhase::answer);
      out.events.push_back(*event);
      if (const auto* fault = std::get_if<Fault>(&*event)) {
        engine.answer(fault->response, kNow);
        PH_CHECK(engine.phase() == ServerPhase::closed);
      } else {
        Response response;
        response.content_type = "text/plain";
        response.body = std::get<Request>(*event).target;
        engine.answer(response, kNow);
      }
    }
    out.output += engine.take_output();
    out.phase = engine.phase();
    const std::string_view rest = input.substr(out.consumed);
    if (rest.empty() || out.phase == ServerPhase::closed) return out;
    const size_t taken = engine.feed(rest.substr(0, cut(rest.size())));
    PH_CHECK(taken > 0);
    out.consumed += taken;
  }
}

}  // namespace ph::http::detail
