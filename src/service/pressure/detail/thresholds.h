// The ladders that the settings of this moment make.
#pragma once

#include <cstdint>

#include "config/setting.h"
#include "service/pressure/ladder.h"

namespace ph::pressure {

// Over octets in use of a disk of so many.
Ladder disk_ladder(const config::Values& values, uint64_t size_bytes);
// What counts as all memory there is for us.
uint64_t memory_limit(const config::Values& values, uint64_t machine_bytes);
// Over octets in use of that limit.
Ladder memory_ladder(const config::Values& values, uint64_t limit_bytes);
// Over microseconds.
Ladder latency_ladder(const config::Values& values);
// Over commits that wait.
Ladder commits_ladder(const config::Values& values);

}  // namespace ph::pressure
