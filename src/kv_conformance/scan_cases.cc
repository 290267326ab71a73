// Snapshots and scans.
#include <gtest/gtest.h>

#include "kv/errors.h"
#include "kv_conformance/world.h"

namespace ph::kv_conformance {

namespace {

std::string number(int i) { return std::to_string(1000 + i); }

std::unique_ptr<kv::Partition> filled(World& world, int count) {
  // Neighbours with keys on both sides, so that a scan that leaves its partition is seen.
  for (const char* name : {"a", "z"}) {
    auto other = world.open(name);
    EXPECT_TRUE(world.commit(*other, put_batch("1005", "other")).has_value());
  }
  auto p = world.open("m");
  kv::Batch batch;
  for (int i = 0; i < count; ++i) batch.put(number(i), "v" + number(i));
  EXPECT_TRUE(world.commit(*p, std::move(batch)).has_value());
  return p;
}

void a_scan_gives_all_keys_in_order(World& world) {
  auto p = filled(world, 100);
  for (const size_t page : {size_t{1}, size_t{7}, size_t{100}, size_t{1000}}) {
    kv::Range range;
    range.entries_max = page;
    auto entries = world.scan(*p, range);
    ASSERT_EQ(entries.size(), 100U);
    for (int i = 0; i < 100; ++i) {
      EXPECT_EQ(entries[static_cast<size_t>(i)].key, number(i));
      EXPECT_EQ(entries[static_cast<size_t>(i)].value, "v" + number(i));
    }
    range.order = kv::Range::Order::falling;
    entries = world.scan(*p, range);
    ASSERT_EQ(entries.size(), 100U);
    for (int i = 0; i < 100; ++i) EXPECT_EQ(entries[static_cast<size_t>(i)].key, number(99 - i));
  }
}

void bounds_include_from_and_exclude_to(World& world) {
  auto p = filled(world, 20);
  for (const auto order : {kv::Range::Order::rising, kv::Range::Order::falling}) {
    kv::Range range;
    range.from = number(5);
    range.to = number(9);
    range.order = order;
    range.entries_max = 3;
    const auto entries = world.scan(*p, range);
    ASSERT_EQ(entries.size(), 4U);
    const bool rising = order == kv::Range::Order::rising;
    EXPECT_EQ(entries.front().key, number(rising ? 5 : 8));
    EXPECT_EQ(entries.back().key, number(rising ? 8 : 5));
    range.to = number(5);
    EXPECT_TRUE(world.scan(*p, range).empty());
    range.to = number(3);
    EXPECT_TRUE(world.scan(*p, range).empty());
  }
}

void a_page_ends_at_its_limits(World& world) {
  auto p = filled(world, 10);
  kv::Range range;
  range.entries_max = 4;
  const auto page = world.runtime.ask([&] { return p->scan(range); });
  ASSERT_TRUE(page.has_value());
  EXPECT_EQ(page->entries.size(), 4U);
  EXPECT_TRUE(page->rest.has_value());
  range.entries_max = 10;
  const auto exact = world.runtime.ask([&] { return p->scan(range); });
  ASSERT_TRUE(exact.has_value());
  EXPECT_EQ(exact->entries.size(), 10U);
  EXPECT_FALSE(exact->rest.has_value());
  range.entries_max = 1000;
  range.bytes_max = 20;  // an entry has nine octets: the third passes the limit
  const auto small = world.runtime.ask([&] { return p->scan(range); });
  ASSERT_TRUE(small.has_value());
  EXPECT_EQ(small->entries.size(), 3U);
  range.bytes_max = 0;  // still at least one, so that a scan goes on
  const auto one = world.runtime.ask([&] { return p->scan(range); });
  ASSERT_TRUE(one.has_value());
  EXPECT_EQ(one->entries.size(), 1U);
}

void prefixes_may_end_in_the_last_octet(World& world) {
  auto p = world.open("m");
  kv::Batch batch;
  for (const char* key : {"a", "b\xff", "b\xff\x01", "b\xff\xff", "c"}) batch.put(key, "v");
  ASSERT_TRUE(world.commit(*p, std::move(batch)).has_value());
  EXPECT_EQ(world.scan(*p, kv::prefix_range("b\xff")).size(), 3U);
  kv::Range range = kv::prefix_range("b\xff");
  range.order = kv::Range::Order::falling;
  range.entries_max = 1;
  const auto entries = world.scan(*p, range);
  ASSERT_EQ(entries.size(), 3U);
  EXPECT_EQ(entries[0].key, "b\xff\xff");
  EXPECT_EQ(world.scan(*p, kv::prefix_range("\xff")).size(), 0U);
}

void a_snapshot_stands_still(World& world) {
  auto p = filled(world, 10);
  const auto before = p->read();
  kv::Batch batch;
  batch.put(number(3), "changed");
  batch.erase(number(4));
  batch.put(number(77), "new");
  ASSERT_TRUE(world.commit(*p, std::move(batch)).has_value());
  const auto after = p->read();
  const auto old_value = world.runtime.ask([&] { return before->get(number(3)); });
  const auto new_value = world.runtime.ask([&] { return after->get(number(3)); });
  ASSERT_TRUE(old_value.has_value() && new_value.has_value());
  EXPECT_EQ(*old_value, "v" + number(3));
  EXPECT_EQ(*new_value, "changed");
  const auto old_page = world.runtime.ask([&] { return before->scan({}); });
  const auto new_page = world.runtime.ask([&] { return after->scan({}); });
  ASSERT_TRUE(old_page.has_value() && new_page.has_value());
  EXPECT_EQ(old_page->entries.size(), 10U);
  EXPECT_EQ(old_page->entries[4].key, number(4));
  EXPECT_EQ(new_page->entries.size(), 10U);
  EXPECT_EQ(new_page->entries.back().key, number(77));
}

}  // namespace

void add_scan_cases(Cases& cases) {
  cases["AScanGivesAllKeysInOrder"] = a_scan_gives_all_keys_in_order;
  cases["BoundsIncludeFromAndExcludeTo"] = bounds_include_from_and_exclude_to;
  cases["APageEndsAtItsLimits"] = a_page_ends_at_its_limits;
  cases["PrefixesMayEndInTheLastOctet"] = prefixes_may_end_in_the_last_octet;
  cases["ASnapshotStandsStill"] = a_snapshot_stands_still;
}

}  // namespace ph::kv_conformance
