#include "sim/detail/plan.h"

#include <algorithm>
#include <array>
#include <set>

#include "base/text.h"

namespace ph::sim {
namespace {

constexpr std::array kSteps = {HopStep::greeting,  HopStep::hello, HopStep::sender,
                               HopStep::recipient, HopStep::data,  HopStep::final};
// A 32-bit count of milliseconds begins anew.
constexpr Instant kTickWrap = Instant::from_us((int64_t{1} << 32) * 1000);

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
    if (random_.chance(25)) add_dns_fault();
    if (random_.chance(20)) add_freeze();
    if (random_.chance(50)) times(1 + random_.below(8), [this] { add_worker_death(); });
    if (random_.chance(20)) add_tls_fault();
    if (random_.chance(20)) add_route_change();
    if (random_.chance(70)) add_orders();
    if (random_.chance(20)) add_tick_wrap();
    if (random_.chance(20) && moments_.size() <= 60) {  // a crowd would take hours
      plan_.disk_read_max = random_.between(Duration(), Duration::milliseconds(200));
    }
    if (random_.chance(4)) add_revival();
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
    plan_.actions.push_back(
        {when, [act = std::move(act)](World& world, Administrator&) { act(world); }});
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
      plan_.hops.push_back({"mx." + domain, domain});
      if (!random_.chance(20)) continue;
      const uint16_t preference = random_.chance(50) ? 10 : 20;
      plan_.hops.push_back({"backup." + domain, domain, preference});
    }
    const int64_t accounts = random_.between(1, 4);
    for (int64_t i = 1; i <= accounts; ++i) {
      plan_.accounts.push_back("user" + std::to_string(i) + "@example.org");
    }
    const uint64_t aliases = random_.below(3);
    for (uint64_t i = 0; i < aliases; ++i) {
      std::set<std::string> targets = {pick(plan_.accounts)};
      if (random_.chance(60)) targets.insert(pick(plan_.accounts));
      if (random_.chance(60)) targets.insert("member@" + pick(plan_.hops).domain);
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
    return std::string(local) + "@" + pick(plan_.hops).domain;
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
    const uint64_t dice = random_.below(1000);
    int64_t letters = random_.between(1, 20);
    if (dice < 80) letters = random_.between(21, 60);
    if (dice < 12) letters = random_.between(100, 500);
    // Half of the crowds come at once, the others as they like.
    const bool at_once = letters > 20 && random_.chance(50);
    const Duration crowd = moment();
    for (int64_t i = 1; i <= letters; ++i) {
      Letter letter{"m" + std::to_string(i), sender(), recipients(), 200};
      if (random_.chance(10)) letter.size_bytes = random_.below(letters > 60 ? 2'000 : 40'000);
      const Duration when =
          at_once ? crowd + random_.between(Duration(), Duration::seconds(5)) : moment();
      at(when, [letter](World& world) { world.send(letter); });
      moments_.push_back({when, letter.marker});
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
      plan_.may_fail = true;
    } else if (dice < 80) {
      out.act = HopRule::Act::stall;
    } else {
      out.act = HopRule::Act::drop;
    }
    return out;
  }

  void add_hop_fault() {
    const std::string name = pick(plan_.hops).name;
    const std::string domain = domain_of(name);
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
    const std::string peer = random_.chance(70) ? pick(plan_.hops).name : "client";
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
    std::pair<std::string, std::string> changed = {"queue.schedule", schedule()};
    if (random_.chance(30)) changed = {"queue.jitter", std::to_string(random_.below(30))};
    if (random_.chance(20)) {
      changed = {"queue.lane-connections", std::to_string(random_.between(1, 6))};
    }
    at(moment(), [changed](World& world) { change(world, changed.first, changed.second); });
  }

  void add_clock_step() {
    Duration by = random_.between(Duration::hours(-2), Duration::hours(2));
    if (random_.chance(40)) by = Duration::hours(random_.chance(50) ? 1 : -1);
    plan_.actions.push_back({moment(), [by](World& world, Administrator& administrator) {
                               world.say("world",
                                         "wall clocks step by " + std::to_string(by.s()) + " s");
                               world.simulation().step_wall(by);
                               administrator.clock_stepped();
                             }});
  }

  void add_dns_fault() {
    const std::string domain = pick(plan_.hops).domain;
    const uint64_t dice = random_.below(100);
    auto kind = rt_sim::DnsFault::Kind::server_failure;
    if (dice < 50) kind = rt_sim::DnsFault::Kind::silence;
    if (dice < 8) kind = rt_sim::DnsFault::Kind::no_such_name;
    if (kind == rt_sim::DnsFault::Kind::no_such_name) plan_.may_fail = true;
    at(moment(), [domain, kind](World& world) {
      world.simulation().dns().set_fault(domain, {kind, Duration()});
    });
  }

  // The world's hops cannot do TLS: some offer it all the same, and sometimes nothing else is
  // wanted.
  void add_tls_fault() {
    const std::string name = pick(plan_.hops).name;
    HopConduct conduct = usual_conduct(domain_of(name));
    conduct.offers_tls = true;
    HopRule rule;
    rule.step = random_.chance(50) ? HopStep::tls : HopStep::handshake;
    rule.act = random_.chance(50) ? HopRule::Act::stall : HopRule::Act::drop;
    if (rule.step == HopStep::tls && random_.chance(40)) {
      rule.act = HopRule::Act::answer;
      rule.reply = {454, {4, 7, 0}, "TLS not available, by the seed"};
    }
    if (random_.chance(70)) conduct.rules.push_back(std::move(rule));
    span(
        Duration::minutes(8),
        [name, conduct](World& world) { world.find_hop(name)->set_conduct(conduct); },
        [name, usual = usual_conduct(domain_of(name))](World& world) {
          world.find_hop(name)->set_conduct(usual);
        });
    if (!random_.chance(30)) return;
    plan_.requires_tls = true;
    span(
        Duration::minutes(5), [](World& world) { change(world, "route.require_tls", "on"); },
        [](World& world) { change(world, "route.require_tls", "off"); });
  }

  // Another way for one domain, or for all: to a hop that takes it as well.
  void add_route_change() {
    const std::string& relay = pick(plan_.hops).name;
    const bool all = random_.chance(50);
    const std::string setting = all ? "route.smart_host" : "route.domains";
    const std::string value = all ? relay + ":25" : pick(plan_.hops).domain + "=" + relay + ":25";
    span(
        Duration::minutes(10), [setting, value](World& world) { change(world, setting, value); },
        [setting](World& world) { change(world, setting, ""); });
  }

  // At any moment, just after a letter came, and for many letters at once.
  void add_orders() {
    times(random_.below(8), [this] { add_order(moment(), {}); });
    for (const auto& [when, marker] : moments_) {
      if (!random_.chance(25)) continue;
      add_order(when + random_.between(Duration(), Duration::seconds(2)), marker);
    }
    times(random_.below(3), [this] { add_wide_order(); });
    times(random_.below(3), [this] { add_suspension(); });
    if (random_.chance(50)) plan_.ambushes = random_.below(10) + 1;
    plan_.ambush_seed = random_.next();
    if (!random_.chance(40)) return;
    const Duration storm = moment();
    times(random_.below(20), [this, storm] {
      add_order(storm + random_.between(Duration(), Duration::seconds(3)), {});
    });
  }
  // For a letter that was sent by then, unless it is named.
  void add_order(Duration when, const std::string& marker) {
    Order order;
    const uint64_t dice = random_.below(100);
    order.command = dice < 40   ? queue::Command::hold
                    : dice < 58 ? queue::Command::release
                    : dice < 80 ? queue::Command::retry
                    : dice < 90 ? queue::Command::redirect
                                : queue::Command::remove;
    if (random_.chance(50)) order.telling = queue::Telling::with_report;
    if (order.command == queue::Command::redirect) {
      if (random_.chance(50)) {
        order.via = pick(plan_.hops).name + ":25";
      } else {
        order.to = foreign("redirected" + std::to_string(++redirects_));
      }
    }
    order.marker = marker;
    order.hold_for = random_.between(Duration::seconds(5), Duration::minutes(10));
    if (random_.chance(30)) order.recipient = static_cast<uint32_t>(random_.below(3));
    const uint64_t choice = random_.next();
    plan_.actions.push_back({when, [order, choice](World& world, Administrator& administrator) {
                               if (world.sent().empty()) return;
                               Order given = order;
                               const auto at =
                                   std::next(world.sent().begin(),
                                             static_cast<int64_t>(choice % world.sent().size()));
                               if (given.marker.empty()) given.marker = at->first;
                               administrator.give(std::move(given));
                             }});
  }

  void add_wide_order() {
    WideOrder order;
    const uint64_t dice = random_.below(100);
    order.command = dice < 40   ? queue::Command::hold
                    : dice < 65 ? queue::Command::release
                    : dice < 90 ? queue::Command::retry
                                : queue::Command::remove;
    order.hold_for = random_.between(Duration::seconds(5), Duration::minutes(10));
    if (random_.chance(40)) order.filter.lane = "smtp:" + pick(plan_.hops).domain;
    if (random_.chance(40)) order.filter.recipient = "r" + std::to_string(random_.below(20));
    if (order.command == queue::Command::remove) order.filter.recipient = "r1@hop";  // no report
    if (random_.chance(15)) order.doing = queue::Doing::dry_run;
    plan_.actions.push_back(
        {moment(), [order](World&, Administrator& administrator) { administrator.give(order); }});
  }

  void add_suspension() {
    const std::string lane = random_.chance(15) ? "local" : "smtp:" + pick(plan_.hops).domain;
    const Duration length = random_.between(Duration::seconds(5), Duration::minutes(10));
    const Duration from = moment();
    plan_.actions.push_back({from, [lane, length](World&, Administrator& administrator) {
                               administrator.suspend(lane, length);
                             }});
    if (!random_.chance(50)) return;
    plan_.actions.push_back(
        {from + random_.between(Duration(), length),
         [lane](World&, Administrator& administrator) { administrator.resume(lane); }});
  }

  // A hop is dead for half the time and then lives, with many letters waiting for it, and as soon
  // as it has taken the first of them the others are held.
  void add_revival() {
    const std::string name = plan_.hops.front().name;
    const std::string domain = plan_.hops.front().domain;
    plan_.settings.emplace_back("queue.schedule", "300 s");
    plan_.ambushes = 10;
    plan_.disk_read_max = Duration::milliseconds(100);
    at(Duration(), [name](World& world) { world.find_hop(name)->set_door(Door::closed); });
    for (int i = 1; i <= 15; ++i) {
      const Letter letter{"waiter" + std::to_string(i), {}, {"w@" + domain}, 100};
      at(moment() / 3, [letter](World& world) { world.send(letter); });
    }
    at(plan_.length / 2, [name](World& world) {
      NextHop& hop = *world.find_hop(name);
      hop.conduct().think = Duration::milliseconds(100);
      hop.set_door(Door::open);
    });
  }

  void add_tick_wrap() {
    const Duration before = random_.chance(50) ? Duration::seconds(10) : moment();
    plan_.monotonic_start = kTickWrap - before;
  }

  std::string domain_of(const std::string& hop) {
    return std::ranges::find(plan_.hops, hop, &PlannedHop::name)->domain;
  }

  static void change(World& world, const std::string& name, const std::string& value) {
    if (!world.is_serving()) return;
    const Status done = world.set(name, value);
    world.say("world",
              name + " = " + value + (done.has_value() ? "" : ": " + done.error().to_text()));
  }

  void add_freeze() {
    const Duration length = random_.between(Duration::seconds(1), Duration::seconds(30));
    at(moment(), [length](World& world) { world.server_host().freeze(length); });
  }

  // A worker of some lane ends where it is suspended, as if it had crashed; mostly while letters
  // are under way.
  void add_worker_death() {
    Duration when = moment();
    if (!moments_.empty() && random_.chance(80)) {
      when = pick(moments_).first + random_.between(Duration(), Duration::seconds(3));
    }
    const uint64_t which = random_.next();
    at(when, [which](World& world) {
      if (!world.is_serving()) return;
      rt_sim::Host& host = world.server_host();
      const size_t loops = host.runtime().loops().size();
      const bool died = world.server().queue().kill_worker(host.loop(which % loops), which);
      if (died) world.say("world", "a worker dies");
    });
  }

  Random random_;
  Plan plan_;
  uint64_t redirects_ = 0;
  std::vector<std::pair<Duration, std::string>> moments_;  // when which letter is sent
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
