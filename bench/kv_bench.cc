// How many durable commits a second kv_rocks makes, and what one costs in processor time.
//
//   kv_bench FOLDER [blob octets=4096] [writers=64] [seconds=5] [inline octets max=default]
//
// Each writer has a partition on one of two loops and commits one message after the other: a blob,
// four small puts, and (from its hundredth message on) the removal of an older one, as a queue
// does. FOLDER is made, and removed at the end.
#include <fmt/format.h>
#include <sys/resource.h>

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "base/random.h"
#include "kv_rocks/store.h"
#include "rt/scope.h"
#include "rt_real/runtime.h"

namespace {

using namespace ph;

struct Plan {
  std::string folder;
  size_t blob_bytes = 4096;
  size_t writers = 64;
  int64_t seconds = 5;
  size_t inline_bytes_max = kv_rocks::RocksOptions{}.inline_blob_bytes_max;
};

struct Tally {
  std::atomic<uint64_t> commits = 0;
  std::atomic<uint64_t> failures = 0;
  std::atomic<int64_t> waited_us = 0;
  std::atomic<bool> stop = false;
};

kv::BlobId id_of(uint64_t writer, uint64_t number) {
  // The store does not hash; any 32 octets that look random do.
  kv::BlobId id;
  Random random(writer << 40 | number);
  const std::string octets = random.bytes(id.digest.size());
  std::memcpy(id.digest.data(), octets.data(), octets.size());
  return id;
}

rt::Task<void> write(kv::Partition& partition, rt::Loop& loop, const Plan& plan, uint64_t writer,
                     const std::string& content, Tally& tally) {
  constexpr uint64_t kKept = 100;
  for (uint64_t n = 0; !tally.stop; ++n) {
    kv::Batch batch;
    std::string octets = content;
    std::memcpy(octets.data(), &n, std::min(sizeof n, octets.size()));
    batch.add_blob(id_of(writer, n), std::make_shared<const std::string>(std::move(octets)), "q");
    const std::string number = fmt::format("{:016}", n);
    batch.put("row/" + number, std::string(120, 'r'));
    batch.put("due/" + number, "");
    batch.put("env/" + number, std::string(200, 'e'));
    batch.put("sum", std::string(40, 's'));
    if (n >= kKept) {
      const std::string old = fmt::format("{:016}", n - kKept);
      batch.erase("row/" + old);
      batch.erase("due/" + old);
      batch.erase("env/" + old);
      batch.unlink_blob(id_of(writer, n - kKept), "q");
    }
    const Instant start = loop.now();
    const kv::CommitOptions options{partition.version(), loop.in(Duration::seconds(60))};
    auto task = partition.commit(std::move(batch), options);
    const auto answer = co_await task;
    tally.waited_us += (loop.now() - start).us();
    ++(answer.has_value() ? tally.commits : tally.failures);
  }
  (void)plan;
}

double cpu_seconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

rt::Task<void> watch(rt_real::RealRuntime& runtime, rt::Loop& loop, kv::Store& store,
                     const Plan& plan, Tally& tally) {
  // The first second warms up: files are made, segments allocated.
  co_await rt::sleep(loop, loop.in(Duration::seconds(1)), "warming up");
  const Instant start = loop.now();
  const uint64_t commits_before = tally.commits;
  const int64_t waited_before = tally.waited_us;
  const uint64_t syncs_before = store.figures().syncs;
  const double cpu_before = cpu_seconds();
  co_await rt::sleep(loop, loop.in(Duration::seconds(plan.seconds)), "measuring");
  const double took = static_cast<double>((loop.now() - start).us()) / 1e6;
  const uint64_t commits = tally.commits - commits_before;
  const double cpu = cpu_seconds() - cpu_before;
  const kv::StoreFigures figures = store.figures();
  fmt::print(
      "{} octets, {} writers: {:.0f} commits/s, {:.1f} us CPU each, {:.0f} us latency, "
      "{:.1f} commits/sync, {} failures, segments {} MiB ({} dead)\n",
      plan.blob_bytes, plan.writers, static_cast<double>(commits) / took,
      cpu * 1e6 / static_cast<double>(commits),
      static_cast<double>(tally.waited_us - waited_before) / static_cast<double>(commits),
      static_cast<double>(commits) / static_cast<double>(figures.syncs - syncs_before),
      tally.failures.load(), figures.segment_bytes >> 20, figures.segment_bytes_dead >> 20);
  tally.stop = true;
  co_await rt::sleep(loop, loop.in(Duration::seconds(1)), "the last answers");
  runtime.stop();
}

int measure(const Plan& plan) {
  rt_real::RealOptions real;
  real.loops = 2;
  auto runtime = rt_real::RealRuntime::create(real);
  if (!runtime.has_value()) return 1;
  kv_rocks::RocksOptions options;
  options.folder = plan.folder;
  options.inline_blob_bytes_max = plan.inline_bytes_max;
  auto store = kv_rocks::open_rocks(**runtime, options);
  if (!store.has_value()) {
    fmt::print("{}\n", store.error().to_text());
    return 1;
  }
  Tally tally;
  const std::string content = Random(7).bytes(plan.blob_bytes);
  std::vector<std::unique_ptr<kv::Partition>> partitions;
  std::vector<std::unique_ptr<rt::Scope>> scopes;
  const auto loops = (*runtime)->loops();
  for (rt::Loop* loop : loops) scopes.push_back(std::make_unique<rt::Scope>(*loop, "bench"));
  for (size_t i = 0; i < plan.writers; ++i) {
    rt::Loop& loop = *loops[i % loops.size()];
    auto partition = (*store)->open(loop, fmt::format("writer/{}", i));
    if (!partition.has_value()) return 1;
    partitions.push_back(std::move(*partition));
    scopes[i % loops.size()]->spawn("writer",
                                    write(*partitions.back(), loop, plan, i, content, tally));
  }
  scopes[0]->spawn("watch", watch(**runtime, *loops[0], **store, plan, tally));
  const Status done = (*runtime)->run();
  scopes.clear();
  partitions.clear();
  store->reset();
  std::filesystem::remove_all(plan.folder);
  return done.has_value() ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    fmt::print("usage: kv_bench FOLDER [blob octets] [writers] [seconds] [inline octets max]\n");
    return 2;
  }
  Plan plan;
  plan.folder = argv[1];
  const auto number = [&](int at, size_t otherwise) {
    return argc > at ? static_cast<size_t>(std::strtoull(argv[at], nullptr, 10)) : otherwise;
  };
  plan.blob_bytes = number(2, plan.blob_bytes);
  plan.writers = number(3, plan.writers);
  plan.seconds = static_cast<int64_t>(number(4, 5));
  plan.inline_bytes_max = number(5, plan.inline_bytes_max);
  return measure(plan);
}
