#include "sim/property.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ph::sim {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;

PropertyResult run(uint64_t seed, Breakage breakage = Breakage::none) {
  PropertyOptions options;
  options.seed = seed;
  options.breakage = breakage;
  return run_property(options);
}

TEST(Property, HoldsForTheFirstSeeds) {
  for (uint64_t seed = 1; seed <= 25; ++seed) {
    const PropertyResult result = run(seed);
    EXPECT_THAT(result.findings, IsEmpty()) << "seed " << seed;
    EXPECT_GT(result.accepted, 0u) << "seed " << seed;
  }
}

TEST(Property, IsTheSameRunForTheSameSeed) {
  for (uint64_t seed = 100; seed < 105; ++seed) {
    EXPECT_EQ(run(seed).trace_hash, run(seed).trace_hash) << "seed " << seed;
  }
  EXPECT_NE(run(100).trace_hash, run(101).trace_hash);
}

// The test can fail: each breakage is noticed, by the finding that is its own.
TEST(Property, NoticesAMessageThatAHopLost) {
  EXPECT_THAT(run(1, Breakage::lose_at_hop).findings, Contains(HasSubstr("never took it")));
}
TEST(Property, NoticesARowWithoutItsPlaceInTheIndex) {
  EXPECT_THAT(run(1, Breakage::skip_index).findings, Contains(HasSubstr("auditor counted")));
}
TEST(Property, NoticesALostRow) {
  EXPECT_THAT(run(1, Breakage::lose_row).findings, Contains(HasSubstr("knows nothing of it")));
}

}  // namespace
}  // namespace ph::sim
