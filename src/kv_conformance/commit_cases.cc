// Order, versions, conflicts, atomicity, pipelining, reopening, several loops.
#include <gtest/gtest.h>

#include <atomic>

#include "kv/errors.h"
#include "kv_conformance/world.h"

namespace ph::kv_conformance {

namespace {

void a_commit_is_there_when_answered(World& world) {
  auto p = world.open("mailbox/ada");
  EXPECT_EQ(p->name(), "mailbox/ada");
  EXPECT_EQ(p->version().value, 0U);
  EXPECT_EQ(world.get(*p, "a"), std::nullopt);
  kv::Batch batch;
  batch.put("a", "1");
  batch.put("b", std::string("\0\xff", 2));
  batch.put("a", "2");  // a later change wins
  batch.put("c", "3");
  batch.erase("c");
  const auto version = world.commit(*p, std::move(batch));
  ASSERT_TRUE(version.has_value());
  EXPECT_GT(version->value, 0U);
  EXPECT_EQ(p->version(), *version);
  EXPECT_EQ(world.get(*p, "a"), "2");
  EXPECT_EQ(world.get(*p, "b"), std::string("\0\xff", 2));
  EXPECT_EQ(world.get(*p, "c"), std::nullopt);
  EXPECT_GE(world.store().figures().commits, 1U);
}

void partitions_do_not_see_each_other(World& world) {
  auto a = world.open("a");
  auto b = world.open("b");
  ASSERT_TRUE(world.commit(*a, put_batch("k", "of a")).has_value());
  EXPECT_EQ(world.get(*b, "k"), std::nullopt);
  EXPECT_EQ(b->version().value, 0U);
  ASSERT_TRUE(world.commit(*b, put_batch("k", "of b")).has_value());
  EXPECT_EQ(world.get(*a, "k"), "of a");
  EXPECT_EQ(world.scan(*a, {}).size(), 1U);
}

void a_stale_expectation_is_a_conflict_and_changes_nothing(World& world) {
  auto p = world.open("p");
  const kv::Version before = p->version();
  ASSERT_TRUE(world.commit(*p, put_batch("k", "1"), before).has_value());
  const kv::Version after = p->version();
  const auto refused = world.commit(*p, put_batch("k", "2"), before);
  ASSERT_FALSE(refused.has_value());
  EXPECT_TRUE(refused.error().is(kv::kConflict));
  EXPECT_EQ(world.get(*p, "k"), "1");
  EXPECT_EQ(p->version(), after);
  EXPECT_TRUE(world.commit(*p, put_batch("k", "3"), p->version()).has_value());
}

rt::Task<bool> chain_with_a_failure(kv::Partition& p, kv::CommitOptions options) {
  // Each expects the outcome of the one before it. The second fails, so the third must too, though
  // it was called before anybody knew.
  options.expected = p.version();
  auto first = p.commit(put_batch("1", "x"), options);
  kv::Batch bad;
  bad.put("2", "x");
  bad.link_blob(kv::blob_id_of("absent"), "t");
  options.expected = p.version();
  auto second = p.commit(std::move(bad), options);
  options.expected = p.version();
  auto third = p.commit(put_batch("3", "x"), options);
  const auto one = co_await first;
  const auto two = co_await second;
  const auto three = co_await third;
  EXPECT_TRUE(one.has_value());
  EXPECT_FALSE(two.has_value());
  EXPECT_FALSE(three.has_value());
  if (!two.has_value()) EXPECT_TRUE(two.error().is(kv::kNoBlob));
  if (!three.has_value()) EXPECT_TRUE(three.error().is(kv::kConflict));
  if (one.has_value()) EXPECT_EQ(p.version(), *one);
  // And it goes on from what is there.
  options.expected = p.version();
  const auto four = co_await p.commit(put_batch("4", "x"), options);
  EXPECT_TRUE(four.has_value());
  co_return one.has_value() && four.has_value() && one->value < four->value;
}

void what_expects_a_failed_commit_fails_too(World& world) {
  auto p = world.open("p");
  EXPECT_TRUE(world.runtime.ask([&] { return chain_with_a_failure(*p, world.options()); }));
  EXPECT_EQ(world.scan(*p, {}).size(), 2U);
}

void pipelined_commits_keep_their_order(World& world) {
  auto p = world.open("p");
  std::vector<kv::Batch> batches;
  for (int i = 0; i < 50; ++i) {
    batches.push_back(put_batch("last", std::to_string(i)));
    batches.back().put("n" + std::to_string(i), "x");
  }
  const auto answers = world.commit_all(*p, std::move(batches));
  uint64_t previous = 0;
  for (const auto& answer : answers) {
    ASSERT_TRUE(answer.has_value());
    EXPECT_GT(answer->value, previous);
    previous = answer->value;
  }
  EXPECT_EQ(world.get(*p, "last"), "49");
  EXPECT_EQ(world.scan(*p, {}).size(), 51U);
  const kv::StoreFigures figures = world.store().figures();
  EXPECT_EQ(figures.commit_queue, 0U);
  EXPECT_GT(figures.syncs, 0U);
  EXPECT_EQ(figures.commit_times.total(), figures.commits);
  EXPECT_EQ(figures.oldest_commit, std::nullopt);
}

rt::Task<Result<kv::DiskSpace>> look_at_disk(kv::Store& store, rt::Loop& loop) {
  co_return co_await store.space(loop, loop.in(Duration::seconds(30)));
}

void the_disk_has_a_size_and_free_space(World& world) {
  for (int twice = 0; twice < 2; ++twice) {
    const auto space =
        world.runtime.ask([&] { return look_at_disk(world.store(), world.runtime.loop(0)); });
    ASSERT_TRUE(space.has_value());
    EXPECT_GT(space->free_bytes, 0U);
    EXPECT_GE(space->size_bytes, space->free_bytes);
  }
}

rt::Task<std::optional<Instant>> oldest_while_on_its_way(kv::Store& store, kv::Partition& p,
                                                         kv::CommitOptions options) {
  auto answer = p.commit(put_batch("1", "x"), options);
  const std::optional<Instant> oldest = store.figures().oldest_commit;
  (void)co_await answer;
  co_return oldest;
}

void a_commit_without_an_answer_shows(World& world) {
  auto p = world.open("p");
  const Instant before = world.runtime.loop(0).now();
  const auto oldest = world.runtime.ask(
      [&] { return oldest_while_on_its_way(world.store(), *p, world.options()); });
  // A real committer may have answered before anybody looked.
  if (oldest.has_value()) EXPECT_GE(*oldest, before);
  EXPECT_EQ(world.store().figures().oldest_commit, std::nullopt);
}

void a_refused_batch_leaves_no_part_of_it(World& world) {
  auto p = world.open("p");
  kv::Batch batch;
  batch.put("k", "v");
  batch.add_blob(kv::blob_id_of("here"), blob_of("here"), "t");
  batch.link_blob(kv::blob_id_of("absent"), "t");
  const auto refused = world.commit(*p, std::move(batch));
  ASSERT_FALSE(refused.has_value());
  EXPECT_TRUE(refused.error().is(kv::kNoBlob));
  EXPECT_EQ(world.get(*p, "k"), std::nullopt);
  EXPECT_FALSE(world.read_blob(kv::blob_id_of("here")).has_value());
  EXPECT_TRUE(world.commit(*p, put_batch("k", "v")).has_value());
}

void too_large_a_value_is_refused(World& world) {
  auto p = world.open("p");
  const auto refused = world.commit(*p, put_batch("k", std::string(kv::kValueBytesMax + 1, 'x')));
  ASSERT_FALSE(refused.has_value());
  EXPECT_TRUE(refused.error().is(kv::kTooLarge));
  EXPECT_TRUE(world.commit(*p, put_batch("k", std::string(kv::kValueBytesMax, 'x'))).has_value());
  EXPECT_EQ(world.get(*p, "k")->size(), kv::kValueBytesMax);
  const std::string long_key(kv::kKeyBytesMax, 'k');
  EXPECT_TRUE(world.commit(*p, put_batch(long_key, "v")).has_value());
  EXPECT_EQ(world.get(*p, long_key), "v");
  EXPECT_EQ(world.get(*p, long_key + "k"), std::nullopt);
}

void an_empty_batch_is_a_commit(World& world) {
  auto p = world.open("p");
  const auto first = world.commit(*p, {});
  const auto second = world.commit(*p, {});
  ASSERT_TRUE(first.has_value() && second.has_value());
  EXPECT_LT(first->value, second->value);
}

void a_name_opens_once(World& world) {
  auto first = world.open("p");
  const auto second = world.store().open(world.runtime.loop(1), "p");
  ASSERT_FALSE(second.has_value());
  EXPECT_TRUE(second.error().is(kv::kConflict));
  first.reset();
  EXPECT_TRUE(world.store().open(world.runtime.loop(1), "p").has_value());
  for (const std::string& name : {std::string(), std::string("UPPER"), std::string(201, 'x'),
                                  std::string("a b"), std::string("a\0b", 3)}) {
    const auto bad = world.store().open(world.runtime.loop(0), name);
    ASSERT_FALSE(bad.has_value()) << name;
    EXPECT_TRUE(bad.error().is(kv::kBadName));
  }
  EXPECT_TRUE(world.store().open(world.runtime.loop(0), std::string(200, 'x')).has_value());
}

void all_is_there_after_reopening(World& world) {
  auto p = world.open("p");
  ASSERT_TRUE(world.commit(*p, put_batch("k", "v")).has_value());
  ASSERT_TRUE(world.commit(*p, put_batch("l", "w")).has_value());
  const kv::Version version = p->version();
  for (int i = 0; i < 3; ++i) {
    p.reset();
    world.reopen();
    p = world.open("p");
    EXPECT_EQ(p->version(), version);
    EXPECT_EQ(world.get(*p, "k"), "v");
    EXPECT_EQ(world.get(*p, "l"), "w");
  }
  const auto next = world.commit(*p, put_batch("k", "v2"), version);
  ASSERT_TRUE(next.has_value());
  EXPECT_GT(*next, version);
}

void partitions_are_listed(World& world) {
  for (const char* name : {"m/c", "m/a", "m/b", "q/1", "m"}) {
    auto p = world.open(name);
    ASSERT_TRUE(world.commit(*p, put_batch("k", "v")).has_value());
  }
  auto empty = world.open("m/empty");
  auto emptied = world.open("m/b2");
  kv::Batch erase;
  erase.erase("k");
  ASSERT_TRUE(world.commit(*emptied, put_batch("k", "v")).has_value());
  ASSERT_TRUE(world.commit(*emptied, std::move(erase)).has_value());
  const auto list = [&](std::string_view prefix, size_t limit) {
    auto names = world.store().partitions(prefix, limit);
    EXPECT_TRUE(names.has_value());
    return names.value_or(std::vector<std::string>{});
  };
  EXPECT_EQ(list("m/", 10), (std::vector<std::string>{"m/a", "m/b", "m/c"}));
  EXPECT_EQ(list("m/", 2), (std::vector<std::string>{"m/a", "m/b"}));
  EXPECT_EQ(list("", 10), (std::vector<std::string>{"m", "m/a", "m/b", "m/c", "q/1"}));
  EXPECT_TRUE(list("z", 10).empty());
  empty.reset();
  emptied.reset();
  world.reopen();
  EXPECT_EQ(list("m/", 10), (std::vector<std::string>{"m/a", "m/b", "m/c"}));
}

rt::Task<void> count_up(kv::Partition& p, rt::Loop& loop, int rounds, std::atomic<int>& done) {
  for (int i = 0; i < rounds; ++i) {
    const auto found = co_await p.get("n");
    EXPECT_TRUE(found.has_value());
    EXPECT_EQ(found->value_or("0"), std::to_string(i));
    kv::Batch batch = put_batch("n", std::to_string(i + 1));
    const std::string content = p.name() + std::to_string(i);
    batch.add_blob(kv::blob_id_of(content), blob_of(content), "t");
    const kv::CommitOptions options{p.version(), loop.in(Duration::seconds(60))};
    const auto answer = co_await p.commit(std::move(batch), options);
    EXPECT_TRUE(answer.has_value());
  }
  ++done;
}

void loops_commit_side_by_side(World& world) {
  constexpr int kRounds = 40;
  std::vector<std::unique_ptr<kv::Partition>> partitions;
  for (size_t i = 0; i < 8; ++i) partitions.push_back(world.open("p" + std::to_string(i), i % 2));
  std::atomic<int> done = 0;
  {
    rt::Scope zero(world.runtime.loop(0), "test");
    rt::Scope one(world.runtime.loop(1), "test");
    for (size_t i = 0; i < 8; ++i) {
      rt::Scope& scope = i % 2 == 0 ? zero : one;
      scope.spawn("counter", count_up(*partitions[i], world.runtime.loop(i % 2), kRounds, done));
    }
    world.run_side_by_side([&] { return done == 8; });
  }
  partitions.clear();
  for (size_t i = 0; i < 8; ++i) {
    auto p = world.open("p" + std::to_string(i));
    EXPECT_EQ(world.get(*p, "n"), std::to_string(kRounds));
  }
}

rt::Task<bool> drop_and_close(World& world, std::unique_ptr<kv::Partition> p) {
  {
    const auto dropped = p->commit(put_batch("k", "v"), world.options());
  }
  p.reset();
  // The name may be in use until that commit is answered; its version counts on in any case.
  auto other = world.store().open(world.runtime.loop(0), "p");
  EXPECT_TRUE(other.has_value());
  if (!other.has_value()) co_return false;
  const auto answer = co_await (*other)->commit(put_batch("l", "v"), world.options());
  EXPECT_TRUE(answer.has_value());
  const auto found = co_await (*other)->get("k");
  co_return found.has_value() && *found == "v";
}

void a_dropped_commit_is_still_made(World& world) {
  auto p = world.open("p");
  EXPECT_TRUE(world.runtime.ask([&] { return drop_and_close(world, std::move(p)); }));
}

}  // namespace

void add_commit_cases(Cases& cases) {
  cases["ACommitIsThereWhenAnswered"] = a_commit_is_there_when_answered;
  cases["PartitionsDoNotSeeEachOther"] = partitions_do_not_see_each_other;
  cases["AStaleExpectationIsAConflict"] = a_stale_expectation_is_a_conflict_and_changes_nothing;
  cases["WhatExpectsAFailedCommitFailsToo"] = what_expects_a_failed_commit_fails_too;
  cases["PipelinedCommitsKeepTheirOrder"] = pipelined_commits_keep_their_order;
  cases["TheDiskHasASizeAndFreeSpace"] = the_disk_has_a_size_and_free_space;
  cases["ACommitWithoutAnAnswerShows"] = a_commit_without_an_answer_shows;
  cases["ARefusedBatchLeavesNoPartOfIt"] = a_refused_batch_leaves_no_part_of_it;
  cases["TooLargeAValueIsRefused"] = too_large_a_value_is_refused;
  cases["AnEmptyBatchIsACommit"] = an_empty_batch_is_a_commit;
  cases["ANameOpensOnce"] = a_name_opens_once;
  cases["AllIsThereAfterReopening"] = all_is_there_after_reopening;
  cases["PartitionsAreListed"] = partitions_are_listed;
  cases["LoopsCommitSideBySide"] = loops_commit_side_by_side;
  cases["ADroppedCommitIsStillMade"] = a_dropped_commit_is_still_made;
}

}  // namespace ph::kv_conformance
