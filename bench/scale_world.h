// What scale_bench measures: a queue on kv_rocks and two loops, between a router that knows every
// answer and next hops that live or are dead, by their number.
#pragma once

#include <fmt/format.h>
#include <sys/resource.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/random.h"
#include "base/text.h"
#include "kv_rocks/store.h"
#include "rt_real/runtime.h"
#include "service/queue/options.h"
#include "service/queue/queue.h"

namespace ph::bench {

inline constexpr size_t kLoops = 2;
inline constexpr std::string_view kLanePrefix = "smtp:d";

struct Plan {
  std::string phase;
  std::string folder;
  uint64_t rows = 20'000;
  uint64_t lanes = 200;
  size_t message_bytes = 1024;
  std::string young = "60 s, 60 s, 60 s, 5 min, 15 min, 30 min, 60 min";  // schedules
  std::string calm = "60 min";
  std::string probe = "60 s";
  int64_t idle_seconds = 5;
  int64_t drain_seconds = 60;  // at most
};

struct Tally {
  std::atomic<uint64_t> accepted = 0;
  std::atomic<uint64_t> failures = 0;
  std::atomic<uint64_t> carried = 0;
  std::atomic<uint64_t> next = 0;         // the next message's number
  std::atomic<uint64_t> lanes_alive = 0;  // those with a lower number live
  std::atomic<uint64_t> sessions = 0;
  std::atomic<int64_t> stall_us = 0;  // how late the latest tick was
  std::atomic<bool> ticking = false;
};

inline std::string lane_name(uint64_t number) {
  return std::string(kLanePrefix) + std::to_string(number) + ".example";
}

class Lanes final : public queue::Router {
 public:
  rt::Task<queue::Route> route(rt::Loop&, const model::Recipient& recipient, const model::Envelope&,
                               rt::Deadline) override {
    co_return to(recipient);
  }
  std::optional<queue::Route> peek(const model::Recipient& recipient,
                                   const model::Envelope&) override {
    return to(recipient);
  }

 private:
  static queue::Route to(const model::Recipient& recipient) {
    const std::string domain(model::domain_of(recipient.address));
    queue::Route route;
    route.hop.lane = "smtp:" + domain;
    route.hop.hosts.push_back({.name = "mx." + domain, .addresses = {"192.0.2.1"}, .port = 25});
    return route;
  }
};

class Hop final : public queue::CarrierSession {
 public:
  Hop(rt::Loop& loop, Tally& tally) : loop_(loop), tally_(tally) {}
  rt::Task<queue::CarryResult> carry(queue::CarryWork work, const queue::NextHop& hop,
                                     rt::Deadline) override {
    queue::CarryResult result;
    const size_t end = hop.lane.find('.');
    const auto number =
        parse_u64(std::string_view(hop.lane).substr(kLanePrefix.size(), end - kLanePrefix.size()));
    if (number.value_or(UINT64_MAX) >= tally_.lanes_alive) {
      result.lane_fault = model::QueueReason::connection_refused;
      result.fault.stage = model::Stage::connect;
      result.fault.text = "connection refused";
      result.fault.host = "192.0.2.1";
      co_return result;
    }
    const auto content = co_await work.content.read(loop_, 0, UINT64_MAX);
    for (const queue::CarryRecipient& r : work.recipients) {
      queue::RecipientOutcome outcome;
      outcome.index = r.index;
      outcome.verdict = queue::CarryVerdict::relayed;
      outcome.reply.code = 250;
      outcome.reply.text = "taken";
      result.outcomes.push_back(std::move(outcome));
    }
    if (content.has_value()) ++tally_.carried;
    co_return result;
  }
  rt::Task<void> close(rt::Deadline) override { co_return; }

 private:
  rt::Loop& loop_;
  Tally& tally_;
};

class Hops final : public queue::Carriers {
 public:
  explicit Hops(Tally& tally) : tally_(tally) {}
  std::unique_ptr<queue::CarrierSession> open(rt::Loop& loop, const queue::NextHop&) override {
    return std::make_unique<Hop>(loop, tally_);
  }

 private:
  Tally& tally_;
};

class NoReports final : public queue::Reporter {
 public:
  rt::Task<queue::Report> write(rt::Loop&, queue::ReportWork, rt::Deadline) override {
    co_return queue::Report{};
  }
};

struct World {
  World(rt_real::RealRuntime& real, kv::Store& disk, const Plan& the_plan)
      : runtime(real), store(disk), plan(the_plan) {
    queue::add_settings(schema);
  }
  rt_real::RealRuntime& runtime;
  kv::Store& store;
  const Plan& plan;
  Tally tally;
  Lanes router;
  Hops hops{tally};
  NoReports reports;
  config::Schema schema;
  std::array<config::FixedSource, kLoops> settings;  // a copy for each loop
  obs::Metrics metrics;
  std::unique_ptr<queue::Queue> queue;
  std::vector<std::unique_ptr<rt::Scope>> scopes;

  rt::Loop& loop(size_t n) { return *runtime.loops()[n]; }
  // On every loop, each at its own time.
  void set(std::string name, std::string value) {
    for (size_t n = 0; n < kLoops; ++n) {
      loop(n).post([this, n, name, value] {
        auto next = settings[n].current().with(schema, name, value);
        if (next.has_value()) settings[n].set(std::move(*next));
        if (queue != nullptr) queue->settings_changed(loop(n));
      });
    }
  }
};

inline void figure(std::string_view name, double value) {
  fmt::print("figure {} {:.4f}\n", name, value);
  std::fflush(stdout);
}

inline uint64_t resident_bytes() {
  std::ifstream statm("/proc/self/statm");
  uint64_t total = 0;
  uint64_t resident = 0;
  statm >> total >> resident;
  return resident * 4096;
}

inline double cpu_seconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

inline double seconds_since(rt::Loop& loop, Instant start) {
  return static_cast<double>((loop.now() - start).us()) / 1e6;
}

inline double percentile(std::vector<double> values, size_t percent) {
  if (values.empty()) return 0;
  std::ranges::sort(values);
  return values[std::min(values.size() - 1, values.size() * percent / 100)];
}

// How long the loop is held up by one thing, while it is asked to.
inline rt::Task<void> tick(Tally& tally, rt::Loop& loop) {
  while (true) {
    const Duration pause = Duration::milliseconds(tally.ticking ? 2 : 100);
    const Instant due = loop.now() + pause;
    const rt::Woken woken = co_await rt::sleep(loop, rt::Deadline::at(due), "the next tick");
    if (woken == rt::Woken::cancelled) break;
    const int64_t late = (loop.now() - due).us();
    int64_t most = tally.stall_us;
    while (late > most && !tally.stall_us.compare_exchange_weak(most, late)) {
    }
  }
}

}  // namespace ph::bench
