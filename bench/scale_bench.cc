// The queue with very many rows that wait, on two loops and kv_rocks. One phase a process;
// bench/scale_bench.py starts them, kills one, and puts the figures beside the goals.
//
//   scale_bench PHASE FOLDER [name=value]...
//     base     all lanes live: accepts the same messages and relays them. What the program needs.
//     fill     all lanes are dead: accepts the messages, answers questions while all rows are
//              young, prints "ready", and waits to be killed
//     restart  on the folder that fill has left, one lane lives: prints "mark first" when something
//              has arrived there; then the rows are calm (an hourly schedule) and it answers
//              questions; then all lanes live, and one row of each is retried
//
// Figures are lines "figure NAME VALUE". Every message has octets of its own.
#include <cstdlib>
#include <set>

#include "scale_world.h"

namespace ph::bench {
namespace {

constexpr size_t kSessions = 200;
constexpr size_t kPageRows = 100;
constexpr size_t kAskedWhy = 1000;

// Both clocks: on a machine that does other things too, the second one is the one to compare.
class Stopwatch {
 public:
  explicit Stopwatch(rt::Loop& loop) : loop_(loop), start_(loop.now()), cpu_(cpu_seconds()) {}
  void tell(const std::string& name) const {
    figure(name + "_ms", seconds_since(loop_, start_) * 1e3);
    figure(name + "_cpu_ms", (cpu_seconds() - cpu_) * 1e3);
  }

 private:
  rt::Loop& loop_;
  Instant start_;
  double cpu_;
};

rt::ParkAwaiter nap(rt::Loop& loop, Duration duration) {
  return rt::sleep(loop, loop.in(duration), "a measurement");
}

// ---- messages ----

queue::NewMessage message_number(const Plan& plan, uint64_t number, uint64_t lane) {
  static constexpr std::string_view kLetters =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  queue::NewMessage message;
  message.envelope.sender = fmt::format("sender{}@example.org", number % 1000);
  message.envelope.client_ip = "198.51.100.7";
  message.envelope.client_helo = "client.example.org";
  message.message_id = fmt::format("{}.{}@client.example.org", plan.phase, number);
  message.recipients.push_back({.address = fmt::format("user{}@d{}.example", number, lane)});
  std::string octets = "Message-ID: <" + message.message_id + ">\r\n\r\n";
  Random random(number + 1);
  while (octets.size() < plan.message_bytes) {
    uint64_t bits = random.next();
    for (size_t i = 0; i < 10; ++i, bits >>= 6) octets += kLetters[bits & 63];
  }
  octets.resize(plan.message_bytes);
  message.raw = std::make_shared<const std::string>(std::move(octets));
  return message;
}

rt::Task<void> session(World& world, rt::Loop& loop) {
  while (true) {
    const uint64_t number = world.tally.next++;
    if (number >= world.plan.rows) break;
    queue::NewMessage message = message_number(world.plan, number, number % world.plan.lanes);
    auto task = world.queue->accept(loop, std::move(message), loop.in(Duration::seconds(120)));
    const auto answer = co_await task;
    ++(answer.has_value() ? world.tally.accepted : world.tally.failures);
  }
  --world.tally.sessions;
}

rt::Task<void> fill(World& world, rt::Loop& loop) {
  const Instant start = loop.now();
  const double cpu = cpu_seconds();
  world.tally.sessions = kSessions;
  for (size_t i = 0; i < kSessions; ++i) {
    rt::Loop& home = world.loop(i % kLoops);
    rt::Scope& scope = *world.scopes[i % kLoops];
    home.post([&world, &home, &scope] { scope.spawn("session", session(world, home)); });
  }
  while (world.tally.sessions > 0) {
    co_await nap(loop, Duration::milliseconds(20));
  }
  const double took = seconds_since(loop, start);
  const auto accepted = static_cast<double>(world.tally.accepted);
  const std::string& phase = world.plan.phase;
  figure(phase + ".accepted", accepted);
  figure(phase + ".accept_failures", static_cast<double>(world.tally.failures));
  figure(phase + ".accept_per_s", accepted / took);
  figure(phase + ".accept_cpu_us", (cpu_seconds() - cpu) * 1e6 / accepted);
}

// ---- questions ----

// Every page of a list; the ids of some rows on the way.
rt::Task<std::vector<model::QueueId>> list_all(World& world, rt::Loop& loop,
                                               queue::ListFilter filter, size_t page_rows,
                                               std::string name) {
  std::vector<model::QueueId> some;
  uint64_t rows = 0;
  const uint64_t every = std::max<uint64_t>(world.plan.rows / kAskedWhy, 1);
  std::string from;
  const Stopwatch watch(loop);
  do {
    auto task =
        world.queue->list(loop, filter, std::move(from), page_rows, loop.in(Duration::seconds(60)));
    auto page = co_await task;
    if (!page.has_value()) {
      fmt::print("{}: {}\n", name, page.error().to_text());
      break;
    }
    for (const queue::ListedRow& row : page->rows) {
      if (rows++ % every == 0) some.push_back(row.row.id);
    }
    from = std::move(page->next);
  } while (!from.empty());
  watch.tell(name);
  figure(name + "_rows", static_cast<double>(rows));
  co_return some;
}

rt::Task<void> ask_pages(World& world, rt::Loop& loop, std::string when) {
  std::vector<double> took;
  for (size_t i = 0; i < 20; ++i) {
    const Instant start = loop.now();
    auto task = world.queue->list(loop, {}, "", kPageRows, loop.in(Duration::seconds(60)));
    const auto page = co_await task;
    took.push_back(seconds_since(loop, start) * 1e3);
    if (!page.has_value() || page->rows.size() < kPageRows) fmt::print("the first page failed\n");
  }
  figure(when + ".first_page_ms", percentile(took, 50));
  figure(when + ".first_page_max_ms", percentile(took, 100));
}

rt::Task<void> ask_why(World& world, rt::Loop& loop, std::vector<model::QueueId> ids,
                       std::string when) {
  std::vector<double> took;
  Random random(7);
  for (size_t i = 0; i < kAskedWhy && !ids.empty(); ++i) {
    const model::QueueId id = ids[random.below(ids.size())];
    const Instant start = loop.now();
    auto task = world.queue->why(loop, id, loop.in(Duration::seconds(60)));
    const auto answer = co_await task;
    took.push_back(seconds_since(loop, start) * 1e3);
    if (!answer.has_value()) fmt::print("why failed: {}\n", answer.error().to_text());
  }
  figure(when + ".why_ms", percentile(took, 50));
  figure(when + ".why_p99_ms", percentile(took, 99));
}

// The longest hold-up of a loop since the last call.
void note_stall(World& world, std::string_view name) {
  figure(name, static_cast<double>(world.tally.stall_us.exchange(0)) / 1e3);
}

rt::Task<void> ask_sweep(World& world, rt::Loop& loop, std::string when) {
  const Stopwatch watch(loop);
  auto task = world.queue->sweep(loop, loop.in(Duration::minutes(10)));
  const auto findings = co_await task;
  watch.tell(when + ".sweep");
  note_stall(world, when + ".sweep_stall_ms");
  if (!findings.has_value()) {
    fmt::print("the sweep failed: {}\n", findings.error().to_text());
    co_return;
  }
  figure(when + ".sweep_rows", static_cast<double>(findings->resting));
  figure(when + ".sweep_defects", static_cast<double>(findings->defects()));
}

rt::Task<void> ask(World& world, rt::Loop& loop, std::string when) {
  world.tally.ticking = true;
  co_await nap(loop, Duration::seconds(2));
  note_stall(world, when + ".stall_ms");
  co_await ask_pages(world, loop, when);
  queue::ListFilter nobody;
  nobody.recipient = "nobody-has-this-name";
  co_await list_all(world, loop, nobody, kPageRows, when + ".filter");
  queue::ListFilter lane;
  lane.lane = lane_name(world.plan.lanes / 2);
  co_await list_all(world, loop, lane, kPageRows, when + ".filter_lane");
  std::vector<model::QueueId> ids =
      co_await list_all(world, loop, {}, 10'000, when + ".list_everything");
  co_await ask_why(world, loop, std::move(ids), when);
  const Stopwatch watch(loop);
  auto counting = world.queue->counts(loop, loop.in(Duration::minutes(2)));
  const auto counted = co_await counting;
  watch.tell(when + ".counts");
  note_stall(world, when + ".questions_stall_ms");
  co_await ask_sweep(world, loop, when);
  world.tally.ticking = false;
}

rt::Task<void> watch_idle(World& world, rt::Loop& loop, std::string when) {
  const auto changes = [&world] {
    return static_cast<double>(world.metrics.value("posthorn_queue_retries_total"));
  };
  const Instant start = loop.now();
  const double cpu = cpu_seconds();
  const double before = changes();
  co_await nap(loop, Duration::seconds(world.plan.idle_seconds));
  const double took = seconds_since(loop, start);
  figure(when + ".cpu_percent", (cpu_seconds() - cpu) / took * 100);
  figure(when + ".rows_retried_per_s", (changes() - before) / took);
}

// ---- phases ----

rt::Task<bool> open(World& world, rt::Loop& loop) {
  const Instant start = loop.now();
  auto opened =
      co_await queue::Queue::open({.runtime = world.runtime,
                                   .store = world.store,
                                   .log = obs::silent_log(),
                                   .metrics = world.metrics,
                                   .router = world.router,
                                   .carriers = world.hops,
                                   .reporter = world.reports,
                                   .settings = [&world](const rt::Loop& at) -> config::Source& {
                                     return world.settings[at.index()];
                                   }},
                                  loop);
  if (!opened.has_value()) {
    fmt::print("{}\n", opened.error().to_text());
    co_return false;
  }
  world.queue = std::move(*opened);
  world.queue->start();
  figure(world.plan.phase + ".queue_open_ms", seconds_since(loop, start) * 1e3);
  co_return true;
}

rt::Task<void> until_carried(World& world, rt::Loop& loop, uint64_t count, Duration patience) {
  const rt::Deadline deadline = loop.in(patience);
  while (world.tally.carried < count && !deadline.passed(loop.now())) {
    co_await nap(loop, Duration::milliseconds(5));
  }
}

rt::Task<void> base(World& world, rt::Loop& loop) {
  world.tally.lanes_alive = UINT64_MAX;
  co_await fill(world, loop);
  co_await until_carried(world, loop, world.tally.accepted, Duration::minutes(5));
  co_await ask_sweep(world, loop, "base");
  co_await watch_idle(world, loop, "base");
  figure("base.resident_bytes", static_cast<double>(resident_bytes()));
  world.runtime.stop();
}

rt::Task<void> fill_and_wait(World& world, rt::Loop& loop) {
  co_await fill(world, loop);
  co_await nap(loop, Duration::seconds(2));
  co_await ask(world, loop, "young");
  co_await watch_idle(world, loop, "young");
  figure("young.resident_bytes", static_cast<double>(resident_bytes()));
  fmt::print("ready\n");
  std::fflush(stdout);
  co_await nap(loop, Duration::hours(1));
  world.runtime.stop();
}

// A new message for the lane that lives, while all the others are due.
rt::Task<void> send_one(World& world, rt::Loop& loop) {
  const uint64_t before = world.tally.carried;
  const Instant start = loop.now();
  queue::NewMessage message = message_number(world.plan, world.plan.rows, 0);
  auto task = world.queue->accept(loop, std::move(message), loop.in(Duration::seconds(60)));
  const auto answer = co_await task;
  figure("restart.accept_ms", seconds_since(loop, start) * 1e3);
  if (answer.has_value()) {
    co_await until_carried(world, loop, before + 1, Duration::seconds(60));
  }
}

// Three times in a row nearly no row was tried again and nearly nothing else was done.
rt::Task<void> until_calm(World& world, rt::Loop& loop) {
  const Instant start = loop.now();
  const double cpu_before = cpu_seconds();
  const rt::Deadline deadline = loop.in(Duration::minutes(10));
  const auto many = static_cast<double>(world.plan.rows) / 1000 + 10;
  size_t quiet = 0;
  while (quiet < 3 && !deadline.passed(loop.now())) {
    const double cpu = cpu_seconds();
    const auto before = static_cast<double>(world.metrics.value("posthorn_queue_retries_total"));
    co_await nap(loop, Duration::seconds(2));
    const auto after = static_cast<double>(world.metrics.value("posthorn_queue_retries_total"));
    const bool still = (after - before) / 2 < many && (cpu_seconds() - cpu) / 2 < 0.2;
    quiet = still ? quiet + 1 : 0;
  }
  figure("calm.reached_s", seconds_since(loop, start));
  figure("calm.reached_cpu_s", cpu_seconds() - cpu_before);
}

// As if the time of one row of each lane had come: it finds that the hop lives.
rt::Task<void> retry_one_of_each_lane(World& world, rt::Loop& loop) {
  std::set<std::string> lanes;
  std::string from;
  do {
    auto listing =
        world.queue->list(loop, {}, std::move(from), 10'000, loop.in(Duration::seconds(60)));
    auto page = co_await listing;
    if (!page.has_value()) co_return;
    for (const queue::ListedRow& row : page->rows) {
      if (!lanes.insert(row.row.lane).second) continue;
      queue::ControlRequest request{.id = row.row.id, .recipient = 0, .by = "the benchmark"};
      auto retrying =
          world.queue->control(loop, std::move(request), loop.in(Duration::seconds(60)));
      const auto done = co_await retrying;
      if (!done.has_value()) fmt::print("retry failed: {}\n", done.error().to_text());
    }
    from = std::move(page->next);
  } while (!from.empty() && lanes.size() < world.plan.lanes);
}

rt::Task<void> drain(World& world, rt::Loop& loop) {
  const uint64_t before = world.tally.carried;
  const uint64_t rows = world.plan.rows - std::min(before, world.plan.rows);
  const double cpu = cpu_seconds();
  const Instant start = loop.now();
  world.tally.lanes_alive = UINT64_MAX;
  world.scopes[0]->spawn("first rows", retry_one_of_each_lane(world, loop));
  std::optional<Instant> tenth;
  double middle = 0;
  const rt::Deadline deadline = loop.in(Duration::seconds(world.plan.drain_seconds));
  Instant report = start;
  uint64_t done = 0;
  while (done < rows && !deadline.passed(loop.now())) {
    co_await nap(loop, Duration::milliseconds(10));
    const uint64_t was = done;
    done = world.tally.carried - before;
    if (was == 0 && done > 0) figure("drain.first_ms", seconds_since(loop, start) * 1e3);
    if (!tenth.has_value() && done >= rows / 10) tenth = loop.now();
    if (tenth.has_value() && middle == 0 && done >= rows - rows / 10) {
      middle = static_cast<double>(rows) * 0.8 / seconds_since(loop, *tenth);
    }
    if (loop.now() - report > Duration::seconds(10)) {
      report = loop.now();
      fmt::print("draining: {} of {} after {:.0f} s\n", done, rows, seconds_since(loop, start));
      std::fflush(stdout);
    }
  }
  figure("drain.rows", static_cast<double>(done));
  figure("drain.left", static_cast<double>(rows - std::min(rows, done)));
  figure("drain.seconds", seconds_since(loop, start));
  figure("drain.per_s", static_cast<double>(done) / seconds_since(loop, start));
  figure("drain.middle_per_s", middle);
  figure("drain.cpu_us",
         (cpu_seconds() - cpu) * 1e6 / static_cast<double>(std::max<uint64_t>(done, 1)));
}

rt::Task<void> restart(World& world, rt::Loop& loop) {
  co_await until_carried(world, loop, 1, Duration::minutes(3));
  figure("restart.first_cpu_s", cpu_seconds());
  fmt::print("mark first\n");
  std::fflush(stdout);
  co_await send_one(world, loop);
  world.set("queue.schedule", world.plan.calm);
  co_await until_calm(world, loop);
  fmt::print("mark calm\n");
  std::fflush(stdout);
  co_await ask(world, loop, "calm");
  co_await watch_idle(world, loop, "calm");
  figure("calm.resident_bytes", static_cast<double>(resident_bytes()));
  co_await drain(world, loop);
  world.runtime.stop();
}

rt::Task<void> run_phase(World& world, rt::Loop& loop) {
  if (world.plan.phase == "restart") world.tally.lanes_alive = 1;
  if (!co_await open(world, loop)) {
    world.runtime.stop();
    co_return;
  }
  if (world.plan.phase == "base") co_await base(world, loop);
  if (world.plan.phase == "fill") co_await fill_and_wait(world, loop);
  if (world.plan.phase == "restart") co_await restart(world, loop);
}

int measure(const Plan& plan) {
  rt_real::RealOptions real;
  real.loops = kLoops;
  auto runtime = rt_real::RealRuntime::create(real);
  if (!runtime.has_value()) return 1;
  kv_rocks::RocksOptions options;
  options.folder = plan.folder;
  const Instant start = (*runtime)->loops()[0]->now();
  auto store = kv_rocks::open_rocks(**runtime, options);
  if (!store.has_value()) return 1;
  figure(plan.phase + ".store_open_ms", seconds_since(*(*runtime)->loops()[0], start) * 1e3);
  figure(plan.phase + ".store_open_cpu_ms", cpu_seconds() * 1e3);
  World world(**runtime, **store, plan);
  for (config::FixedSource& source : world.settings) {
    for (const auto& [name, value] :
         {std::pair("queue.schedule", plan.young), std::pair("queue.lane-probe", plan.probe)}) {
      auto next = source.current().with(world.schema, name, value);
      if (!next.has_value()) return 1;
      source.set(std::move(*next));
    }
  }
  for (rt::Loop* loop : (*runtime)->loops()) {
    world.scopes.push_back(std::make_unique<rt::Scope>(*loop, "bench"));
    world.scopes.back()->spawn("tick", tick(world.tally, *loop));
  }
  world.scopes[0]->spawn("measurement", run_phase(world, world.loop(0)));
  const Status done = (*runtime)->run();
  world.scopes.clear();
  world.queue.reset();
  store->reset();
  return done.has_value() ? 0 : 1;
}

bool read_option(Plan& plan, std::string_view option) {
  const size_t at = option.find('=');
  if (at == std::string_view::npos) return false;
  const std::string_view name = option.substr(0, at);
  const std::string value(option.substr(at + 1));
  const auto number = [&value] { return std::strtoull(value.c_str(), nullptr, 10); };
  if (name == "rows") plan.rows = number();
  if (name == "lanes") plan.lanes = std::max<uint64_t>(number(), 1);
  if (name == "bytes") plan.message_bytes = number();
  if (name == "young") plan.young = value;
  if (name == "calm") plan.calm = value;
  if (name == "probe") plan.probe = value;
  if (name == "idle") plan.idle_seconds = static_cast<int64_t>(number());
  if (name == "drain_max") plan.drain_seconds = static_cast<int64_t>(number());
  return true;
}

}  // namespace
}  // namespace ph::bench

int main(int argc, char** argv) {
  ph::bench::Plan plan;
  bool good = argc >= 3;
  for (int i = 3; i < argc; ++i) good = good && ph::bench::read_option(plan, argv[i]);
  if (!good) {
    fmt::print("scale_bench base|fill|restart FOLDER [name=value]...\n");
    return 2;
  }
  plan.phase = argv[1];
  plan.folder = argv[2];
  return ph::bench::measure(plan);
}
