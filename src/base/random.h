// A seeded pseudo-random sequence (xoshiro256**), equal for equal seeds on every machine.
//
// For jitter, simulation and tests. Not for secrets: keys and salts come from rt::Entropy.
#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "base/time.h"

namespace ph {

class Random {
 public:
  explicit Random(uint64_t seed);

  uint64_t next();
  uint64_t below(uint64_t bound);              // 0 <= result < bound; bound > 0
  int64_t between(int64_t low, int64_t high);  // both ends included
  bool chance(uint32_t percent);               // true in `percent` of 100 calls
  Duration between(Duration low, Duration high);
  // `d` changed by at most `percent` percent, either way.
  Duration jitter(Duration d, uint32_t percent);
  std::string bytes(size_t count);
  // An independent sequence derived from this one (its state advances).
  Random fork();

 private:
  std::array<uint64_t, 4> state_{};
};

}  // namespace ph
