// Echo of 64 octets over loopback on one loop: round trips a second with rt_real.
// What it is measured against, and how: docs/decisions/0001-epoll-instead-of-asio.md
#include <cstdio>
#include <cstdlib>

#include "rt_real/runtime.h"

namespace rt = ph::rt;
using Runtime = ph::rt_real::RealRuntime;

rt::Task<void> echo(std::unique_ptr<rt::Stream> stream) {
  char buffer[4096];
  for (;;) {
    rt::Deadline deadline = stream->loop().in(ph::Duration::seconds(30));
    auto got = co_await stream->read(buffer, deadline);
    if (!got.has_value() || *got == 0) co_return;
    auto put = co_await stream->write({buffer, *got}, deadline);
    if (!put.has_value()) co_return;
  }
}

rt::Task<void> ask(Runtime& runtime, rt::Endpoint to, int rounds, int& left) {
  rt::Loop& loop = *runtime.loops()[0];
  auto made = co_await runtime.dial(loop, {to, {}}, loop.in(ph::Duration::seconds(30)));
  if (!made.has_value()) std::abort();
  auto stream = std::move(*made);
  constexpr size_t kMessage = 64;
  char buffer[4096] = {};
  for (int i = 0; i < rounds; ++i) {
    rt::Deadline deadline = loop.in(ph::Duration::seconds(30));
    auto put = co_await stream->write({buffer, kMessage}, deadline);
    if (!put.has_value()) std::abort();
    auto got = co_await stream->read(buffer, deadline);
    if (!got.has_value() || *got != kMessage) std::abort();
  }
  if (--left == 0) runtime.stop();
}

rt::Task<void> serve(rt::Scope& scope, rt::Listener& listener) {
  for (;;) {
    auto got = co_await listener.accept(scope.loop().in(ph::Duration::seconds(30)));
    if (!got.has_value()) co_return;
    scope.spawn("echo", echo(std::move(*got)));
  }
}

int main(int argc, char** argv) {
  const int connections = argc > 1 ? std::atoi(argv[1]) : 1;
  const int rounds = argc > 2 ? std::atoi(argv[2]) : 200'000;
  ph::rt_real::RealOptions options;
  options.loops = 1;
  auto runtime = Runtime::create(options).value();
  rt::Loop& loop = *runtime->loops()[0];
  auto listener = runtime->listen(loop, {{rt::Endpoint::Kind::ipv4, "127.0.0.1", 0}}).value();
  rt::Scope scope(loop, "bench");
  scope.spawn("serve", serve(scope, *listener));
  int left = connections;
  for (int i = 0; i < connections; ++i) {
    scope.spawn("ask", ask(*runtime, listener->local(), rounds / connections, left));
  }
  const ph::Instant start = loop.now();
  if (!runtime->run().has_value()) return 1;
  const double seconds = static_cast<double>((loop.now() - start).us()) / 1e6;
  std::printf("epoll: %d connections, %.0f round trips a second\n", connections,
              static_cast<double>(rounds) / seconds);
}
