#include "service/pressure/detail/thresholds.h"

#include <algorithm>

#include "service/pressure/options.h"

namespace ph::pressure {
namespace {

uint64_t share(uint64_t of, uint64_t percent) {
  return of / 100 * percent + of % 100 * percent / 100;
}

uint64_t less(uint64_t a, uint64_t b) { return a > b ? a - b : 0; }

uint64_t a_quarter_more(uint64_t n) { return n + n / 4; }

// Free octets at which a level is entered and left.
struct Free {
  uint64_t enter = 0;
  uint64_t leave = 0;
};

struct Shares {
  uint64_t enter_percent = 0;
  uint64_t leave_percent = 0;
  uint64_t enough = 0;
  uint64_t floor = 0;
};

Free free_at(uint64_t size, const Shares& s) {
  return {std::max(s.floor, std::min(share(size, s.enter_percent), s.enough)),
          std::max(s.floor + s.floor / 8,
                   std::min(share(size, s.leave_percent), a_quarter_more(s.enough)))};
}

uint64_t us(Duration d) { return static_cast<uint64_t>(std::max<int64_t>(d.us(), 0)); }

}  // namespace

Ladder disk_ladder(const config::Values& values, uint64_t size_bytes) {
  const uint64_t enough = values.get(kDiskEnough).value;
  const Free medium =
      free_at(size_bytes, {values.get(kDiskMediumEnter), values.get(kDiskMediumLeave), enough,
                           values.get(kDiskMediumFloor).value});
  const Free high = free_at(size_bytes, {values.get(kDiskHighEnter), values.get(kDiskHighLeave),
                                         enough / 2, values.get(kDiskHighFloor).value});
  const auto used = [size_bytes](const Free& free) {
    return Threshold{less(size_bytes, free.enter), less(size_bytes, free.leave)};
  };
  return {used(medium), used(high)};
}

uint64_t memory_limit(const config::Values& values, uint64_t machine_bytes) {
  const uint64_t set = values.get(kMemoryLimit).value;
  return set != 0 ? set : machine_bytes / 4 * 3;
}

Ladder memory_ladder(const config::Values& values, uint64_t limit_bytes) {
  const auto at = [&](const config::NumberSetting& percent) {
    return share(limit_bytes, values.get(percent));
  };
  return {{at(kMemoryMediumEnter), at(kMemoryMediumLeave)},
          {at(kMemoryHighEnter), at(kMemoryHighLeave)}};
}

Ladder latency_ladder(const config::Values& values) {
  return {{us(values.get(kLatencyMediumEnter)), us(values.get(kLatencyMediumLeave))},
          {us(values.get(kLatencyHighEnter)), us(values.get(kLatencyHighLeave))}};
}

Ladder commits_ladder(const config::Values& values) {
  return {{values.get(kCommitsMediumEnter), values.get(kCommitsMediumLeave)},
          {values.get(kCommitsHighEnter), values.get(kCommitsHighLeave)}};
}

}  // namespace ph::pressure
