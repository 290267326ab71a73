#include "app/program/commands.h"

#include <csignal>
#include <cstdio>
#include <filesystem>
#include <utility>

#include "app/data_folder.h"
#include "app/options.h"
#include "app/program/demo_hop.h"
#include "app/program/stderr_log.h"
#include "app/server.h"
#include "base/text.h"
#include "kv_rocks/store.h"
#include "rt_real/runtime.h"
#include "sim/scenario.h"

namespace ph::app {
namespace {

constexpr Duration kStartMax = Duration::minutes(2);
constexpr Duration kStopMax = Duration::seconds(20);
const std::vector<int> kEndingSignals = {SIGINT, SIGTERM};
constexpr uint16_t kDemoHopPort = 2526;
constexpr ErrorKind kBadAssignment{"app", "bad_assignment", Disposition::permanent};

// For commands that do one thing.
rt_real::RealOptions one_loop() {
  rt_real::RealOptions options;
  options.loops = 1;
  return options;
}

int complain(const Error& error) {
  std::fprintf(stderr, "posthorn: %s\n",
               error.context().empty() ? error.to_text().c_str() : error.context().c_str());
  return 1;
}

Result<std::unique_ptr<kv::Store>> open_store(rt::Runtime& runtime, const DataFolder& folder) {
  kv_rocks::RocksOptions options;
  options.folder = folder.store();
  return kv_rocks::open_rocks(runtime, std::move(options));
}

// Runs one task on the first loop, then ends the runtime.
rt::Task<void> run_and_stop(rt_real::RealRuntime& runtime, rt::Task<Status> task, Status& out) {
  out = co_await task;
  runtime.stop();
}

Status run_once(rt_real::RealRuntime& runtime, rt::Task<Status> task) {
  Status out = fail(kNoFolder, "the command did not come to an end");
  {
    rt::Scope scope(*runtime.loops().front(), "command");
    scope.spawn("command", run_and_stop(runtime, std::move(task), out));
    PH_TRY_STATUS(runtime.run());
  }
  return out;
}

// What a serving process holds, in the order of its making; destroyed in the reverse order.
struct Process {
  config::Schema schema;
  StderrLog log;
  obs::Metrics metrics;
  std::unique_ptr<rt_real::RealRuntime> runtime;
  std::unique_ptr<kv::Store> store;
  std::unique_ptr<Server> server;
  std::unique_ptr<DemoHop> hop;

  Process() { add_all_settings(schema); }
  Status make(const DataFolder& folder);
};

Status Process::make(const DataFolder& folder) {
  PH_TRY(runtime, rt_real::RealRuntime::create({.signals = kEndingSignals}));
  PH_TRY(Identity identity, load_identity(runtime->files(), folder));
  PH_TRY(store, open_store(*runtime, folder));
  server = std::make_unique<Server>(ServerPorts{*runtime, *store, schema, log, metrics,
                                                std::move(identity), folder.control_socket()});
  return {};
}

// Starts, then lives until a signal; a second signal ends it at once.
rt::Task<void> serve_until_signal(Process& process, rt::Parking& signalled, rt::Callback ready,
                                  Status& out) {
  rt::Loop& loop = *process.runtime->loops().front();
  out = co_await process.server->start(loop.in(kStartMax));
  if (out.has_value()) {
    ready();
    rt::Woken woken = rt::Woken::deadline;
    while (woken == rt::Woken::deadline) {
      woken = co_await signalled.park(loop.in(rt::kIdleRecheck), "a signal to stop");
    }
    const Status stopped = co_await process.server->stop(loop.in(kStopMax));
    if (!stopped.has_value())
      process.log.warning("server.stop", {{"why", stopped.error().to_text()}});
  }
  process.runtime->stop();
}

int serve(Process& process, rt::Callback ready) {
  Status out;
  {
    rt::Loop& loop = *process.runtime->loops().front();
    rt::Parking signalled(loop);
    bool once = false;
    const auto on_signal = [&](int) {
      if (std::exchange(once, true)) process.runtime->stop();
      signalled.wake();
    };
    const Status signals = process.runtime->on_signals(on_signal);
    if (!signals.has_value()) return complain(signals.error());
    rt::Scope scope(loop, "server");
    scope.spawn("server", serve_until_signal(process, signalled, std::move(ready), out));
    const Status ran = process.runtime->run();
    if (!ran.has_value()) return complain(ran.error());
  }
  process.hop.reset();
  process.server.reset();
  process.store.reset();
  return out.has_value() ? 0 : complain(out.error());
}

InitRequest demo_request() {
  InitRequest request;
  request.domain = "example.org";
  request.host_name = "localhost";
  request.admin = "postmaster";
  request.admin_password = "postmaster-demo";
  request.accounts = {{"alice@example.org", "alice-demo"}, {"bob@example.org", "bob-demo"}};
  request.settings = {{"listen.smtp", "127.0.0.1:2525"},
                      {"listen.submission", "127.0.0.1:2587"},
                      {"listen.submissions", "127.0.0.1:2465"},
                      {"listen.imap", "127.0.0.1:2143"},
                      {"listen.imaps", "127.0.0.1:2993"},
                      {"listen.metrics", "127.0.0.1:2925"},
                      {"route.smart_host", "127.0.0.1:" + std::to_string(kDemoHopPort)}};
  return request;
}

constexpr const char* kDemoWords = R"(
Posthorn's demo is up, on loopback. Accounts: alice@example.org (password alice-demo) and
bob@example.org (bob-demo). Mail to other domains goes to a built-in next hop that tells below what
it took; recipients defer@... are told to wait there, refuse@... are refused. In another terminal:

  send   swaks --server 127.0.0.1:2587 --tls --auth PLAIN --auth-user alice@example.org \
               --auth-password alice-demo --from alice@example.org --to bob@example.org
  read   curl --insecure --ssl-reqd --user bob@example.org:bob-demo 'imap://127.0.0.1:2143/INBOX;MAILINDEX=1'
  wait   the same as "send", with --to defer@example.net
  watch  curl http://127.0.0.1:2925/metrics
  ask    ./run -- queue list          then: ./run -- why <the ID it shows>

Ctrl-C ends it; the data stays in )";

void demo_ready(const DataFolder& folder) {
  std::printf("%s%s.\n\n", kDemoWords, folder.path.c_str());
  std::fflush(stdout);
}

void demo_taken(const std::string& sender, const std::string& recipients, uint64_t size_bytes) {
  std::printf("The next hop took a message from <%s> to <%s>, %llu octets.\n", sender.c_str(),
              recipients.c_str(), static_cast<unsigned long long>(size_bytes));
  std::fflush(stdout);
}

rt::Task<Status> client_task(rt::Runtime& runtime, cli::Options options, cli::Chosen chosen,
                             int& exit_status) {
  exit_status =
      co_await cli::run(runtime, *runtime.loops().front(), std::move(options), std::move(chosen));
  co_return Status();
}

// `signals`: what the process waits for afterwards; the storage library keeps the threads made
// here.
Status init(const DataFolder& folder, InitRequest request, std::vector<int> signals) {
  config::Schema schema;
  add_all_settings(schema);
  rt_real::RealOptions options = one_loop();
  options.signals = std::move(signals);
  PH_TRY(auto runtime, rt_real::RealRuntime::create(std::move(options)));
  PH_TRY_STATUS(runtime->files().make_folder(folder.path, rt::FileAccess::owner_only));
  PH_TRY(auto store, open_store(*runtime, folder));
  const Status made =
      run_once(*runtime, init_folder(*runtime, *store, schema, folder, std::move(request)));
  store.reset();
  return made;
}

// "name=value" as given to init --set.
Result<std::pair<std::string, std::string>> parse_assignment(const std::string& text) {
  const size_t equals = text.find('=');
  if (equals == 0 || equals == std::string::npos) {
    return fail(kBadAssignment, "'" + printable(text, 200) + "' is no name=value");
  }
  return std::pair{text.substr(0, equals), text.substr(equals + 1)};
}

}  // namespace

bool folder_exists(const std::string& path) {
  std::error_code ignored;
  return std::filesystem::exists(path, ignored);
}

int run_init(const InitArguments& arguments) {
  const DataFolder folder{*arguments.data_folder};
  if (folder_exists(folder.store())) {
    return complain(fail(kFolderInUse, folder.path + " holds a server already"));
  }
  auto runtime = rt_real::RealRuntime::create(one_loop());
  if (!runtime.has_value()) return complain(runtime.error());
  Result<std::string> password = cli::read_password((*runtime)->files(), arguments.password_file);
  if (!password.has_value()) return complain(password.error());
  runtime->reset();
  InitRequest request;
  request.domain = arguments.domain;
  request.host_name = arguments.host_name;
  request.admin = arguments.admin;
  request.admin_password = std::move(*password);
  for (const std::string& text : arguments.settings) {
    Result<std::pair<std::string, std::string>> assignment = parse_assignment(text);
    if (!assignment.has_value()) return complain(assignment.error());
    request.settings.push_back(std::move(*assignment));
  }
  const std::string records = dns_records(request);
  const Status made = init(folder, std::move(request), {});
  if (!made.has_value()) return complain(made.error());
  std::printf("Made %s with the account %s@%s and a self-signed certificate.\n",
              folder.path.c_str(), arguments.admin.c_str(), arguments.domain.c_str());
  std::printf("Publish in DNS:\n\n%s\n", records.c_str());
  std::printf("Then: posthorn serve --data %s\n", folder.path.c_str());
  return 0;
}

int run_serve(const std::string& data_folder) {
  const DataFolder folder{data_folder};
  if (!folder_exists(folder.store())) {
    return complain(fail(kNoFolder, data_folder + " holds no server; make one with posthorn init"));
  }
  Process process;
  const Status made = process.make(folder);
  if (!made.has_value()) return complain(made.error());
  return serve(process, [] {});
}

int run_demo(const std::string& data_folder) {
  const DataFolder folder{data_folder};
  if (!folder_exists(folder.store())) {
    const Status made = init(folder, demo_request(), kEndingSignals);
    if (!made.has_value()) return complain(made.error());
  }
  Process process;
  process.log.set_level(obs::Level::warning);
  const Status made = process.make(folder);
  if (!made.has_value()) return complain(made.error());
  process.hop =
      std::make_unique<DemoHop>(*process.runtime, *process.runtime->loops().front(), demo_taken);
  const Status listens = process.hop->listen(*rt::endpoint_of("127.0.0.1", kDemoHopPort));
  if (!listens.has_value()) return complain(listens.error());
  return serve(process, [folder] { demo_ready(folder); });
}

int run_client(const cli::Options& options, const cli::Chosen& chosen) {
  auto runtime = rt_real::RealRuntime::create(one_loop());
  if (!runtime.has_value()) return complain(runtime.error());
  int exit_status = 1;
  const Status ran = run_once(**runtime, client_task(**runtime, options, chosen, exit_status));
  return ran.has_value() ? exit_status : complain(ran.error());
}

}  // namespace ph::app
