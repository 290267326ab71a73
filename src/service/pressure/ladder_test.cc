#include "service/pressure/ladder.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "base/ids.h"
#include "base/random.h"
#include "config/setting.h"
#include "service/pressure/detail/thresholds.h"
#include "service/pressure/options.h"

namespace ph::pressure {
namespace {

constexpr Duration kCalm = Duration::seconds(10);
constexpr uint64_t kMib = 1024 * 1024;
constexpr uint64_t kGib = 1024 * kMib;

// One reading every two seconds.
class Course {
 public:
  explicit Course(Ladder ladder, Duration calm = kCalm) : ladder_(ladder), calm_(calm) {}
  Level step(uint64_t load) {
    now_ = now_ + Duration::seconds(2);
    return climber_.step(load, ladder_, now_, calm_);
  }
  Level steps(uint64_t load, int times) {
    Level level = climber_.level();
    for (int i = 0; i < times; ++i) level = step(load);
    return level;
  }

 private:
  Climber climber_;
  Ladder ladder_;
  Duration calm_;
  Instant now_;
};

const Ladder kLadder({80, 70}, {95, 90});

TEST(Climber, RisesAtOnceAndFallsAfterTheCalmTime) {
  Course course(kLadder);
  EXPECT_EQ(course.step(79), Level::low);
  EXPECT_EQ(course.step(80), Level::medium);
  EXPECT_EQ(course.step(95), Level::high);
  EXPECT_EQ(course.steps(89, 4), Level::high);  // 8 s
  EXPECT_EQ(course.step(89), Level::medium);
  EXPECT_EQ(course.steps(70, 100), Level::medium);
  EXPECT_EQ(course.steps(69, 4), Level::medium);
  EXPECT_EQ(course.step(69), Level::low);
  EXPECT_EQ(course.steps(79, 100), Level::low);
  EXPECT_EQ(course.step(1000), Level::high);
  EXPECT_EQ(course.steps(0, 5), Level::low);  // both in one
}

TEST(Climber, AValueThatSwingsBetweenTheThresholdsChangesNothing) {
  Course course(kLadder);
  EXPECT_EQ(course.step(80), Level::medium);
  for (int i = 0; i < 1000; ++i) EXPECT_EQ(course.step(i % 2 == 0 ? 70 : 79), Level::medium);
  // Around the lower one: calm never lasts.
  for (int i = 0; i < 1000; ++i) EXPECT_EQ(course.step(i % 4 == 0 ? 70 : 60), Level::medium);
  EXPECT_EQ(course.steps(60, 5), Level::low);
  for (int i = 0; i < 1000; ++i) EXPECT_EQ(course.step(i % 2 == 0 ? 70 : 79), Level::low);
}

TEST(Climber, WithoutCalmTimeTheThresholdsAloneHold) {
  Course course(kLadder, Duration());
  EXPECT_EQ(course.step(80), Level::medium);
  EXPECT_EQ(course.step(70), Level::medium);
  EXPECT_EQ(course.step(69), Level::low);
}

TEST(Ladder, SettingsThatContradictEachOtherMakeAnOrderedLadder) {
  Random random(7);
  for (int i = 0; i < 1000; ++i) {
    const auto any = [&] { return Threshold{random.below(10), random.below(10)}; };
    const Ladder ladder(any(), any());
    EXPECT_LE(ladder.medium.down, ladder.medium.up);
    EXPECT_LE(ladder.high.down, ladder.high.up);
    EXPECT_LE(ladder.medium.up, ladder.high.up);
    EXPECT_LE(ladder.medium.down, ladder.high.down);
  }
}

// For any readings: the higher they are, and the lower the thresholds, the higher the level, at
// every moment; and a level changes only where a threshold lets it.
TEST(Climber, IsMonotoneInReadingsAndThresholds) {
  Random random(20261121);
  for (int round = 0; round < 3000; ++round) {
    const auto threshold = [&] {
      const uint64_t down = random.below(100);
      return Threshold{down + random.below(30), down};
    };
    const auto lowered = [&](Threshold t) {
      return Threshold{t.up - random.below(t.up + 1) / 4, t.down - random.below(t.down + 1) / 4};
    };
    const Ladder strict(threshold(), threshold());
    const Ladder stricter(lowered(strict.medium), lowered(strict.high));
    const Duration calm = Duration::seconds(static_cast<int64_t>(random.below(20)));
    Climber calmer;
    Climber by_thresholds;
    Climber by_readings;
    Instant now;
    for (int i = 0; i < 200; ++i) {
      now = now + Duration::milliseconds(static_cast<int64_t>(random.below(5000)));
      const uint64_t load = random.below(140);
      const Level before = calmer.level();
      const Level level = calmer.step(load, strict, now, calm);
      EXPECT_GE(by_thresholds.step(load, stricter, now, calm), level);
      EXPECT_GE(by_readings.step(load + random.below(20), strict, now, calm), level);
      if (level > before) {
        EXPECT_GE(load, level == Level::high ? strict.high.up : strict.medium.up);
      } else if (level < before) {
        EXPECT_LT(load, before == Level::high ? strict.high.down : strict.medium.down);
      }
      if (load >= strict.high.up) EXPECT_EQ(level, Level::high);
      if (load >= strict.medium.up) EXPECT_GE(level, Level::medium);
    }
  }
}

// Free octets at which the levels are entered and left.
struct FreeAt {
  uint64_t medium_enter, medium_leave, high_enter, high_leave;
  bool operator==(const FreeAt&) const = default;
};
FreeAt free_at(const config::Values& values, uint64_t size) {
  const Ladder l = disk_ladder(values, size);
  return {size - l.medium.up, size - l.medium.down, size - l.high.up, size - l.high.down};
}

TEST(Thresholds, TheDisksAreAShareBetweenTwoSizes) {
  const config::Values values;
  EXPECT_EQ(free_at(values, 100 * kGib), (FreeAt{4 * kGib, 6 * kGib, 2 * kGib, 3 * kGib}));
  // A large disk has enough with less than its share.
  EXPECT_EQ(free_at(values, 10'000 * kGib),
            (FreeAt{20 * kGib, 25 * kGib, 10 * kGib, 12 * kGib + 512 * kMib}));
  // A small one has to keep what the store needs.
  EXPECT_EQ(free_at(values, 4 * kGib), (FreeAt{640 * kMib, 720 * kMib, 576 * kMib, 648 * kMib}));
  // A disk that is smaller than that is always too full.
  Climber climber;
  EXPECT_EQ(climber.step(0, disk_ladder(values, 100 * kMib), Instant(), kCalm), Level::high);
  EXPECT_EQ(climber.step(0, disk_ladder(values, 0), Instant(), kCalm), Level::high);
}

TEST(Thresholds, ThreeQuartersOfTheMachineUnlessToldOtherwise) {
  config::Schema schema;
  add_settings(schema);
  config::Values values;
  EXPECT_EQ(memory_limit(values, 8 * kGib), 6 * kGib);
  values = values.with(schema, "pressure.memory_limit", "1 GiB").value();
  EXPECT_EQ(memory_limit(values, 8 * kGib), kGib);
  EXPECT_EQ(memory_ladder(values, 1000).medium, (Threshold{800, 750}));
  EXPECT_EQ(memory_ladder(values, 1000).high, (Threshold{920, 870}));
}

}  // namespace
}  // namespace ph::pressure
