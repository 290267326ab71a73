// Real time, for the program that runs the property test: how long it has run, nothing else.
#pragma once

#include <chrono>

#include "base/time.h"

namespace ph::sim {

class Stopwatch {
 public:
  Duration elapsed() const {
    const auto passed = Clock::now() - start_;
    return Duration::microseconds(
        std::chrono::duration_cast<std::chrono::microseconds>(passed).count());
  }

 private:
  using Clock = std::chrono::steady_clock;
  Clock::time_point start_ = Clock::now();
};

}  // namespace ph::sim
