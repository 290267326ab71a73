#include "service/pressure/monitor.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "rt/errors.h"
#include "service/pressure/detail/commit_window.h"
#include "service/pressure/detail/thresholds.h"
#include "service/pressure/options.h"

namespace ph::pressure {
namespace {

constexpr Duration kLookMax = Duration::seconds(5);
constexpr Duration kGiveBackEvery = Duration::seconds(30);
constexpr Duration kGiveBackMax = Duration::seconds(10);

std::string_view complaint_of(Resource resource) {
  switch (resource) {
    case Resource::disk: return "The disk is nearly full";
    case Resource::memory: return "Memory is nearly used up";
    case Resource::latency: return "Storage is slow";
    case Resource::commits: return "Storage is behind";
  }
  return "Storage is behind";
}

std::string size_text(uint64_t bytes) {
  const uint64_t mib = bytes >> 20;
  return mib < 10 * 1024 ? fmt::format("{} MiB", mib) : fmt::format("{} GiB", mib >> 10);
}

// Rounded down; of nothing, all is in use.
uint64_t percent(uint64_t part, uint64_t whole) {
  return whole == 0 ? 0
                    : static_cast<uint64_t>(static_cast<double>(part) * 100.0 /
                                            static_cast<double>(whole));
}

int64_t gauge_of(std::optional<Level> level) { return level ? static_cast<int64_t>(*level) : -1; }

std::string_view name_of(std::optional<Level> level) { return level ? to_text(*level) : "unknown"; }

}  // namespace

std::string_view to_text(Resource resource) {
  switch (resource) {
    case Resource::disk: return "disk";
    case Resource::memory: return "memory";
    case Resource::latency: return "latency";
    case Resource::commits: return "commits";
  }
  return "commits";
}

struct Monitor::Watched {
  Standing standing;
  std::string fact = {};
  Climber climber = {};
  Instant last_read;
  bool ever_read = false;
  bool told_unknown = false;  // since the last reading
  obs::Gauge& level;
  obs::Gauge& since;
  obs::Counter& changes;
};

struct Monitor::Inside {
  CommitWindow commits = {};
  Instant given_back;
  obs::Gauge& disk_free;
  obs::Gauge& disk_size;
  obs::Gauge& resident;
  obs::Gauge& limit;
};

Monitor::Monitor(Parts parts) : parts_(parts), scope_(parts.loop, "back pressure") {
  obs::Metrics& m = parts_.metrics;
  m.describe("posthorn_pressure_level", "0 low, 1 medium, 2 high, -1 unknown.");
  m.describe("posthorn_pressure_since_timestamp_seconds", "When the resource came to its level.");
  m.describe("posthorn_pressure_changes_total", "Changes of the resource's level.");
  m.describe("posthorn_pressure_refused_total", "Refusals of new mail, by who wanted to send it.");
  m.describe("posthorn_disk_free_bytes", "Free octets on the disk of the store.");
  m.describe("posthorn_disk_size_bytes", "All octets of the disk of the store.");
  m.describe("posthorn_memory_resident_bytes", "Memory that the process takes.");
  m.describe("posthorn_memory_limit_bytes", "Memory that counts as all there is for it.");
  for (const Resource resource : kResources) {
    const std::string labels = obs::labels({{"resource", to_text(resource)}});
    auto watched = std::make_unique<Watched>(
        Watched{.standing = {.resource = resource, .since = parts_.loop.wall()},
                .last_read = parts_.loop.now(),
                .level = m.gauge("posthorn_pressure_level", labels),
                .since = m.gauge("posthorn_pressure_since_timestamp_seconds", labels),
                .changes = m.counter("posthorn_pressure_changes_total", labels)});
    watched->level.set(gauge_of(std::nullopt));
    watched->since.set(watched->standing.since.unix_s());
    watched_[static_cast<size_t>(resource)] = std::move(watched);
  }
  inside_ = std::make_unique<Inside>(Inside{.given_back = parts_.loop.now() - kGiveBackEvery,
                                            .disk_free = m.gauge("posthorn_disk_free_bytes"),
                                            .disk_size = m.gauge("posthorn_disk_size_bytes"),
                                            .resident = m.gauge("posthorn_memory_resident_bytes"),
                                            .limit = m.gauge("posthorn_memory_limit_bytes")});
  refused_ = {&m.counter("posthorn_pressure_refused_total", "sender=\"stranger\""),
              &m.counter("posthorn_pressure_refused_total", "sender=\"user\"")};
  publish();
}

Monitor::~Monitor() = default;

void Monitor::start() {
  scope_.spawn("disk watch", watch(&Monitor::look_at_disk, {Resource::disk}));
  scope_.spawn("memory watch", watch(&Monitor::look_at_memory, {Resource::memory}));
  scope_.spawn("commit watch",
               watch(&Monitor::look_at_commits, {Resource::latency, Resource::commits}));
  scope_.spawn("stale readings", find_stale());
}

Monitor::Watched& Monitor::of(Resource resource) {
  return *watched_[static_cast<size_t>(resource)];
}

rt::Task<void> Monitor::watch(Look look, std::vector<Resource> of) {
  for (;;) {
    const Status looked = co_await (this->*look)(parts_.loop.in(kLookMax));
    if (!looked.has_value()) {
      for (const Resource resource : of) note_problem(resource, looked.error());
    }
    const Duration interval = parts_.settings.current().get(kInterval);
    const rt::Woken woken =
        co_await rt::sleep(parts_.loop, parts_.loop.in(interval), "its next look");
    if (woken == rt::Woken::cancelled) co_return;
  }
}

// Apart from the looks, which may hang.
rt::Task<void> Monitor::find_stale() {
  for (;;) {
    const config::Values& values = parts_.settings.current();
    const Duration stale_after = values.get(kStaleAfter);
    const Duration interval = values.get(kInterval);
    bool any = false;
    for (const auto& watched : watched_) {
      const bool stale = parts_.loop.now() - watched->last_read >= stale_after;
      if (!stale || watched->told_unknown) continue;
      watched->told_unknown = true;
      watched->climber.reset();
      change_level(*watched, std::nullopt);
      any = true;
    }
    if (any) publish();
    const rt::Woken woken =
        co_await rt::sleep(parts_.loop, parts_.loop.in(interval), "a reading to grow stale");
    if (woken == rt::Woken::cancelled) co_return;
  }
}

rt::Task<Status> Monitor::look_at_disk(rt::Deadline deadline) {
  PH_CO_TRY(const kv::DiskSpace space, co_await parts_.resources.disk(parts_.loop, deadline));
  inside_->disk_free.set(static_cast<int64_t>(space.free_bytes));
  inside_->disk_size.set(static_cast<int64_t>(space.size_bytes));
  const uint64_t used = space.size_bytes - std::min(space.free_bytes, space.size_bytes);
  const std::string fact = fmt::format("{} % free", percent(space.free_bytes, space.size_bytes));
  Reading reading{
      used, fact,
      fmt::format("{} ({} of {})", fact, size_text(space.free_bytes), size_text(space.size_bytes))};
  take(Resource::disk, std::move(reading),
       disk_ladder(parts_.settings.current(), space.size_bytes));
  co_return Status();
}

rt::Task<Status> Monitor::look_at_memory(rt::Deadline deadline) {
  PH_CO_TRY(const rt::MemoryUse use, co_await parts_.resources.memory(parts_.loop, deadline));
  const uint64_t limit = memory_limit(parts_.settings.current(), use.machine_bytes);
  inside_->resident.set(static_cast<int64_t>(use.resident_bytes));
  inside_->limit.set(static_cast<int64_t>(limit));
  const std::string fact = fmt::format("{} % of it", percent(use.resident_bytes, limit));
  Reading reading{use.resident_bytes, fact,
                  fmt::format("{} % ({} of {})", percent(use.resident_bytes, limit),
                              size_text(use.resident_bytes), size_text(limit))};
  take(Resource::memory, std::move(reading), memory_ladder(parts_.settings.current(), limit));
  const bool pressed = of(Resource::memory).climber.level() != Level::low;
  if (!pressed || parts_.loop.now() - inside_->given_back < kGiveBackEvery) co_return Status();
  inside_->given_back = parts_.loop.now();
  const rt::Deadline until = parts_.loop.in(kGiveBackMax);
  // Given back or not, the next look shows what there is.
  const Status given = co_await parts_.resources.give_back_memory(parts_.loop, until);
  static_cast<void>(given);
  co_return Status();
}

rt::Task<Status> Monitor::look_at_commits(rt::Deadline deadline) {
  PH_CO_TRY(const CommitFigures figures, co_await parts_.resources.commits(parts_.loop, deadline));
  const config::Values& values = parts_.settings.current();
  const Duration takes = inside_->commits.step(figures, parts_.loop.now());
  const std::string slow = "a commit takes " + to_text(takes);
  take(Resource::latency,
       {static_cast<uint64_t>(std::max<int64_t>(takes.us(), 0)), slow,
        "commits take " + to_text(takes)},
       latency_ladder(values));
  const std::string many = fmt::format("{} commits wait", figures.waiting);
  take(Resource::commits, {figures.waiting, many, many}, commits_ladder(values));
  co_return Status();
}

void Monitor::take(Resource resource, Reading reading, const Ladder& ladder) {
  Watched& watched = of(resource);
  const Duration calm = parts_.settings.current().get(kCalmTime);
  const Level level = watched.climber.step(reading.load, ladder, parts_.loop.now(), calm);
  watched.last_read = parts_.loop.now();
  watched.fact = std::move(reading.fact);
  watched.standing.words = std::move(reading.words);
  watched.standing.problem.clear();
  if (watched.standing.level != level) change_level(watched, level);
  watched.ever_read = true;
  watched.told_unknown = false;
  publish();
}

void Monitor::note_problem(Resource resource, const Error& error) {
  of(resource).standing.problem = error.to_text();
  publish();
}

void Monitor::change_level(Watched& watched, std::optional<Level> to) {
  const std::optional<Level> from = std::exchange(watched.standing.level, to);
  watched.standing.since = parts_.loop.wall();
  watched.level.set(gauge_of(to));
  watched.since.set(watched.standing.since.unix_s());
  const bool first_is_low = !watched.ever_read && to == Level::low;
  if (first_is_low) return;
  watched.changes.add();
  const std::string why = to.has_value()                     ? watched.standing.words
                          : watched.standing.problem.empty() ? "no reading"
                                                             : watched.standing.problem;
  const auto name = to_text(watched.standing.resource);
  const bool worse = !to.has_value() || *to > from.value_or(Level::low);
  if (worse) {
    parts_.log.warning(
        "pressure.level",
        {{"resource", name}, {"from", name_of(from)}, {"to", name_of(to)}, {"why", why}});
  } else {
    parts_.log.info(
        "pressure.level",
        {{"resource", name}, {"from", name_of(from)}, {"to", name_of(to)}, {"why", why}});
  }
}

void Monitor::publish() {
  std::vector<Standing> board;
  const Watched* worst = nullptr;
  for (const auto& watched : watched_) {
    board.push_back(watched->standing);
    const Level level = watched->standing.level.value_or(Level::low);
    if (level == Level::low) continue;
    if (worst == nullptr || level > *worst->standing.level) worst = watched.get();
  }
  std::string text;
  if (worst != nullptr) {
    text = fmt::format("{} ({}); try again later", complaint_of(worst->standing.resource),
                       worst->fact);
  }
  const std::lock_guard lock(mutex_);
  board_ = std::move(board);
  refusal_ = std::move(text);
  worst_ = worst == nullptr ? Level::low : *worst->standing.level;
}

std::string Monitor::refusal(Sender sender) const {
  const Level from = sender == Sender::stranger ? Level::medium : Level::high;
  if (worst_ < from) return {};
  const std::lock_guard lock(mutex_);
  if (worst_ < from) return {};
  refused_[static_cast<size_t>(sender)]->add();
  return refusal_;
}

std::vector<Standing> Monitor::report() const {
  const std::lock_guard lock(mutex_);
  return board_;
}

}  // namespace ph::pressure
