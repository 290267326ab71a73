#include "kv_mem/store.h"

#include <gtest/gtest.h>

#include "kv/errors.h"
#include "kv_conformance/world.h"

namespace ph::kv_mem {
namespace {

using kv_conformance::blob_of;
using kv_conformance::put_batch;

class MemWorld final : public kv_conformance::World {
 public:
  explicit MemWorld(MemDiskOptions options = {})
      : World(kv_conformance::Idle::advance_clock), disk(options) {
    store_ = std::make_unique<MemStore>(disk);
  }
  ~MemWorld() override { store_.reset(); }
  kv::Store& store() override { return *store_; }
  void reopen() override {
    store_.reset();
    store_ = std::make_unique<MemStore>(disk);
  }

  MemDisk disk;

 private:
  std::unique_ptr<MemStore> store_;
};

const bool registered = kv_conformance::register_conformance(
    "MemConformance", [] { return std::make_unique<MemWorld>(); });
const bool registered_slow = kv_conformance::register_conformance("MemConformanceSlowReads", [] {
  MemDiskOptions options;
  options.read_max = Duration::milliseconds(5);
  return std::make_unique<MemWorld>(options);
});

rt::Task<void> commit_each(kv::Partition& p, kv::CommitOptions options, int count, int& answered) {
  for (int i = 0; i < count; ++i) {
    kv::Batch batch = put_batch("k" + std::to_string(i), "v");
    batch.put("last", std::to_string(i));
    const std::string content = "blob " + std::to_string(i);
    batch.add_blob(kv::blob_id_of(content), blob_of(content), "t");
    const auto answer = co_await p.commit(std::move(batch), options);
    if (answer.has_value()) answered = i + 1;
  }
}

// Runs until the `at`-th commit reaches `phase`, cuts the power, and looks at what is left.
void crash_at(uint64_t at, CrashPoint::Phase phase) {
  MemWorld world;
  bool crashed = false;
  int answered = 0;
  world.disk.set_hook([&](const CrashPoint& point) {
    if (point.commit != at || point.phase != phase) return;
    crashed = true;
    world.disk.power_off();
  });
  auto p = world.open("p");
  {
    rt::Scope scope(world.runtime.loop(0), "test");
    scope.spawn("writer", commit_each(*p, world.options(), 20, answered));
    world.runtime.run_until([&] { return crashed; });
  }
  p.reset();
  world.disk.set_hook(nullptr);
  world.reopen();
  p = world.open("p");
  const int durable = static_cast<int>(at) - (phase == CrashPoint::Phase::before_durable ? 1 : 0);
  EXPECT_EQ(answered, static_cast<int>(at) - 1);
  EXPECT_EQ(p->version().value, static_cast<uint64_t>(durable));
  EXPECT_EQ(world.disk.blobs(), static_cast<size_t>(durable));
  if (durable > 0) EXPECT_EQ(world.get(*p, "last"), std::to_string(durable - 1));
  EXPECT_EQ(world.scan(*p, kv::prefix_range("k")).size(), static_cast<size_t>(durable));
}

TEST(MemDisk, APowerCutAroundEveryWriteKeepsExactlyWhatWasDurable) {
  for (uint64_t at = 1; at <= 20; ++at) {
    crash_at(at, CrashPoint::Phase::before_durable);
    crash_at(at, CrashPoint::Phase::before_answer);
  }
}

rt::Task<void> commit_and_count(kv::Partition& p, kv::CommitOptions options, int number,
                                std::vector<bool>& answered) {
  kv::Batch batch = put_batch("k" + std::to_string(1000 + number), "v");
  batch.put("last", std::to_string(number));
  const auto answer = co_await p.commit(std::move(batch), options);
  if (answer.has_value()) answered[static_cast<size_t>(number)] = true;
}

// A prefix per partition, at least what was answered; over many seeds both more and not all.
TEST(MemDisk, ACrashKeepsAPrefixOfEachPartition) {
  constexpr int kCommits = 30;
  size_t kept_more = 0;
  size_t lost_some = 0;
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    Random random(seed);
    MemDiskOptions disk_options;
    disk_options.seed = seed;
    MemWorld world(disk_options);
    const char* const names[] = {"a", "b", "c"};
    std::vector<std::vector<bool>> answered(3, std::vector<bool>(kCommits));
    std::vector<std::unique_ptr<kv::Partition>> partitions;
    for (size_t i = 0; i < 3; ++i) partitions.push_back(world.open(names[i], i % 2));
    {
      rt::Scope zero(world.runtime.loop(0), "test");
      rt::Scope one(world.runtime.loop(1), "test");
      for (int n = 0; n < kCommits; ++n) {
        for (size_t i = 0; i < 3; ++i) {
          rt::Scope& scope = i % 2 == 0 ? zero : one;
          scope.spawn("writer", commit_and_count(*partitions[i], world.options(), n, answered[i]));
        }
        world.runtime.advance(random.between(Duration{}, Duration::microseconds(600)));
      }
      world.disk.crash(random);
    }
    partitions.clear();
    world.reopen();
    for (size_t i = 0; i < 3; ++i) {
      auto p = world.open(names[i]);
      const auto entries = world.scan(*p, kv::prefix_range("k"));
      const size_t kept = entries.size();
      EXPECT_EQ(p->version().value, kept) << seed;
      for (size_t n = 0; n < kept; ++n) EXPECT_EQ(entries[n].key, "k" + std::to_string(1000 + n));
      if (kept > 0) EXPECT_EQ(world.get(*p, "last"), std::to_string(kept - 1));
      size_t told = 0;
      while (told < kCommits && answered[i][told]) ++told;
      EXPECT_GE(kept, told) << seed;
      kept_more += kept > told ? 1 : 0;
      lost_some += kept < kCommits ? 1 : 0;
    }
  }
  EXPECT_GT(kept_more, 0U);
  EXPECT_GT(lost_some, 0U);
}

uint32_t run_with_seed(uint64_t seed) {
  MemDiskOptions options;
  options.seed = seed;
  MemWorld world(options);
  Random random(seed);
  std::vector<bool> answered(50);
  auto p = world.open("p");
  {
    rt::Scope scope(world.runtime.loop(0), "test");
    for (int n = 0; n < 50; ++n) {
      scope.spawn("writer", commit_and_count(*p, world.options(), n, answered));
      world.runtime.advance(random.between(Duration{}, Duration::microseconds(400)));
    }
    world.disk.crash(random);
  }
  p.reset();
  return world.disk.fingerprint();
}

TEST(MemDisk, EqualSeedsGiveEqualDisks) {
  size_t different = 0;
  for (uint64_t seed = 1; seed <= 10; ++seed) {
    EXPECT_EQ(run_with_seed(seed), run_with_seed(seed));
    different += run_with_seed(seed) != run_with_seed(seed + 1) ? 1 : 0;
  }
  EXPECT_GT(different, 0U);
}

kv::Batch blob_batch(const std::string& content) {
  kv::Batch batch;
  batch.add_blob(kv::blob_id_of(content), blob_of(content), "t");
  return batch;
}

TEST(MemDisk, AFullDiskRefusesBlobsFirst) {
  MemWorld world;
  auto p = world.open("p");
  world.disk.set_space(Space::reserve);
  const auto blob = world.commit(*p, blob_batch("x"));
  ASSERT_FALSE(blob.has_value());
  EXPECT_TRUE(blob.error().is(kv::kDiskFull));
  EXPECT_TRUE(world.commit(*p, put_batch("k", "v")).has_value());
  world.disk.set_space(Space::none);
  EXPECT_EQ(world.store().free_bytes(), 0U);
  EXPECT_FALSE(world.commit(*p, put_batch("k", "w")).has_value());
  EXPECT_EQ(world.get(*p, "k"), "v");
  world.disk.set_space(Space::plenty);
  EXPECT_TRUE(world.commit(*p, blob_batch("x"), p->version()).has_value());
}

TEST(MemDisk, AFailingCommitChangesNothing) {
  MemWorld world;
  auto p = world.open("p");
  world.disk.fail_next(2);
  for (int i = 0; i < 2; ++i) {
    const auto failed = world.commit(*p, put_batch("k", "v"));
    ASSERT_FALSE(failed.has_value());
    EXPECT_TRUE(failed.error().is(kv::kIo));
  }
  EXPECT_EQ(world.get(*p, "k"), std::nullopt);
  EXPECT_EQ(p->version().value, 0U);
  EXPECT_TRUE(world.commit(*p, put_batch("k", "v"), p->version()).has_value());
}

TEST(MemDisk, AStalledCommitIsUncertainAtItsDeadline) {
  MemWorld world;
  auto p = world.open("p");
  world.disk.stall_for(Duration::seconds(10));
  const kv::CommitOptions options{std::nullopt, world.runtime.loop(0).in(Duration::seconds(2))};
  const auto answer = world.runtime.ask([&] { return p->commit(put_batch("k", "v"), options); });
  ASSERT_FALSE(answer.has_value());
  EXPECT_TRUE(answer.error().is(kv::kUncertain));
  EXPECT_EQ(world.runtime.loop(0).now().us(), Duration::seconds(2).us());
  EXPECT_EQ(world.get(*p, "k"), std::nullopt);
  EXPECT_EQ(world.store().figures().oldest_commit, Instant());
  EXPECT_EQ(world.store().figures().commit_times.total(), 0U);
  world.runtime.advance(Duration::seconds(9));
  EXPECT_EQ(world.get(*p, "k"), "v");
  EXPECT_EQ(world.store().figures().oldest_commit, std::nullopt);
  EXPECT_EQ(world.store().figures().commit_times.median(), Duration::seconds(10));
}

TEST(MemDisk, ADamagedBlobSaysSo) {
  MemWorld world;
  auto p = world.open("p");
  ASSERT_TRUE(world.commit(*p, blob_batch("x")).has_value());
  ASSERT_TRUE(world.commit(*p, blob_batch("y")).has_value());
  world.disk.damage_blob(kv::blob_id_of("x"));
  const auto read = world.read_blob(kv::blob_id_of("x"));
  ASSERT_FALSE(read.has_value());
  EXPECT_TRUE(read.error().is(kv::kDamaged));
  EXPECT_TRUE(world.read_blob(kv::blob_id_of("y")).has_value());
}

}  // namespace
}  // namespace ph::kv_mem
