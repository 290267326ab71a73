#include "obs/metrics.h"

namespace ph::obs {
namespace {

constexpr std::string_view kOverflow = "posthorn_series_over_cap";

template <class T>
T& series(std::map<std::string, std::unique_ptr<T>>& all, std::string key, bool full) {
  auto at = all.find(key);
  if (at == all.end() && full) {
    key = kOverflow;
    at = all.find(key);
  }
  if (at == all.end()) at = all.emplace(std::move(key), std::make_unique<T>()).first;
  return *at->second;
}

}  // namespace

std::string Metrics::key_of(std::string_view name, std::string_view labels) {
  std::string key(name);
  if (!labels.empty()) {
    key += '{';
    key += labels;
    key += '}';
  }
  return key;
}

Counter& Metrics::counter(std::string_view name, std::string_view labels) {
  const std::lock_guard lock(mutex_);
  return series(counters_, key_of(name, labels), counters_.size() >= series_max_);
}

Gauge& Metrics::gauge(std::string_view name, std::string_view labels) {
  const std::lock_guard lock(mutex_);
  return series(gauges_, key_of(name, labels), gauges_.size() >= series_max_);
}

std::string Metrics::exposition() const {
  const std::lock_guard lock(mutex_);
  std::map<std::string_view, int64_t> sorted;
  for (const auto& [key, counter] : counters_) {
    sorted[key] = static_cast<int64_t>(counter->value());
  }
  for (const auto& [key, gauge] : gauges_) sorted[key] = gauge->value();
  std::string out;
  for (const auto& [key, value] : sorted) {
    out += key;
    out += ' ';
    out += std::to_string(value);
    out += '\n';
  }
  return out;
}

int64_t Metrics::value(std::string_view name, std::string_view labels) const {
  const std::lock_guard lock(mutex_);
  const std::string key = key_of(name, labels);
  if (const auto at = counters_.find(key); at != counters_.end()) {
    return static_cast<int64_t>(at->second->value());
  }
  if (const auto at = gauges_.find(key); at != gauges_.end()) return at->second->value();
  return 0;
}

}  // namespace ph::obs
