// The lives of blobs. Every case runs with small ones (in the batch) and large ones (in segments).
#include <gtest/gtest.h>

#include "kv/errors.h"
#include "kv_conformance/world.h"

namespace ph::kv_conformance {

namespace {

struct Content {
  explicit Content(size_t size, uint64_t seed = 7)
      : bytes(octets(size, seed)), id(kv::blob_id_of(bytes)) {}
  std::string bytes;
  kv::BlobId id;
};

enum class Change : uint8_t { add, link, unlink };

kv::Batch with_blob(Change change, const Content& content, std::string tag) {
  kv::Batch batch;
  switch (change) {
    case Change::add: batch.add_blob(content.id, blob_of(content.bytes), std::move(tag)); break;
    case Change::link: batch.link_blob(content.id, std::move(tag)); break;
    case Change::unlink: batch.unlink_blob(content.id, std::move(tag)); break;
  }
  return batch;
}

bool is_there(World& world, const Content& content) {
  world.settle();
  const auto read = world.read_blob(content.id);
  if (!read.has_value()) {
    EXPECT_TRUE(read.error().is(kv::kNoBlob)) << read.error().to_text();
    return false;
  }
  EXPECT_TRUE(**read == content.bytes);
  return true;
}

// Sizes: nothing, one octet, in the batch, in a segment, larger than a test's segment.
constexpr size_t kSizes[] = {0, 1, 500, 20'000, 1'500'000};

void parts_of_a_blob_are_read(World& world) {
  auto p = world.open("p");
  for (const size_t size : kSizes) {
    const Content content(size);
    ASSERT_TRUE(world.commit(*p, with_blob(Change::add, content, "t")).has_value());
    EXPECT_TRUE(is_there(world, content));
    const auto part = [&](uint64_t offset, uint64_t length) {
      const auto read = world.read_blob(content.id, offset, length);
      EXPECT_TRUE(read.has_value());
      return read.has_value() ? **read : std::string("?");
    };
    EXPECT_TRUE(part(0, size) == content.bytes);
    EXPECT_TRUE(part(0, 0).empty());
    EXPECT_TRUE(part(size, 10).empty());
    EXPECT_TRUE(part(size + 5, kv::kWholeBlob).empty());
    EXPECT_TRUE(part(kv::kWholeBlob, kv::kWholeBlob).empty());
    if (size < 100) continue;
    EXPECT_TRUE(part(10, 20) == content.bytes.substr(10, 20));
    EXPECT_TRUE(part(size - 10, 20) == content.bytes.substr(size - 10));
    EXPECT_TRUE(part(1, kv::kWholeBlob) == content.bytes.substr(1));
  }
}

void a_blob_lives_as_long_as_its_last_reference(World& world) {
  auto p = world.open("p");
  for (const size_t size : kSizes) {
    const Content content(size);
    EXPECT_FALSE(is_there(world, content));
    ASSERT_TRUE(world.commit(*p, with_blob(Change::add, content, "1")).has_value());
    ASSERT_TRUE(world.commit(*p, with_blob(Change::add, content, "1")).has_value());
    ASSERT_TRUE(world.commit(*p, with_blob(Change::link, content, "2")).has_value());
    ASSERT_TRUE(world.commit(*p, with_blob(Change::unlink, content, "1")).has_value());
    EXPECT_TRUE(is_there(world, content));
    ASSERT_TRUE(world.commit(*p, with_blob(Change::unlink, content, "absent")).has_value());
    EXPECT_TRUE(is_there(world, content));
    ASSERT_TRUE(world.commit(*p, with_blob(Change::unlink, content, "2")).has_value());
    EXPECT_FALSE(is_there(world, content));
    const auto refused = world.commit(*p, with_blob(Change::link, content, "3"));
    ASSERT_FALSE(refused.has_value());
    EXPECT_TRUE(refused.error().is(kv::kNoBlob));
    ASSERT_TRUE(world.commit(*p, with_blob(Change::add, content, "4")).has_value());
    EXPECT_TRUE(is_there(world, content));
    ASSERT_TRUE(world.commit(*p, with_blob(Change::unlink, content, "4")).has_value());
  }
}

void two_partitions_share_a_blob(World& world) {
  auto a = world.open("a");
  auto b = world.open("b");
  for (const size_t size : kSizes) {
    const Content content(size);
    ASSERT_TRUE(world.commit(*a, with_blob(Change::add, content, "t")).has_value());
    ASSERT_TRUE(world.commit(*b, with_blob(Change::add, content, "t")).has_value());
    ASSERT_TRUE(world.commit(*a, with_blob(Change::unlink, content, "t")).has_value());
    EXPECT_TRUE(is_there(world, content));
    ASSERT_TRUE(world.commit(*a, with_blob(Change::link, content, "t")).has_value());
    ASSERT_TRUE(world.commit(*b, with_blob(Change::unlink, content, "t")).has_value());
    EXPECT_TRUE(is_there(world, content));
    ASSERT_TRUE(world.commit(*a, with_blob(Change::unlink, content, "t")).has_value());
    EXPECT_FALSE(is_there(world, content));
  }
}

void changes_of_one_batch_are_made_in_order(World& world) {
  auto p = world.open("p");
  for (const size_t size : kSizes) {
    const Content kept(size, 1);
    const Content dropped(size + 1, 2);
    kv::Batch batch = with_blob(Change::add, kept, "1");
    batch.link_blob(kept.id, "2");
    batch.unlink_blob(kept.id, "1");
    batch.add_blob(dropped.id, blob_of(dropped.bytes), "1");
    batch.unlink_blob(dropped.id, "1");
    ASSERT_TRUE(world.commit(*p, std::move(batch)).has_value());
    EXPECT_TRUE(is_there(world, kept));
    EXPECT_FALSE(is_there(world, dropped));
    // The last reference goes and another comes in one batch.
    batch = with_blob(Change::link, kept, "3");
    batch.unlink_blob(kept.id, "2");
    ASSERT_TRUE(world.commit(*p, std::move(batch)).has_value());
    EXPECT_TRUE(is_there(world, kept));
    batch = with_blob(Change::unlink, kept, "3");
    batch.add_blob(kept.id, blob_of(kept.bytes), "4");
    ASSERT_TRUE(world.commit(*p, std::move(batch)).has_value());
    EXPECT_TRUE(is_there(world, kept));
    // A link behind the last unlink of the same batch finds nothing.
    batch = with_blob(Change::unlink, kept, "4");
    batch.link_blob(kept.id, "5");
    const auto refused = world.commit(*p, std::move(batch));
    EXPECT_FALSE(refused.has_value());
    EXPECT_TRUE(is_there(world, kept));
    ASSERT_TRUE(world.commit(*p, with_blob(Change::unlink, kept, "4")).has_value());
  }
}

void dying_and_coming_back_in_one_pipeline(World& world) {
  auto p = world.open("p");
  for (const size_t size : kSizes) {
    const Content content(size);
    std::vector<kv::Batch> batches;
    for (int i = 0; i < 20; ++i) {
      batches.push_back(with_blob(Change::add, content, "t"));
      batches.push_back(with_blob(Change::unlink, content, "t"));
    }
    batches.push_back(with_blob(Change::add, content, "t"));
    for (const auto& answer : world.commit_all(*p, std::move(batches))) {
      EXPECT_TRUE(answer.has_value());
    }
    EXPECT_TRUE(is_there(world, content));
    ASSERT_TRUE(world.commit(*p, with_blob(Change::unlink, content, "t")).has_value());
    EXPECT_FALSE(is_there(world, content));
  }
}

void blobs_are_there_after_reopening(World& world) {
  auto p = world.open("p");
  for (const size_t size : kSizes) {
    const Content kept(size, 1);
    const Content dropped(size + 1, 2);
    ASSERT_TRUE(world.commit(*p, with_blob(Change::add, kept, "t")).has_value());
    ASSERT_TRUE(world.commit(*p, with_blob(Change::add, dropped, "t")).has_value());
    ASSERT_TRUE(world.commit(*p, with_blob(Change::unlink, dropped, "t")).has_value());
  }
  p.reset();
  world.reopen();
  p = world.open("p");
  for (const size_t size : kSizes) {
    const Content kept(size, 1);
    EXPECT_TRUE(is_there(world, kept));
    EXPECT_FALSE(is_there(world, Content(size + 1, 2)));
    ASSERT_TRUE(world.commit(*p, with_blob(Change::link, kept, "t2")).has_value());
    ASSERT_TRUE(world.commit(*p, with_blob(Change::unlink, kept, "t")).has_value());
    ASSERT_TRUE(world.commit(*p, with_blob(Change::unlink, kept, "t2")).has_value());
    EXPECT_FALSE(is_there(world, kept));
  }
}

// Neighbours in one sync: what a refused batch did before its refusal is not seen by the next one.
void a_refused_batch_does_not_touch_its_neighbours(World& world) {
  auto p = world.open("p");
  for (const size_t size : kSizes) {
    const Content added(size, 1);
    const Content kept(size + 1, 2);
    ASSERT_TRUE(world.commit(*p, with_blob(Change::add, kept, "t")).has_value());
    std::vector<kv::Batch> batches;
    batches.push_back(put_batch("before", "x"));
    kv::Batch refused = with_blob(Change::add, added, "t");
    refused.unlink_blob(kept.id, "t");
    refused.put("part", "x");
    refused.link_blob(kv::blob_id_of("absent"), "t");
    batches.push_back(std::move(refused));
    batches.push_back(with_blob(Change::link, added, "u"));
    batches.push_back(with_blob(Change::link, kept, "u"));
    const auto answers = world.commit_all(*p, std::move(batches));
    EXPECT_TRUE(answers[0].has_value());
    EXPECT_FALSE(answers[1].has_value());
    EXPECT_FALSE(answers[2].has_value());
    EXPECT_TRUE(answers[3].has_value());
    EXPECT_FALSE(is_there(world, added));
    EXPECT_TRUE(is_there(world, kept));
    EXPECT_EQ(world.get(*p, "part"), std::nullopt);
    ASSERT_TRUE(world.commit(*p, with_blob(Change::unlink, kept, "u")).has_value());
    EXPECT_TRUE(is_there(world, kept));
    ASSERT_TRUE(world.commit(*p, with_blob(Change::unlink, kept, "t")).has_value());
    EXPECT_FALSE(is_there(world, kept));
  }
}

// More references than an engine may keep at hand, coming and going in another order.
void many_references_are_counted(World& world) {
  auto a = world.open("a");
  auto b = world.open("b");
  for (const size_t size : kSizes) {
    const Content content(size);
    ASSERT_TRUE(world.commit(*a, with_blob(Change::add, content, "t0")).has_value());
    for (int i = 0; i < 10; ++i) {
      const std::string tag = "t" + std::to_string(i);
      for (int twice = 0; twice < 2; ++twice) {
        ASSERT_TRUE(world.commit(*a, with_blob(Change::link, content, tag)).has_value());
        ASSERT_TRUE(world.commit(*b, with_blob(Change::add, content, tag)).has_value());
      }
    }
    // A batch that drops many and is refused for its last change drops none.
    kv::Batch refused;
    for (int i = 0; i < 10; ++i) refused.unlink_blob(content.id, "t" + std::to_string(i));
    refused.link_blob(content.id, "fresh");
    refused.link_blob(kv::blob_id_of("absent"), "t");
    EXPECT_FALSE(world.commit(*b, std::move(refused)).has_value());
    for (int i = 0; i < 10; ++i) {
      const std::string tag = "t" + std::to_string((i * 7 + 3) % 10);
      for (int twice = 0; twice < 2; ++twice) {
        EXPECT_TRUE(is_there(world, content));
        ASSERT_TRUE(world.commit(*b, with_blob(Change::unlink, content, tag)).has_value());
      }
    }
    kv::Batch all;
    for (int i = 0; i < 9; ++i) all.unlink_blob(content.id, "t" + std::to_string(i));
    ASSERT_TRUE(world.commit(*a, std::move(all)).has_value());
    EXPECT_TRUE(is_there(world, content));
    ASSERT_TRUE(world.commit(*a, with_blob(Change::unlink, content, "t9")).has_value());
    EXPECT_FALSE(is_there(world, content));
  }
}

}  // namespace

void add_blob_cases(Cases& cases) {
  cases["PartsOfABlobAreRead"] = parts_of_a_blob_are_read;
  cases["ABlobLivesAsLongAsItsLastReference"] = a_blob_lives_as_long_as_its_last_reference;
  cases["TwoPartitionsShareABlob"] = two_partitions_share_a_blob;
  cases["ChangesOfOneBatchAreMadeInOrder"] = changes_of_one_batch_are_made_in_order;
  cases["DyingAndComingBackInOnePipeline"] = dying_and_coming_back_in_one_pipeline;
  cases["ARefusedBatchDoesNotTouchItsNeighbours"] = a_refused_batch_does_not_touch_its_neighbours;
  cases["ManyReferencesAreCounted"] = many_references_are_counted;
  cases["BlobsAreThereAfterReopening"] = blobs_are_there_after_reopening;
}

}  // namespace ph::kv_conformance
