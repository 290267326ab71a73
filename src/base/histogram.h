// How long something takes, counted in buckets of fixed bounds.
//
// Adding is two relaxed atomics, from any thread. Counts is a copy of one moment; the difference of
// two copies is what came between them, so one histogram serves a total as well as "the last ten
// seconds".
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "base/time.h"

namespace ph {

class DurationHistogram {
 public:
  // A bucket holds what took at most so long and more than the bound before it; a last one holds
  // the rest.
  static constexpr std::array kBounds = {
      Duration::microseconds(250),  Duration::microseconds(500), Duration::milliseconds(1),
      Duration::microseconds(2500), Duration::milliseconds(5),   Duration::milliseconds(10),
      Duration::milliseconds(25),   Duration::milliseconds(50),  Duration::milliseconds(100),
      Duration::milliseconds(250),  Duration::milliseconds(500), Duration::seconds(1),
      Duration::milliseconds(2500), Duration::seconds(5),        Duration::seconds(10),
      Duration::seconds(30),        Duration::minutes(1),        Duration::minutes(5)};
  static constexpr size_t kBuckets = kBounds.size() + 1;

  struct Counts {
    std::array<uint64_t, kBuckets> in_bucket{};
    uint64_t sum_us = 0;

    uint64_t total() const;
    // What came after `earlier`, a copy of the same histogram.
    Counts since(const Counts& earlier) const;
    // A bound that at least half of all kept (the largest there is, if they were slower than that);
    // zero if there are none.
    Duration median() const;
    bool operator==(const Counts&) const = default;
  };

  void add(Duration took);
  Counts counts() const;
  // Takes over what somebody else has counted.
  void set(const Counts& counts);

 private:
  std::array<std::atomic<uint64_t>, kBuckets> in_bucket_{};
  std::atomic<uint64_t> sum_us_{0};
};

}  // namespace ph
