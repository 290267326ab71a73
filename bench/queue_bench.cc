// How many messages a second the queue takes durably, and brings to their end through a next hop
// that costs nothing, on two loops and kv_rocks.
//
//   queue_bench FOLDER [message octets=4096] [sessions=100] [seconds=5] [hop=alive|dead|revived]
//
// Each session gives one message after the other and waits for each to be on disk. With a dead hop
// it ends with the resident memory that the waiting rows cost; a revived one lives again then, and
// the rows leave. FOLDER is made, and removed at the
// end.
#include <fmt/format.h>
#include <sys/resource.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "kv_rocks/store.h"
#include "rt_real/runtime.h"
#include "service/queue/options.h"
#include "service/queue/queue.h"

namespace {

using namespace ph;

struct Plan {
  std::string folder;
  size_t message_bytes = 4096;
  size_t sessions = 100;
  int64_t seconds = 5;
  bool alive = true;
  bool revived = false;
};

struct Tally {
  std::atomic<uint64_t> accepted = 0;
  std::atomic<uint64_t> failures = 0;
  std::atomic<uint64_t> carried = 0;
  std::atomic<bool> stop = false;
  std::atomic<bool> alive = true;
};

class OneHop final : public queue::Router {
 public:
  rt::Task<queue::Route> route(rt::Loop&, const model::Recipient&, const model::Envelope&,
                               rt::Deadline) override {
    co_return there();
  }
  std::optional<queue::Route> peek(const model::Recipient&, const model::Envelope&) override {
    return there();
  }

 private:
  static queue::Route there() {
    queue::Route route;
    route.hop.lane = "smart:sink:25";
    return route;
  }
};

class Sink final : public queue::CarrierSession {
 public:
  Sink(rt::Loop& loop, Tally& tally) : loop_(loop), tally_(tally) {}
  rt::Task<queue::CarryResult> carry(queue::CarryWork work, const queue::NextHop&,
                                     rt::Deadline) override {
    queue::CarryResult result;
    if (!tally_.alive) {
      result.lane_fault = model::QueueReason::connection_refused;
      result.fault.text = "connection refused";
      co_return result;
    }
    const auto content = co_await work.content.read(loop_, 0, UINT64_MAX);
    for (const queue::CarryRecipient& r : work.recipients) {
      queue::RecipientOutcome outcome;
      outcome.index = r.index;
      outcome.verdict = queue::CarryVerdict::relayed;
      outcome.reply.code = 250;
      outcome.reply.text = "taken";
      result.outcomes.push_back(std::move(outcome));
    }
    if (content.has_value()) ++tally_.carried;
    co_return result;
  }
  rt::Task<void> close(rt::Deadline) override { co_return; }

 private:
  rt::Loop& loop_;
  Tally& tally_;
};

class Sinks final : public queue::Carriers {
 public:
  explicit Sinks(Tally& tally) : tally_(tally) {}
  std::unique_ptr<queue::CarrierSession> open(rt::Loop& loop, const queue::NextHop&) override {
    return std::make_unique<Sink>(loop, tally_);
  }

 private:
  Tally& tally_;
};

class NoReports final : public queue::Reporter {
 public:
  rt::Task<queue::Report> write(rt::Loop&, queue::ReportWork, rt::Deadline) override {
    co_return queue::Report{};
  }
};

struct Bench {
  Bench(rt_real::RealRuntime& world, const Plan& the_plan) : runtime(world), plan(the_plan) {}
  rt_real::RealRuntime& runtime;
  const Plan& plan;
  Tally tally;
  OneHop router;
  Sinks sinks{tally};
  NoReports reports;
  config::FixedSource settings;
  obs::Metrics metrics;
  std::unique_ptr<queue::Queue> queue;
  std::vector<std::unique_ptr<rt::Scope>> scopes;
};

uint64_t resident_bytes() {
  std::ifstream statm("/proc/self/statm");
  uint64_t total = 0;
  uint64_t resident = 0;
  statm >> total >> resident;
  return resident * 4096;
}

double cpu_seconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

rt::Task<void> session(Bench& bench, rt::Loop& loop, size_t number) {
  for (uint64_t n = 0; !bench.tally.stop; ++n) {
    queue::NewMessage message;
    message.envelope.sender = "sender@example.org";
    message.message_id = fmt::format("{}.{}@bench", number, n);
    message.recipients.push_back({.address = "someone@example.net"});
    std::string octets = "Message-ID: <" + message.message_id + ">\r\n\r\n";
    octets.resize(bench.plan.message_bytes, 'x');
    message.raw = std::make_shared<const std::string>(std::move(octets));
    auto task = bench.queue->accept(loop, std::move(message), loop.in(Duration::seconds(60)));
    const auto answer = co_await task;
    ++(answer.has_value() ? bench.tally.accepted : bench.tally.failures);
  }
}

// The hop lives: until the last row has left.
rt::Task<void> revive(Bench& bench, rt::Loop& loop) {
  bench.tally.alive = true;
  Instant first;
  const Instant start = loop.now();
  const double cpu = cpu_seconds();
  while (bench.tally.carried < bench.tally.accepted && loop.now() - start < Duration::minutes(10)) {
    co_await rt::sleep(loop, loop.in(Duration::milliseconds(20)), "rows to leave");
    if (first == Instant() && bench.tally.carried > 0) first = loop.now();
  }
  const double took = static_cast<double>((loop.now() - first).us()) / 1e6;
  const auto rows = static_cast<double>(bench.tally.carried);
  fmt::print(
      "revived: the first left after {} ms, then {:.0f} rows in {:.1f} s: {:.0f}/s, {:.1f} us CPU "
      "each\n",
      (first - start).ms(), rows, took, rows / took, (cpu_seconds() - cpu) * 1e6 / rows);
}

rt::Task<void> watch(Bench& bench, kv::Store& store) {
  const auto loops = bench.runtime.loops();
  rt::Loop& loop = *loops[0];
  auto opened = co_await queue::Queue::open(
      {.runtime = bench.runtime,
       .store = store,
       .log = obs::silent_log(),
       .metrics = bench.metrics,
       .router = bench.router,
       .carriers = bench.sinks,
       .reporter = bench.reports,
       .settings = [&bench](const rt::Loop&) -> config::Source& { return bench.settings; }},
      loop);
  if (!opened.has_value()) {
    fmt::print("{}\n", opened.error().to_text());
    bench.runtime.stop();
    co_return;
  }
  bench.queue = std::move(*opened);
  bench.queue->start();
  const uint64_t memory_before = resident_bytes();
  for (size_t i = 0; i < bench.plan.sessions; ++i) {
    rt::Loop& home = *loops[i % loops.size()];
    rt::Scope& scope = *bench.scopes[i % loops.size()];
    home.post([&bench, &home, &scope, i] { scope.spawn("session", session(bench, home, i)); });
  }
  co_await rt::sleep(loop, loop.in(Duration::seconds(1)), "warming up");
  const Instant start = loop.now();
  const uint64_t accepted = bench.tally.accepted;
  const uint64_t carried = bench.tally.carried;
  const double cpu = cpu_seconds();
  const kv::StoreFigures before = store.figures();
  co_await rt::sleep(loop, loop.in(Duration::seconds(bench.plan.seconds)), "measuring");
  const double took = static_cast<double>((loop.now() - start).us()) / 1e6;
  const auto done = static_cast<double>(bench.tally.accepted - accepted);
  const auto out = static_cast<double>(bench.tally.carried - carried);
  const kv::StoreFigures after = store.figures();
  fmt::print(
      "{} octets, {} sessions: {:.0f} accepted/s, {:.0f} relayed/s, {:.1f} us CPU each, "
      "{} kv commits, {} syncs, {} failures\n",
      bench.plan.message_bytes, bench.plan.sessions, done / took, out / took,
      (cpu_seconds() - cpu) * 1e6 / done, after.commits - before.commits,
      after.syncs - before.syncs, bench.tally.failures.load());
  bench.tally.stop = true;
  const Instant drain = loop.now();
  while (bench.plan.alive && bench.tally.carried < bench.tally.accepted &&
         loop.now() - drain < Duration::seconds(60)) {
    co_await rt::sleep(loop, loop.in(Duration::milliseconds(50)), "the rest to be relayed");
  }
  if (bench.plan.revived) co_await revive(bench, loop);
  co_await rt::sleep(loop, loop.in(Duration::seconds(2)), "quiet");
  fmt::print(
      "accepted {}, relayed {}, drained in {} ms, resident memory grew by {} KiB, {} octets a "
      "row\n",
      bench.tally.accepted.load(), bench.tally.carried.load(), (loop.now() - drain).ms() - 2000,
      (resident_bytes() - memory_before) / 1024,
      (resident_bytes() - memory_before) / std::max<uint64_t>(bench.tally.accepted, 1));
  bench.runtime.stop();
}

int measure(const Plan& plan) {
  rt_real::RealOptions real;
  real.loops = 2;
  auto runtime = rt_real::RealRuntime::create(real);
  if (!runtime.has_value()) return 1;
  kv_rocks::RocksOptions options;
  options.folder = plan.folder;
  auto store = kv_rocks::open_rocks(**runtime, options);
  if (!store.has_value()) return 1;
  Bench bench(**runtime, plan);
  bench.tally.alive = plan.alive;
  for (rt::Loop* loop : (*runtime)->loops()) {
    bench.scopes.push_back(std::make_unique<rt::Scope>(*loop, "bench"));
  }
  bench.scopes[0]->spawn("watch", watch(bench, **store));
  const Status done = (*runtime)->run();
  bench.scopes.clear();
  bench.queue.reset();
  store->reset();
  std::filesystem::remove_all(plan.folder);
  return done.has_value() ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    fmt::print("queue_bench FOLDER [message octets] [sessions] [seconds] [alive|dead|revived]\n");
    return 2;
  }
  Plan plan;
  plan.folder = argv[1];
  if (argc > 2) plan.message_bytes = std::strtoull(argv[2], nullptr, 10);
  if (argc > 3) plan.sessions = std::strtoull(argv[3], nullptr, 10);
  if (argc > 4) plan.seconds = std::strtoll(argv[4], nullptr, 10);
  if (argc > 5) plan.alive = std::string_view(argv[5]) == "alive";
  if (argc > 5) plan.revived = std::string_view(argv[5]) == "revived";
  return measure(plan);
}
