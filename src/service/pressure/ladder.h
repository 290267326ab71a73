// From a reading to a level: thresholds with hysteresis, as pure values.
//
// A load is a number that is worse the higher it is (octets in use, microseconds, commits). A level
// is entered when the load reaches its `up`, and left when no reading of the calm time reached its
// `down`; so a load that swings between the two, or around one of them, changes nothing.
//
// The level is monotone: with loads at least as high, or thresholds at most as high, it is at every
// moment at least as high.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "base/time.h"

namespace ph::pressure {

enum class Level : uint8_t { low, medium, high };

std::string_view to_text(Level level);

struct Threshold {
  uint64_t up = 0;    // entered at this load
  uint64_t down = 0;  // kept while a reading of the calm time was at least this
  bool operator==(const Threshold&) const = default;
};

// Made so that down <= up and medium <= high in both: settings may contradict each other, levels
// may not. The lower `up` and the lower `down` count then.
struct Ladder {
  Ladder(Threshold medium_at, Threshold high_at);
  Threshold medium;
  Threshold high;
};

// One threshold over time.
class Latch {
 public:
  void step(uint64_t load, Threshold at, Instant now, Duration calm);
  bool on() const { return on_; }
  void reset() { *this = Latch(); }

 private:
  bool on_ = false;
  Instant last_;  // the last reading that kept it on
};

// One resource's level over time.
class Climber {
 public:
  Level step(uint64_t load, const Ladder& ladder, Instant now, Duration calm);
  Level level() const;
  void reset() { *this = Climber(); }

 private:
  Latch medium_;
  Latch high_;
};

}  // namespace ph::pressure
