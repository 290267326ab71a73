// Deadline: until when a suspending call may wait. Every suspending call takes one (law 6), so
// there is no wait without an end; a service loop that waits for work re-checks at least every
// kIdleRecheck.
#pragma once

#include "base/time.h"

namespace ph::rt {

inline constexpr Duration kIdleRecheck = Duration::seconds(30);

class Deadline {
 public:
  static constexpr Deadline at(Instant when) { return Deadline(when); }
  constexpr Instant when() const { return when_; }
  constexpr bool passed(Instant now) const { return now >= when_; }
  constexpr Deadline earlier(Deadline other) const { return other.when_ < when_ ? other : *this; }

 private:
  constexpr explicit Deadline(Instant when) : when_(when) {}
  Instant when_;
};

}  // namespace ph::rt
