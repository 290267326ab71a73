#include "sim/detail/stage.h"

#include <algorithm>
#include <utility>

#include "base/text.h"
#include "model/queue_row.h"
#include "service/queue/queue.h"

namespace ph::sim {
namespace {

rt_sim::Link between(std::string_view peer) {
  return {std::string(kServerHost), std::string(peer)};
}

}  // namespace

const std::vector<Stage::Verb>& Stage::verbs() {
  static const std::vector<Verb> all = {
      {"seed", &Stage::on_seed},       {"set", &Stage::on_set},
      {"account", &Stage::on_account}, {"alias", &Stage::on_alias},
      {"hop", &Stage::on_hop},         {"dns", &Stage::on_dns},
      {"network", &Stage::on_network}, {"send", &Stage::on_send},
      {"at", &Stage::on_at},           {"after", &Stage::on_after},
      {"kill", &Stage::on_kill},       {"power", &Stage::on_power},
      {"restart", &Stage::on_restart}, {"disk", &Stage::on_disk},
      {"clock", &Stage::on_clock},     {"admin", &Stage::on_admin},
      {"why", &Stage::on_why},         {"expect", &Stage::on_expect},
      {"then", &Stage::on_then},       {"server", &Stage::on_server},
      {"ticks", &Stage::on_ticks},     {"watch", &Stage::on_watch}};
  return all;
}

Status Stage::play(std::string_view line) {
  Words words(line);
  if (words.at_end()) return {};
  print_("> " + std::string(trim(line)));
  for (const Verb& verb : verbs()) {
    if (!words.accept(verb.name)) continue;
    PH_TRY_STATUS((this->*verb.act)(words));
    return words.end();
  }
  return fail(kBadLine, "there is no verb '" + std::string(words.peek()) + "'");
}

void Stage::finish() {
  if (world_ == nullptr) return;
  if (world_->defects_counted() > 0) {
    failed("the auditor counted " + std::to_string(world_->defects_counted()) + " defects");
  }
  for (const std::string& finding : world_->simulation().check()) failed(finding);
}

World& Stage::world() {
  if (world_ == nullptr) {
    options_.say = print_;
    world_ = std::make_unique<World>(options_);
  }
  return *world_;
}

Status Stage::started() {
  if (std::exchange(started_, true)) return {};
  return world().start();
}

Result<NextHop*> Stage::hop_named(std::string_view name) {
  NextHop* hop = world().find_hop(name);
  if (hop == nullptr) return fail(kBadLine, "there is no hop " + std::string(name));
  return hop;
}

Result<const Sent*> Stage::letter_named(std::string_view marker) {
  const auto at = world().sent().find(std::string(marker));
  if (at == world().sent().end()) {
    return fail(kBadLine, "no letter " + std::string(marker) + " was sent");
  }
  return &at->second;
}

// ---- furniture ----

Status Stage::on_seed(Words& words) {
  PH_TRY(options_.seed, words.number("a number"));
  if (world_ != nullptr) return fail(kBadLine, "the seed comes first");
  return {};
}

Status Stage::on_set(Words& words) {
  PH_TRY(std::string name, words.word("the name of a setting"));
  PH_TRY_STATUS(words.expect("="));
  return world().set(std::move(name), words.rest());
}

Status Stage::on_account(Words& words) {
  PH_TRY(std::string address, words.word("an address"));
  return world().add_account(std::move(address));
}

Status Stage::on_alias(Words& words) {
  directory::Alias alias;
  PH_TRY(alias.address, words.word("an address"));
  PH_TRY_STATUS(words.expect("to"));
  PH_TRY(alias.targets, words.list("an address"));
  return world().add_alias(std::move(alias));
}

Status Stage::on_hop(Words& words) {
  PH_TRY(const std::string name, words.word("the name of a hop"));
  if (words.accept("for")) {
    PH_TRY(const std::vector<std::string> domains, words.list("a domain"));
    if (world().find_hop(name) != nullptr) return fail(kBadLine, name + " is there already");
    uint64_t preference = 10;
    if (words.accept("preference")) {
      PH_TRY(preference, words.number("a preference"));
    }
    if (preference > UINT16_MAX) return fail(kBadLine, "a preference is 0 to 65535");
    world().add_hop(name, domains, static_cast<uint16_t>(preference));
    return {};
  }
  PH_TRY(NextHop* const hop, hop_named(name));
  last_hop_ = hop;
  rt_sim::Network& network = world().simulation().network();
  if (words.accept("is healthy")) {
    hop->heal();
    network.heal(between(name));
    return {};
  }
  if (words.accept("refuses connections")) {
    hop->set_door(Door::closed);
    return {};
  }
  if (words.accept("is silent")) {
    network.partition(between(name));
    return {};
  }
  if (words.accept("is slow by")) {
    PH_TRY(hop->conduct().think, words.duration());
    return {};
  }
  if (words.accept("answers")) return hop_answers(*hop, words);
  if (words.accept("takes")) return hop_takes(*hop, words);
  if (words.accept("offers TLS")) {
    hop->conduct().offers_tls = true;
    return {};
  }
  HopRule rule;
  if (words.accept("stalls at")) {
    rule.act = HopRule::Act::stall;
    return hop_rule(*hop, std::move(rule), words);
  }
  if (words.accept("drops at")) {
    rule.act = HopRule::Act::drop;
    return hop_rule(*hop, std::move(rule), words);
  }
  PH_TRY_STATUS(words.expect("drops after"));
  PH_TRY(hop->conduct().drop_after_bytes, words.number("a number of octets"));
  return words.expect("octets");
}

// CODE [ENHANCED] ["TEXT"] at STEP [for ADDRESS] [N times]
Status Stage::hop_answers(NextHop& hop, Words& words) {
  PH_TRY(HopRule rule, read_answer(words));
  return hop_rule(hop, std::move(rule), words);
}

Result<HopRule> Stage::read_answer(Words& words) {
  HopRule rule;
  PH_TRY(const uint64_t code, words.number("a reply code"));
  if (code < 200 || code > 599) return fail(kBadLine, "a reply code is 200 to 599");
  rule.reply.code = static_cast<uint16_t>(code);
  rule.reply.text = "as the scenario says";
  if (const auto enhanced = smtp::parse_enhanced_code(words.peek())) {
    rule.reply.enhanced = *enhanced;
    PH_TRY_STATUS(words.expect(std::string(words.peek())));
  }
  if (words.peek() != "at") {
    PH_TRY(rule.reply.text, words.word("the reply's text"));
  }
  PH_TRY_STATUS(words.expect("at"));
  return rule;
}

Status Stage::hop_rule(NextHop& hop, HopRule unplaced, Words& words) {
  PH_TRY(HopRule rule, read_place(std::move(unplaced), words));
  std::vector<HopRule>& rules = hop.conduct().rules;
  rules.insert(rules.begin(), std::move(rule));  // the newest first
  return {};
}

// STEP [for ADDRESS] [once|N times]
Result<HopRule> Stage::read_place(HopRule rule, Words& words) {
  PH_TRY(const std::string name, words.word("a step"));
  const auto step = hop_step_named(name);
  if (!step) {
    return fail(
        kBadLine,
        "steps are greeting, hello, tls, handshake, sender, recipient, data and final, not " +
            name);
  }
  rule.step = *step;
  if (words.accept("for")) {
    PH_TRY(rule.recipient, words.word("an address"));
  }
  if (words.accept("once")) {
    rule.times = 1;
  } else if (!words.at_end()) {
    PH_TRY(rule.times, words.number("how many times"));
    PH_TRY_STATUS(words.expect("times"));
  }
  return rule;
}

Status Stage::on_dns(Words& words) {
  using Kind = rt_sim::DnsFault::Kind;
  PH_TRY(const std::string name, words.word("a domain"));
  rt_sim::Dns& dns = world().simulation().dns();
  if (words.accept("fails")) {
    dns.set_fault(name, {Kind::server_failure, {}});
  } else if (words.accept("is silent")) {
    dns.set_fault(name, {Kind::silence, {}});
  } else if (words.accept("does not exist")) {
    dns.set_fault(name, {Kind::no_such_name, {}});
  } else {
    PH_TRY_STATUS(words.expect("is healthy"));
    dns.heal();
  }
  return {};
}

Status Stage::on_network(Words& words) {
  rt_sim::Network& network = world().simulation().network();
  if (words.accept("is rough")) {
    network.set_profile(rt_sim::FaultProfile::rough());
    return {};
  }
  PH_TRY_STATUS(words.expect("is healthy"));
  network.heal();
  return {};
}

// ---- what happens ----

// [of N octets] [with N header fields]
Status Stage::read_size(Letter& letter, Words& words) {
  if (words.accept("of")) {
    PH_TRY(letter.size_bytes, words.number("a number of octets"));
    PH_TRY_STATUS(words.expect("octets"));
  }
  if (words.accept("with")) {
    PH_TRY(letter.own_fields, words.number("a number of header fields"));
    PH_TRY_STATUS(words.expect("header fields"));
  }
  return {};
}

// send M from A to B, C [of N octets] [with N header fields]
Status Stage::on_send(Words& words) {
  const auto count = parse_u64(words.peek());
  if (count.has_value()) return send_letters(*count, words);
  Letter letter;
  PH_TRY(letter.marker, words.word("the letter's name"));
  PH_TRY_STATUS(words.expect("from"));
  PH_TRY(letter.sender, words.word("an address or <>"));
  if (letter.sender == "<>") letter.sender.clear();
  PH_TRY_STATUS(words.expect("to"));
  PH_TRY(letter.recipients, words.list("an address"));
  PH_TRY_STATUS(read_size(letter, words));
  return send_letter(std::move(letter));
}

Status Stage::send_letter(Letter letter) {
  PH_TRY_STATUS(started());
  if (world().sent().contains(letter.marker)) {
    return fail(kBadLine, letter.marker + " was sent already");
  }
  world().send(std::move(letter));
  return {};
}

Status Stage::run_to(Duration when) {
  PH_TRY_STATUS(started());
  const Duration left = when - world().since_start();
  if (left < Duration()) return fail(kBadLine, "that time is over");
  if (!watched_.has_value()) {
    world().simulation().run_for(left);
    return {};
  }
  while (world().since_start() < when) {
    world().simulation().run_for(std::min(watched_->every, when - world().since_start()));
    look_at_crowd();
  }
  return {};
}

Status Stage::on_at(Words& words) {
  PH_TRY(const Duration when, words.duration());
  return run_to(when);
}

Status Stage::on_after(Words& words) {
  PH_TRY(const Duration length, words.duration());
  PH_TRY_STATUS(started());
  return run_to(world().since_start() + length);
}

// kill server [before|behind commit N]: at its N-th commit from now.
Status Stage::on_kill(Words& words) {
  PH_TRY_STATUS(words.expect("server"));
  PH_TRY_STATUS(started());
  using Phase = kv_mem::CrashPoint::Phase;
  std::optional<Phase> phase;
  if (words.accept("before commit")) phase = Phase::before_durable;
  if (words.accept("behind commit")) phase = Phase::before_answer;
  if (!phase) {
    world().kill_server(rt_sim::Crash::process);
    return {};
  }
  PH_TRY(const uint64_t commit, words.number("a number of commits"));
  if (commit == 0) return fail(kBadLine, "commits count from 1");
  world().kill_server_at_commit(commit - 1, *phase);
  return {};
}

Status Stage::on_power(Words& words) {
  PH_TRY_STATUS(words.expect("fails"));
  PH_TRY_STATUS(started());
  world().kill_server(rt_sim::Crash::power);
  return {};
}

Status Stage::on_restart(Words& words) {
  PH_TRY_STATUS(words.expect("server"));
  PH_TRY_STATUS(started());
  world().restart_server();
  return {};
}

Status Stage::on_disk(Words& words) {
  kv_mem::MemDisk& disk = world().disk();
  if (words.accept("is full")) {
    disk.set_space(kv_mem::Space::none);
  } else if (words.accept("is nearly full")) {
    disk.set_space(kv_mem::Space::reserve);
  } else if (words.accept("stalls for")) {
    PH_TRY(const Duration length, words.duration());
    disk.stall_for(length);
  } else if (words.accept("fails")) {
    PH_TRY(const uint64_t commits, words.number("a number of commits"));
    PH_TRY_STATUS(words.expect("commits"));
    disk.fail_next(commits);
  } else {
    PH_TRY_STATUS(words.expect("is healthy"));
    disk.set_space(kv_mem::Space::plenty);
    disk.fail_next(0);
  }
  return {};
}

// clock steps forward|back by D
Status Stage::on_clock(Words& words) {
  PH_TRY_STATUS(words.expect("steps"));
  const bool back = words.accept("back");
  if (!back) PH_TRY_STATUS(words.expect("forward"));
  PH_TRY_STATUS(words.expect("by"));
  PH_TRY(const Duration by, words.duration());
  world().simulation().step_wall(back ? Duration() - by : by);
  return {};
}

// admin hold|release|retry|remove M
Status Stage::on_admin(Words& words) {
  PH_TRY(const std::string command, words.word("a command"));
  queue::ControlRequest request;
  if (command == "hold") {
    request.command = queue::Command::hold;
  } else if (command == "release") {
    request.command = queue::Command::release;
  } else if (command == "retry") {
    request.command = queue::Command::retry;
  } else if (command == "remove") {
    request.command = queue::Command::remove;
  } else {
    return fail(kBadLine, "commands are hold, release, retry and remove");
  }
  request.by = "scenario";
  PH_TRY(const std::string marker, words.word("a letter"));
  PH_TRY([[maybe_unused]] const Sent* const sent, letter_named(marker));
  const std::vector<queue::Explanation> known = world().explain(marker);
  if (known.empty()) {
    failed("the server knows nothing of " + marker);
    return {};
  }
  request.id = known.back().message.id;
  rt::Loop& loop = world().server_loop();
  const auto done = world().ask(
      world().server().queue().control(loop, std::move(request), loop.in(Duration::minutes(1))));
  if (!done.has_value() || !done->has_value()) {
    failed(command + ": " + (done.has_value() ? done->error().to_text() : "no answer"), marker);
  }
  return {};
}

Status Stage::on_why(Words& words) {
  PH_TRY(const std::string marker, words.word("a letter"));
  print_why(marker);
  return {};
}

}  // namespace ph::sim
