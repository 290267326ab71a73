// Task<T>: a lazily started coroutine that yields one T. co_await starts it and waits for it on the
// same loop, in the same Activity; a Task that is never awaited never runs.
//
// Ownership: the Task object owns the frame. Destroying a suspended Task destroys what it awaits
// too, so killing an activity frees everything. Parameters are taken by value, or by reference to
// something that the owning Scope outlives (STYLE 28). One suspension per statement (STYLE 26).
#pragma once

#include <coroutine>
#include <cstddef>
#include <exception>
#include <optional>
#include <utility>

#include "base/check.h"

namespace ph::rt {

class Activity;

// Coroutine frames come from a free list per thread; a frame may be freed on another thread.
void* allocate_frame(size_t size);
void free_frame(void* frame, size_t size) noexcept;

class PromiseBase {
 public:
  static void* operator new(size_t size) { return allocate_frame(size); }
  static void operator delete(void* frame, size_t size) noexcept { free_frame(frame, size); }

  Activity* activity() const { return activity_; }
  void enter(Activity* activity, std::coroutine_handle<> continuation) {
    activity_ = activity;
    continuation_ = continuation;
  }

  std::suspend_always initial_suspend() const noexcept { return {}; }
  void unhandled_exception() noexcept { stray_ = std::current_exception(); }

  struct FinalAwaiter {
    bool await_ready() const noexcept { return false; }
    template <class Promise>
    std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> self) noexcept {
      return self.promise().continuation_;
    }
    void await_resume() const noexcept {}
  };
  FinalAwaiter final_suspend() const noexcept { return {}; }

 protected:
  void rethrow_stray() {
    if (stray_) std::rethrow_exception(std::exchange(stray_, nullptr));
  }

 private:
  Activity* activity_ = nullptr;
  std::coroutine_handle<> continuation_;
  std::exception_ptr stray_;
};

template <class T>
class [[nodiscard]] Task;

namespace detail {

template <class T>
class Promise : public PromiseBase {
 public:
  Task<T> get_return_object();
  template <class U>
  void return_value(U&& value) {
    value_.emplace(std::forward<U>(value));
  }
  T take() {
    rethrow_stray();
    PH_CHECK(value_.has_value());
    return std::move(*value_);
  }

 private:
  std::optional<T> value_;
};

template <>
class Promise<void> : public PromiseBase {
 public:
  Task<void> get_return_object();
  void return_void() {}
  void take() { rethrow_stray(); }
};

}  // namespace detail

template <class T = void>
class [[nodiscard]] Task {
 public:
  using promise_type = detail::Promise<T>;
  using value_type = T;
  using Handle = std::coroutine_handle<promise_type>;

  Task() = default;
  explicit Task(Handle handle) : handle_(handle) {}
  Task(Task&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  Task& operator=(Task&& other) noexcept {
    if (this != &other) {
      destroy();
      handle_ = std::exchange(other.handle_, nullptr);
    }
    return *this;
  }
  ~Task() { destroy(); }

  class Awaiter {
   public:
    explicit Awaiter(Handle handle) : handle_(handle) {}
    Awaiter(const Awaiter&) = delete;
    Awaiter& operator=(const Awaiter&) = delete;
    bool await_ready() const noexcept { return false; }
    template <class Promise>
    std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> parent) noexcept {
      handle_.promise().enter(parent.promise().activity(), parent);
      return handle_;
    }
    T await_resume() { return handle_.promise().take(); }

   private:
    Handle handle_;
  };
  Awaiter operator co_await() const {
    PH_CHECK(handle_);
    return Awaiter(handle_);
  }

 private:
  void destroy() {
    if (handle_) handle_.destroy();
    handle_ = nullptr;
  }
  Handle handle_;
};

namespace detail {
template <class T>
Task<T> Promise<T>::get_return_object() {
  return Task<T>(std::coroutine_handle<Promise<T>>::from_promise(*this));
}
inline Task<void> Promise<void>::get_return_object() {
  return Task<void>(std::coroutine_handle<Promise<void>>::from_promise(*this));
}
}  // namespace detail

}  // namespace ph::rt
