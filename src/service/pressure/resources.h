// What the monitor looks at. Each look ends by its deadline; what it answers is of this moment.
#pragma once

#include <cstdint>
#include <optional>

#include "base/histogram.h"
#include "base/result.h"
#include "kv/store.h"
#include "rt/memory.h"
#include "rt/runtime.h"

namespace ph::pressure {

struct CommitFigures {
  DurationHistogram::Counts times;
  std::optional<Instant> oldest;  // when the oldest commit without an answer was called
  uint64_t waiting = 0;
};

class Resources {
 public:
  virtual ~Resources() = default;
  virtual rt::Task<Result<kv::DiskSpace>> disk(rt::Loop& loop, rt::Deadline deadline) = 0;
  virtual rt::Task<Result<rt::MemoryUse>> memory(rt::Loop& loop, rt::Deadline deadline) = 0;
  virtual rt::Task<Result<CommitFigures>> commits(rt::Loop& loop, rt::Deadline deadline) = 0;
  // Memory that is only kept for later goes back to the system: after a flood the allocator would
  // keep it, the level would stay, and only a restart would help.
  virtual rt::Task<Status> give_back_memory(rt::Loop& loop, rt::Deadline deadline) = 0;
};

// The store's and the process's.
class Machine final : public Resources {
 public:
  Machine(rt::Runtime& runtime, kv::Store& store) : runtime_(runtime), store_(store) {}
  rt::Task<Result<kv::DiskSpace>> disk(rt::Loop& loop, rt::Deadline deadline) override;
  rt::Task<Result<rt::MemoryUse>> memory(rt::Loop& loop, rt::Deadline deadline) override;
  rt::Task<Result<CommitFigures>> commits(rt::Loop& loop, rt::Deadline deadline) override;
  rt::Task<Status> give_back_memory(rt::Loop& loop, rt::Deadline deadline) override;

 private:
  rt::Runtime& runtime_;
  kv::Store& store_;
};

}  // namespace ph::pressure
