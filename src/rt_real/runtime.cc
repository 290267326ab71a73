#include "rt_real/runtime.h"

#include <pthread.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <thread>

#include "base/check.h"
#include "rt/errors.h"
#include "rt_real/detail/files.h"
#include "rt_real/detail/memory.h"
#include "rt_real/detail/pool.h"
#include "rt_real/detail/real_loop.h"
#include "rt_real/detail/resolver.h"
#include "rt_real/detail/socket.h"

namespace ph::rt_real {
namespace {

using detail::Descriptor;
using detail::Fd;
using detail::RealLoop;

// Signals as calls on the first loop.
struct Signals {
  Descriptor arrivals;
  rt::Scope scope;
  RealRuntime::SignalHandler handler;

  Signals(RealLoop& loop, Fd fd, RealRuntime::SignalHandler call)
      : arrivals(loop, std::move(fd), Descriptor::Assume::nothing, 16),
        scope(loop, "signals"),
        handler(std::move(call)) {
    scope.spawn("signals", carry(loop));
  }

  rt::Task<void> carry(RealLoop& loop) {
    for (;;) {
      const rt::Deadline recheck = loop.in(rt::kIdleRecheck);
      const rt::Woken woken = co_await arrivals.wait(arrivals.in(), recheck, "a signal",
                                                     std::source_location::current());
      if (woken == rt::Woken::cancelled || arrivals.closed()) co_return;
      arrivals.in().exhausted();
      signalfd_siginfo info{};
      while (detail::uninterrupted([&] { return ::read(arrivals.fd(), &info, sizeof(info)); }) ==
             sizeof(info)) {
        handler(static_cast<int>(info.ssi_signo));
      }
    }
  }
};

sigset_t set_of(const std::vector<int>& signals) {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : signals) sigaddset(&set, signal);
  return set;
}

void raise_descriptor_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == limit.rlim_max) return;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);  // if not, the old limit holds
}

}  // namespace

struct RealRuntime::Parts {
  explicit Parts(const RealOptions& options) : pool(options.pool_queue) {}

  std::vector<std::unique_ptr<RealLoop>> loops;
  std::vector<rt::Loop*> loop_pointers;
  sigset_t taken_signals{};
  std::unique_ptr<Signals> signals;
  std::unique_ptr<detail::UnboundResolver> resolver;
  detail::PosixFiles files;
  detail::KernelEntropy entropy;
  detail::ThreadPool pool;
  detail::ProcessMemory memory;
  std::atomic<bool> stop = false;
  bool ran = false;
};

RealRuntime::RealRuntime(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}

Result<std::unique_ptr<RealRuntime>> RealRuntime::create(RealOptions options) {
  std::signal(SIGPIPE, SIG_IGN);
  const sigset_t taken = set_of(options.signals);
  if (::pthread_sigmask(SIG_BLOCK, &taken, nullptr) != 0) return fail(rt::kIo, "pthread_sigmask");
  if (options.descriptors == RealOptions::Descriptors::raise_to_hard_limit) {
    raise_descriptor_limit();
  }
  auto parts = std::make_unique<Parts>(options);
  parts->taken_signals = taken;
  const size_t cores = std::max<size_t>(1, std::thread::hardware_concurrency());
  const size_t loops = options.loops != 0 ? options.loops : cores;
  for (size_t i = 0; i < loops; ++i) {
    PH_TRY(auto loop, RealLoop::create(i));
    parts->loop_pointers.push_back(loop.get());
    parts->loops.push_back(std::move(loop));
  }
  parts->resolver = std::make_unique<detail::UnboundResolver>(
      *parts->loops.front(),
      detail::ResolverOptions{std::move(options.resolver_forward),
                              std::move(options.trust_anchor_file), options.resolver_queries_max});
  PH_TRY_STATUS(parts->pool.start(std::max<size_t>(1, options.pool_threads)));
  return std::unique_ptr<RealRuntime>(new RealRuntime(std::move(parts)));
}

RealRuntime::~RealRuntime() {
  parts_->pool.stop();  // its work posts to loops
  for (const auto& loop : parts_->loops) loop->discard();
  parts_->signals.reset();
  parts_->resolver.reset();
  for (const auto& loop : parts_->loops) loop->discard();
}

void RealRuntime::start(rt::Callback first) { parts_->loops.front()->post(std::move(first)); }

void RealRuntime::start_on_each(std::function<void(rt::Loop&)> on_each) {
  for (const auto& loop : parts_->loops) {
    loop->post([&target = *loop, on_each] { on_each(target); });
  }
}

Status RealRuntime::on_signals(SignalHandler handler) {
  PH_CHECK(parts_->signals == nullptr);
  Fd fd(::signalfd(-1, &parts_->taken_signals, SFD_NONBLOCK | SFD_CLOEXEC));
  if (!fd) return detail::system_error(errno, "signalfd");
  parts_->signals =
      std::make_unique<Signals>(*parts_->loops.front(), std::move(fd), std::move(handler));
  return {};
}

Status RealRuntime::run() {
  PH_CHECK(!std::exchange(parts_->ran, true));
  for (const auto& loop : parts_->loops) loop->bind();
  std::vector<std::thread> threads;
  Status status;
  for (size_t i = 1; i < parts_->loops.size() && status.has_value(); ++i) {
    auto thread =
        detail::start_thread([this, &loop = *parts_->loops[i]] { loop.run(parts_->stop); });
    if (thread.has_value()) {
      threads.push_back(std::move(*thread));
    } else {
      status = thread.error();
      stop();
    }
  }
  if (status.has_value()) parts_->loops.front()->run(parts_->stop);
  for (std::thread& thread : threads) thread.join();
  for (const auto& loop : parts_->loops) loop->unbind();
  return status;
}

void RealRuntime::stop() noexcept {
  parts_->stop.store(true, std::memory_order_release);
  for (const auto& loop : parts_->loops) loop->wake();
}

std::span<rt::Loop* const> RealRuntime::loops() { return parts_->loop_pointers; }

Result<std::unique_ptr<rt::Listener>> RealRuntime::listen(rt::Loop& loop,
                                                          rt::ListenOptions options) {
  return detail::SocketListener::open(static_cast<RealLoop&>(loop), options);
}

rt::Task<Result<std::unique_ptr<rt::Stream>>> RealRuntime::dial(rt::Loop& loop,
                                                                rt::DialOptions options,
                                                                rt::Deadline deadline) {
  return detail::dial(static_cast<RealLoop&>(loop), std::move(options), deadline);
}

rt::Resolver& RealRuntime::resolver() { return *parts_->resolver; }
rt::Files& RealRuntime::files() { return parts_->files; }
rt::Entropy& RealRuntime::entropy() { return parts_->entropy; }
rt::Pool& RealRuntime::pool() { return parts_->pool; }
rt::Memory& RealRuntime::memory() { return parts_->memory; }
size_t RealRuntime::pool_stray_exceptions() const { return parts_->pool.stray_exceptions(); }

}  // namespace ph::rt_real
