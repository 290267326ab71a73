// For engines: a commit on its way, and how a partition counts its versions meanwhile.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>

#include "base/result.h"
#include "kv/store.h"
#include "rt/deadline.h"
#include "rt/loop.h"
#include "rt/parking.h"
#include "rt/task.h"

namespace ph::kv {

// Where the engine puts the answer and the caller waits for it. Home loop only.
class Pending {
 public:
  void resolve(Result<Version> answer);

 private:
  friend rt::Task<Result<Version>> await_commit(rt::Loop& home, std::shared_ptr<Pending> pending,
                                                rt::Deadline deadline);
  std::optional<Result<Version>> answer_;
  rt::Parking* waiting_ = nullptr;
};

// The answer; kUncertain when the deadline passes first. `pending` is shared because either side
// may end first: the caller by its deadline or when killed, the engine by its answer.
rt::Task<Result<Version>> await_commit(rt::Loop& home, std::shared_ptr<Pending> pending,
                                       rt::Deadline deadline);
// A Task that has its answer already.
rt::Task<Result<Version>> answered(Result<Version> answer);

// The versions of one partition. A number given to a commit that fails is never given again while
// the store is open, so a caller that expects the outcome of a failed commit meets a conflict.
struct VersionCount {
  uint64_t durable = 0;
  uint64_t assigned = 0;  // the highest given to any commit
  uint64_t in_flight = 0;

  uint64_t current() const { return in_flight == 0 ? durable : assigned; }
  uint64_t called() {
    ++in_flight;
    return ++assigned;
  }
  void settled() { --in_flight; }
};

// kTooLarge when a value or the batch as a whole is.
Status check_limits(const Batch& batch);
bool is_partition_name(std::string_view name);

}  // namespace ph::kv
