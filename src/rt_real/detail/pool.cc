#include "rt_real/detail/pool.h"

#include <pthread.h>

#include <csignal>
#include <system_error>

#include "rt/errors.h"

namespace ph::rt_real::detail {

Result<std::thread> start_thread(rt::Callback body) {
  sigset_t blocked;
  sigset_t before;
  sigfillset(&blocked);
  for (const int fault : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP, SIGSYS, SIGPROF}) {
    sigdelset(&blocked, fault);
  }
  pthread_sigmask(SIG_SETMASK, &blocked, &before);  // a new thread inherits it
  Result<std::thread> out = fail(rt::kIo, "a thread could not be started");
  try {
    out = std::thread(std::move(body));
  } catch (const std::system_error& e) {
    out = fail(rt::kIo, std::string("starting a thread: ") + e.what());
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return out;
}

Status ThreadPool::start(size_t threads) {
  for (size_t i = 0; i < threads; ++i) {
    PH_TRY(std::thread thread, start_thread([this] { serve(); }));
    threads_.push_back(std::move(thread));
  }
  return {};
}

bool ThreadPool::submit(rt::Callback work) {
  {
    const std::lock_guard lock(mutex_);
    if (stopped_ || !queue_.push(std::move(work))) return false;
  }
  changed_.notify_one();
  return true;
}

void ThreadPool::serve() {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [this] { return stopped_ || !queue_.empty(); });
    if (stopped_) return;
    std::optional<rt::Callback> work = queue_.pop();
    lock.unlock();
    try {
      (*work)();
    } catch (...) {
      stray_exceptions_.fetch_add(1, std::memory_order_relaxed);
    }
    work.reset();
    lock.lock();
  }
}

void ThreadPool::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
  }
  changed_.notify_all();
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
  while (queue_.pop().has_value()) {
  }
}

}  // namespace ph::rt_real::detail
