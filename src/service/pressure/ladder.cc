#include "service/pressure/ladder.h"

#include <algorithm>

namespace ph::pressure {

std::string_view to_text(Level level) {
  switch (level) {
    case Level::low: return "low";
    case Level::medium: return "medium";
    case Level::high: return "high";
  }
  return "high";
}

Ladder::Ladder(Threshold medium_at, Threshold high_at) : medium(medium_at), high(high_at) {
  medium.up = std::min(medium.up, high.up);
  high.down = std::min(high.down, high.up);
  medium.down = std::min({medium.down, medium.up, high.down});
}

void Latch::step(uint64_t load, Threshold at, Instant now, Duration calm) {
  if (load >= at.up || (on_ && load >= at.down)) {
    on_ = true;
    last_ = now;
  } else if (on_ && now - last_ >= calm) {
    on_ = false;
  }
}

Level Climber::step(uint64_t load, const Ladder& ladder, Instant now, Duration calm) {
  medium_.step(load, ladder.medium, now, calm);
  high_.step(load, ladder.high, now, calm);
  return level();
}

Level Climber::level() const {
  if (high_.on()) return Level::high;
  return medium_.on() ? Level::medium : Level::low;
}

}  // namespace ph::pressure
