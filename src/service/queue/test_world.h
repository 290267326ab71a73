// For tests: a queue on a simulated machine with a disk in memory, and a scripted outside.
//
// The outside (what hops do, what has arrived) and the disk survive kills of the machine.
#pragma once

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "kv_mem/store.h"
#include "rt_sim/simulation.h"
#include "service/queue/options.h"
#include "service/queue/queue.h"

namespace ph::queue::test {

// What a next hop does with the next attempt.
enum class Behaviour : uint8_t {
  take,         // relayed, or delivered on a mailbox lane
  say_451,      // each recipient
  say_550,      // each recipient
  refuse,       // the connection
  lose_answer,  // takes it, but the answer to the final dot is lost
  hang,         // never answers, whatever the deadline
  slow,         // takes it after a while
  say_nothing,  // until the carrier gives up after a while
  throws,       // a defect in the carrier
};

struct Carried {
  Instant when;  // its end
  std::string sender;
  model::Priority priority = model::Priority::normal;
  size_t recipients = 0;
};

struct Hop {
  Behaviour normal = Behaviour::take;
  std::vector<Behaviour> script;  // used up first
  Duration latency_max = Duration::milliseconds(20);
  Duration each;             // what a message takes beyond that
  size_t wanted = SIZE_MAX;  // connections at once; more are turned away (crowded)
  uint64_t connections = 0;  // made
  uint64_t attempted = 0;    // messages
  uint64_t turned_away = 0;  // by `wanted`
  Onward onward = Onward::reports_end_here;
  uint64_t carried = 0;
  size_t open = 0;
  size_t open_most = 0;
  std::vector<Carried> log;
};

struct Outside {
  explicit Outside(uint64_t seed) : random(seed) {}
  std::map<std::string, Hop> hops;  // by lane
  // (queue id, address): how often it has really arrived.
  std::map<std::pair<uint64_t, std::string>, int> arrived;
  std::map<std::string, int> arrived_at;  // by address
  std::map<std::string, std::vector<std::string>> aliases;
  std::set<std::string> dns_dead;      // domains
  std::set<std::string> route_hangs;   // domains: the router breaks its word about deadlines
  std::set<std::string> route_throws;  // domains
  bool report_hangs = false;
  Duration slow_for = Duration::seconds(30);
  size_t reports = 0;
  size_t double_bounces = 0;
  std::map<ReportAction, size_t> told;  // recipients
  Random random;
  // Mailboxes recognise what they have by queue id and recipient.
  bool already_has(model::QueueId id, const std::string& address) const {
    return arrived.contains({id.value, address});
  }
};

// "local": a mailbox; else the lane is "smtp:<domain>".
class ScriptedRouter final : public Router {
 public:
  explicit ScriptedRouter(Outside& outside) : outside_(outside) {}
  rt::Task<Route> route(rt::Loop& loop, const model::Recipient& recipient,
                        const model::Envelope& envelope, rt::Deadline) override {
    const model::Recipient copy = recipient;
    const model::Envelope facts = envelope;
    co_await rt::sleep(loop, loop.in(Duration::milliseconds(5)), "a scripted route");
    const std::string domain(model::domain_of(copy.address));
    while (outside_.route_hangs.contains(domain)) {
      co_await rt::sleep(loop, loop.in(Duration::hours(1)), "nothing, for ever");
    }
    if (outside_.route_throws.contains(domain)) throw std::runtime_error("on purpose");
    co_return answer(copy);
  }
  std::optional<Route> peek(const model::Recipient& recipient, const model::Envelope&) override {
    const std::string domain(model::domain_of(recipient.address));
    const bool broken =
        outside_.route_hangs.contains(domain) || outside_.route_throws.contains(domain);
    if (!peeks || broken) return std::nullopt;
    return answer(recipient);
  }
  bool peeks = true;

 private:
  Route answer(const model::Recipient& recipient) {
    Route route;
    const std::string domain(model::domain_of(recipient.address));
    if (const auto alias = outside_.aliases.find(recipient.address);
        alias != outside_.aliases.end()) {
      route.kind = Route::Kind::expand;
      route.members = alias->second;
    } else if (outside_.dns_dead.contains(domain)) {
      route.kind = Route::Kind::not_now;
      route.reason = model::QueueReason::dns_failure;
      route.reply.text = "no answer from DNS";
    } else if (domain == "local.example") {
      route.hop = {.lane = "local", .kind = HopKind::mailbox, .hosts = {}, .login = {}};
      route.mailbox = 7;
    } else {
      route.hop = {.lane = "smtp:" + domain, .kind = HopKind::smtp, .hosts = {}, .login = {}};
    }
    return route;
  }
  Outside& outside_;
};

class ScriptedSession final : public CarrierSession {
 public:
  ScriptedSession(rt::Loop& loop, Outside& outside, Hop& hop)
      : loop_(loop), outside_(outside), hop_(hop) {}
  ~ScriptedSession() override { hop_.open -= connected_ ? 1 : 0; }

  rt::Task<CarryResult> carry(CarryWork work, const NextHop& to, rt::Deadline deadline) override {
    Behaviour does = hop_.normal;
    if (!hop_.script.empty()) {
      does = hop_.script.front();
      hop_.script.erase(hop_.script.begin());
    }
    const HopKind kind = to.kind;
    ++hop_.attempted;
    co_await pause();
    CarryResult result;
    if (!connected_ && hop_.open >= hop_.wanted) {
      ++hop_.turned_away;
      result.crowded = true;
      result.lane_fault = model::QueueReason::peer_4xx;
      result.fault = {.stage = model::Stage::connect, .code = 421, .text = "too many connections"};
      co_return result;
    }
    if (does == Behaviour::refuse) {
      result.lane_fault = model::QueueReason::connection_refused;
      result.fault = {.stage = model::Stage::connect, .text = "connection refused"};
      co_return result;
    }
    connect();
    if (does == Behaviour::hang) {
      while (true) co_await rt::sleep(loop_, loop_.in(Duration::hours(1)), "nothing, for ever");
    }
    if (does == Behaviour::slow) {
      co_await rt::sleep(loop_, loop_.in(outside_.slow_for), "a slow hop");
    }
    if (does == Behaviour::throws) throw std::runtime_error("on purpose");
    if (does == Behaviour::say_nothing) {
      co_await rt::sleep(loop_, loop_.in(outside_.slow_for), "a silent hop");
      result.lane_fault = model::QueueReason::timed_out;
      result.fault = {.stage = model::Stage::greeting, .text = "no answer in time"};
      co_return result;
    }
    if (hop_.each != Duration{}) co_await rt::sleep(loop_, loop_.in(hop_.each), "a slow hop");
    ++hop_.carried;
    hop_.log.push_back(
        {loop_.now(), work.envelope.sender, work.envelope.priority(), work.recipients.size()});
    auto content = co_await work.content.read(loop_, 0, 1 << 20);
    const bool readable = content.has_value() && content->starts_with("Received:");
    for (const CarryRecipient& r : work.recipients) {
      co_await pause();
      RecipientOutcome outcome{.index = r.index};
      outcome.reply = {.stage = model::Stage::recipient, .code = 250, .text = "ok"};
      if (!readable) {
        outcome.verdict = CarryVerdict::transient;
        outcome.reason = model::QueueReason::message_unreadable;
      } else if (does == Behaviour::say_451) {
        outcome.verdict = CarryVerdict::transient;
        outcome.reply = {.stage = model::Stage::recipient, .code = 451, .text = "try later"};
      } else if (does == Behaviour::say_550) {
        outcome.verdict = CarryVerdict::permanent;
        outcome.reason = model::QueueReason::peer_5xx;
        outcome.reply = {.stage = model::Stage::recipient,
                         .code = 550,
                         .enhanced = {5, 1, 1},
                         .text = "no such user"};
      } else {
        arrive(work.id, r.recipient.address, kind);
        outcome.onward = hop_.onward;
        outcome.verdict =
            kind == HopKind::mailbox ? CarryVerdict::delivered : CarryVerdict::relayed;
        if (does == Behaviour::lose_answer) {
          outcome.verdict = CarryVerdict::transient;
          outcome.reason = model::QueueReason::maybe_delivered;
        }
      }
      result.outcomes.push_back(std::move(outcome));
    }
    co_await pause();
    if (does == Behaviour::lose_answer) {
      result.lane_fault = model::QueueReason::connection_lost;
      result.fault = {.stage = model::Stage::final, .text = "connection lost after the final dot"};
    }
    co_return result;
  }
  rt::Task<void> close(rt::Deadline) override { co_return; }

 private:
  void connect() {
    if (std::exchange(connected_, true)) return;
    ++hop_.connections;
    ++hop_.open;
    hop_.open_most = std::max(hop_.open_most, hop_.open);
  }
  rt::ParkAwaiter pause() {
    const Duration d = outside_.random.between(Duration::microseconds(10), hop_.latency_max);
    return rt::sleep(loop_, loop_.in(d), "a scripted hop");
  }
  void arrive(model::QueueId id, const std::string& address, HopKind kind) {
    if (kind == HopKind::mailbox && outside_.already_has(id, address)) return;
    ++outside_.arrived[{id.value, address}];
    ++outside_.arrived_at[address];
  }
  rt::Loop& loop_;
  Outside& outside_;
  Hop& hop_;
  bool connected_ = false;
};

class ScriptedCarriers final : public Carriers {
 public:
  explicit ScriptedCarriers(Outside& outside) : outside_(outside) {}
  std::unique_ptr<CarrierSession> open(rt::Loop& loop, const NextHop& hop) override {
    return std::make_unique<ScriptedSession>(loop, outside_, outside_.hops[hop.lane]);
  }

 private:
  Outside& outside_;
};

// What a report tells, as its subject: "failed a@b.example, delayed c@d.example". Kept with the
// message, so that a test can ask what was really told.
inline std::string subject_of(const ReportWork& work) {
  constexpr std::string_view kWords[] = {"failed", "delayed", "delivered", "relayed", "expanded"};
  std::string out;
  for (const ReportedRow& told : work.rows) {
    if (!out.empty()) out += ", ";
    out += std::string(kWords[static_cast<size_t>(told.action)]) + ' ' + told.row.recipient.address;
  }
  return out;
}

class ScriptedReporter final : public Reporter {
 public:
  explicit ScriptedReporter(Outside& outside) : outside_(outside) {}
  rt::Task<Report> write(rt::Loop& loop, ReportWork work, rt::Deadline) override {
    while (outside_.report_hangs) {
      co_await rt::sleep(loop, loop.in(Duration::hours(1)), "nothing, for ever");
    }
    for (const ReportedRow& told : work.rows) ++outside_.told[told.action];
    ++(work.to == ReportTo::sender ? outside_.reports : outside_.double_bounces);
    std::string text = "Received: report\r\n\r\n";
    for (const auto& row : work.rows) text += row.row.recipient.address + "\r\n";
    Report report;
    report.subject = subject_of(work);
    report.bytes = std::make_shared<const std::string>(std::move(text));
    report.message_id = "report." + model::to_text(work.id);
    if (work.to == ReportTo::postmaster) report.recipient = "postmaster@local.example";
    co_return report;
  }

 private:
  Outside& outside_;
};

// Keeps the errors, so that a failing test can show them.
class ErrorLog final : public obs::Log {
 public:
  bool enabled(obs::Level level) const override { return level >= lowest; }
  void write(obs::Level level, std::string_view event,
             std::initializer_list<obs::Field> fields) override {
    if (clock) text += to_iso8601(clock()) + ' ';
    text += obs::format_event(level, event, fields) + '\n';
  }
  obs::Level lowest = obs::Level::error;
  std::function<Time()> clock;
  std::string text;
};

// What runs on the machine and dies with it.
struct Server {
  Server(rt::Runtime& runtime, kv_mem::MemDisk& disk, Outside& outside, config::FixedSource& source,
         obs::Metrics& figures, obs::Log& errors, Defect switched_on = Defect::none)
      : store(disk),
        router(outside),
        carriers(outside),
        reporter(outside),
        settings(source),
        metrics(figures),
        log(errors),
        defect(switched_on),
        boot(*runtime.loops()[0], "boot") {
    boot.spawn("boot", run(runtime));
  }
  rt::Task<void> run(rt::Runtime& runtime) {
    auto opened = co_await Queue::open(
        {.runtime = runtime,
         .store = store,
         .log = log,
         .metrics = metrics,
         .router = router,
         .carriers = carriers,
         .reporter = reporter,
         .settings = [this](const rt::Loop&) -> config::Source& { return settings; },
         .defect = defect},
        *runtime.loops()[0]);
    if (!opened.has_value()) co_return;
    queue = std::move(*opened);
    queue->start();
  }

  kv_mem::MemStore store;
  ScriptedRouter router;
  ScriptedCarriers carriers;
  ScriptedReporter reporter;
  config::FixedSource& settings;
  obs::Metrics& metrics;
  obs::Log& log;
  Defect defect;
  std::unique_ptr<Queue> queue;
  rt::Scope boot;
};

inline NewMessage message_to(std::vector<std::string> addresses, std::string id = "a@b") {
  NewMessage message;
  message.envelope.sender = "sender@else.example";
  message.message_id = "<" + id + ">";
  for (std::string& address : addresses) {
    message.recipients.push_back({.address = std::move(address)});
  }
  message.raw = std::make_shared<const std::string>("Received: here\r\nMessage-ID: <" + id +
                                                    ">\r\n\r\nHello " + id + "\r\n");
  return message;
}

struct World {
  static kv_mem::MemDiskOptions disk_options(uint64_t seed) {
    kv_mem::MemDiskOptions options;
    options.seed = seed;
    return options;
  }
  explicit World(uint64_t seed = 1, size_t loops = 1, Defect switched_on = Defect::none)
      : defect(switched_on),
        disk(disk_options(seed)),
        outside(seed * 31 + 7),
        sim(seed),
        host(sim.add_host({.name = "mx", .loops = loops})) {
    add_settings(schema);
    log.clock = [this] { return sim.wall(); };
    start();
  }
  void start() {
    host.start([this](rt::Runtime& runtime) {
      return std::make_shared<Server>(runtime, disk, outside, settings, metrics, log, defect);
    });
    wait_for_start();
  }
  void wait_for_start() {
    sim.run_until([this] { return server() != nullptr && server()->queue != nullptr; },
                  Duration::minutes(10));
  }
  // The machine dies: of what was not synced, a part survives.
  void crash_and_restart() {
    disk.crash(sim.random());
    host.restart();
    wait_for_start();
  }
  void set(std::string_view name, std::string_view value) {
    auto next = settings.current().with(schema, name, value);
    settings.set(std::move(*next));
  }
  Server* server() { return host.program<Server>(); }
  Queue& queue() { return *server()->queue; }
  rt::Loop& loop() { return host.loop(0); }
  rt::Deadline soon() { return loop().in(Duration::minutes(5)); }

  Result<model::QueueId> accept(NewMessage message) {
    auto answer = sim.await(loop(), queue().accept(loop(), std::move(message), soon()));
    if (!answer.has_value()) return fail(kBusy, "no answer");
    return *answer;
  }
  Result<Explanation> why(model::QueueId id) {
    auto answer = sim.await(loop(), queue().why(loop(), id, soon()));
    if (!answer.has_value()) return fail(kBusy, "no answer");
    return *answer;
  }
  model::QueueRow row(model::QueueId id, uint32_t index = 0) {
    auto explained = why(id);
    if (!explained.has_value() || explained->rows.size() <= index) return {};
    return explained->rows[index];
  }
  Result<Explanation> control(model::QueueId id, Command command) {
    ControlRequest request{
        .id = id, .recipient = {}, .command = command, .by = "test", .hold_for = {}};
    auto answer = sim.await(loop(), queue().control(loop(), request, soon()));
    if (!answer.has_value()) return fail(kBusy, "no answer");
    return *answer;
  }
  SweepFindings sweep() {
    auto answer = sim.await(loop(), queue().sweep(loop(), soon()));
    if (!answer.has_value() || !answer->has_value()) return {.undecodable = 999};
    return **answer;
  }
  std::map<model::QueueState, uint64_t> states() {
    std::map<model::QueueState, uint64_t> out;
    auto answer = sim.await(loop(), queue().counts(loop(), soon()));
    if (answer.has_value() && answer->has_value()) {
      for (const StateCount& count : **answer) out[count.state] += count.rows;
    }
    return out;
  }
  uint64_t resting() {
    uint64_t out = 0;
    for (const auto& [state, rows] : states()) out += model::is_end(state) ? 0 : rows;
    return out;
  }
  int64_t hits() { return metrics.value("posthorn_auditor_hits"); }
  Hop& hop(const std::string& lane) { return outside.hops[lane]; }

  Defect defect = Defect::none;  // of the next start
  // Restarts with a defect on purpose.
  void restart_with(Defect with) {
    defect = with;
    host.restart(rt_sim::Crash::process);
    wait_for_start();
  }

  int tools = 0;  // hosts that edit the disk while the machine is down
  kv_mem::MemDisk disk;
  Outside outside;
  config::Schema schema;
  config::FixedSource settings;
  obs::Metrics metrics;
  ErrorLog log;
  rt_sim::Simulation sim;
  rt_sim::Host& host;
};

}  // namespace ph::queue::test
