// Counters and gauges, named as Prometheus names them ("posthorn_queue_rows{state=\"ready\"}").
//
// Counter and Gauge are cheap (one relaxed atomic) and stay valid as long as their Metrics. Asking
// for the same name and labels twice gives the same one. The number of series is capped: beyond the
// cap new ones share one overflow series, so labels fed from outside cannot eat memory.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

namespace ph::obs {

class Counter {
 public:
  void add(uint64_t n = 1) { value_.fetch_add(n, std::memory_order_relaxed); }
  uint64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> value_{0};
};

class Gauge {
 public:
  void set(int64_t n) { value_.store(n, std::memory_order_relaxed); }
  void add(int64_t n) { value_.fetch_add(n, std::memory_order_relaxed); }
  int64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<int64_t> value_{0};
};

class Metrics {
 public:
  explicit Metrics(size_t series_max = 10'000) : series_max_(series_max) {}

  // `labels` is empty or ready-made: state="ready",reason="new".
  Counter& counter(std::string_view name, std::string_view labels = {});
  Gauge& gauge(std::string_view name, std::string_view labels = {});
  // The text exposition format, sorted by name.
  std::string exposition() const;
  // The value of one series for tests and `posthorn` commands; 0 if there is none.
  int64_t value(std::string_view name, std::string_view labels = {}) const;

 private:
  static std::string key_of(std::string_view name, std::string_view labels);
  mutable std::mutex mutex_;  // held for look-ups only, never while anything waits
  size_t series_max_;
  std::map<std::string, std::unique_ptr<Counter>> counters_;
  std::map<std::string, std::unique_ptr<Gauge>> gauges_;
};

}  // namespace ph::obs
