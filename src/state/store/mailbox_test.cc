#include "state/store/mailbox.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "state/store/detail/store_test_world.h"

namespace ph::store {
namespace {

Flags flags_of(std::initializer_list<Flag> bits, std::vector<std::string> keywords = {}) {
  Flags out;
  for (const Flag f : bits) out.set(f);
  out.keywords = std::move(keywords);
  return out;
}

Query query_of(Query::Kind kind) {
  Query out;
  out.kind = kind;
  return out;
}

TEST(Mailbox, ANewOneHasItsFoldersAndKeepsItsIdentity) {
  StoreWorld world;
  std::vector<std::string> names;
  for (const Folder& f : world.box().folders()) names.push_back(f.name);
  EXPECT_EQ(names, (std::vector<std::string>{"INBOX", "Archive", "Drafts", "Junk", "Outbox", "Sent",
                                             "Trash"}));
  const Guid guid = world.box().guid();
  const uint32_t validity = world.box().folder_with(Role::inbox)->uid_validity;
  world.restart();
  EXPECT_EQ(world.box().guid(), guid);
  EXPECT_EQ(world.box().folder_with(Role::inbox)->uid_validity, validity);
  EXPECT_EQ(world.box().folders().size(), 7U);
}

TEST(Mailbox, DeliveryIsMadeOncePerHandOverIdAlsoOverARestart) {
  StoreWorld world;
  const kv::BlobId blob = world.blob(kPlainMessage);
  Delivery d = delivery_of("q1/7", blob, std::string(kPlainMessage).size());
  d.added_header = "Return-Path: <ann@example.org>\r\n";
  d.thread = thread_of(kPlainMessage);
  const auto first = world.ask([&] { return world.box().deliver(d, world.soon()); });
  ASSERT_TRUE(first.has_value()) << first.error().to_text();
  EXPECT_EQ(first->kind, Delivered::Kind::now);
  EXPECT_EQ(first->uid, 1U);
  const auto again = world.ask([&] { return world.box().deliver(d, world.soon()); });
  EXPECT_EQ(again->kind, Delivered::Kind::already);
  EXPECT_EQ(again->message, first->message);
  world.restart();
  const auto later = world.ask([&] { return world.box().deliver(d, world.soon()); });
  EXPECT_EQ(later->kind, Delivered::Kind::already);
  EXPECT_EQ(later->uid, 1U);
  EXPECT_EQ(world.uids(world.inbox()), std::vector<Uid>{1});
  const auto bytes =
      world.ask([&] { return world.box().bytes(first->message, 0, 1'000'000, world.soon()); });
  EXPECT_EQ(**bytes, d.added_header + kPlainMessage);
  const auto middle =
      world.ask([&] { return world.box().bytes(first->message, 30, 6, world.soon()); });
  EXPECT_EQ(**middle, (d.added_header + kPlainMessage).substr(30, 6));
  const auto content = world.ask([&] { return world.box().content(first->message, world.soon()); });
  EXPECT_EQ(content->handover_id, "q1/7");
  EXPECT_TRUE(content->thread.is_set());
}

rt::Task<void> deliver_into(Mailbox& box, Delivery d, rt::Deadline deadline,
                            std::vector<Result<Delivered>>& out) {
  auto done = co_await box.deliver(std::move(d), deadline);
  out.push_back(std::move(done));
}

TEST(Mailbox, DeliveriesOfOneIdAtOnceMakeOneMessageAndShareACommit) {
  StoreWorld world;
  const kv::BlobId blob = world.blob(kPlainMessage);
  std::vector<Result<Delivered>> answers;
  Mailbox& box = world.box();
  const uint64_t commits = box.figures().commits;
  {
    rt::Scope scope(box.home(), "test");
    for (int i = 0; i < 40; ++i) {
      const std::string handover = "same/" + std::to_string(i % 4);
      scope.spawn("d", deliver_into(box, delivery_of(handover, blob, 99), world.soon(), answers));
    }
    world.runtime.run_until([&] { return scope.active() == 0; });
  }
  ASSERT_EQ(answers.size(), 40U);
  size_t made = 0;
  for (const auto& a : answers) {
    ASSERT_TRUE(a.has_value()) << a.error().to_text();
    made += a->kind == Delivered::Kind::now ? 1 : 0;
  }
  EXPECT_EQ(made, 4U);
  EXPECT_EQ(world.uids(world.inbox()).size(), 4U);
  EXPECT_LE(box.figures().commits - commits, 3U);
}

TEST(Mailbox, OneBadDeliveryDoesNotHurtThoseInItsBatch) {
  StoreWorld world;
  const kv::BlobId blob = world.blob(kPlainMessage);
  std::vector<Result<Delivered>> answers;
  Mailbox& box = world.box();
  {
    rt::Scope scope(box.home(), "test");
    for (int i = 0; i < 10; ++i) {
      const kv::BlobId id = i == 4 ? kv::blob_id_of("nowhere") : blob;
      scope.spawn("d", deliver_into(box, delivery_of("x" + std::to_string(i), id, 9), world.soon(),
                                    answers));
    }
    world.runtime.run_until([&] { return scope.active() == 0; });
  }
  size_t failed = 0;
  for (const auto& a : answers) failed += a.has_value() ? 0 : 1;
  EXPECT_EQ(failed, 1U);
  EXPECT_EQ(world.uids(world.inbox()).size(), 9U);
  EXPECT_EQ(box.status(world.inbox())->messages, 9U);
}

TEST(Mailbox, FlagsMoveTheirOwnSequences) {
  StoreWorld world;
  const FolderId inbox = world.inbox();
  ASSERT_TRUE(world.append(inbox, "Subject: a\r\n\r\na", flags_of({}, {"$Label1"})).has_value());
  const MessageInfo before = *world.message(inbox, 1);
  const FlagChange seen{FlagChange::Kind::add, flags_of({Flag::seen})};
  const auto stored = world.ask(
      [&] { return world.box().store_flags(inbox, {1, 5}, seen, std::nullopt, world.soon()); });
  EXPECT_EQ(stored->changed, std::vector<Uid>{1});
  const MessageInfo read = *world.message(inbox, 1);
  EXPECT_GT(read.read_seq, before.read_seq);
  EXPECT_EQ(read.flags_seq, before.flags_seq);
  EXPECT_EQ(read.modseq, stored->seq);
  EXPECT_EQ(world.box().status(inbox)->unseen, 0U);
  // The same again changes nothing.
  const auto same = world.ask(
      [&] { return world.box().store_flags(inbox, {1}, seen, std::nullopt, world.soon()); });
  EXPECT_FALSE(same->seq.is_set());
  const FlagChange label{FlagChange::Kind::replace, flags_of({Flag::seen}, {"$label1", "New"})};
  const auto late = world.ask(
      [&] { return world.box().store_flags(inbox, {1}, label, before.modseq, world.soon()); });
  EXPECT_EQ(late->conflict, std::vector<Uid>{1});
  const auto done = world.ask(
      [&] { return world.box().store_flags(inbox, {1}, label, read.modseq, world.soon()); });
  EXPECT_EQ(done->changed, std::vector<Uid>{1});
  EXPECT_EQ(world.message(inbox, 1)->flags.keywords, (std::vector<std::string>{"$Label1", "New"}));
  EXPECT_EQ(world.message(inbox, 1)->read_seq, read.read_seq);
}

TEST(Mailbox, KeywordsAreBoundedAndTheErrorIsTheClients) {
  StoreWorld world;
  const FolderId inbox = world.inbox();
  ASSERT_TRUE(world.append(inbox, "\r\na").has_value());
  for (size_t i = 0; i < kKeywordsMax; ++i) {
    const FlagChange add{FlagChange::Kind::add, flags_of({}, {"k" + std::to_string(i)})};
    ASSERT_TRUE(world
                    .ask([&] {
                      return world.box().store_flags(inbox, {1}, add, std::nullopt, world.soon());
                    })
                    .has_value());
  }
  EXPECT_EQ(world.message(inbox, 1)->flags.keywords.size(), kKeywordsMax);
  const auto refused = world.append(inbox, "\r\nb", flags_of({}, {"one-more"}));
  ASSERT_FALSE(refused.has_value());
  EXPECT_TRUE(refused.error().is(kTooManyKeywords));
  EXPECT_TRUE(world.append(inbox, "\r\nb", flags_of({}, {"K7"})).has_value());
  EXPECT_TRUE(world.append(inbox, "\r\nb", flags_of({}, {"not an atom"})).error().is(kBadKeyword));
  world.restart();
  EXPECT_EQ(world.message(inbox, 1)->flags.keywords.size(), kKeywordsMax);
  EXPECT_EQ(world.message(inbox, 2)->flags.keywords, std::vector<std::string>{"k7"});
}

TEST(Mailbox, AMoveKeepsTheMessageAndACopySharesItsEmail) {
  StoreWorld world;
  const FolderId inbox = world.inbox();
  const FolderId target = world.folder("Lists/posthorn");
  ASSERT_TRUE(world.append(inbox, kPlainMessage, flags_of({Flag::flagged}, {"Kept"})).has_value());
  const MessageInfo before = *world.message(inbox, 1);
  const auto copied = world.ask([&] { return world.box().copy(inbox, {1}, target, world.soon()); });
  EXPECT_EQ(copied->to, std::vector<Uid>{1});
  const auto moved =
      world.ask([&] { return world.box().move(inbox, {1, 9}, target, world.soon()); });
  EXPECT_EQ(moved->from, std::vector<Uid>{1});
  EXPECT_EQ(moved->to, std::vector<Uid>{2});
  const MessageInfo after = *world.message(target, 2);
  EXPECT_EQ(after.id, before.id);
  EXPECT_EQ(after.flags.keywords, before.flags.keywords);
  EXPECT_EQ(after.internal_date, before.internal_date);
  EXPECT_GT(after.modseq, before.modseq);
  const MessageId copy = world.message(target, 1)->id;
  EXPECT_NE(copy, before.id);
  const auto email = [&](MessageId m) {
    return world.ask([&] { return world.box().content(m, world.soon()); })->email;
  };
  EXPECT_EQ(email(copy), email(before.id));
  const auto place = world.ask([&] { return world.box().find(before.id, world.soon()); });
  EXPECT_EQ(place->folder, target);
  EXPECT_EQ(place->uid, 2U);
  EXPECT_TRUE(world.uids(inbox).empty());
  EXPECT_EQ(world.box().status(inbox)->messages, 0U);
  // Within its folder a moved message gets a new UID.
  const auto within =
      world.ask([&] { return world.box().move(target, {2}, target, world.soon()); });
  EXPECT_EQ(within->to, std::vector<Uid>{3});
  EXPECT_EQ(world.uids(target), (std::vector<Uid>{1, 3}));
}

TEST(Mailbox, ExpungeTakesTheDeletedAndTheirBlobs) {
  StoreWorld world;
  const FolderId inbox = world.inbox();
  for (int i = 0; i < 5; ++i) {
    const Flags flags = i % 2 == 0 ? flags_of({Flag::deleted}) : Flags();
    ASSERT_TRUE(world.append(inbox, "\r\nbody " + std::to_string(i), flags).has_value());
  }
  EXPECT_EQ(world.disk.blobs(), 5U);
  const auto gone = world.ask([&] {
    return world.box().expunge(inbox, {1, 2, 3, 4, 5}, Expunge::only_deleted, world.soon());
  });
  EXPECT_EQ(*gone, (std::vector<Uid>{1, 3, 5}));
  EXPECT_EQ(world.uids(inbox), (std::vector<Uid>{2, 4}));
  EXPECT_EQ(world.disk.blobs(), 2U);
  world.restart();
  EXPECT_EQ(world.uids(inbox), (std::vector<Uid>{2, 4}));
  EXPECT_EQ(world.append(inbox, "\r\nx")->uids, std::vector<Uid>{6});
}

TEST(Mailbox, AViewFollowsItsFolder) {
  StoreWorld world;
  const FolderId inbox = world.inbox();
  for (int i = 0; i < 4; ++i) ASSERT_TRUE(world.append(inbox, "\r\nx").has_value());
  auto view =
      world.ask([&] { return world.box().open_view(inbox, Access::read_write, world.soon()); });
  FolderView& v = **view;
  EXPECT_EQ(v.recent_from(), 1U);
  int hints = 0;
  v.on_change([&] { ++hints; });
  EXPECT_FALSE(v.is_behind());
  (void)world.ask(
      [&] { return world.box().expunge(inbox, {2}, Expunge::whatever_flags, world.soon()); });
  ASSERT_TRUE(world.append(inbox, "\r\ny").has_value());
  EXPECT_EQ(hints, 2);
  EXPECT_TRUE(v.is_behind());
  const Changes kept = v.poll(Vanished::keep_back);
  EXPECT_EQ(kept.added, std::vector<Uid>{5});
  EXPECT_TRUE(kept.vanished.empty());
  EXPECT_EQ(v.uids().position_of(5), 5U);
  EXPECT_EQ(v.uids().position_of(2), 2U);
  EXPECT_FALSE(v.message(2).has_value());
  const Changes told = v.poll(Vanished::report);
  EXPECT_EQ(told.vanished, std::vector<Uid>{2});
  EXPECT_EQ(v.uids().position_of(5), 4U);
  const rt::Deadline short_while = world.runtime.loop(1).in(Duration::seconds(1));
  EXPECT_TRUE(world.ask([&] { return v.wait_change(short_while); }).has_value());
  EXPECT_FALSE(v.is_behind());
  auto second =
      world.ask([&] { return world.box().open_view(inbox, Access::read_write, world.soon()); });
  EXPECT_EQ((*second)->recent_from(), 6U);
}

TEST(Mailbox, FoldersAreMadeRenamedAndDeleted) {
  StoreWorld world;
  const FolderId leaf = world.folder("a/b/c");
  ASSERT_TRUE(world.append(leaf, "\r\nx").has_value());
  const FolderId middle = world.box().find_folder("a/b")->id;
  const auto rename = [&](FolderId id, std::string name) {
    return world.ask([&] { return world.box().rename_folder(id, name, world.soon()); });
  };
  EXPECT_TRUE(rename(middle, "z/y").has_value());
  EXPECT_EQ(world.box().folder(leaf)->name, "z/y/c");
  EXPECT_TRUE(rename(middle, "z/y/c/d").error().is(kBadName));
  EXPECT_TRUE(rename(middle, "Sent").error().is(kFolderExists));
  EXPECT_TRUE(rename(world.box().folder_with(Role::outbox)->id, "o").error().is(kRoleFolder));
  const auto remove = [&](FolderId id, Children children) {
    return world.ask([&] { return world.box().delete_folder(id, children, world.soon()); });
  };
  EXPECT_TRUE(remove(world.inbox(), Children::remove).error().is(kRoleFolder));
  EXPECT_TRUE(remove(middle, Children::refuse).error().is(kHasChildren));
  EXPECT_TRUE(remove(middle, Children::keep).has_value());
  EXPECT_FALSE(world.box().find_folder("z/y")->selectable);
  EXPECT_EQ(world.uids(leaf), std::vector<Uid>{1});
  const auto again =
      world.ask([&] { return world.box().create_folder("z/y", Role::none, world.soon()); });
  EXPECT_TRUE(again->selectable);
  EXPECT_EQ(world.disk.blobs(), 1U);
  EXPECT_TRUE(remove(world.box().find_folder("z")->id, Children::remove).has_value());
  EXPECT_FALSE(world.box().find_folder("z/y/c").has_value());
  world.runtime.advance(Duration::seconds(5));
  EXPECT_EQ(world.disk.blobs(), 0U);
  world.restart();
  EXPECT_FALSE(world.box().find_folder("z").has_value());
  EXPECT_FALSE(world.box().folder(leaf).has_value());
}

TEST(Mailbox, RenamingTheInboxLeavesAnEmptyOneWithItsChildren) {
  StoreWorld world;
  const FolderId old = world.inbox();
  const FolderId child = world.folder("inbox/child");
  ASSERT_TRUE(world.append(old, "\r\nx").has_value());
  ASSERT_TRUE(world.ask([&] { return world.box().rename_folder(old, "Old mail", world.soon()); })
                  .has_value());
  EXPECT_NE(world.inbox(), old);
  EXPECT_EQ(world.box().folder(child)->name, "INBOX/child");
  EXPECT_EQ(world.box().folder(old)->name, "Old mail");
  EXPECT_EQ(world.uids(old), std::vector<Uid>{1});
  EXPECT_TRUE(world.uids(world.inbox()).empty());
  world.restart();
  EXPECT_EQ(world.box().folder(old)->name, "Old mail");
  EXPECT_EQ(world.box().find_folder("iNbOx")->id, world.inbox());
}

TEST(Mailbox, NamesAreChecked) {
  StoreWorld world;
  for (const std::string& name :
       {std::string(), std::string("a//b"), std::string("/a"), std::string("a/"),
        std::string("a\x01"), std::string("\xFF"), std::string(300, 'x'), std::string("inbox"),
        std::string("Outbox/x")}) {
    EXPECT_FALSE(
        world.ask([&] { return world.box().create_folder(name, Role::none, world.soon()); })
            .has_value())
        << name;
  }
  EXPECT_TRUE(
      world.ask([&] { return world.box().subscribe("not there", world.soon()); }).has_value());
  world.restart();
  const auto names = world.box().subscriptions();
  EXPECT_NE(std::ranges::find(names, "not there"), names.end());
}

TEST(Mailbox, SummariesAndSearchReadTheMessage) {
  StoreWorld world;
  const FolderId inbox = world.inbox();
  ASSERT_TRUE(world.append(inbox, kPlainMessage, flags_of({Flag::seen})).has_value());
  ASSERT_TRUE(
      world.append(inbox, "Subject: other\r\n\r\nnothing here", flags_of({}, {"Tag"})).has_value());
  const MessageId first = world.message(inbox, 1)->id;
  const auto summary = world.ask([&] { return world.box().summary(first, world.soon()); });
  EXPECT_EQ((*summary)->envelope.subject, "Greetings");
  EXPECT_EQ((*summary)->structure.subtype, "plain");
  const auto search = [&](Query q) {
    return world.ask([&] { return world.box().search(inbox, q, world.soon()); });
  };
  Query text = query_of(Query::Kind::text);
  text.text = "W\xC3\x96RLD";
  EXPECT_EQ(*search(text), std::vector<Uid>{1});
  Query subject = query_of(Query::Kind::header);
  subject.field = "Subject";
  subject.text = "oth";
  EXPECT_EQ(*search(subject), std::vector<Uid>{2});
  Query keyword = query_of(Query::Kind::has_keyword);
  keyword.text = "tag";
  Query seen = query_of(Query::Kind::has_flag);
  seen.flag = Flag::seen;
  Query either = query_of(Query::Kind::any_of);
  either.children = {keyword, seen};
  EXPECT_EQ(*search(either), (std::vector<Uid>{1, 2}));
  Query neither = query_of(Query::Kind::none_of);
  neither.children = {keyword, text};
  EXPECT_TRUE(search(neither)->empty());
  Query both = query_of(Query::Kind::all_of);
  both.children = {seen, text};
  EXPECT_EQ(*search(both), std::vector<Uid>{1});
  Query uids = query_of(Query::Kind::uids);
  uids.ranges = {{2, 7}};
  EXPECT_EQ(*search(uids), std::vector<Uid>{2});
  Query deep;
  for (size_t i = 0; i < kQueryDepthMax + 1; ++i) {
    Query outer = query_of(Query::Kind::none_of);
    outer.children.push_back(std::move(deep));
    deep = std::move(outer);
  }
  EXPECT_TRUE(search(deep).error().is(kBadRequest));
}

rt::Task<void> change_while_loading(StoreWorld& world, Mailbox& box, FolderId to, kv::BlobId blob) {
  for (int i = 0; i < 20; ++i) {
    const std::string handover = "meanwhile " + std::to_string(i);
    const auto done = co_await box.deliver(delivery_of(handover, blob, 9), world.soon());
    EXPECT_TRUE(done.has_value());
    EXPECT_EQ(done->folder, to);
  }
}

rt::Task<void> view_when_loaded(StoreWorld& world, Mailbox& box, FolderId folder, size_t& size) {
  const auto view = co_await box.open_view(folder, Access::read_only, world.soon());
  EXPECT_TRUE(view.has_value());
  while ((*view)->uids().size() < 5'020) {
    EXPECT_TRUE((co_await (*view)->wait_change(world.soon())).has_value());
    (void)(*view)->poll(Vanished::report);
  }
  size = (*view)->uids().size();
}

TEST(Mailbox, WhatComesWhileAFolderLoadsIsInIt) {
  for (uint64_t seed = 1; seed <= 10; ++seed) {
    StoreWorld world(seed, {}, Duration::milliseconds(4));
    const FolderId inbox = world.inbox();
    const auto body = std::make_shared<const std::string>("Subject: x\r\n\r\nx");
    for (int batch = 0; batch < 5; ++batch) {
      std::vector<NewMessage> messages(1000);
      for (NewMessage& m : messages) {
        m.bytes = body;
        m.thread.value = 1;
      }
      ASSERT_TRUE(
          world.ask([&] { return world.box().append(inbox, std::move(messages), world.soon()); })
              .has_value());
    }
    world.restart();
    const kv::BlobId blob = world.blob(kPlainMessage);
    Mailbox& box = world.box();
    size_t size = 0;
    {
      rt::Scope scope(box.home(), "test");
      scope.spawn("view", view_when_loaded(world, box, inbox, size));
      scope.spawn("deliver", change_while_loading(world, box, inbox, blob));
      world.runtime.run_until([&] { return scope.active() == 0; });
    }
    EXPECT_EQ(size, 5'020U);
    EXPECT_EQ(box.status(inbox)->messages, 5'020U);
  }
}

TEST(Mailbox, IsReachedFromAnotherLoop) {
  StoreWorld world;
  rt::Loop& other = world.runtime.loop(1 - world.loop_index(world.id));
  const kv::BlobId blob = world.blob(kPlainMessage);
  const auto done = world.runtime.ask(
      [&] {
        return world.boxes().with(
            other, world.id, "a delivery",
            [d = delivery_of("far", blob, 9), deadline = world.soon()](Mailbox& m) mutable {
              return m.deliver(std::move(d), deadline);
            },
            world.soon());
      },
      other.index());
  ASSERT_TRUE(done.has_value());
  EXPECT_EQ(done->uid, 1U);
}

TEST(Mailbox, AFullDiskAnswersAndLaterWorks) {
  StoreWorld world;
  const FolderId inbox = world.inbox();
  world.disk.set_space(kv_mem::Space::none);
  EXPECT_FALSE(world.append(inbox, "\r\nx").has_value());
  EXPECT_TRUE(world.uids(inbox).empty());
  world.disk.set_space(kv_mem::Space::plenty);
  EXPECT_EQ(world.append(inbox, "\r\nx")->uids, std::vector<Uid>{1});
}

TEST(Mailbox, AStalledDiskIsWaitedForAndNothingIsSaidTwice) {
  Options options;
  options.commit_deadline = Duration::seconds(5);
  StoreWorld world(7, options);
  const FolderId inbox = world.inbox();
  world.disk.stall_for(Duration::minutes(3));
  const auto late = world.append(inbox, "\r\nx");
  ASSERT_FALSE(late.has_value());
  EXPECT_TRUE(late.error().is(kUncertain)) << late.error().to_text();
  world.runtime.advance(Duration::minutes(4));
  const auto next = world.append(inbox, "\r\ny");
  ASSERT_TRUE(next.has_value()) << next.error().to_text();
  EXPECT_EQ(next->uids.front(), world.uids(inbox).size());
  world.restart();
  EXPECT_EQ(next->uids.front(), world.uids(inbox).size());
}

TEST(Mailboxes, IdleOnesAreClosedAndUsedOnesRefuseMore) {
  Options options;
  options.open_mailboxes_max = 3;
  StoreWorld world(1, options);
  std::vector<MailboxRef> used;
  for (uint64_t i = 0; i < 10; ++i) {
    const MailboxId id{2 * i};
    auto opened = world.runtime.ask([&] { return world.boxes().open(id, world.soon()); }, 0);
    EXPECT_TRUE(opened.has_value());
    world.runtime.advance(Duration::seconds(1));
    if (i >= 7) used.push_back(std::move(*opened));
  }
  EXPECT_EQ(world.boxes().figures(world.runtime.loop(0)).open, 3U);
  const auto refused =
      world.runtime.ask([&] { return world.boxes().open(MailboxId{40}, world.soon()); }, 0);
  EXPECT_TRUE(refused.error().is(kBusy));
  used.clear();
  world.runtime.advance(Duration::minutes(30));
  EXPECT_EQ(world.boxes().figures(world.runtime.loop(0)).open, 0U);
  EXPECT_TRUE(
      world.runtime.ask([&] { return world.boxes().stop(world.runtime.loop(0), world.soon()); }, 0)
          .has_value());
  const auto late =
      world.runtime.ask([&] { return world.boxes().open(MailboxId{40}, world.soon()); }, 0);
  EXPECT_TRUE(late.error().is(kStopping));
}

TEST(Mailbox, AMessageInMemoryTakesSixtyOctetsAndAFewForTheView) {
  StoreWorld world;
  const FolderId inbox = world.inbox();
  const auto body = std::make_shared<const std::string>("Subject: x\r\n\r\nx");
  const kv::BlobId blob = kv::blob_id_of(*body);
  for (int batch = 0; batch < 50; ++batch) {
    std::vector<NewMessage> messages(1000);
    for (NewMessage& m : messages) {
      m.bytes = body;
      m.blob_id = blob;
      m.thread.value = 1;
    }
    ASSERT_TRUE(
        world.ask([&] { return world.box().append(inbox, std::move(messages), world.soon()); })
            .has_value());
  }
  world.restart();
  EXPECT_EQ(world.box().figures().index_bytes, 0U);
  auto view =
      world.ask([&] { return world.box().open_view(inbox, Access::read_only, world.soon()); });
  ASSERT_EQ((*view)->uids().size(), 50'000U);
  EXPECT_LE(world.box().figures().index_bytes, 64U * 50'000U);
  ASSERT_TRUE(world.append(inbox, "\r\ny").has_value());
  EXPECT_LE(world.box().figures().index_bytes, 70U * 50'000U);
}

}  // namespace
}  // namespace ph::store
