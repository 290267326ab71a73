// Counters, gauges and histograms, named as Prometheus names them
// ("posthorn_queue_rows{state=\"ready\"}").
//
// Counter, Gauge and DurationHistogram are cheap (relaxed atomics) and stay valid as long as their
// Metrics. Asking for the same name and labels twice gives the same one; one name is of one kind.
// The number of series is capped: beyond the cap new ones share one overflow series, so labels fed
// from outside cannot eat memory. A histogram counts durations and is shown in seconds: its name
// ends in _seconds. From any thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/histogram.h"

namespace ph::obs {

class Counter {
 public:
  void add(uint64_t n = 1) { value_.fetch_add(n, std::memory_order_relaxed); }
  // Takes over what somebody else has counted.
  void set(uint64_t n) { value_.store(n, std::memory_order_relaxed); }
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

struct Label {
  std::string_view name;
  std::string_view value;
};

// state="ready",reason="new": the values escaped, whatever is in them.
std::string labels(std::initializer_list<Label> all);

class Metrics {
 public:
  explicit Metrics(size_t series_max = 10'000);
  ~Metrics();
  Metrics(const Metrics&) = delete;
  Metrics& operator=(const Metrics&) = delete;

  // `labels` is empty or ready-made: by labels(), or by hand where no value comes from outside.
  Counter& counter(std::string_view name, std::string_view labels = {});
  Gauge& gauge(std::string_view name, std::string_view labels = {});
  DurationHistogram& histogram(std::string_view name, std::string_view labels = {});
  // A sentence about all series of this name, for the reader of the exposition. The last one given
  // counts; a name that has none is shown without.
  void describe(std::string_view name, std::string_view help);

  // The text exposition format 0.0.4: families sorted by name, series by labels.
  std::string exposition() const;
  // The value of one series for tests and `posthorn` commands; 0 if there is none. Of a histogram:
  // how much it has counted.
  int64_t value(std::string_view name, std::string_view labels = {}) const;

 private:
  struct Family;
  template <class T>
  T& series(std::string_view name, std::string_view labels);
  Family& family(std::string_view name);

  mutable std::mutex mutex_;  // held for look-ups and copies only, never while anything waits
  size_t series_max_;
  size_t series_ = 0;
  std::map<std::string, std::unique_ptr<Family>, std::less<>> families_;
};

}  // namespace ph::obs
