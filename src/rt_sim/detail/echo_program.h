// For this room's tests: a program that echoes everything back until the end of the stream, and a
// client that talks to it.
#pragma once

#include <array>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/check.h"
#include "rt/errors.h"
#include "rt/runtime.h"

namespace ph::rt_sim::detail {

inline constexpr uint16_t kEchoPort = 7;

class EchoProgram {
 public:
  explicit EchoProgram(rt::Runtime& runtime, rt::Endpoint at) : runtime_(runtime) {
    for (rt::Loop* loop : runtime.loops()) {
      scopes_.push_back(std::make_unique<rt::Scope>(*loop, "echo"));
      scopes_.back()->spawn("accept", serve(*loop, *scopes_.back(), at));
    }
  }

 private:
  static rt::Task<void> echo(rt::Loop& loop, std::unique_ptr<rt::Stream> stream) {
    std::array<char, 1000> buffer{};
    for (;;) {
      auto got = co_await stream->read(buffer, loop.in(Duration::minutes(5)));
      if (!got.has_value()) co_return;
      if (*got == 0) break;
      const std::string_view bytes(buffer.data(), *got);
      auto put = co_await stream->write(bytes, loop.in(Duration::minutes(5)));
      if (!put.has_value()) co_return;
    }
    stream->shutdown_write();
  }

  rt::Task<void> serve(rt::Loop& loop, rt::Scope& scope, rt::Endpoint at) {
    using Sharing = rt::ListenOptions::Sharing;
    auto listener = runtime_.listen(loop, {.at = at, .sharing = Sharing::with_other_loops});
    PH_CHECK(listener.has_value());
    for (;;) {
      auto stream = co_await (*listener)->accept(loop.in(rt::kIdleRecheck));
      if (stream.has_value()) {
        scope.spawn("echo", echo(loop, std::move(*stream)));
      } else if (stream.error().is(rt::kNoDescriptors)) {
        co_await rt::sleep(loop, loop.in(Duration::seconds(1)), "a free descriptor");
      } else if (!stream.error().is(rt::kTimedOut)) {
        co_return;
      }
    }
  }

  rt::Runtime& runtime_;
  std::vector<std::unique_ptr<rt::Scope>> scopes_;
};

inline rt::Task<void> send_all(rt::Loop& loop, rt::Stream& stream, std::string bytes,
                               Status& status) {
  status = co_await stream.write(bytes, loop.in(Duration::minutes(10)));
  stream.shutdown_write();
}

// Sends `bytes` and gives back what was echoed up to the end of the stream, or the first error. An
// end that comes too early is kClosed: a server that gave up waiting closes like one that is done.
inline rt::Task<Result<std::string>> talk(rt::Runtime& runtime, rt::Loop& loop, rt::Endpoint to,
                                          std::string bytes) {
  PH_CO_TRY(auto stream,
            co_await runtime.dial(loop, {.to = std::move(to)}, loop.in(Duration::seconds(30))));
  Status sent;
  rt::Scope scope(loop, "sender");
  scope.spawn("send", send_all(loop, *stream, bytes, sent));
  std::string echoed;
  std::array<char, 3000> buffer{};
  for (;;) {
    PH_CO_TRY(const size_t got, co_await stream->read(buffer, loop.in(Duration::minutes(5))));
    if (got == 0) break;
    echoed.append(buffer.data(), got);
  }
  if (echoed.size() < bytes.size() && bytes.starts_with(echoed)) {
    co_return fail(rt::kClosed, "the echo ended early");
  }
  PH_CO_TRY_STATUS(co_await scope.join(loop.in(Duration::minutes(10))));
  PH_CO_TRY_STATUS(std::move(sent));
  co_return echoed;
}

}  // namespace ph::rt_sim::detail
