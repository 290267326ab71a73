// The World: a whole Posthorn server, clients and next hops in the simulator, by one seed.
//
//   World world({.seed = 7});
//   world.set("queue.schedule", "10 s, 1 min");
//   world.add_account("alice@example.org");
//   world.add_hop("mx.example.net", {"example.net"});
//   world.start();
//   world.send({"m1", "alice@example.org", {"carol@example.net"}});
//   world.simulation().run_for(Duration::minutes(1));
//   EXPECT_EQ(world.hop("mx.example.net").taken("m1", ""), 1);
//
// The server is app::Server as main() runs it, on a MemStore whose disk outlives it. kill_server()
// loses what a machine loses: everything in memory, and of the commits that nobody was told of,
// any. What the world knows for itself (which letters got 250, what the hops took) is what the
// server's word is compared with. All calls are made between two steps of the simulation; those
// marked "runs" let virtual time pass.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "app/server.h"
#include "codec/tls/context.h"
#include "config/setting.h"
#include "kv_mem/store.h"
#include "obs/log.h"
#include "obs/metrics.h"
#include "rt_sim/simulation.h"
#include "service/queue/queue.h"
#include "sim/letter.h"
#include "sim/next_hop.h"
#include "state/directory/directory.h"

namespace ph::sim {

inline constexpr std::string_view kServerHost = "mail.example.org";
inline constexpr std::string_view kLocalDomain = "example.org";

struct WorldOptions {
  uint64_t seed = 1;
  size_t server_loops = 2;
  // Everything that happens, one line each, with its time since start(); none: nothing is said.
  std::function<void(const std::string&)> say = nullptr;
  obs::Level say_log_from = obs::Level::warning;  // of the server's own log
  Duration disk_read_max = {};                    // reads wait a random time up to this
  rt_sim::SimulationOptions simulation = {};
};

struct Sent {
  Letter letter;
  Injection injection;
  Instant at;
};

class World {
 public:
  explicit World(WorldOptions options);
  ~World();
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  rt_sim::Simulation& simulation() { return *simulation_; }
  kv_mem::MemDisk& disk() { return disk_; }
  rt_sim::Host& server_host() { return *server_host_; }
  Duration since_start() const;
  void say(std::string_view who, std::string_view what);

  // Before start() these are what the server begins with; afterwards they ask the running server
  // ("runs"), and the answer is its error.
  Status set(std::string name, std::string value);
  Status add_account(std::string address);
  Status add_alias(directory::Alias alias);

  // The hop's host, and an MX record of this preference for each domain.
  NextHop& add_hop(std::string name, const std::vector<std::string>& domains,
                   uint16_t preference = 10);
  NextHop* find_hop(std::string_view name);
  const std::vector<std::unique_ptr<NextHop>>& hops() const { return hops_; }
  // How often all hops together took this letter for this recipient.
  size_t taken(std::string_view marker, std::string_view recipient) const;

  // Runs until the server serves; an error when it does not within a minute.
  Status start();
  // power: of the commits that were on their way some may survive. process: none does.
  void kill_server(rt_sim::Crash crash);
  void restart_server();  // serves a moment later; while it runs this is a kill first
  // Kills the server at the disk's n-th commit from now, before or behind its becoming durable.
  void kill_server_at_commit(uint64_t commits_from_now, kv_mem::CrashPoint::Phase phase);
  bool is_serving() const;
  // The living server; it must serve.
  app::Server& server();
  rt::Loop& server_loop() { return server_host_->loop(); }
  // Defects that the auditors of this and former starts have counted.
  int64_t defects_counted() const;

  // A client sends it now; see sent() for its fate. A marker is used once.
  void send(Letter letter);
  const std::map<std::string, Sent>& sent() const { return sent_; }
  bool has_sending() const;

  // Runs until `task`, made on the living server's first loop, has its answer; nullopt when the
  // server dies or the limit comes first.
  template <class T>
  std::optional<T> ask(rt::Task<T> task, Duration limit = Duration::minutes(2));

  // Begins `task` on the living server's first loop and does not wait: it ends with the server.
  void pose(rt::Task<void> task);

  // What the server says of one letter ("runs"): nothing if it knows none, or does not serve.
  std::vector<queue::Explanation> explain(std::string_view marker);
  // The octets of every message in the account's folders ("runs").
  Result<std::vector<std::string>> mailbox(std::string_view account);

 private:
  struct Program;
  class WorldLog;
  rt::Task<Status> furnish(rt::Runtime& runtime, kv::Store& store);
  rt::Task<void> boot(Program& program);
  rt::Task<void> send_task(std::string marker);
  void on_commit(const kv_mem::CrashPoint& point);
  Program* program() const;
  bool run_asked(const std::function<bool()>& answered, Duration limit);

  WorldOptions options_;
  config::Schema schema_;
  kv_mem::MemDisk disk_;
  // Nothing can be verified with it; shared by the server's lives.
  std::shared_ptr<const tls::Context> trust_;
  std::unique_ptr<WorldLog> log_;
  std::vector<std::pair<std::string, std::string>> first_settings_;
  std::vector<std::string> first_accounts_;
  std::vector<directory::Alias> first_aliases_;
  bool furnished_ = false;
  std::map<std::string, Sent> sent_;
  uint64_t commits_to_kill_ = 0;
  kv_mem::CrashPoint::Phase kill_phase_ = kv_mem::CrashPoint::Phase::before_durable;
  int64_t former_defects_ = 0;
  Instant started_at_;
  std::unique_ptr<rt_sim::Simulation> simulation_;
  // Behind the simulation, which ends their programs: hosts are the simulation's, these are values.
  std::vector<std::unique_ptr<NextHop>> hops_;
  rt_sim::Host* server_host_ = nullptr;
  rt_sim::Host* client_host_ = nullptr;
};

namespace detail {
template <class T>
rt::Task<void> keep_answer(rt::Task<T> task, std::shared_ptr<std::optional<T>> out) {
  T answer = co_await task;
  out->emplace(std::move(answer));
}
}  // namespace detail

template <class T>
std::optional<T> World::ask(rt::Task<T> task, Duration limit) {
  if (!is_serving()) return std::nullopt;
  // Shared: a task that is too late outlives this call.
  auto out = std::make_shared<std::optional<T>>();
  pose(detail::keep_answer<T>(std::move(task), out));
  run_asked([&out] { return out->has_value(); }, limit);
  return std::move(*out);
}

}  // namespace ph::sim
