// The process's memory as Linux tells it.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "rt/memory.h"

namespace ph::rt_real::detail {

class ProcessMemory final : public rt::Memory {
 public:
  Result<rt::MemoryUse> use() override;
  void give_back() override;
};

// The smallest memory.max of the control group (version 2) that /proc/self/cgroup names and of
// those around it; nullopt where none limits. `root` is where the groups are mounted.
std::optional<uint64_t> control_group_limit(std::string_view cgroup_file, const std::string& root);

}  // namespace ph::rt_real::detail
