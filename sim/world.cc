#include "sim/world.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "app/options.h"
#include "base/check.h"
#include "state/settings/settings.h"
#include "state/store/mailboxes.h"

namespace ph::sim {
namespace {

constexpr Duration kBootMax = Duration::minutes(2);
constexpr Duration kBootAgain = Duration::seconds(5);
constexpr Duration kReadMax = Duration::minutes(2);
constexpr uint64_t kReadBytes = 64 * 1024;

kv_mem::MemDiskOptions disk_options(const WorldOptions& options) {
  kv_mem::MemDiskOptions out;
  out.seed = options.seed;
  out.read_max = options.disk_read_max;
  return out;
}

std::shared_ptr<const tls::Context> no_trust() {
  auto made = tls::Context::client({});
  PH_CHECK(made.has_value());
  return std::make_shared<const tls::Context>(std::move(*made));
}

rt::Task<Status> read_folder(store::Mailbox& mailbox, store::FolderId folder,
                             std::vector<std::string>& out, rt::Deadline deadline) {
  PH_CO_TRY(const auto view,
            co_await mailbox.open_view(folder, store::Access::read_only, deadline));
  for (size_t place = 1; place <= view->uids().size(); ++place) {
    const auto message = view->message(view->uids().at(place));
    if (!message) continue;
    PH_CO_TRY(const kv::BlobBytes bytes,
              co_await mailbox.bytes(message->id, 0, kReadBytes, deadline));
    out.push_back(*bytes);
  }
  co_return Status();
}

rt::Task<Result<std::vector<std::string>>> read_mailbox(store::Mailbox& mailbox,
                                                        rt::Deadline deadline) {
  std::vector<std::string> out;
  for (const store::Folder& folder : mailbox.folders()) {
    if (!folder.selectable || folder.role == store::Role::outbox) continue;
    PH_CO_TRY_STATUS(co_await read_folder(mailbox, folder.id, out, deadline));
  }
  co_return out;
}

rt::Task<Result<std::vector<std::string>>> read_account(app::Server& server, rt::Loop& loop,
                                                        store::MailboxId id) {
  const rt::Deadline deadline = loop.in(kReadMax);
  auto use = [deadline](store::Mailbox& mailbox) { return read_mailbox(mailbox, deadline); };
  co_return co_await server.mailboxes().with(loop, id, "a look into the mailbox", std::move(use),
                                             deadline);
}

rt::Task<std::vector<queue::Explanation>> explain_all(app::Server& server, rt::Loop& loop,
                                                      std::string message_id) {
  constexpr size_t kMessagesMax = 16;
  const rt::Deadline deadline = loop.in(kReadMax);
  std::vector<queue::Explanation> out;
  const auto ids = co_await server.queue().find(loop, message_id, kMessagesMax, deadline);
  if (!ids.has_value()) co_return out;
  for (const model::QueueId id : *ids) {
    auto explanation = co_await server.queue().why(loop, id, deadline);
    if (explanation.has_value()) out.push_back(std::move(*explanation));
  }
  co_return out;
}

}  // namespace

class World::WorldLog final : public obs::Log {
 public:
  explicit WorldLog(World& world) : world_(world) {}
  bool enabled(obs::Level level) const override {
    return world_.options_.say != nullptr && level >= world_.options_.say_log_from;
  }
  void write(obs::Level level, std::string_view event,
             std::initializer_list<obs::Field> fields) override {
    if (enabled(level)) world_.say("server", obs::format_event(level, event, fields));
  }

 private:
  World& world_;
};

// What runs on the server's host. The order of members is the order of their ends, backwards.
struct World::Program {
  Program(World& world, rt::Runtime& runtime)
      : store(world.disk_),
        server({runtime, store, world.schema_, *world.log_, metrics, {nullptr, world.trust_}, {}}),
        scope(*runtime.loops().front(), "server") {}
  kv_mem::MemStore store;
  obs::Metrics metrics;
  app::Server server;
  rt::Scope scope;
  bool serving = false;
};

World::World(WorldOptions options)
    : options_(std::move(options)),
      disk_(disk_options(options_)),
      trust_(no_trust()),
      log_(std::make_unique<WorldLog>(*this)),
      simulation_(std::make_unique<rt_sim::Simulation>(options_.seed, options_.simulation)) {
  app::add_all_settings(schema_);
  server_host_ =
      &simulation_->add_host({.name = std::string(kServerHost), .loops = options_.server_loops});
  client_host_ = &simulation_->add_host({.name = "client", .loops = 1});
  simulation_->dns().add_mx(kLocalDomain, 10, std::string(kServerHost));
  simulation_->dns().add_address(kServerHost, server_host_->ipv4());
  disk_.set_hook([this](const kv_mem::CrashPoint& point) { on_commit(point); });
  started_at_ = simulation_->now();
  first_settings_ = {{std::string(app::kHostName.name), std::string(kServerHost)},
                     {std::string(app::kListenSmtp.name), server_host_->ipv4() + ":25"},
                     {std::string(app::kListenSubmission.name), ""},
                     {std::string(app::kListenSubmissions.name), ""},
                     {std::string(app::kListenImap.name), ""},
                     {std::string(app::kListenImaps.name), ""},
                     {"smtp.relay_networks", "10.0.0.0/8"}};
}

// Programs end first (they use hops, disk and log), then what they used.
World::~World() { simulation_.reset(); }

Duration World::since_start() const { return simulation_->now() - started_at_; }

void World::say(std::string_view who, std::string_view what) {
  if (options_.say == nullptr) return;
  const Duration t = since_start();
  options_.say(fmt::format("{:3}:{:02}:{:02}.{:03}  {}: {}", t.s() / 3600, t.s() / 60 % 60,
                           t.s() % 60, t.ms() % 1000, who, what));
}

World::Program* World::program() const { return server_host_->program<Program>(); }

bool World::is_serving() const { return program() != nullptr && program()->serving; }

app::Server& World::server() {
  PH_CHECK(is_serving());
  return program()->server;
}

// ---- life ----

rt::Task<Status> World::furnish(rt::Runtime& runtime, kv::Store& store) {
  rt::Loop& loop = *runtime.loops().front();
  const rt::Deadline deadline = loop.in(kBootMax);
  const settings::SettingsPorts ports{runtime, store, schema_, *log_};
  PH_CO_TRY(const auto settings, co_await settings::Settings::open(ports, loop, {}));
  for (const auto& [name, value] : first_settings_) {
    PH_CO_TRY_STATUS(co_await settings->set(name, value, "world", deadline));
  }
  PH_CO_TRY(const auto directory, co_await directory::Directory::open(store, loop));
  PH_CO_TRY_STATUS(co_await directory->add_domain(std::string(kLocalDomain), deadline));
  for (const std::string& address : first_accounts_) {
    PH_CO_TRY_STATUS(co_await directory->add_account(address, deadline));
  }
  for (const directory::Alias& alias : first_aliases_) {
    PH_CO_TRY_STATUS(co_await directory->add_alias(alias, deadline));
  }
  furnished_ = true;
  co_return Status();
}

rt::Task<void> World::boot(Program& program) {
  Status done;
  if (!furnished_) done = co_await furnish(server_host_->runtime(), program.store);
  if (done.has_value()) done = co_await program.server.start(program.scope.loop().in(kBootMax));
  if (done.has_value()) {
    program.serving = true;
    say("server", "serves");
    co_return;
  }
  // As a service supervisor does. A start that fails by itself shows in start()'s error.
  say("server", "did not start: " + done.error().to_text());
  simulation_->after(kBootAgain, [this, before = server_host_->starts()] {
    if (server_host_->starts() == before && server_host_->up()) restart_server();
  });
}

Status World::start() {
  server_host_->start([this](rt::Runtime& runtime) {
    auto program = std::make_shared<Program>(*this, runtime);
    program->scope.spawn("boot", boot(*program));
    return program;
  });
  simulation_->run_until([this] { return is_serving(); }, Duration::minutes(1));
  if (!is_serving()) return fail(rt::kTimedOut, "the server does not start");
  return {};
}

void World::kill_server(rt_sim::Crash crash) {
  if (!server_host_->up()) return;
  say("server", crash == rt_sim::Crash::power ? "loses power" : "is killed");
  if (is_serving()) former_defects_ = defects_counted();
  if (crash == rt_sim::Crash::power) {
    Random random = simulation_->random().fork();
    disk_.crash(random);
  }
  server_host_->kill(crash);
}

void World::restart_server() {
  if (server_host_->up()) kill_server(rt_sim::Crash::process);
  say("server", "starts");
  server_host_->restart();
}

void World::kill_server_at_commit(uint64_t commits_from_now, kv_mem::CrashPoint::Phase phase) {
  commits_to_kill_ = commits_from_now + 1;
  kill_phase_ = phase;
}

void World::on_commit(const kv_mem::CrashPoint& point) {
  if (commits_to_kill_ == 0 || point.phase != kill_phase_ || !is_serving()) return;
  if (--commits_to_kill_ > 0) return;
  say("server", "loses power in a commit of " + point.partition);
  former_defects_ = defects_counted();
  Random random = simulation_->random().fork();
  disk_.crash(random);
  server_host_->kill(rt_sim::Crash::power);
}

int64_t World::defects_counted() const {
  const int64_t now = is_serving() ? program()->metrics.value("posthorn_auditor_hits") : 0;
  return former_defects_ + now;
}

// ---- furniture ----

Status World::set(std::string name, std::string value) {
  const Result<std::string> problem = schema_.problem_with(name, value);
  if (!problem.has_value()) return problem.error();
  if (!problem->empty()) return fail(config::kBadValue, name + ": " + *problem);
  if (!furnished_) {
    first_settings_.emplace_back(std::move(name), std::move(value));
    return {};
  }
  if (!is_serving()) return fail(rt::kClosed, "the server is down");
  rt::Task<Status> task = server().settings().set(std::move(name), std::move(value), "world",
                                                  server_loop().in(kReadMax));
  return ask(std::move(task)).value_or(fail(rt::kTimedOut));
}

Status World::add_account(std::string address) {
  if (!furnished_) {
    first_accounts_.push_back(std::move(address));
    return {};
  }
  if (!is_serving()) return fail(rt::kClosed, "the server is down");
  auto added =
      ask(server().directory().add_account(std::move(address), server_loop().in(kReadMax)));
  if (!added.has_value()) return fail(rt::kTimedOut);
  return added->has_value() ? Status() : Status(std::move(*added).error());
}

Status World::add_alias(directory::Alias alias) {
  if (!furnished_) {
    first_aliases_.push_back(std::move(alias));
    return {};
  }
  if (!is_serving()) return fail(rt::kClosed, "the server is down");
  rt::Task<Status> task =
      server().directory().add_alias(std::move(alias), server_loop().in(kReadMax));
  return ask(std::move(task)).value_or(fail(rt::kTimedOut));
}

NextHop& World::add_hop(std::string name, const std::vector<std::string>& domains,
                        uint16_t preference) {
  rt_sim::Host& host = simulation_->add_host({.name = name, .loops = 1});
  rt_sim::Dns& dns = simulation_->dns();
  dns.add_address(name, host.ipv4());
  for (const std::string& domain : domains) dns.add_mx(domain, preference, name);
  const uint64_t seed = simulation_->random().next();
  auto hop = std::make_unique<NextHop>(host, seed,
                                       [this, name](const std::string& what) { say(name, what); });
  hop->set_refusal([this, name](uint64_t dials) {
    say(name, "refuses the next " + std::to_string(dials) + " connections");
    rt_sim::Fault refused;
    refused.dial = rt_sim::DialFault::refuse;
    simulation_->network().set_fault({std::string(kServerHost), name}, refused, dials);
  });
  hops_.push_back(std::move(hop));
  return *hops_.back();
}

NextHop* World::find_hop(std::string_view name) {
  const auto at =
      std::ranges::find_if(hops_, [name](const auto& hop) { return hop->name() == name; });
  return at == hops_.end() ? nullptr : at->get();
}

size_t World::taken(std::string_view marker, std::string_view recipient) const {
  size_t count = 0;
  for (const auto& hop : hops_) count += hop->taken(marker, recipient);
  return count;
}

// ---- letters ----

void World::send(Letter letter) {
  const std::string marker = letter.marker;
  PH_CHECK(!sent_.contains(marker));
  sent_[marker] = Sent{std::move(letter), {}, simulation_->now()};
  client_host_->spawn("letter " + marker, send_task(marker));
}

rt::Task<void> World::send_task(std::string marker) {
  Sent& sent = sent_.at(marker);  // a map's entries stay where they are
  sent.injection = co_await inject(client_host_->runtime(), client_host_->loop(),
                                   server_host_->endpoint(kSmtpPort), sent.letter);
  say("client",
      fmt::format("{} is {}: {}", marker, to_text(sent.injection.fate), sent.injection.words));
}

bool World::has_sending() const {
  return std::ranges::any_of(
      sent_, [](const auto& entry) { return entry.second.injection.fate == Fate::sending; });
}

// ---- questions ----

void World::pose(rt::Task<void> task) {
  PH_CHECK(is_serving());
  program()->scope.spawn("a question", std::move(task));
}

bool World::run_asked(const std::function<bool()>& answered, Duration limit) {
  const uint64_t start = server_host_->starts();
  const auto over = [&] {
    return answered() || !server_host_->up() || server_host_->starts() != start;
  };
  simulation_->run_until(over, limit);
  return answered();
}

std::vector<queue::Explanation> World::explain(std::string_view marker) {
  if (!is_serving()) return {};
  auto found = ask(explain_all(server(), server_loop(), message_id_of(marker)));
  return found.has_value() ? std::move(*found) : std::vector<queue::Explanation>();
}

Result<std::vector<std::string>> World::mailbox(std::string_view account) {
  if (!is_serving()) return fail(rt::kClosed, "the server is down");
  const auto known = server().directory().account_of(account);
  if (!known) return fail(directory::kNoSuchEntry, std::string(account) + " has no mailbox");
  auto read = ask(read_account(server(), server_loop(), store::MailboxId{known->id.value}));
  if (!read.has_value()) return fail(rt::kTimedOut, "the mailbox does not answer");
  return std::move(*read);
}

}  // namespace ph::sim
