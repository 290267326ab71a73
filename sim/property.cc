#include "sim/property.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <memory>
#include <set>
#include <utility>

#include "service/pressure/monitor.h"
#include "service/queue/options.h"
#include "sim/detail/judge.h"
#include "sim/detail/plan.h"
#include "sim/detail/table.h"
#include "sim/world.h"
#include "state/settings/settings.h"

namespace ph::sim {
namespace {

using model::QueueState;

constexpr Duration kGrace = Duration::seconds(60);  // beyond what a row's clock explains
constexpr Duration kLook = Duration::seconds(15);   // between looks at what has not ended
constexpr Duration kClientsEnd = Duration::minutes(20);
constexpr Duration kPressureEnds = Duration::minutes(2);
constexpr int kTriesMax = 4;        // of a letter, while there are faults
constexpr size_t kCrowdRows = 100;  // from so many on, looks are rarer
constexpr size_t kSweptRowsMax = 60;
constexpr size_t kHeldAtOnce = 20;
constexpr size_t kFindingsMax = 20;

bool is_relaxed(const app::Server& server) {
  return std::ranges::all_of(server.pressure().report(), [](const pressure::Standing& s) {
    return s.level == pressure::Level::low;
  });
}

class Run {
 public:
  explicit Run(const PropertyOptions& options)
      : options_(options),
        plan_(make_plan(options.seed)),
        find_([this](std::string finding) { found(std::move(finding)); }),
        administrator_(world_, find_),
        world_(world_options(options, plan_)) {}

  PropertyResult run() {
    if (begin()) {
      suffer();
      heal();
      settle();
      judge();
    }
    for (std::string& finding : world_.simulation().check()) find_(std::move(finding));
    result_.letters = world_.sent().size();
    for (const auto& [marker, sent] : world_.sent()) {
      if (sent.injection.fate == Fate::accepted) ++result_.accepted;
    }
    result_.steps = world_.simulation().steps();
    result_.virtual_time = world_.since_start();
    result_.trace_hash = world_.simulation().trace_hash() ^
                         (uint64_t{world_.disk().fingerprint()} * 0x9E3779B97F4A7C15ULL);
    return std::move(result_);
  }

 private:
  static WorldOptions world_options(const PropertyOptions& options, const Plan& plan) {
    WorldOptions out;
    out.disk_read_max = plan.disk_read_max;
    out.simulation.monotonic_start = plan.monotonic_start;
    out.seed = options.seed;
    out.say = options.say;
    out.say_log_from = obs::Level::debug;
    return out;
  }

  void found(std::string finding) {
    world_.say("FINDING", finding);
    if (result_.findings.size() < kFindingsMax) result_.findings.push_back(std::move(finding));
  }

  bool begin();
  void suffer();
  void supervise();
  void send_again(int tries_max);
  void heal();
  Duration longest_wait();
  void settle();
  bool all_ended();
  void look();
  void judge();
  void break_table();
  void lay_ambush();

  const PropertyOptions& options_;
  Plan plan_;
  PropertyResult result_;
  Find find_;
  Administrator administrator_;  // before the world, whose programs use it
  World world_;
  Instant healed_at_;
  bool was_down_ = false;
  int64_t defects_ = 0;               // reported
  std::map<std::string, int> tries_;  // by the letter's first marker
  std::set<std::string> followed_;    // markers whose fate was looked at
  Random ambush_random_{plan_.ambush_seed};
};

bool Run::begin() {
  for (auto& [name, value] : plan_.settings) {
    const Status set = world_.set(name, value);
    if (!set.has_value()) find_("cannot set " + name + ": " + set.error().to_text());
  }
  for (const std::string& account : plan_.accounts) {
    static_cast<void>(world_.add_account(account));  // before the start it cannot fail
  }
  for (const directory::Alias& alias : plan_.aliases) static_cast<void>(world_.add_alias(alias));
  for (const auto& [name, domain, preference] : plan_.hops) {
    NextHop& hop = world_.add_hop(name, {domain}, preference);
    hop.set_conduct(usual_conduct(domain));
    if (options_.breakage == Breakage::lose_at_hop) hop.lose_messages();
  }
  const Status started = world_.start();
  if (!started.has_value()) find_(started.error().to_text());
  if (plan_.rough_network) world_.simulation().network().set_profile(rt_sim::FaultProfile::rough());
  if (plan_.rough_dns) world_.simulation().dns().set_profile(rt_sim::DnsProfile::rough());
  lay_ambush();
  return started.has_value();
}

// A message begins at a hop, so its lane lives: just then what waits for it is held.
void Run::lay_ambush() {
  for (const auto& hop : world_.hops()) {
    hop->set_message_hook([this] {
      if (plan_.ambushes == 0) return;
      --plan_.ambushes;
      const Duration later = ambush_random_.between(Duration(), Duration::milliseconds(300));
      world_.simulation().after(later, [this] {
        size_t held = 0;
        for (const auto& [marker, sent] : world_.sent()) {
          const bool waits = sent.injection.fate == Fate::accepted && world_.taken(marker, {}) == 0;
          if (!waits || ++held > kHeldAtOnce) continue;
          administrator_.give({queue::Command::hold, marker, {}, Duration::minutes(2)});
        }
      });
    });
  }
}

// The time with faults: the plan's actions, letters sent again, and a look at the table now and
// then.
void Run::suffer() {
  const Duration look_every = plan_.length / 4;
  Duration next_look = look_every;
  Duration next_again = Duration::seconds(30);
  size_t next_action = 0;
  const auto run_to = [this](Duration when) {
    world_.simulation().run_until(world_.simulation().now() + (when - world_.since_start()));
  };
  while (world_.since_start() < plan_.length || next_action < plan_.actions.size()) {
    const Duration action =
        next_action < plan_.actions.size() ? plan_.actions[next_action].when : Duration::max();
    const Duration next = std::min({action, next_look, next_again});
    if (next > world_.since_start()) run_to(next);
    if (next == action) {
      const bool quiet = world_.sent().size() >= kCrowdRows && next_action % 16 != 0;
      plan_.actions[next_action++].act(world_, administrator_);
      if (!quiet) look();
    } else if (next == next_again) {
      supervise();
      send_again(kTriesMax);
      next_again = world_.since_start() + Duration::seconds(30);
    } else {
      look();
      next_look = world_.since_start() + look_every;
    }
  }
}

// A server that was down at the last look and still is, is started again.
void Run::supervise() {
  const bool down = !world_.server_host().up();
  if (down && was_down_) world_.restart_server();
  was_down_ = down;
}

// A client that was not told 250 sends again, under a new marker.
void Run::send_again(int tries_max) {
  std::vector<Letter> again;
  for (const auto& [marker, sent] : world_.sent()) {
    const Fate fate = sent.injection.fate;
    if (fate == Fate::sending || followed_.contains(marker)) continue;
    followed_.insert(marker);
    if (fate == Fate::accepted) continue;
    // Refused for good: a client does not come back with these.
    if (sent.injection.words.starts_with("5")) continue;
    const std::string first = marker.substr(0, marker.find('.'));
    if (++tries_[first] >= tries_max) continue;
    Letter letter = sent.letter;
    letter.marker = first + "." + std::to_string(tries_[first]);
    again.push_back(std::move(letter));
  }
  for (Letter& letter : again) world_.send(std::move(letter));
}

void Run::heal() {
  if (options_.breakage == Breakage::skip_index || options_.breakage == Breakage::lose_row) {
    break_table();
  }
  rt_sim::Simulation& sim = world_.simulation();
  sim.network().heal();
  sim.dns().heal();
  world_.disk().set_space(kv_mem::Space::plenty);
  world_.disk().fail_next(0);
  world_.kill_server_at_commit(UINT64_MAX - 1, kv_mem::CrashPoint::Phase::before_durable);
  for (const auto& [name, domain, preference] : plan_.hops) {
    world_.find_hop(name)->heal();
    world_.find_hop(name)->set_conduct(usual_conduct(domain));
  }
  world_.say("world", "everything heals");
  plan_.ambushes = 0;
  if (!world_.server_host().up()) world_.restart_server();
  sim.run_until([this] { return world_.is_serving(); }, Duration::minutes(5));
  if (!world_.is_serving()) find_("the server does not serve after everything healed");
  // Back pressure ends by itself: the calm time, a look and what was still in its window.
  const auto relaxed = [this] { return !world_.is_serving() || is_relaxed(world_.server()); };
  if (sim.run_until(relaxed, kPressureEnds) != rt_sim::RunEnd::reached) {
    find_("mail is still refused after everything healed");
  }
  if (plan_.requires_tls && world_.is_serving()) {
    const Status done = world_.set("route.require_tls", "off");
    if (!done.has_value()) find_("route.require_tls cannot be set: " + done.error().to_text());
  }
  sim.run_until([this] { return !administrator_.is_busy(); }, Duration::minutes(2));
  healed_at_ = sim.now();
  // Letters that nobody took are sent once more, now to a healthy world.
  sim.run_until([this] { return !world_.has_sending(); }, kClientsEnd);
  if (world_.has_sending()) find_("a client still sends after everything healed");
  const auto before = world_.sent();
  send_again(1'000'000);
  if (world_.sent().size() == before.size()) return;
  sim.run_until([this] { return !world_.has_sending(); }, kClientsEnd);
  for (const auto& [marker, sent] : world_.sent()) {
    const Fate fate = sent.injection.fate;
    if (before.contains(marker) || fate == Fate::accepted) continue;
    if (sent.injection.words.starts_with("5")) continue;
    find_(fmt::format("{} is {} by a healthy server: {}", marker, to_text(fate),
                      sent.injection.words));
  }
  healed_at_ = sim.now();
}

// How long a row may wait from now on, at most: what its clock says, and a grace.
Duration Run::longest_wait() {
  const config::Values& values = world_.server().settings().source(world_.server_loop()).current();
  const std::vector<Duration> schedule = values.get(queue::kSchedule);
  Duration wait = *std::ranges::max_element(schedule);
  wait = wait + wait * static_cast<int64_t>(values.get(queue::kJitter)) / 100;
  Duration more;
  // A kept connection may be dead without anybody knowing: its first message waits for an answer.
  if (plan_.rough_network) more = values.get(queue::kLease);
  const Time now = world_.server_loop().wall();
  const auto open = read_table(world_, Rows::open, find_);
  for (const queue::ListedRow& listed : open.value_or(std::vector<queue::ListedRow>())) {
    if (listed.row.state == QueueState::in_flight) {
      more = std::max(more, values.get(queue::kLease));
    } else if (listed.row.state == QueueState::held) {
      more = std::max({more, values.get(queue::kPoisonReview), listed.row.next_action_at - now});
    }
  }
  // A lane that is still suspended holds what comes to it until then.
  const auto lanes = world_.ask(
      world_.server().queue().lanes(world_.server_loop(), 1000, world_.server_loop().in(kLook)));
  if (!lanes.has_value() || !lanes->has_value()) return wait + more + kGrace;
  for (const queue::LaneView& lane : **lanes) {
    if (lane.suspension.has_value()) more = std::max(more, lane.suspension->until - now);
  }
  return wait + more + kGrace;
}

void Run::settle() {
  if (!world_.is_serving()) return;
  rt_sim::Simulation& sim = world_.simulation();
  const Duration wait = longest_wait();
  while (!all_ended() && sim.now() - healed_at_ < wait) sim.run_for(kLook);
  result_.settled_after = sim.now() - healed_at_;
  const auto open = read_table(world_, Rows::open, find_);
  for (const queue::ListedRow& listed : open.value_or(std::vector<queue::ListedRow>())) {
    find_(fmt::format("not at its end {} after everything healed (allowed {}): {}",
                      to_text(result_.settled_after), to_text(wait), describe(listed.row)));
  }
}

bool Run::all_ended() {
  const auto open = read_table(world_, Rows::open, find_);
  return open.has_value() && open->empty();
}

// What must hold at any time. Looking takes a little virtual time.
void Run::look() {
  const Instant began = world_.simulation().now();
  const auto rows = check_table(world_, find_);
  if (!rows.has_value() || !world_.is_serving()) return;
  administrator_.check(*rows, began);
  if (rows->size() <= kSweptRowsMax) check_sweep(world_, find_);
  if (world_.defects_counted() > defects_) {
    defects_ = world_.defects_counted();
    find_(fmt::format("the auditor has counted {} defects", defects_));
  }
}

void Run::judge() {
  if (!world_.is_serving()) return;
  const Instant began = world_.simulation().now();
  const auto rows = read_table(world_, Rows::all, find_);
  if (rows.has_value()) administrator_.check(*rows, began);
  Judge(world_, plan_, administrator_, find_).judge();
  check_sweep(world_, find_);
  if (world_.defects_counted() > defects_) {
    find_(fmt::format("the auditor counted {} defects", world_.defects_counted()));
  }
}

// What the broken server of the test's own test does: the first row that waits loses its entry in
// the index by time, or everything, while the server is down.
void Run::break_table() {
  // A row that waits, whatever else the seed does.
  const auto& [name, domain, preference] = plan_.hops.front();
  world_.find_hop(name)->set_door(Door::closed);
  world_.simulation().network().heal();
  if (!world_.is_serving()) {
    world_.restart_server();
    world_.simulation().run_until([this] { return world_.is_serving(); }, Duration::minutes(5));
  }
  world_.send({"broken", plan_.accounts.front(), {"r1@" + domain}});
  world_.simulation().run_for(Duration::seconds(50));
  world_.kill_server(rt_sim::Crash::process);
  rt_sim::Host& host = world_.simulation().add_host({.name = "vandal", .loops = 1});
  kv_mem::MemStore store(world_.disk());
  const auto vandalise = [&](std::string shard) -> rt::Task<Status> {
    rt::Loop& loop = host.loop();
    PH_CO_TRY(const auto partition, store.open(loop, std::move(shard)));
    PH_CO_TRY(const kv::Page due, co_await partition->scan(kv::prefix_range("t")));
    kv::Batch batch;
    for (const kv::Entry& entry : due.entries) {
      batch.erase(entry.key);
      // "t" time id index: the row's name is behind the time.
      if (options_.breakage == Breakage::lose_row) batch.erase("r" + entry.key.substr(9));
    }
    if (batch.empty()) co_return Status();
    PH_CO_TRY_STATUS(co_await partition->commit(std::move(batch),
                                                {std::nullopt, loop.in(Duration::minutes(1))}));
    co_return Status();
  };
  for (const char* shard : {"queue/0", "queue/1"}) {
    const auto done = world_.simulation().await(host.loop(), vandalise(shard));
    if (!done.has_value() || !done->has_value()) find_("the vandal found no table");
  }
}

}  // namespace

std::optional<Breakage> breakage_named(std::string_view name) {
  if (name == "lose-at-hop") return Breakage::lose_at_hop;
  if (name == "skip-index") return Breakage::skip_index;
  if (name == "lose-row") return Breakage::lose_row;
  return std::nullopt;
}

PropertyResult run_property(const PropertyOptions& options) { return Run(options).run(); }

}  // namespace ph::sim
