// Negative controls: the table is damaged on purpose, as a defect of ours would damage it; the
// auditor finds it, mends it in one sweep, and the message goes its way.
#include <gtest/gtest.h>

#include <functional>

#include "service/queue/test_damage.h"

namespace ph::queue::test {
namespace {

using model::QueueReason;
using model::QueueRow;
using model::QueueState;

struct AuditorTest : testing::Test {
  AuditorTest() {
    w.hop("smtp:far.example").normal = Behaviour::refuse;
    id = *w.accept(message_to({"bob@far.example"}));
    other = *w.accept(message_to({"cy@far.example", "di@far.example"}));
    w.sim.run_for(Duration::minutes(10));
  }
  // The sweep at the start has met `defects` and mended them; another one finds nothing; when the
  // hop lives, everything goes out.
  void expect_mended(int64_t defects, uint64_t arriving = 3) {
    w.sim.run_for(Duration::seconds(2));
    EXPECT_EQ(w.hits(), defects) << w.log.text;
    EXPECT_EQ(w.sweep().defects(), 0U) << w.log.text;
    w.hop("smtp:far.example").normal = Behaviour::take;
    w.sim.run_for(Duration::hours(1));
    uint64_t arrived = 0;
    for (const auto& [address, times] : w.outside.arrived_at) {
      EXPECT_EQ(times, 1) << address;
      ++arrived;
    }
    EXPECT_EQ(arrived, arriving);
    EXPECT_EQ(w.hits(), defects) << w.log.text;
  }
  World w;
  model::QueueId id;
  model::QueueId other;
};

TEST_F(AuditorTest, ASoundTableHasNoFindings) { expect_mended(0); }

TEST_F(AuditorTest, ARowThatFellOutOfTheIndexIsFound) {
  {
    Damage d(w);
    kv::Batch batch;
    batch.erase(due_key(d.row(id).next_action_at, id, 0));
    d.commit(std::move(batch));
  }
  expect_mended(1);
}

TEST_F(AuditorTest, AnEntryAtAnotherTimeIsFound) {
  {
    Damage d(w);
    const QueueRow row = d.row(id);
    kv::Batch batch;
    batch.erase(due_key(row.next_action_at, id, 0));
    batch.put(due_key(row.next_action_at + Duration::days(365), id, 0), due_value(row));
    d.commit(std::move(batch));
  }
  expect_mended(2);  // one entry too many, one missing
}

TEST_F(AuditorTest, EntriesOfNothingAreRemoved) {
  {
    Damage d(w);
    kv::Batch batch;
    batch.put(due_key(w.sim.wall(), model::make_queue_id(0, 5), 0), "");
    batch.put("t no key at all", "");
    d.commit(std::move(batch));
  }
  expect_mended(2);
}

TEST_F(AuditorTest, AnUndecodableRowIsSetAsideAndTheOthersGoOn) {
  {
    Damage d(w);
    const QueueRow row = d.row(other, 0);
    kv::Batch batch;
    batch.put(row_key(other, 0), "\x01garbage");
    d.commit(std::move(batch));
    EXPECT_EQ(row.state, QueueState::waiting_retry);
  }
  expect_mended(2, 2);            // the record, and its entry in the index
  EXPECT_EQ(w.disk.blobs(), 1U);  // kept for whoever mends the record
  Damage d(w);
  EXPECT_EQ(d.get(aside_key(row_key(other, 0))), "\x01garbage");
}

TEST_F(AuditorTest, AnUndecodableMessageIsSetAside) {
  {
    Damage d(w);
    kv::Batch batch;
    batch.put(message_key(id), "");
    d.commit(std::move(batch));
  }
  w.sim.run_for(Duration::minutes(3));
  EXPECT_GE(w.hits(), 1);
  EXPECT_EQ(w.sweep().defects(), 0U) << w.log.text;
  EXPECT_FALSE(w.why(id).has_value());
  w.hop("smtp:far.example").normal = Behaviour::take;
  w.sim.run_for(Duration::hours(1));
  EXPECT_EQ(w.outside.arrived_at.size(), 2U);
}

TEST_F(AuditorTest, ARowThatContradictsTheRestTableIsMended) {
  {
    Damage d(w);
    QueueRow row = d.row(id);
    row.state = QueueState::in_flight;  // a leaked slot: in flight for ever, by nobody
    row.reason = QueueReason::attempt_running;
    kv::Batch batch;
    batch.put(row_key(id, 0), encode(row));
    d.commit(std::move(batch));
  }
  expect_mended(1);
}

TEST_F(AuditorTest, AClockBeyondExpiryIsMended) {
  {
    Damage d(w);
    const QueueRow row = d.row(id);
    QueueRow late = row;
    late.next_action_at = row.expires_at + Duration::days(300);
    kv::Batch batch;
    batch.put(row_key(id, 0), encode(late));
    batch.erase(due_key(row.next_action_at, id, 0));
    batch.put(due_key(late.next_action_at, id, 0), due_value(late));
    d.commit(std::move(batch));
  }
  expect_mended(1);
}

TEST_F(AuditorTest, AWrongCountOfOpenRowsIsMended) {
  {
    Damage d(w);
    MessageFacts facts = *decode_message(other, *d.get(message_key(other)));
    facts.open = 7;
    kv::Batch batch;
    batch.put(message_key(other), encode(facts));
    d.commit(std::move(batch));
  }
  expect_mended(1);
  EXPECT_EQ(w.disk.blobs(), 0U);
}

TEST_F(AuditorTest, ALeaseOfADeadProcessEndsAtTheNextStart) {
  w.hop("smtp:far.example").normal = Behaviour::hang;
  w.sim.run_for(Duration::hours(1));
  const auto hangs = w.row(id).state == QueueState::in_flight;
  w.hop("smtp:far.example").normal = Behaviour::take;
  w.crash_and_restart();
  w.sim.run_for(Duration::seconds(5));
  if (hangs) EXPECT_EQ(w.row(id).state, QueueState::relayed);
  w.sim.run_for(Duration::hours(1));
  EXPECT_EQ(w.resting(), 0U);
  EXPECT_EQ(w.hits(), 0);
}

}  // namespace
}  // namespace ph::queue::test
