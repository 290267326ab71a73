#include "rt/scope.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "rt/errors.h"

namespace ph::rt {

// The coroutine at the bottom of an activity. It destroys nothing itself: Scope::ended does.
struct Scope::Root {
  struct promise_type {
    Activity* owner = nullptr;
    explicit promise_type(Activity* self, const Task<void>&) : owner(self) {}
    static void* operator new(size_t size) { return allocate_frame(size); }
    static void operator delete(void* frame, size_t size) noexcept { free_frame(frame, size); }
    Activity* activity() const { return owner; }
    Root get_return_object() {
      return Root{std::coroutine_handle<promise_type>::from_promise(*this)};
    }
    std::suspend_always initial_suspend() const noexcept { return {}; }
    auto final_suspend() const noexcept {
      struct End {
        bool await_ready() const noexcept { return false; }
        void await_suspend(std::coroutine_handle<promise_type> self) const noexcept {
          Activity* const activity = self.promise().owner;
          activity->scope_.ended(*activity);
        }
        void await_resume() const noexcept {}
      };
      return End{};
    }
    void return_void() const {}
    void unhandled_exception() const noexcept { ++owner->loop().stray_exceptions_; }
  };
  std::coroutine_handle<promise_type> handle;
};

Scope::Root Scope::run(Activity*, Task<void> task) { co_await task; }

Scope::Scope(Loop& loop, std::string name) : loop_(loop), name_(std::move(name)), changed_(loop) {
  loop_.scopes_.push_back(this);
}

Scope::~Scope() {
  while (first_ != nullptr) ended(*first_);
  std::erase(loop_.scopes_, this);
}

void Scope::spawn(std::string name, Task<void> task) {
  auto* const activity = new Activity(loop_, *this, std::move(name));
  activity->cancelled_ = cancelled_;
  activity->previous_ = last_;
  (last_ != nullptr ? last_->next_ : first_) = activity;
  last_ = activity;
  ++active_;
  const Root root = run(activity, std::move(task));
  activity->root_ = root.handle;
  activity->resume_ = root.handle;
  loop_.make_ready(*activity);
}

void Scope::cancel() {
  cancelled_ = true;
  for (Activity* a = first_; a != nullptr; a = a->next_) a->cancel();
}

void Scope::ended(Activity& activity) {
  PH_CHECK(active_ > 0);
  (activity.previous_ != nullptr ? activity.previous_->next_ : first_) = activity.next_;
  (activity.next_ != nullptr ? activity.next_->previous_ : last_) = activity.previous_;
  --active_;
  const std::coroutine_handle<> root = activity.root_;
  root.destroy();  // first the frames, whose awaiters still know the activity
  delete &activity;
  changed_.wake();
}

Task<Status> Scope::join(Deadline deadline) {
  while (active_ > 0) {
    const Woken woken = co_await changed_.park(deadline, "the end of its scope's activities");
    if (woken != Woken::hint && active_ > 0) co_return to_status(woken, "join of " + name_);
  }
  co_return Status();
}

}  // namespace ph::rt
