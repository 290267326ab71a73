// RealRuntime: the world as it is. One epoll loop per thread, the machine's clocks, TCP and local
// sockets, libunbound, POSIX files, the kernel's entropy, a pool of threads.
//
// Order of a program's life:
//   1. create() on the main thread, before any other thread exists that should not get signals.
//   2. Before run() no loop has a thread: whoever holds the runtime may listen, spawn and post.
//   3. run() gives each loop its thread (the caller's is the first loop's) until stop().
//   4. When run() has returned, all loops are without a thread again: the owners of scopes, streams
//      and listeners destroy them now (a graceful end was their business before stop()).
//   5. ~RealRuntime joins the pool, kills guests (call_on) and destroys what was posted but never
//      run. Nothing else may still refer to a loop by then.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "rt/runtime.h"

namespace ph::rt_real {

struct RealOptions {
  size_t loops = 0;  // 0: one per core
  size_t pool_threads = 4;
  size_t pool_queue = 256;  // work waiting for a pool thread; more is refused (back-pressure)

  // DNS servers to ask, "ip" or "ip@port". Empty: those of /etc/resolv.conf; if that names none,
  // the names are resolved from the root.
  std::vector<std::string> resolver_forward = {};
  // A file with the root's trust anchor (DS or DNSKEY records). Empty: nothing is validated and no
  // answer is ever `secure`.
  std::string trust_anchor_file = {};
  size_t resolver_queries_max = 4096;  // in flight; more fail with kDnsServerFailure

  enum class Descriptors : uint8_t { raise_to_hard_limit, as_given };
  Descriptors descriptors = Descriptors::raise_to_hard_limit;  // RLIMIT_NOFILE of the process

  // Signals that on_signals() will take. They are blocked before the first thread is started, so
  // that every thread of the process (a library's as well) leaves them to the handler.
  std::vector<int> signals = {};
};

class RealRuntime final : public rt::Runtime {
 public:
  // kNoDescriptors, kIo. Makes the process ignore SIGPIPE.
  static Result<std::unique_ptr<RealRuntime>> create(RealOptions options);
  ~RealRuntime() override;

  // Runs `first` on the first loop, `on_each` on every loop, soon after run() began. Any thread.
  void start(rt::Callback first);
  void start_on_each(std::function<void(rt::Loop&)> on_each);

  using SignalHandler = std::move_only_function<void(int)>;
  // From now on RealOptions::signals arrive as calls of `handler` on the first loop; those that
  // came since create(), too. On the main thread, before run(), once.
  Status on_signals(SignalHandler handler);

  // Returns after stop() when all loops' threads have ended. Once per runtime; at once if stop()
  // was called before. kIo if a thread could not be started.
  Status run();
  // From any thread or a signal handler. Does not wait; loops end after their present turn.
  void stop() noexcept;

  std::span<rt::Loop* const> loops() override;
  // Address "::" takes IPv4 connections too. A local socket gets mode 0600, replaces a socket file
  // on which nobody answers, and is removed when the listener closes; it cannot be shared.
  Result<std::unique_ptr<rt::Listener>> listen(rt::Loop& loop, rt::ListenOptions options) override;
  rt::Task<Result<std::unique_ptr<rt::Stream>>> dial(rt::Loop& loop, rt::DialOptions options,
                                                     rt::Deadline deadline) override;
  rt::Resolver& resolver() override;
  rt::Files& files() override;
  rt::Entropy& entropy() override;
  rt::Pool& pool() override;
  rt::Memory& memory() override;

  // Exceptions that left work on the pool (each is a bug; tests require 0).
  size_t pool_stray_exceptions() const;

 private:
  struct Parts;
  explicit RealRuntime(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

}  // namespace ph::rt_real
