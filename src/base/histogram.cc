#include "base/histogram.h"

#include <algorithm>
#include <numeric>

namespace ph {

uint64_t DurationHistogram::Counts::total() const {
  return std::accumulate(in_bucket.begin(), in_bucket.end(), uint64_t{0});
}

DurationHistogram::Counts DurationHistogram::Counts::since(const Counts& earlier) const {
  Counts out;
  for (size_t i = 0; i < kBuckets; ++i) out.in_bucket[i] = in_bucket[i] - earlier.in_bucket[i];
  out.sum_us = sum_us - earlier.sum_us;
  return out;
}

Duration DurationHistogram::Counts::median() const {
  const uint64_t all = total();
  if (all == 0) return {};
  uint64_t seen = 0;
  for (size_t i = 0; i < kBounds.size(); ++i) {
    seen += in_bucket[i];
    if (seen >= all - all / 2) return kBounds[i];
  }
  return kBounds.back();
}

void DurationHistogram::add(Duration took) {
  const auto at = std::ranges::lower_bound(kBounds, took);
  const auto bucket = static_cast<size_t>(at - kBounds.begin());
  in_bucket_[bucket].fetch_add(1, std::memory_order_relaxed);
  const int64_t us = std::max<int64_t>(took.us(), 0);
  sum_us_.fetch_add(static_cast<uint64_t>(us), std::memory_order_relaxed);
}

DurationHistogram::Counts DurationHistogram::counts() const {
  Counts out;
  for (size_t i = 0; i < kBuckets; ++i) {
    out.in_bucket[i] = in_bucket_[i].load(std::memory_order_relaxed);
  }
  out.sum_us = sum_us_.load(std::memory_order_relaxed);
  return out;
}

void DurationHistogram::set(const Counts& counts) {
  for (size_t i = 0; i < kBuckets; ++i) {
    in_bucket_[i].store(counts.in_bucket[i], std::memory_order_relaxed);
  }
  sum_us_.store(counts.sum_us, std::memory_order_relaxed);
}

}  // namespace ph
