#include "kv_conformance/crank.h"

#include <algorithm>
#include <chrono>

#include "rt/errors.h"

namespace ph::kv_conformance {

namespace {

// Which loop this thread turns now. Absent on the test's thread between turns, which then may
// touch any of them, because they stand still.
thread_local const CrankedLoop* turning = nullptr;

}  // namespace

void CrankedLoop::post(rt::Callback callback) {
  const std::lock_guard lock(mutex_);
  posted_.push_back(std::move(callback));
  posted_changed_.notify_one();
}

bool CrankedLoop::is_current() const { return turning == nullptr || turning == this; }

bool CrankedLoop::turn() {
  turning = this;
  std::deque<rt::Callback> batch;
  {
    const std::lock_guard lock(mutex_);
    batch.swap(posted_);
  }
  size_t done = batch.size();
  for (rt::Callback& callback : batch) callback();
  done += timers().fire_due(now_);
  done += run_ready();
  turning = nullptr;
  return done > 0;
}

void CrankedLoop::wait_for_post() {
  std::unique_lock lock(mutex_);
  posted_changed_.wait_for(lock, std::chrono::milliseconds(20), [&] { return !posted_.empty(); });
}

void CrankedLoop::drop_posted() {
  std::deque<rt::Callback> dropped;
  const std::lock_guard lock(mutex_);
  dropped.swap(posted_);
}

ThreadPool::ThreadPool(size_t threads) {
  for (size_t i = 0; i < threads; ++i) threads_.emplace_back([this] { serve(); });
}

ThreadPool::~ThreadPool() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

bool ThreadPool::submit(rt::Callback work) {
  const std::lock_guard lock(mutex_);
  work_.push_back(std::move(work));
  changed_.notify_one();
  return true;
}

void ThreadPool::serve() {
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] { return stopping_ || !work_.empty(); });
    if (work_.empty()) return;
    rt::Callback work = std::move(work_.front());
    work_.pop_front();
    lock.unlock();
    work();
    work = nullptr;
    lock.lock();
  }
}

CrankedRuntime::CrankedRuntime(size_t loops, Idle idle) : idle_(idle), pool_(2) {
  for (size_t i = 0; i < loops; ++i) {
    cranked_.push_back(std::make_unique<CrankedLoop>(i));
    handles_.push_back(cranked_.back().get());
  }
}

CrankedRuntime::~CrankedRuntime() { drop_posted(); }

void CrankedRuntime::drop_posted() {
  for (auto& loop : cranked_) loop->drop_posted();
}

bool CrankedRuntime::turn_all() {
  bool busy = false;
  for (auto& loop : cranked_) busy = loop->turn() || busy;
  return busy;
}

void CrankedRuntime::run_until(const std::function<bool()>& done) {
  constexpr int kIdleTurnsMax = 3000;  // of 20 ms each, when waiting for another thread
  int idle_turns = 0;
  while (!done()) {
    if (turn_all()) {
      idle_turns = 0;
      continue;
    }
    if (idle_ == Idle::wait_for_post) {
      PH_CHECK(++idle_turns < kIdleTurnsMax);
      cranked_[0]->wait_for_post();
      continue;
    }
    Instant next = Instant::max();
    for (auto& loop : cranked_) next = std::min(next, loop->timers().next_due());
    PH_CHECK(next < Instant::max());  // nobody would ever be woken
    for (auto& loop : cranked_) loop->set_now(next);
  }
}

void CrankedRuntime::run_threads_until(const std::function<bool()>& done) {
  std::vector<std::thread> threads;
  for (auto& loop : cranked_) {
    threads.emplace_back([&loop = *loop, &done] {
      while (!done()) {
        if (!loop.turn()) loop.wait_for_post();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

void CrankedRuntime::advance(Duration d) {
  const Instant end = cranked_[0]->now() + d;
  while (true) {
    while (turn_all()) {
    }
    Instant next = Instant::max();
    for (auto& loop : cranked_) next = std::min(next, loop->timers().next_due());
    if (next > end) break;
    for (auto& loop : cranked_) loop->set_now(next);
  }
  for (auto& loop : cranked_) loop->set_now(end);
}

Result<std::unique_ptr<rt::Listener>> CrankedRuntime::listen(rt::Loop&, rt::ListenOptions) {
  return fail(rt::kUnreachable, "no network here");
}

rt::Task<Result<std::unique_ptr<rt::Stream>>> CrankedRuntime::dial(rt::Loop&, rt::DialOptions,
                                                                   rt::Deadline) {
  co_return fail(rt::kUnreachable, "no network here");
}

rt::Resolver& CrankedRuntime::resolver() { check_failed("a store asks no resolver"); }
rt::Files& CrankedRuntime::files() { check_failed("a store keeps its own files"); }
rt::Entropy& CrankedRuntime::entropy() { check_failed("a store needs no entropy"); }
rt::Memory& CrankedRuntime::memory() { check_failed("a store looks at no memory"); }

}  // namespace ph::kv_conformance
