// bounded: somebody else's Task, which may not keep its word about deadlines.
#pragma once

#include <optional>
#include <string>
#include <utility>

#include "rt/deadline.h"
#include "rt/loop.h"
#include "rt/scope.h"
#include "rt/task.h"

namespace ph::rt {

namespace detail {
template <class T>
Task<void> keep_outcome(Task<T> task, std::optional<T>& out) {
  out.emplace(co_await task);
}
}  // namespace detail

// Runs `task` as an activity of its own and answers what it answers; nullopt when it has not by
// the deadline (it is killed where it is suspended), threw, or the caller was cancelled. For what
// would otherwise hold a message, a guard or a place for as long as it likes. Home loop only.
template <class T>
Task<std::optional<T>> bounded(Loop& loop, std::string name, Task<T> task, Deadline deadline) {
  std::optional<T> out;
  Scope scope(loop, name);
  scope.spawn(std::move(name), detail::keep_outcome<T>(std::move(task), out));
  const Status ended = co_await scope.join(deadline);
  static_cast<void>(ended);  // `out` says it
  co_return std::move(out);
}

}  // namespace ph::rt
