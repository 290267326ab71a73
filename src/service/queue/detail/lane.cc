#include "service/queue/detail/lane.h"

#include <algorithm>

namespace ph::queue {
namespace {

constexpr size_t kBeyondCeiling = 10;
constexpr double kBurstSeconds = 6;
constexpr double kRateMemory = 5;  // seconds
constexpr double kRateForgotten = 0.02;

double seconds_of(Duration d) { return static_cast<double>(d.us()) / 1e6; }

Duration duration_of(double seconds) {
  return Duration::microseconds(static_cast<int64_t>(std::min(seconds, 1e9) * 1e6));
}

}  // namespace

model::QueueHappening closed_by(const Breaker& breaker, const std::string& lane) {
  model::QueueHappening h{
      .event = model::QueueEvent::lane_closed, .reason = breaker.fault, .lane = lane};
  h.replies.push_back(breaker.words);
  return h;
}

void RateBucket::fill(double per_second, Instant now) {
  const double full = std::max(1.0, per_second * kBurstSeconds);
  const double saved = filled_at_.has_value() ? seconds_of(now - *filled_at_) * per_second : full;
  tokens_ = std::min(full, tokens_ + saved);
  filled_at_ = now;
}

bool RateBucket::take(double per_second, Instant now) {
  if (per_second <= 0) return true;
  fill(per_second, now);
  if (tokens_ < 1) return false;
  tokens_ -= 1;
  return true;
}

Instant RateBucket::next(double per_second, Instant now) {
  if (per_second <= 0) return now;
  fill(per_second, now);
  if (tokens_ >= 1) return now;
  return now + duration_of((1 - tokens_) / per_second) + Duration::milliseconds(1);
}

size_t Lane::live_workers(Instant now) const {
  return static_cast<size_t>(
      std::ranges::count_if(workers, [now](const Worker& w) { return w.lives(now); }));
}

size_t Lane::live_probes(Instant now) const {
  return static_cast<size_t>(std::ranges::count_if(
      workers, [now](const Worker& w) { return w.is_probe && w.lives(now); }));
}

size_t Lane::staying_workers(Instant now) const {
  return static_cast<size_t>(std::ranges::count_if(
      workers, [now](const Worker& w) { return !w.is_leaving && w.lives(now); }));
}

Worker* Lane::idle_worker() {
  const auto at = std::ranges::find_if(workers, [](const Worker& w) { return w.idle != nullptr; });
  return at == workers.end() ? nullptr : &*at;
}

size_t Lane::connections_allowed() const {
  if (kind == HopKind::mailbox) return rules.connections;
  const size_t learnt = allowed == 0 ? rules.start : allowed;
  return std::clamp<size_t>(learnt, 1, std::max<size_t>(rules.connections, 1));
}

FairQueue::Allowed Lane::classes_allowed(Instant now) const {
  std::array<size_t, kClasses> used{};
  for (const Worker& w : workers) {
    if (w.carrying.has_value() && w.lives(now)) ++used[rank_of(*w.carrying)];
  }
  const size_t most = std::max<size_t>(connections_allowed() * 3 / 4, 1);
  FairQueue::Allowed out{};
  for (size_t rank = 0; rank < kClasses; ++rank) out[rank] = used[rank] < most;
  return out;
}

void Lane::note_success(Instant now) {
  const size_t most = connections_allowed();
  if (live_workers(now) < most) return;  // it does not use what it has
  const size_t needed = ceiling > 0 && most >= ceiling ? most * kBeyondCeiling : most;
  if (++successes < needed) return;
  successes = 0;
  allowed = std::min(most + 1, std::max<size_t>(rules.connections, 1));
}

void Lane::shrink(Instant began, Instant now) {
  if (shrunk_at != Instant{} && began <= shrunk_at) return;
  const size_t had = std::min(connections_allowed(), live_workers(now));
  ceiling = std::max<size_t>(had, 2) - 1;
  allowed = std::max<size_t>(had / 2, 1);
  successes = 0;
  shrunk_at = now;
}

void Lane::measure(Instant now) {
  const double seconds = seconds_of(now - measured_at);
  if (seconds < 1) return;
  const double part = seconds / (seconds + kRateMemory);
  rate += (static_cast<double>(ended) / seconds - rate) * part;
  ++measures;
  ended = 0;
  measured_at = now;
  if (!has_work() && workers.empty() && rate < kRateForgotten) {
    rate = 0;
    measures = 0;
  }
}

}  // namespace ph::queue
