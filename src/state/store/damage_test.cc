// One octet flipped in every kind of record: it is set aside, and the rest works.
#include <gtest/gtest.h>

#include <algorithm>

#include "base/digest.h"
#include "state/store/detail/records.h"
#include "state/store/detail/store_test_world.h"

namespace ph::store {
namespace {

// Flips a bit of the records under `prefix` that `wanted` accepts, while nobody has the mailbox
// open. How many there were.
size_t flip(StoreWorld& world, std::string prefix, size_t records_max) {
  world.kill();
  size_t flipped = 0;
  {
    kv_mem::MemStore kv(world.disk);
    const auto partition =
        std::move(*kv.open(world.runtime.loop(0), "mailbox/" + std::to_string(world.id.value)));
    const auto page =
        world.runtime.ask([&] { return partition->scan(kv::prefix_range(prefix)); }, 0);
    kv::Batch batch;
    for (const kv::Entry& e : page->entries) {
      if (flipped == records_max) break;
      std::string value = e.value;
      value[world.random.below(value.size())] ^= static_cast<char>(1U << world.random.below(8));
      batch.put(e.key, value);
      ++flipped;
    }
    const rt::Deadline deadline = world.soon();
    EXPECT_TRUE(
        world.runtime.ask([&] { return partition->commit(std::move(batch), {{}, deadline}); }, 0)
            .has_value());
  }
  world.start();
  return flipped;
}

struct Before {
  uint64_t seq = 0;
  std::map<std::string, std::pair<uint32_t, Uid>> uids;  // by folder name: UIDVALIDITY, UIDNEXT
};

// A mailbox with something of every kind.
Before fill(StoreWorld& world) {
  const FolderId inbox = world.inbox();
  const FolderId other = world.folder("Other");
  Flags tagged;
  tagged.keywords = {"Tag"};
  for (int i = 0; i < 6; ++i) {
    EXPECT_TRUE(world.append(inbox, "Subject: s\r\n\r\nbody", tagged).has_value());
  }
  EXPECT_TRUE(world.append(other, kPlainMessage).has_value());
  const kv::BlobId blob = world.blob(kPlainMessage);
  for (const char* handover : {"d1", "d2"}) {
    EXPECT_TRUE(
        world.ask([&] { return world.box().deliver(delivery_of(handover, blob, 9), world.soon()); })
            .has_value());
  }
  EXPECT_TRUE(world
                  .ask([&] {
                    return world.box().expunge(inbox, {1}, Expunge::whatever_flags, world.soon());
                  })
                  .has_value());
  NewSubmission s;
  s.bytes = std::make_shared<const std::string>(kPlainMessage);
  s.recipients.push_back({"bob@example.net", {}, {}, {}});
  s.hold_until = world.runtime.loop(0).wall() + Duration::days(1);
  EXPECT_TRUE(world.ask([&] { return world.box().submit(s, world.soon()); }).has_value());
  Before out;
  out.seq = world.box().seq().value;
  for (const Folder& f : world.box().folders()) {
    out.uids[f.name] = {f.uid_validity, world.box().status(f.id)->uid_next};
  }
  return out;
}

size_t messages_in_all(StoreWorld& world) {
  size_t out = 0;
  for (const Folder& f : world.box().folders()) out += world.uids(f.id).size();
  return out;
}

void expect_usable(StoreWorld& world, const Before& before) {
  EXPECT_GE(world.box().seq().value, before.seq);
  ASSERT_TRUE(world.box().folder_with(Role::inbox).has_value());
  for (const Folder& f : world.box().folders()) {
    const auto old = before.uids.find(f.name);
    if (old == before.uids.end() || old->second.first != f.uid_validity) continue;
    EXPECT_GE(world.box().status(f.id)->uid_next, old->second.second) << f.name;
  }
  std::set<uint64_t> ids;
  for (const Folder& f : world.box().folders()) {
    auto view =
        world.ask([&] { return world.box().open_view(f.id, Access::read_only, world.soon()); });
    for (const Uid uid : (*view)->uids().between(1, UINT32_MAX)) {
      EXPECT_TRUE(ids.insert((*view)->message(uid)->id.value).second);
    }
  }
  const auto added = world.append(world.inbox(), "\r\nnew");
  ASSERT_TRUE(added.has_value());
  EXPECT_FALSE(ids.contains(added->messages[0].value));
  FlagChange seen{FlagChange::Kind::add, {}};
  seen.flags.set(Flag::seen);
  const auto all = world.uids(world.inbox());
  EXPECT_TRUE(
      world.ask([&] { return world.box().store_flags(world.inbox(), all, seen, {}, world.soon()); })
          .has_value());
  for (const Folder& f : world.box().folders()) {
    Query text;
    text.kind = Query::Kind::text;
    text.text = "body";
    EXPECT_TRUE(
        world.ask([&] { return world.box().search(f.id, text, world.soon()); }).has_value());
    (void)world.ask([&] { return world.box().changes_since(f.id, Seq{1}, world.soon()); });
    if (f.role == Role::outbox) continue;
    const auto those = world.uids(f.id);
    EXPECT_TRUE(world
                    .ask([&] {
                      return world.box().expunge(f.id, those, Expunge::whatever_flags,
                                                 world.soon());
                    })
                    .has_value());
  }
}

TEST(Damage, EveryKindOfRecordIsSetAsideAndTheRestWorks) {
  for (const char* prefix : {"h", "f/", "c/", "k/", "p/", "m/", "i/", "t/", "d/", "s/"}) {
    for (uint64_t seed = 1; seed <= 20; ++seed) {
      SCOPED_TRACE(std::string(prefix) + " seed " + std::to_string(seed));
      StoreWorld world(seed);
      const Before before = fill(world);
      const size_t count = messages_in_all(world);
      const size_t flipped = flip(world, prefix, 1 + world.random.below(10));
      ASSERT_GT(flipped, 0U);
      if (*prefix != 'p') EXPECT_EQ(messages_in_all(world), count);
      if (*prefix == 'p') EXPECT_EQ(messages_in_all(world), count - flipped);
      expect_usable(world, before);
      if (*prefix == 'i') continue;  // looked at by find() alone
      if (*prefix != 't' && *prefix != 'd') EXPECT_GE(world.box().damage().size(), flipped);
      if (testing::Test::HasFailure()) return;
    }
  }
}

TEST(Damage, ALostSubmissionLeavesItsMessageInDrafts) {
  StoreWorld world;
  fill(world);
  ASSERT_EQ(flip(world, "s/", 1), 1U);
  world.box();
  world.runtime.advance(Duration::seconds(2));
  EXPECT_TRUE(world.uids(world.box().folder_with(Role::outbox)->id).empty());
  EXPECT_EQ(world.uids(world.box().folder_with(Role::drafts)->id).size(), 1U);
}

TEST(Damage, ADamagedHandOverStillMakesNothingTwice) {
  StoreWorld world;
  fill(world);
  ASSERT_EQ(flip(world, "d/", 2), 2U);
  const auto again = world.ask([&] {
    return world.box().deliver(delivery_of("d1", world.blob(kPlainMessage), 9), world.soon());
  });
  EXPECT_EQ(again->kind, Delivered::Kind::already);
}

TEST(Damage, DamagedOctetsAreThatMessagesAlone) {
  StoreWorld world;
  const FolderId inbox = world.inbox();
  ASSERT_TRUE(world.append(inbox, "\r\nfirst").has_value());
  ASSERT_TRUE(world.append(inbox, "\r\nsecond").has_value());
  world.disk.damage_blob(kv::blob_id_of("\r\nfirst"));
  Query text;
  text.kind = Query::Kind::text;
  text.text = "s";
  const auto found = world.ask([&] { return world.box().search(inbox, text, world.soon()); });
  EXPECT_EQ(*found, std::vector<Uid>{2});
}

TEST(Housework, ForgetsWhatWasKeptLongEnoughAndSaysSo) {
  StoreWorld world;
  const FolderId inbox = world.inbox();
  const kv::BlobId blob = world.blob(kPlainMessage);
  const auto deliver = [&](const char* handover) {
    return world.ask(
        [&] { return world.box().deliver(delivery_of(handover, blob, 9), world.soon()); });
  };
  ASSERT_TRUE(deliver("old").has_value());
  const Seq start = world.box().seq();
  (void)world.ask(
      [&] { return world.box().expunge(inbox, {1}, Expunge::whatever_flags, world.soon()); });
  const Seq gone = world.box().seq();
  world.runtime.advance(Duration::days(29));
  ASSERT_TRUE(deliver("young").has_value());
  (void)world.ask(
      [&] { return world.box().expunge(inbox, {2}, Expunge::whatever_flags, world.soon()); });
  EXPECT_EQ(world.box().tombstone_floor(), Seq{});
  world.runtime.advance(Duration::days(2));
  EXPECT_EQ(world.box().tombstone_floor(), gone);
  world.restart();
  const auto since = [&](Seq seq) {
    return world.ask([&] { return world.box().changes_since(inbox, seq, world.soon()); });
  };
  EXPECT_TRUE(since(start).error().is(kTooOld));
  EXPECT_TRUE(since(gone)->vanished.empty());  // 2 came and went after it
  EXPECT_EQ(since(Seq{gone.value + 1})->vanished, std::vector<Uid>{2});
  EXPECT_EQ(deliver("young")->kind, Delivered::Kind::already);
  EXPECT_EQ(deliver("old")->kind, Delivered::Kind::now);
}

TEST(Records, ASubmissionKeepsWhatItsSenderAskedFor) {
  Submission s;
  s.id.value = 9;
  s.handover_id = "abc/9";
  s.envelope.mt_priority = -9;
  s.envelope.deliver_by = {model::DeliverBy::Mode::notify, Time::from_unix_s(5'000'000'000), true};
  s.envelope.hold_until = Time::from_unix_s(4'000'000'000);
  const std::string key = open_submission_key(s.id);
  const auto same = decode_submission(key, encode(s, key));
  ASSERT_TRUE(same.has_value());
  EXPECT_EQ(same->envelope, s.envelope);
  s.envelope.mt_priority = 10;
  EXPECT_FALSE(decode_submission(key, encode(s, key)).has_value());
}

// A record of format 1 ends where the envelope's wishes begin: five numbers, here of one octet.
TEST(Records, ASubmissionOfFormatOneIsRead) {
  Submission s;
  s.id.value = 9;
  s.handover_id = "abc/9";
  s.recipients.push_back({"bob@example.net", {}, "rfc822", "b@x"});
  const std::string key = open_submission_key(s.id);
  std::string old = encode(s, key);
  old.resize(old.size() - 4 - 5);
  old[0] = 1;
  const uint32_t sum = crc32c(old, crc32c(key));
  for (int shift = 0; shift < 32; shift += 8) old += static_cast<char>((sum >> shift) & 0xFF);
  const auto read = decode_submission(key, old);
  ASSERT_TRUE(read.has_value());
  EXPECT_EQ(read->recipients, s.recipients);
  EXPECT_EQ(read->envelope, s.envelope);
}

TEST(Records, AnyFlippedBitIsNoticed) {
  Random random(5);
  Submission s;
  s.handover_id = "abc/9";
  s.id.value = 9;
  s.recipients.push_back({"bob@example.net", {true, false, true, false}, "rfc822", "b@x"});
  const std::string key = open_submission_key(s.id);
  const std::string record = encode(s, key);
  const auto same = decode_submission(key, record);
  ASSERT_TRUE(same.has_value());
  EXPECT_EQ(same->recipients, s.recipients);
  for (size_t i = 0; i < record.size() * 8; ++i) {
    std::string bad = record;
    bad[i / 8] ^= static_cast<char>(1U << (i % 8));
    EXPECT_FALSE(decode_submission(key, bad).has_value()) << i;
  }
  for (size_t size = 0; size < record.size(); ++size) {
    EXPECT_FALSE(decode_submission(key, record.substr(0, size)).has_value());
  }
  // A record under another's key is damage too.
  EXPECT_FALSE(decode_submission(open_submission_key(SubmissionId{10}), record).has_value());
  Row row;
  row.uid = 7;
  row.id.value = 12;
  row.created = 5;
  row.content_seq = row.flags_seq = 5;
  row.read_seq = 900;
  row.internal_date_s = -5;
  row.keywords.set(255);
  row.keywords.set(3);
  const std::string at = row_key(FolderId{1}, 7);
  const auto back = decode_row(at, encode(row, at));
  ASSERT_TRUE(back.has_value());
  EXPECT_EQ(back->keywords, row.keywords);
  EXPECT_EQ(back->read_seq, 900U);
  EXPECT_EQ(back->internal_date_s, -5);
}

}  // namespace
}  // namespace ph::store
