// Loops turned by the test's own thread, and a Runtime of them that has a pool but no network.
//
// Time is virtual. With Idle::advance_clock a world in which nobody is ready moves on to its next
// timer (engines without threads); with Idle::wait_for_post it waits for a post of another thread
// (a minute at most: then the test program fails), and time stands still unless the test moves it.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/check.h"
#include "rt/loop.h"
#include "rt/runtime.h"
#include "rt/scope.h"
#include "rt/task.h"

namespace ph::kv_conformance {

enum class Idle : uint8_t { advance_clock, wait_for_post };

class CrankedLoop final : public rt::Loop {
 public:
  explicit CrankedLoop(size_t index) : Loop(index) {}
  ~CrankedLoop() override { kill_guests(); }

  Instant now() const override { return now_; }
  Time wall() const override { return Time::from_unix_us(now_.us()); }
  void post(rt::Callback callback) override;
  bool is_current() const override;

  // One turn: what was posted, due timers, what is ready. False if there was nothing.
  bool turn();
  void wait_for_post();  // or for a moment
  void set_now(Instant now) { now_ = now; }
  void drop_posted();

 private:
  Instant now_;
  std::mutex mutex_;
  std::condition_variable posted_changed_;
  std::deque<rt::Callback> posted_;
};

class ThreadPool final : public rt::Pool {
 public:
  explicit ThreadPool(size_t threads);
  ~ThreadPool() override;
  bool submit(rt::Callback work) override;

 private:
  void serve();
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<rt::Callback> work_;
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

class CrankedRuntime final : public rt::Runtime {
 public:
  CrankedRuntime(size_t loops, Idle idle);
  ~CrankedRuntime() override;

  std::span<rt::Loop* const> loops() override { return handles_; }
  rt::Loop& loop(size_t index) { return *cranked_[index]; }
  rt::Pool& pool() override { return pool_; }
  Result<std::unique_ptr<rt::Listener>> listen(rt::Loop& loop, rt::ListenOptions) override;
  rt::Task<Result<std::unique_ptr<rt::Stream>>> dial(rt::Loop& loop, rt::DialOptions,
                                                     rt::Deadline) override;
  rt::Resolver& resolver() override;
  rt::Files& files() override;
  rt::Entropy& entropy() override;
  rt::Memory& memory() override;

  // Turns all loops on this thread until `done`.
  void run_until(const std::function<bool()>& done);
  // Turns each loop on a thread of its own until `done` (asked on those threads).
  void run_threads_until(const std::function<bool()>& done);
  void advance(Duration d);
  void drop_posted();

  // Runs the task that `make` gives on loop `index`, and returns what it returns.
  template <class F>
  auto ask(F make, size_t index = 0) -> typename std::invoke_result_t<F>::value_type {
    using T = typename std::invoke_result_t<F>::value_type;
    std::optional<T> out;
    rt::Scope scope(loop(index), "ask");
    scope.spawn("ask", relay<F, T>(std::move(make), out));
    run_until([&] { return out.has_value() && scope.active() == 0; });
    return std::move(*out);
  }

 private:
  template <class F, class T>
  static rt::Task<void> relay(F make, std::optional<T>& out) {
    auto task = make();
    T value = co_await task;
    out.emplace(std::move(value));
  }
  bool turn_all();

  Idle idle_;
  std::vector<std::unique_ptr<CrankedLoop>> cranked_;
  std::vector<rt::Loop*> handles_;
  ThreadPool pool_;
};

}  // namespace ph::kv_conformance
