#include "base/histogram.h"

#include <gtest/gtest.h>

namespace ph {
namespace {

TEST(DurationHistogram, ABoundBelongsToItsBucket) {
  DurationHistogram histogram;
  histogram.add(Duration());
  histogram.add(Duration::microseconds(250));
  histogram.add(Duration::microseconds(251));
  histogram.add(Duration::minutes(5));
  histogram.add(Duration::hours(1));
  const auto counts = histogram.counts();
  EXPECT_EQ(counts.in_bucket[0], 2U);
  EXPECT_EQ(counts.in_bucket[1], 1U);
  EXPECT_EQ(counts.in_bucket[DurationHistogram::kBuckets - 2], 1U);
  EXPECT_EQ(counts.in_bucket[DurationHistogram::kBuckets - 1], 1U);
  EXPECT_EQ(counts.total(), 5U);
  EXPECT_EQ(counts.sum_us, 501U + 300'000'000U + 3'600'000'000U);
}

TEST(DurationHistogram, TheMedianIsOfWhatCameBetween) {
  DurationHistogram histogram;
  EXPECT_EQ(histogram.counts().median(), Duration());
  for (int i = 0; i < 1000; ++i) histogram.add(Duration::milliseconds(1));
  const auto earlier = histogram.counts();
  histogram.add(Duration::milliseconds(3));
  EXPECT_EQ(histogram.counts().since(earlier).median(), Duration::milliseconds(5));
  histogram.add(Duration::seconds(2));
  EXPECT_EQ(histogram.counts().since(earlier).median(), Duration::milliseconds(5));
  histogram.add(Duration::seconds(2));
  EXPECT_EQ(histogram.counts().since(earlier).median(), Duration::milliseconds(2500));
  for (int i = 0; i < 4; ++i) histogram.add(Duration::hours(1));
  EXPECT_EQ(histogram.counts().since(earlier).median(), Duration::minutes(5));
  EXPECT_EQ(histogram.counts().median(), Duration::milliseconds(1));
}

TEST(DurationHistogram, CanTakeOverAnothersCounts) {
  DurationHistogram a;
  a.add(Duration::seconds(7));
  DurationHistogram b;
  b.set(a.counts());
  EXPECT_EQ(a.counts(), b.counts());
}

}  // namespace
}  // namespace ph
