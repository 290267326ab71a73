// What the parts of a shard share: its loop, ledger and ports, the policy of the moment, and what
// is in memory. Built by Shard, which outlives the parts. Home loop only.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <string>

#include "service/queue/detail/window.h"
#include "service/queue/ledger.h"
#include "service/queue/options.h"
#include "service/queue/ports.h"

namespace ph::queue {

struct Figures {
  explicit Figures(obs::Metrics& metrics);
  obs::Counter& accepted;
  obs::Counter& attempts;
  obs::Counter& reports;
  obs::Counter& reports_lost;
  obs::Counter& lost_workers;
  obs::Counter& auditor_hits;
  obs::Metrics& metrics;

  // Counted by what it came to.
  void row_ended(model::QueueState state);
  void attempt_ended(const model::QueueRow& row);

 private:
  // Found once: looking a series up by its labels costs more than counting.
  std::array<obs::Counter*, model::kQueueStates> rows_ended_{};
  std::array<std::array<obs::Counter*, model::kQueueReasons>, model::kQueueStates>
      attempts_ended_{};
};

class Core {
 public:
  Core(QueuePorts queue_ports, rt::Loop& loop, std::unique_ptr<kv::Partition> partition,
       uint32_t shard, uint64_t process)
      : ports(std::move(queue_ports)),
        home(loop),
        ledger(loop, ports.store, std::move(partition), shard),
        incarnation(process),
        figures(ports.metrics) {}

  QueuePorts ports;
  rt::Loop& home;
  Ledger ledger;
  const uint64_t incarnation;  // of this process: the owner of its leases
  Window window;
  Running running{home};
  Figures figures;
  bool accepting_work = false;  // between start and stop
  // By lane; what is in the table. Those that are over stay until somebody looks (suspension_of).
  std::map<std::string, Suspension, std::less<>> suspensions;
  // New rows are in the table: a hint for the scheduler, who sets it.
  std::function<void()> hint_work = [] {};
  // A hop that did not work does again: a hint for the other shards, whose rows wait for it too.
  std::function<void(const std::string& lane)> tell_others = [](const std::string&) {};

  // The settings of this moment. Valid until the caller's next suspension.
  const config::Values& values() const { return ports.settings(home).current(); }
  const model::QueuePolicy& policy() {
    if (values().epoch() != policy_epoch_) {
      policy_epoch_ = values().epoch();
      policy_ = policy_of(values());
      longest_lease_ = std::max(longest_lease_, policy_.lease);
    }
    return policy_;
  }
  // The longest that this process has ever given.
  Duration longest_lease() const { return longest_lease_; }
  // A cap over all loops, as far as it is this shard's.
  size_t share(const config::NumberSetting& cap) const {
    const uint64_t loops = ports.runtime.loops().size();
    return static_cast<size_t>((values().get(cap) + loops - 1) / loops);
  }
  Time now() const { return home.wall(); }
  // The suspension that a lane is under at this moment.
  const Suspension* suspension_of(std::string_view lane) const {
    const auto at = suspensions.find(lane);
    return at == suspensions.end() || at->second.until <= now() ? nullptr : &at->second;
  }

  // Things that delay rows without anybody forgetting them: a start, a store that fails, a step of
  // the wall clock. The auditor does not call a row overdue for a while after one.
  void note_delay() { excused_until_ = home.now() + kExcuse; }
  bool delay_is_excused() const { return home.now() < excused_until_; }
  // How far the wall clock has stepped since the last call; zero if it only drifts.
  Duration watch_clock() {
    const Duration drift = clock_drift();
    clock_offset_ = clock_offset();
    if (drift != Duration{}) note_delay();
    return drift;
  }
  // Whether it has stepped and watch_clock() has not said so yet.
  bool clock_has_stepped() const { return clock_drift() != Duration{}; }

 private:
  Duration clock_offset() const { return (home.wall() - Time{}) - (home.now() - Instant{}); }
  Duration clock_drift() const {
    if (!clock_offset_.has_value()) return {};
    const Duration drift = clock_offset() - *clock_offset_;
    return drift > kClockStep || drift < Duration{} - kClockStep ? drift : Duration{};
  }

  static constexpr Duration kExcuse = Duration::minutes(3);
  static constexpr Duration kClockStep = Duration::seconds(5);

  uint64_t policy_epoch_ = 0;
  model::QueuePolicy policy_;
  Duration longest_lease_;
  Instant excused_until_;
  std::optional<Duration> clock_offset_;
};

// What happens to a row whose lane is suspended.
inline model::QueueHappening suspended_by(const Suspension& suspension) {
  model::QueueHappening h{.event = model::QueueEvent::suspend, .lane = suspension.lane};
  h.until = suspension.until;
  h.by = suspension.by;
  return h;
}

// A message, or some recipients of it, on its way through memory: copies of rows with what tells
// whether they are still the newest, and the leases that keep them here.
struct Item {
  MessageFacts facts;
  std::vector<model::QueueRow> rows;
  std::vector<uint64_t> mailboxes;  // beside rows
  Content content;
  Watch watch;
  std::vector<Taken> taken;
  Running::Token running;  // once begun
  Instant queued_at;
  bool waited_for_lane = false;  // before this attempt
};

inline constexpr Duration kStoreTime = Duration::seconds(150);  // beyond the gatherer's own
inline constexpr Duration kWindowTime = Duration::seconds(90);
inline constexpr size_t kHeldBytesMax = 256 * 1024;  // larger messages are read from the store

}  // namespace ph::queue
