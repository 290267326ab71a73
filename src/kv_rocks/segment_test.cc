// The parts below the store: records, segments, and a compaction that comes too late.
#include <gtest/gtest.h>

#include <filesystem>

#include "base/random.h"
#include "kv/errors.h"
#include "kv_rocks/detail/core.h"
#include "kv_rocks/test_world.h"

namespace ph::kv_rocks {
namespace {

using kv_conformance::blob_of;
using kv_conformance::octets;

TEST(RecordHeader, EveryFlippedOctetIsSeen) {
  const RecordHeader header{kv::blob_id_of("x"), 12'345, 67};
  const std::string good = encode(header);
  const auto back = decode_record_header(good);
  ASSERT_TRUE(back.has_value());
  EXPECT_EQ(back->id, header.id);
  EXPECT_EQ(back->length, header.length);
  EXPECT_EQ(back->crc, header.crc);
  for (size_t i = 0; i < good.size(); ++i) {
    std::string bad = good;
    bad[i] = static_cast<char>(bad[i] ^ 0x10);
    EXPECT_FALSE(decode_record_header(bad).has_value()) << i;
  }
  EXPECT_FALSE(decode_record_header(good.substr(1)).has_value());
  EXPECT_FALSE(decode_record_header(std::string(kRecordHeaderBytes, '\0')).has_value());
}

TEST(SegmentWriter, WhatItFlushedIsWhereItSaid) {
  const std::string path = fresh_folder();
  SegmentFolder folder(path);
  SegmentWriter writer(folder, 3'000'000);
  std::vector<std::pair<Location, std::string>> written;
  Random random(3);
  for (int round = 0; round < 30; ++round) {
    for (uint64_t n = random.below(5); n < 5; ++n) {
      const std::string content = octets(random.below(400'000), random.next());
      auto at = writer.place(kv::blob_id_of(content), blob_of(content));
      ASSERT_TRUE(at.has_value());
      if (round % 5 == 4) continue;
      written.emplace_back(*at, content);
    }
    if (round % 5 == 4) {
      writer.discard();  // places of a rotation before it may stay; they count for nothing
    } else {
      ASSERT_TRUE(writer.flush().has_value());
    }
  }
  for (const auto& [at, content] : written) {
    const auto file = folder.open(at.segment);
    ASSERT_TRUE(file.has_value());
    const auto read = (*file)->read(at.offset + kRecordHeaderBytes, at.length);
    ASSERT_TRUE(read.has_value());
    EXPECT_TRUE(*read == content);
  }
  EXPECT_GT(writer.sealed().size(), 1U);
  std::filesystem::remove_all(path);
}

class CoreTest : public testing::Test {
 protected:
  CoreTest() : runtime_(1, kv_conformance::Idle::wait_for_post) {
    RocksOptions options = small_options();
    options.folder = fresh_folder();
    options.inline_blob_bytes_max = 0;
    core_ = std::make_unique<Core>(runtime_, options);
    EXPECT_TRUE(core_->open().has_value());
    core_->committer->start([](SegmentNumber, uint64_t, uint64_t) { return false; });
    table_ = *core_->committer->open_table("p");
  }
  ~CoreTest() override {
    core_->close();
    std::filesystem::remove_all(core_->options.folder);
  }

  void commit(kv::Batch batch) {
    auto pending = std::make_shared<kv::Pending>();
    rt::Loop& loop = runtime_.loop(0);
    Request request{table_, std::move(batch), std::nullopt, 0,
                    &loop,  loop.now(),       pending,      std::nullopt};
    ASSERT_TRUE(core_->committer->enqueue(std::move(request)).has_value());
    const auto answer = runtime_.ask(
        [&] { return kv::await_commit(loop, pending, loop.in(Duration::seconds(60))); });
    ASSERT_TRUE(answer.has_value());
  }
  void add(const std::string& content) {
    kv::Batch batch;
    batch.add_blob(kv::blob_id_of(content), blob_of(content), "t");
    commit(std::move(batch));
  }
  void unlink(const std::string& content) {
    kv::Batch batch;
    batch.unlink_blob(kv::blob_id_of(content), "t");
    commit(std::move(batch));
  }
  std::optional<Location> place_of(const std::string& content) {
    const auto id = kv::blob_id_of(content);
    const auto found = core_->database->get(Family::index, id.view(), Tier::disk);
    if (!found.has_value() || !found->has_value()) return std::nullopt;
    return decode_blob_record(**found)->location;
  }
  Slice slice_of(const Location& at) {
    return read_slice(*core_->database, core_->segments, at.segment, 0,
                      at.offset + record_bytes(at));
  }

  kv_conformance::CrankedRuntime runtime_;
  std::unique_ptr<Core> core_;
  std::shared_ptr<OpenTable> table_;
};

// Between the reading of a slice and its writing, one blob dies and another dies and comes back.
TEST_F(CoreTest, ACompactionMovesOnlyWhatStillLivesThere) {
  const std::string stays = octets(10'000, 1);
  const std::string dies = octets(10'000, 2);
  const std::string returns = octets(10'000, 3);
  for (const auto& content : {stays, dies, returns}) add(content);
  const Location old_stays = *place_of(stays);
  const Location old_returns = *place_of(returns);
  const Slice slice = slice_of(old_returns);
  ASSERT_FALSE(slice.damaged);
  ASSERT_EQ(slice.records.size(), 3U);
  unlink(dies);
  unlink(returns);
  add(returns);
  const Location new_returns = *place_of(returns);
  ASSERT_NE(new_returns, old_returns);
  core_->committer->offer(slice);
  commit({});
  commit({});  // the slice was taken with the group before this one at the latest
  EXPECT_NE(*place_of(stays), old_stays);
  EXPECT_EQ(*place_of(returns), new_returns);
  EXPECT_FALSE(place_of(dies).has_value());
  for (const auto& content : {stays, returns}) {
    const auto read = read_blob_now(*core_, kv::blob_id_of(content), 0, kv::kWholeBlob, Tier::disk);
    ASSERT_TRUE(read.has_value());
    EXPECT_TRUE(**read == content);
  }
}

}  // namespace
}  // namespace ph::kv_rocks
