#include "sim/detail/plan.h"

#include <algorithm>
#include <array>
#include <set>

#include "base/text.h"

namespace ph::sim {
namespace {

constexpr std::array kSteps = {HopStep::greeting,  HopStep::hello, HopStep::sender,
                               HopStep::recipient, HopStep::data,  HopStep::final};

// Makes one plan; each function adds one kind of thing.
class Planner {
 public:
  explicit Planner(uint64_t seed) : random_(seed * 0x9E3779B97F4A7C15ULL + 1) {}

  Plan make() {
    plan_.length = random_.between(Duration::minutes(3), Duration::minutes(20));
    plan_.rough_network = random_.chance(50);
    plan_.rough_dns = random_.chance(30);
    add_topology();
    add_settings();
    add_letters();
    times(random_.below(4), [this] { add_hop_fault(); });
    times(random_.below(3), [this] { add_partition(); });
    times(random_.below(3), [this] { add_disk_fault(); });
    times(random_.below(4), [this] { add_kill(); });
    times(random_.below(3), [this] { add_setting_change(); });
    if (random_.chance(30)) add_clock_step();
    if (random_.chance(20)) add_dns_fault();
    if (random_.chance(20)) add_freeze();
    std::ranges::sort(plan_.actions, {}, &Action::when);
    return std::move(plan_);
  }

 private:
  template <class F>
  void times(uint64_t count, F f) {
    for (uint64_t i = 0; i < count; ++i) f();
  }
  template <class T>
  const T& pick(const std::vector<T>& all) {
    return all[random_.below(all.size())];
  }
  Duration moment() { return random_.between(Duration(), plan_.length); }
  void at(Duration when, std::function<void(World&)> act) {
    plan_.actions.push_back({when, std::move(act)});
  }
  // `begin` at some moment, `end` a while later.
  void span(Duration length_max, std::function<void(World&)> begin,
            std::function<void(World&)> end) {
    const Duration from = moment();
    at(from, std::move(begin));
    at(from + random_.between(Duration::seconds(1), length_max), std::move(end));
  }

  void add_topology() {
    const int64_t hops = random_.between(1, 5);
    for (int64_t i = 1; i <= hops; ++i) {
      const std::string domain = "hop" + std::to_string(i) + ".example";
      plan_.hops.emplace_back("mx." + domain, domain);
    }
    const int64_t accounts = random_.between(1, 4);
    for (int64_t i = 1; i <= accounts; ++i) {
      plan_.accounts.push_back("user" + std::to_string(i) + "@example.org");
    }
    const uint64_t aliases = random_.below(3);
    for (uint64_t i = 0; i < aliases; ++i) {
      std::set<std::string> targets = {pick(plan_.accounts)};
      if (random_.chance(60)) targets.insert(pick(plan_.accounts));
      if (random_.chance(60)) targets.insert("member@" + pick(plan_.hops).second);
      plan_.aliases.push_back(
          {"list" + std::to_string(i) + "@example.org", {targets.begin(), targets.end()}});
    }
  }

  std::string seconds(int64_t low, int64_t high) {
    return std::to_string(random_.between(low, high)) + " s";
  }
  std::string schedule() {
    std::string out;
    const int64_t steps = random_.between(1, 5);
    for (int64_t i = 0; i < steps; ++i) out += (i == 0 ? "" : ", ") + seconds(2, 120);
    return out;
  }

  void add_settings() {
    plan_.settings = {{"queue.schedule", schedule()},
                      {"queue.lease", seconds(60, 400)},
                      {"queue.poison-review", seconds(10, 120)},
                      {"queue.lane-probe", seconds(2, 60)},
                      {"queue.lane-idle", seconds(0, 20)},
                      {"queue.lane-connections", std::to_string(random_.between(1, 6))},
                      {"queue.recipients-per-attempt", std::to_string(random_.between(1, 5))},
                      {"smtp_out.connect_timeout", seconds(5, 30)},
                      {"smtp_out.command_timeout", seconds(20, 300)},
                      {"smtp_out.final_timeout", seconds(20, 600)},
                      {"smtp.command_timeout", seconds(30, 300)}};
    plan_.may_expire = random_.chance(5);
    if (plan_.may_expire) plan_.settings.emplace_back("queue.expiry", seconds(120, 600));
  }

  std::string foreign(std::string_view local) {
    return std::string(local) + "@" + pick(plan_.hops).second;
  }
  std::string recipient() {
    const uint64_t dice = random_.below(100);
    if (dice < 40) return pick(plan_.accounts);
    if (dice < 52 && !plan_.aliases.empty()) return pick(plan_.aliases).address;
    if (dice < 57) return foreign(kRefusedLocalPart);
    if (dice < 59) return "someone@" + std::string(kNoSuchDomain);
    if (dice < 61) return "nobody@example.org";
    return foreign("r" + std::to_string(random_.below(20)));
  }
  std::string sender() {
    const uint64_t dice = random_.below(100);
    if (dice < 65) return pick(plan_.accounts);
    if (dice < 90) return foreign("stranger");
    return {};
  }

  // No address twice in one letter, not even behind an alias, so that "once" is what is due.
  std::vector<std::string> recipients() {
    std::vector<std::string> out;
    std::set<std::string> reached;
    const int64_t wanted = random_.between(1, 3);
    for (int64_t i = 0; i < wanted; ++i) {
      std::string address = recipient();
      const std::vector<std::string> stands_for = expand(plan_, address);
      if (std::ranges::any_of(stands_for, [&](const auto& a) { return reached.contains(a); })) {
        continue;
      }
      reached.insert(stands_for.begin(), stands_for.end());
      out.push_back(std::move(address));
    }
    return out;
  }

  void add_letters() {
    const int64_t letters = random_.chance(10) ? random_.between(30, 60) : random_.between(5, 25);
    for (int64_t i = 1; i <= letters; ++i) {
      Letter letter{"m" + std::to_string(i), sender(), recipients(), 200};
      if (random_.chance(10)) letter.size_bytes = random_.below(40'000);
      at(moment(), [letter](World& world) { world.send(letter); });
    }
  }

  HopRule rule() {
    HopRule out;
    out.step = kSteps[random_.below(kSteps.size())];
    out.times = random_.chance(50) ? random_.below(4) + 1 : UINT64_MAX;
    out.percent = static_cast<uint32_t>(random_.between(30, 100));
    const uint64_t dice = random_.below(100);
    if (dice < 50) {
      out.reply = {451, {4, 3, 0}, "Not now, by the seed"};
    } else if (dice < 60) {
      out.reply = {554, {5, 7, 0}, "Never, by the seed"};
      plan_.hops_may_refuse = true;
    } else if (dice < 80) {
      out.act = HopRule::Act::stall;
    } else {
      out.act = HopRule::Act::drop;
    }
    return out;
  }

  void add_hop_fault() {
    const auto [name, domain] = pick(plan_.hops);
    const auto heal = [name, domain](World& world) {
      world.find_hop(name)->set_conduct(usual_conduct(domain));
      world.find_hop(name)->set_door(Door::open);
    };
    if (random_.chance(30)) {
      span(
          Duration::minutes(6),
          [name](World& world) { world.find_hop(name)->set_door(Door::closed); }, heal);
      return;
    }
    HopConduct conduct = usual_conduct(domain);
    const uint64_t rules = random_.below(3);
    for (uint64_t i = 0; i < rules; ++i) conduct.rules.push_back(rule());
    if (random_.chance(25)) conduct.think = random_.between(Duration(), Duration::seconds(20));
    if (random_.chance(25)) conduct.drop_after_bytes = random_.below(1200);
    span(
        Duration::minutes(8),
        [name, conduct](World& world) { world.find_hop(name)->set_conduct(conduct); }, heal);
  }

  void add_partition() {
    const std::string peer = random_.chance(70) ? pick(plan_.hops).first : "client";
    const rt_sim::Link link{std::string(kServerHost), peer};
    span(
        Duration::minutes(4), [link](World& w) { w.simulation().network().partition(link); },
        [link](World& w) { w.simulation().network().heal(link); });
  }

  void add_disk_fault() {
    const uint64_t dice = random_.below(4);
    if (dice == 0) {
      const Duration length = random_.between(Duration::milliseconds(1), Duration::seconds(40));
      at(moment(), [length](World& world) { world.disk().stall_for(length); });
    } else if (dice == 1) {
      const uint64_t commits = random_.below(6) + 1;
      at(moment(), [commits](World& world) { world.disk().fail_next(commits); });
    } else {
      const auto space = dice == 2 ? kv_mem::Space::reserve : kv_mem::Space::none;
      span(
          Duration::seconds(50), [space](World& world) { world.disk().set_space(space); },
          [](World& world) { world.disk().set_space(kv_mem::Space::plenty); });
    }
  }

  void add_kill() {
    const auto restart = [](World& world) {
      if (!world.server_host().up()) world.restart_server();
    };
    if (random_.chance(40)) {
      using Phase = kv_mem::CrashPoint::Phase;
      const Phase phase = random_.chance(50) ? Phase::before_durable : Phase::before_answer;
      const uint64_t commits = random_.below(30);
      span(
          Duration::minutes(2),
          [commits, phase](World& world) { world.kill_server_at_commit(commits, phase); }, restart);
      return;
    }
    const auto crash = random_.chance(60) ? rt_sim::Crash::power : rt_sim::Crash::process;
    span(Duration::minutes(2), [crash](World& world) { world.kill_server(crash); }, restart);
  }

  void add_setting_change() {
    std::pair<std::string, std::string> change = {"queue.schedule", schedule()};
    if (random_.chance(30)) change = {"queue.jitter", std::to_string(random_.below(30))};
    if (random_.chance(20)) {
      change = {"queue.lane-connections", std::to_string(random_.between(1, 6))};
    }
    at(moment(), [change](World& world) {
      if (!world.is_serving()) return;
      const Status done = world.set(change.first, change.second);
      world.say("world", change.first + " = " + change.second +
                             (done.has_value() ? "" : ": " + done.error().to_text()));
    });
  }

  void add_clock_step() {
    const Duration by = random_.between(Duration::hours(-2), Duration::hours(2));
    at(moment(), [by](World& world) {
      world.say("world", "wall clocks step by " + std::to_string(by.s()) + " s");
      world.simulation().step_wall(by);
    });
  }

  void add_dns_fault() {
    const std::string domain = pick(plan_.hops).second;
    const auto kind = random_.chance(50) ? rt_sim::DnsFault::Kind::server_failure
                                         : rt_sim::DnsFault::Kind::silence;
    at(moment(), [domain, kind](World& world) {
      world.simulation().dns().set_fault(domain, {kind, Duration()});
    });
  }

  void add_freeze() {
    const Duration length = random_.between(Duration::seconds(1), Duration::seconds(30));
    at(moment(), [length](World& world) { world.server_host().freeze(length); });
  }

  Random random_;
  Plan plan_;
};

}  // namespace

HopConduct usual_conduct(const std::string& domain) {
  HopConduct out;
  HopRule refuse;
  refuse.reply = {550, {5, 1, 1}, "No such user here"};
  refuse.recipient = std::string(kRefusedLocalPart) + "@" + domain;
  out.rules.push_back(std::move(refuse));
  return out;
}

Plan make_plan(uint64_t seed) { return Planner(seed).make(); }

std::vector<std::string> expand(const Plan& plan, const std::string& address) {
  for (const directory::Alias& alias : plan.aliases) {
    if (alias.address == address) return alias.targets;
  }
  return {address};
}

}  // namespace ph::sim
