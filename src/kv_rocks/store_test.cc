#include "kv_rocks/store.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "base/random.h"
#include "kv/errors.h"
#include "kv_conformance/world.h"
#include "kv_rocks/test_world.h"

namespace ph::kv_rocks {
namespace {

using kv_conformance::blob_of;
using kv_conformance::octets;
using kv_conformance::put_batch;

const bool registered = kv_conformance::register_conformance(
    "RocksConformance", [] { return std::make_unique<RocksWorld>(small_options()); });
// Every blob in a segment.
const bool registered_segments =
    kv_conformance::register_conformance("RocksConformanceSegments", [] {
      RocksOptions options = small_options();
      options.inline_blob_bytes_max = 0;
      options.blob_cache_bytes = 0;
      options.segment_bytes = 64 * 1024;
      return std::make_unique<RocksWorld>(options);
    });

kv::Batch add_batch(const std::string& content, const std::string& tag = "t") {
  kv::Batch batch;
  batch.add_blob(kv::blob_id_of(content), blob_of(content), tag);
  return batch;
}

void flip_octet_of(const std::string& folder, const std::string& content) {
  for (const auto& entry : std::filesystem::directory_iterator(folder + "/segments")) {
    std::fstream file(entry.path(), std::ios::in | std::ios::out | std::ios::binary);
    const std::string all((std::istreambuf_iterator<char>(file)), {});
    const size_t at = all.find(content);
    if (at == std::string::npos) continue;
    file.clear();
    file.seekp(static_cast<std::streamoff>(at + content.size() / 2));
    file.put(static_cast<char>(all[at + content.size() / 2] ^ 1));
    return;
  }
  FAIL() << "the octets are in no segment";
}

TEST(RocksStore, AFlippedOctetDamagesOneBlobOnly) {
  RocksOptions options = small_options();
  options.blob_cache_bytes = 0;
  RocksWorld world(options);
  auto p = world.open("p");
  const std::string first = octets(20'000, 1);
  const std::string second = octets(20'000, 2);
  const std::string third = octets(20'000, 3);
  for (const auto& content : {first, second, third}) {
    ASSERT_TRUE(world.commit(*p, add_batch(content)).has_value());
  }
  flip_octet_of(world.folder(), second);
  for (int i = 0; i < 2; ++i) {
    EXPECT_TRUE(world.read_blob(kv::blob_id_of(first)).has_value());
    EXPECT_TRUE(world.read_blob(kv::blob_id_of(third)).has_value());
    const auto read = world.read_blob(kv::blob_id_of(second));
    ASSERT_FALSE(read.has_value());
    EXPECT_TRUE(read.error().is(kv::kDamaged));
    p.reset();
    world.reopen();
    p = world.open("p");
  }
  EXPECT_TRUE(world.commit(*p, put_batch("k", "v")).has_value());
}

// Most of the blobs go; the rest is moved and stays readable, and the files shrink.
TEST(RocksStore, CompactionKeepsWhatLivesAndFreesTheRest) {
  RocksOptions options = small_options();
  options.segment_bytes = 256 * 1024;
  options.blob_cache_bytes = 0;
  RocksWorld world(options);
  auto p = world.open("p");
  constexpr size_t kBlobs = 200;
  const auto content = [](size_t i) { return octets(10'000 + i, i); };
  for (size_t i = 0; i < kBlobs; ++i) {
    ASSERT_TRUE(world.commit(*p, add_batch(content(i))).has_value());
  }
  const uint64_t full = world.store().figures().segment_bytes;
  EXPECT_GT(full, kBlobs * 10'000);
  for (size_t i = 0; i < kBlobs; ++i) {
    if (i % 10 == 0) continue;
    kv::Batch batch;
    batch.unlink_blob(kv::blob_id_of(content(i)), "t");
    ASSERT_TRUE(world.commit(*p, std::move(batch)).has_value());
  }
  world.wait_until([&] { return world.store().figures().segment_bytes < full / 4; });
  for (int round = 0; round < 2; ++round) {
    for (size_t i = 0; i < kBlobs; ++i) {
      const auto read = world.read_blob(kv::blob_id_of(content(i)));
      ASSERT_EQ(read.has_value(), i % 10 == 0) << i;
      if (read.has_value()) EXPECT_TRUE(**read == content(i));
    }
    p.reset();
    world.reopen();
    p = world.open("p");
  }
}

// Blobs die and come back while their segments are compacted.
TEST(RocksStore, CompactionAndCommitsSideBySide) {
  RocksOptions options = small_options();
  options.segment_bytes = 64 * 1024;
  options.blob_cache_bytes = 0;
  options.compact_at_dead_percent = 10;
  RocksWorld world(options);
  auto p = world.open("p");
  Random random(11);
  constexpr size_t kBlobs = 40;
  std::vector<bool> there(kBlobs);
  const auto content = [](size_t i) { return octets(9'000, 1000 + i); };
  for (int round = 0; round < 100; ++round) {
    std::vector<kv::Batch> batches;
    for (int n = 0; n < 8; ++n) {
      const size_t i = random.below(kBlobs);
      kv::Batch batch;
      if (there[i]) {
        batch.unlink_blob(kv::blob_id_of(content(i)), "t");
      } else {
        batch = add_batch(content(i));
      }
      there[i] = !there[i];
      batches.push_back(std::move(batch));
    }
    for (const auto& answer : world.commit_all(*p, std::move(batches))) {
      ASSERT_TRUE(answer.has_value());
    }
    const size_t look = random.below(kBlobs);
    const auto read = world.read_blob(kv::blob_id_of(content(look)));
    ASSERT_EQ(read.has_value(), there[look]);
    if (round % 30 != 29) continue;
    p.reset();
    world.reopen();
    p = world.open("p");
  }
  for (size_t i = 0; i < kBlobs; ++i) {
    ASSERT_EQ(world.read_blob(kv::blob_id_of(content(i))).has_value(), there[i]) << i;
  }
}

TEST(RocksStore, TheReserveIsKeptForBatchesWithoutBlobs) {
  RocksOptions options = small_options();
  options.reserve_bytes = UINT64_MAX;  // no disk has that much left
  RocksWorld world(options);
  auto p = world.open("p");
  const auto refused = world.commit(*p, add_batch("x"));
  ASSERT_FALSE(refused.has_value());
  EXPECT_TRUE(refused.error().is(kv::kDiskFull));
  EXPECT_TRUE(world.commit(*p, put_batch("k", "v"), p->version()).has_value());
  EXPECT_FALSE(world.read_blob(kv::blob_id_of("x")).has_value());
}

TEST(RocksStore, AFullQueuePushesBack) {
  RocksOptions options = small_options();
  options.commit_queue_bytes_max = 64 * 1024;
  RocksWorld world(options);
  auto p = world.open("p");
  std::vector<kv::Batch> batches;
  for (int i = 0; i < 200; ++i) {
    batches.push_back(put_batch("k" + std::to_string(i), std::string(60'000, 'x')));
  }
  size_t made = 0;
  for (const auto& answer : world.commit_all(*p, std::move(batches))) {
    made += answer.has_value() ? 1 : 0;
    if (!answer.has_value()) EXPECT_TRUE(answer.error().is(kv::kBusy));
  }
  EXPECT_GT(made, 0U);
  EXPECT_LT(made, 200U);
  EXPECT_EQ(world.scan(*p, {}).size(), made);
}

TEST(RocksStore, AFolderIsUsedByOneStore) {
  RocksWorld world(small_options());
  RocksOptions options = small_options();
  options.folder = world.folder();
  EXPECT_FALSE(open_rocks(world.runtime, options).has_value());
}

TEST(RocksStore, ReadsOutliveTheStore) {
  RocksWorld world(small_options());
  auto p = world.open("p");
  ASSERT_TRUE(world.commit(*p, put_batch("k", "v")).has_value());
  auto snapshot = p->read();
  auto late = p->get("k");
  p.reset();
  world.close();
  const auto answer = world.runtime.ask([&] { return std::move(late); });
  ASSERT_FALSE(answer.has_value());
  EXPECT_TRUE(answer.error().is(kv::kStopping));
  snapshot.reset();
}

}  // namespace
}  // namespace ph::kv_rocks
