#include "service/queue/detail/records.h"

#include <gtest/gtest.h>

#include "base/random.h"

namespace ph::queue {
namespace {

model::QueueRow random_row(Random& random) {
  model::QueueRow row;
  row.id = model::make_queue_id(static_cast<uint32_t>(random.below(1024)), 1 + random.below(1000));
  row.index = static_cast<uint32_t>(random.below(10'000));
  row.recipient.address = random.bytes(random.below(300));
  row.recipient.notify = {.never = random.chance(50), .delay = random.chance(50)};
  row.recipient.original_type = random.bytes(random.below(8));
  row.recipient.original_address = random.bytes(random.below(300));
  row.state = *model::queue_state_from(random.below(model::kQueueStates));
  row.reason = *model::queue_reason_from(random.below(model::kQueueReasons));
  row.accepted_at = Time::from_unix_us(static_cast<int64_t>(random.next() >> 2));
  row.since = Time::from_unix_us(-5);
  row.next_action_at = Time::from_unix_us(static_cast<int64_t>(random.next() >> 2));
  row.expires_at = Time::max();
  row.attempts = static_cast<uint32_t>(random.next());
  row.step = static_cast<uint32_t>(random.below(100));
  row.lost = static_cast<uint32_t>(random.below(5));
  row.expansions = static_cast<uint32_t>(random.below(5));
  row.maybe_delivered = random.chance(50);
  row.lane = random.bytes(random.below(40));
  row.lease = {.owner = random.next(),
               .attempt = random.next(),
               .until = Time::from_unix_s(9),
               .repeat = model::Lease::Repeat::harmless};
  row.held_by = random.bytes(random.below(40));
  row.clock_at = Time::from_unix_us(static_cast<int64_t>(random.next() >> 2));
  if (random.chance(50)) row.notice_at = Time::from_unix_s(5);
  if (random.chance(50)) row.not_before = Time::from_unix_s(6);
  if (random.chance(50)) row.grace_until = Time::from_unix_s(7);
  if (random.chance(50)) row.recipient.via = "relay:25";
  if (random.chance(50)) {
    row.deliver_by = {model::DeliverBy::Mode::notify, Time::from_unix_s(8), random.chance(50)};
  }
  row.delay_told = random.chance(50);
  row.priority = static_cast<model::Priority>(random.below(3));
  row.end_state = *model::queue_state_from(random.below(model::kQueueStates));
  row.end_reason = *model::queue_reason_from(random.below(model::kQueueReasons));
  Time when = row.accepted_at;
  for (uint64_t i = random.below(model::kTrailKept); i > 0; --i) {
    when = when + Duration::milliseconds(random.between(-500, 1'000'000));
    row.trail.push_back({when, *model::queue_state_from(random.below(model::kQueueStates)),
                         *model::queue_reason_from(random.below(model::kQueueReasons))});
  }
  for (uint64_t i = random.below(model::kRepliesKept); i > 0; --i) {
    row.history.push_back({.when = Time::from_unix_s(static_cast<int64_t>(i)),
                           .host = random.bytes(20),
                           .stage = model::Stage::final,
                           .code = 451,
                           .enhanced = {4, 999, 999},
                           .text = random.bytes(random.below(512))});
  }
  return row;
}

TEST(Records, RowsComeBackAsTheyWere) {
  Random random(1);
  for (int i = 0; i < 500; ++i) {
    const model::QueueRow row = random_row(random);
    const auto back = decode_row({row.id, row.index}, encode(row));
    ASSERT_TRUE(back.has_value());
    EXPECT_EQ(*back, row);
  }
}

TEST(Records, ACutRecordIsUndecodableAndANewerOneIsRead) {
  Random random(2);
  const model::QueueRow row = random_row(random);
  const std::string whole = encode(row);
  for (size_t size = 0; size < whole.size(); ++size) {
    EXPECT_FALSE(decode_row({row.id, row.index}, std::string_view(whole).substr(0, size)));
  }
  EXPECT_FALSE(decode_row({row.id, row.index}, whole + "x"));
  std::string newer = whole + "more";
  newer[0] = 3;
  EXPECT_TRUE(decode_row({row.id, row.index}, newer).has_value());
}

TEST(Records, DamageNeverDoesMoreThanFailToDecode) {
  Random random(3);
  for (int i = 0; i < 3000; ++i) {
    std::string record = encode(random_row(random));
    for (uint64_t hits = 1 + random.below(4); hits > 0; --hits) {
      record[random.below(record.size())] = static_cast<char>(random.next());
    }
    const auto row = decode_row({model::QueueId{1}, 0}, record);
    if (row.has_value()) EXPECT_LE(row->history.size(), model::kRepliesKept);
    (void)decode_message(model::QueueId{1}, record);
  }
}

TEST(Records, MessagesComeBackAsTheyWere) {
  MessageFacts facts;
  facts.id = model::make_queue_id(2, 9);
  facts.envelope = {.sender = "a@b",
                    .auth_user = "ann",
                    .client_ip = "192.0.2.1",
                    .client_helo = "h",
                    .received_at = Time::from_unix_s(5),
                    .envelope_id = "QQ314159",
                    .dsn_return = model::DsnReturn::headers,
                    .body = model::BodyType::eight_bit,
                    .smtp_utf8 = true,
                    .size_bytes = 77,
                    .origin = model::Origin::x400,
                    .mt_priority = -9,
                    .deliver_by = {model::DeliverBy::Mode::return_it, Time::from_unix_s(7), true},
                    .hold_until = Time::from_unix_s(6)};
  facts.subject = "Hello";
  facts.message_id = "x@y";
  facts.handover_id = "7/12";
  facts.blob = kv::blob_id_of("octets");
  facts.recipients = 3;
  facts.open = 2;
  facts.ended_at = Time::from_unix_s(8);
  const auto back = decode_message(facts.id, encode(facts));
  ASSERT_TRUE(back.has_value());
  EXPECT_EQ(encode(*back), encode(facts));
  EXPECT_EQ(back->envelope, facts.envelope);
  EXPECT_EQ(back->blob, facts.blob);
}

TEST(Records, SuspensionsAndAuditEntriesComeBackAsTheyWere) {
  const Suspension s{"smtp:x.example", "root: mending", Time::from_unix_s(5), Time::from_unix_s(9)};
  const auto back = decode_suspension(suspension_key(s.lane), encode(s));
  ASSERT_TRUE(back.has_value());
  EXPECT_EQ(back->lane, s.lane);
  EXPECT_EQ(encode(*back), encode(s));
  const AuditEntry entry{Time::from_unix_s(5), "root", "hold", "001K", 7};
  const auto read = decode_audit(encode(entry));
  ASSERT_TRUE(read.has_value());
  EXPECT_EQ(encode(*read), encode(entry));
  EXPECT_LT(audit_key(Time::from_unix_s(5), 9), audit_key(Time::from_unix_s(6), 1));
}

TEST(Records, KeysGoBothWaysAndSortByTime) {
  const auto id = model::make_queue_id(1, 77);
  const Time early = Time::from_unix_s(-100);
  const Time late = Time::from_unix_s(100);
  EXPECT_LT(due_key(early, id, 9), due_key(late, id, 0));
  const auto place = due_place(due_key(late, id, 3));
  ASSERT_TRUE(place.has_value());
  EXPECT_EQ(place->when, late);
  EXPECT_EQ(place->row.id, id);
  EXPECT_EQ(place->row.index, 3U);
  EXPECT_EQ(row_place(row_key(id, 4))->index, 4U);
  EXPECT_EQ(*message_place(message_key(id)), id);
  EXPECT_EQ(ended_place(ended_key(late, id))->when, late);
  EXPECT_FALSE(due_place(row_key(id, 4)).has_value());
  EXPECT_EQ(normal_message_id(" <a@b> "), "a@b");
}

}  // namespace
}  // namespace ph::queue
