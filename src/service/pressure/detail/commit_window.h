// How slow commits are at present: the median of those answered in the last seconds, or the age of
// the oldest that waits, whichever is longer.
//
// The median, because one slow commit among many is no reason to refuse mail; the age, because a
// disk that stands still answers none at all.
#pragma once

#include <deque>
#include <utility>

#include "base/histogram.h"
#include "base/time.h"
#include "service/pressure/resources.h"

namespace ph::pressure {

class CommitWindow {
 public:
  Duration step(const CommitFigures& figures, Instant now);

 private:
  std::deque<std::pair<Instant, DurationHistogram::Counts>> readings_;  // bounded by the window
};

}  // namespace ph::pressure
