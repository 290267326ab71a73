#include "service/pressure/detail/commit_window.h"

#include <algorithm>

namespace ph::pressure {
namespace {

constexpr Duration kWindow = Duration::seconds(10);
constexpr size_t kReadingsMax = 128;
constexpr uint64_t kCommitsMin = 5;  // fewer have no median worth the name

}  // namespace

Duration CommitWindow::step(const CommitFigures& figures, Instant now) {
  readings_.emplace_back(now, figures.times);
  // The first one is the newest that is at least as old as the window: the difference spans it.
  while (readings_.size() > 2 && now - readings_[1].first >= kWindow) readings_.pop_front();
  if (readings_.size() > kReadingsMax) readings_.pop_front();
  const DurationHistogram::Counts between = figures.times.since(readings_.front().second);
  const Duration median = between.total() >= kCommitsMin ? between.median() : Duration();
  const Duration age = figures.oldest.has_value() ? now - *figures.oldest : Duration();
  return std::max(median, age);
}

}  // namespace ph::pressure
