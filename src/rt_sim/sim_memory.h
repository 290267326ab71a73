// The memory of one host's program, as a test or scenario says it is.
#pragma once

#include <cstdint>
#include <string>

#include "rt/errors.h"
#include "rt/memory.h"

namespace ph::rt_sim {

class SimMemory final : public rt::Memory {
 public:
  void set(rt::MemoryUse use) { use_ = use; }
  // The next `looks` answer kIo.
  void fail_next(uint64_t looks) { failures_ = looks; }
  uint64_t given_back() const { return given_back_; }  // how often

  Result<rt::MemoryUse> use() override {
    if (failures_ == 0) return use_;
    --failures_;
    return fail(rt::kIo, "the process's memory");
  }
  void give_back() override { ++given_back_; }

 private:
  rt::MemoryUse use_{uint64_t{100} << 20, uint64_t{8} << 30};
  uint64_t failures_ = 0;
  uint64_t given_back_ = 0;
};

}  // namespace ph::rt_sim
