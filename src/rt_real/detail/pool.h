// The pool: a few threads and a bounded queue.
#pragma once

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <vector>

#include "base/bounded.h"
#include "rt/runtime.h"

namespace ph::rt_real::detail {

class ThreadPool final : public rt::Pool {
 public:
  explicit ThreadPool(size_t queue) : queue_(queue) {}
  ~ThreadPool() override { stop(); }

  Status start(size_t threads);
  bool submit(rt::Callback work) override;
  // Waits for what runs; what waits in the queue is destroyed without having run.
  void stop();
  size_t stray_exceptions() const { return stray_exceptions_.load(std::memory_order_relaxed); }

 private:
  void serve();

  std::mutex mutex_;
  std::condition_variable changed_;
  BoundedQueue<rt::Callback> queue_;  // under mutex_
  bool stopped_ = false;              // under mutex_
  std::atomic<size_t> stray_exceptions_ = 0;
  std::vector<std::thread> threads_;
};

// A thread that gets no signals but those its own faults cause.
Result<std::thread> start_thread(rt::Callback body);

}  // namespace ph::rt_real::detail
