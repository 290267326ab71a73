// What the process takes of the machine's memory. From any thread.
#pragma once

#include <cstdint>

#include "base/result.h"

namespace ph::rt {

struct MemoryUse {
  uint64_t resident_bytes = 0;  // of this process, now
  uint64_t machine_bytes = 0;   // what there is for it: the machine's, or its control group's limit
};

class Memory {
 public:
  virtual ~Memory() = default;
  virtual Result<MemoryUse> use() = 0;  // kIo
  // Gives back to the system what the allocator keeps for later. May take many milliseconds: for
  // the pool.
  virtual void give_back() = 0;
};

}  // namespace ph::rt
