// The Runtime: the world outside, given to whoever needs it through the constructor (law 11).
//
// The same program runs on rt_real (epoll, OpenSSL's entropy, libunbound, POSIX files) and on
// rt_sim (virtual time, a faulty network, everything decided by one seed).
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <type_traits>
#include <utility>

#include "base/result.h"
#include "rt/errors.h"
#include "rt/files.h"
#include "rt/loop.h"
#include "rt/memory.h"
#include "rt/parking.h"
#include "rt/resolver.h"
#include "rt/scope.h"
#include "rt/stream.h"
#include "rt/task.h"

namespace ph::rt {

// Random octets fit for keys, salts and nonces.
class Entropy {
 public:
  virtual ~Entropy() = default;
  virtual std::string bytes(size_t count) = 0;
};

// A bounded pool of threads for what would stall a loop: disk, compression, password hashing.
class Pool {
 public:
  virtual ~Pool() = default;
  // false when the pool's queue is full (the caller waits and tries again). From any thread.
  // `work` runs on a pool thread and must not touch any loop but by Loop::post.
  virtual bool submit(Callback work) = 0;
};

struct ListenOptions {
  Endpoint at;
  int backlog = 1024;
  // Several loops may listen at one address; the kernel spreads connections over them.
  enum class Sharing : uint8_t { alone, with_other_loops } sharing = Sharing::alone;
};

struct DialOptions {
  Endpoint to;
  std::optional<Endpoint> from = {};  // bind to this local address first
};

class Runtime {
 public:
  virtual ~Runtime() = default;

  virtual std::span<Loop* const> loops() = 0;
  virtual Result<std::unique_ptr<Listener>> listen(Loop& loop, ListenOptions options) = 0;
  virtual Task<Result<std::unique_ptr<Stream>>> dial(Loop& loop, DialOptions options,
                                                     Deadline deadline) = 0;
  virtual Resolver& resolver() = 0;
  virtual Files& files() = 0;
  virtual Entropy& entropy() = 0;
  virtual Pool& pool() = 0;
  virtual Memory& memory() = 0;
};

namespace detail {

template <class T>
struct Flat {
  using type = Result<T>;
};
template <class T>
struct Flat<Result<T>> {
  using type = Result<T>;
};
template <class T>
using FlatResult = typename Flat<T>::type;

// Where a result that is made elsewhere waits for the loop that asked. Shared by both sides because
// either may end first: the asker by its deadline, the doer by finishing.
template <class R>
struct Handover {
  std::optional<R> result;
  Parking* waiting = nullptr;  // touched on the asking loop only
};

template <class R>
Callback deliver(std::shared_ptr<Handover<R>> handover, R result) {
  return [handover = std::move(handover), result = std::move(result)]() mutable {
    handover->result.emplace(std::move(result));
    if (handover->waiting != nullptr) handover->waiting->wake();
  };
}

// Parks until the result is there. Clears `waiting` however it ends, also when killed.
template <class R>
Task<R> collect(Loop& loop, std::shared_ptr<Handover<R>> handover, const char* what,
                Deadline deadline, std::source_location where) {
  Parking parking(loop);
  struct Attachment {
    Handover<R>& handover;
    ~Attachment() { handover.waiting = nullptr; }
  };
  handover->waiting = &parking;
  const Attachment attachment{*handover};
  while (!handover->result.has_value()) {
    const Woken woken = co_await parking.park(deadline, what, where);
    if (woken != Woken::hint && !handover->result.has_value()) {
      co_return to_status(woken, what).error();
    }
  }
  co_return std::move(*handover->result);
}

template <class R, class F>
Task<void> guest(Loop& origin, std::shared_ptr<Handover<R>> handover, F make) {
  auto task = make();
  auto result = co_await task;
  origin.post(deliver(std::move(handover), R(std::move(result))));
}

}  // namespace detail

// Runs the Task that `make` returns on `target` and brings its result back to `home`, the caller's
// loop. `make` is called on `target` and owns (by value) what it needs. At the deadline the caller
// gets kTimedOut; the guest goes on to its own end, so its effects must be idempotent or
// observable.
template <class F>
auto call_on(Loop& home, Loop& target, std::string name, F make, Deadline deadline,
             std::source_location where = std::source_location::current())
    -> Task<detail::FlatResult<typename std::invoke_result_t<F>::value_type>> {
  using R = detail::FlatResult<typename std::invoke_result_t<F>::value_type>;
  if (&home == &target) {
    auto task = make();
    auto result = co_await task;
    co_return R(std::move(result));
  }
  auto handover = std::make_shared<detail::Handover<R>>();  // shared: either side may end first
  target.post([&home, &target, name = std::move(name), handover, make = std::move(make)]() mutable {
    target.guests().spawn(std::move(name),
                          detail::guest<R, F>(home, std::move(handover), std::move(make)));
  });
  co_return co_await detail::collect<R>(home, std::move(handover), "an answer from another loop",
                                        deadline, where);
}

// Runs `work` (a plain function returning T or Result<T>) on the pool. A full pool is waited for
// until the deadline, then kPoolFull.
template <class F>
auto blocking(Loop& home, Pool& pool, const char* what, F work, Deadline deadline,
              std::source_location where = std::source_location::current())
    -> Task<detail::FlatResult<std::invoke_result_t<F>>> {
  using R = detail::FlatResult<std::invoke_result_t<F>>;
  auto handover = std::make_shared<detail::Handover<R>>();  // shared: either side may end first
  auto held = std::make_shared<F>(std::move(work));         // shared: submit may refuse it
  while (!pool.submit([&home, handover, held]() mutable {
    home.post(detail::deliver<R>(std::move(handover), R((*held)())));
  })) {
    if (deadline.passed(home.now())) co_return fail(kPoolFull, what);
    const Woken woken =
        co_await sleep(home, home.in(Duration::milliseconds(2)), "a free pool thread", where);
    if (woken == Woken::cancelled) co_return fail(kCancelled, what);
  }
  co_return co_await detail::collect<R>(home, std::move(handover), what, deadline, where);
}

}  // namespace ph::rt
