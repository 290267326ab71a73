#include "sim/property.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <regex>

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

// Local time is nowhere in it: neither another zone nor its daylight saving changes anything.
TEST(Property, IsTheSameRunInEveryTimeZone) {
  const uint64_t here = run(7).trace_hash;
  for (const char* zone :
       {"Asia/Kolkata", "Australia/Lord_Howe", "XYZ-3:30XDT,M11.3.6/0,M11.4.1/1"}) {
    ASSERT_EQ(setenv("TZ", zone, 1), 0);
    tzset();
    EXPECT_EQ(run(7).trace_hash, here) << zone;
  }
  unsetenv("TZ");
  tzset();
}
// So that the above stays true by more than luck.
TEST(Property, NobodyAsksForLocalTime) {
  const std::regex asks(R"(\b(localtime(_r)?|mktime|strftime|tzset|zoned_time|current_zone)\b)");
  for (const auto& entry : std::filesystem::recursive_directory_iterator(PH_SOURCE_DIR "/src")) {
    if (entry.path().extension() != ".cc" && entry.path().extension() != ".h") continue;
    std::ifstream file(entry.path());
    const std::string text((std::istreambuf_iterator<char>(file)),
                           std::istreambuf_iterator<char>());
    EXPECT_FALSE(std::regex_search(text, asks)) << entry.path();
  }
}

// The test can fail: each breakage is noticed, by the finding that is its own.
TEST(Property, NoticesAMessageThatAHopLost) {
  EXPECT_THAT(run(2, Breakage::lose_at_hop).findings, Contains(HasSubstr("ever took it")));
}
TEST(Property, NoticesARowWithoutItsPlaceInTheIndex) {
  EXPECT_THAT(run(1, Breakage::skip_index).findings, Contains(HasSubstr("auditor counted")));
}
TEST(Property, NoticesALostRow) {
  EXPECT_THAT(run(1, Breakage::lose_row).findings, Contains(HasSubstr("knows nothing of it")));
}

}  // namespace
}  // namespace ph::sim
