#include "state/store/submission.h"

#include <gtest/gtest.h>

#include "state/store/detail/store_test_world.h"

namespace ph::store {
namespace {

NewSubmission submission_of(std::string text) {
  NewSubmission s;
  s.bytes = std::make_shared<const std::string>(std::move(text));
  s.envelope.sender = "ann@example.org";
  s.recipients.push_back({"bob@example.net", {}, {}, {}});
  return s;
}

TEST(Submission, GoesToTransportAndLeavesTheOutboxAtItsEnd) {
  StoreWorld world;
  NewSubmission s = submission_of(kPlainMessage);
  s.sent_copy = NewSubmission::SentCopy::in_sent;
  const auto done = world.ask([&] { return world.box().submit(s, world.soon()); });
  ASSERT_TRUE(done.has_value()) << done.error().to_text();
  const FolderId outbox = world.box().folder_with(Role::outbox)->id;
  const FolderId sent = world.box().folder_with(Role::sent)->id;
  EXPECT_EQ(world.uids(outbox).size(), 1U);
  EXPECT_EQ(world.uids(sent).size(), 1U);
  EXPECT_EQ(world.disk.blobs(), 1U);
  world.transport.progress_answer.words = "example.net refuses connections";
  world.runtime.advance(Duration::seconds(40));
  ASSERT_EQ(world.transport.taken.size(), 1U);
  const HandOver& given = world.transport.taken.at(done->handover_id);
  EXPECT_EQ(given.recipients[0].address, "bob@example.net");
  EXPECT_EQ(given.size_bytes, std::string(kPlainMessage).size());
  const std::vector<Submission> open = world.box().open_submissions();
  ASSERT_EQ(open.size(), 1U);
  EXPECT_EQ(open[0].state, SubmissionState::in_transport);
  EXPECT_EQ(open[0].words, "example.net refuses connections");
  EXPECT_GT(open[0].next_action_at, world.runtime.loop(0).wall());
  // Clients cannot touch what is there.
  const auto moved = world.ask([&] { return world.box().move(outbox, {1}, sent, world.soon()); });
  EXPECT_TRUE(moved.error().is(kReadOnly));
  world.transport.progress_answer = {TransportProgress::Kind::sent, "250 ok", {}};
  world.boxes().hint(world.id, done->id);
  world.runtime.advance(Duration::seconds(2));
  EXPECT_TRUE(world.box().open_submissions().empty());
  EXPECT_TRUE(world.uids(outbox).empty());
  EXPECT_EQ(world.uids(sent).size(), 1U);
  const auto ended = world.ask([&] { return world.box().submission(done->id, world.soon()); });
  EXPECT_EQ(ended->state, SubmissionState::sent);
  EXPECT_EQ(ended->words, "250 ok");
}

TEST(Submission, IsHandedOverAgainUntilTransportTakesIt) {
  StoreWorld world;
  using Kind = HandOverAnswer::Kind;
  world.transport.script = {Kind::not_now, Kind::not_now, Kind::not_now};
  const auto done =
      world.ask([&] { return world.box().submit(submission_of("\r\nx"), world.soon()); });
  world.runtime.advance(Duration::seconds(1));
  ASSERT_EQ(world.box().open_submissions().size(), 1U);
  EXPECT_EQ(world.box().open_submissions()[0].reason, SubmissionReason::transport_not_ready);
  world.runtime.advance(Duration::minutes(1));
  EXPECT_EQ(world.transport.taken.count(done->handover_id), 1U);
  EXPECT_EQ(world.transport.times_asked[done->handover_id], 4);
}

TEST(Submission, GoesOnWhileItsMailboxIsClosed) {
  Options options;
  options.close_idle_after = Duration::seconds(5);
  StoreWorld world(1, options);
  world.transport.answers = false;
  const auto done =
      world.ask([&] { return world.box().submit(submission_of("\r\nx"), world.soon()); });
  world.release();
  world.runtime.advance(Duration::hours(2));
  EXPECT_GT(world.boxes().figures(world.runtime.loop(1)).closed, 0U);
  world.transport.answers = true;
  world.transport.progress_answer.kind = TransportProgress::Kind::sent;
  world.runtime.advance(Duration::minutes(6));
  EXPECT_EQ(world.transport.taken.count(done->handover_id), 1U);
  EXPECT_TRUE(world.box().open_submissions().empty());
}

TEST(Submission, WhatTransportRefusesComesBackAsADraft) {
  StoreWorld world;
  world.transport.script = {HandOverAnswer::Kind::refused};
  const auto done =
      world.ask([&] { return world.box().submit(submission_of("\r\nx"), world.soon()); });
  world.runtime.advance(Duration::seconds(2));
  EXPECT_TRUE(world.box().open_submissions().empty());
  const FolderId drafts = world.box().folder_with(Role::drafts)->id;
  ASSERT_EQ(world.uids(drafts).size(), 1U);
  EXPECT_TRUE(world.message(drafts, 1)->flags.has(Flag::draft));
  EXPECT_FALSE(world.message(drafts, 1)->flags.has(Flag::submitted));
  EXPECT_TRUE(world.uids(world.box().folder_with(Role::outbox)->id).empty());
  const auto ended = world.ask([&] { return world.box().submission(done->id, world.soon()); });
  EXPECT_EQ(ended->reason, SubmissionReason::transport_refused);
}

TEST(Submission, AHeldOneWaitsAndCanBeTakenBack) {
  StoreWorld world;
  NewSubmission s = submission_of("\r\nx");
  s.hold_until = world.runtime.loop(0).wall() + Duration::hours(1);
  const auto first = world.ask([&] { return world.box().submit(s, world.soon()); });
  const auto second = world.ask([&] { return world.box().submit(s, world.soon()); });
  world.runtime.advance(Duration::minutes(50));
  EXPECT_TRUE(world.transport.taken.empty());
  EXPECT_TRUE(world.ask([&] { return world.box().cancel_submission(first->id, world.soon()); })
                  .has_value());
  world.restart();
  world.runtime.advance(Duration::minutes(11));
  EXPECT_EQ(world.transport.taken.size(), 1U);
  EXPECT_EQ(world.transport.taken.count(second->handover_id), 1U);
  EXPECT_FALSE(world.ask([&] { return world.box().cancel_submission(second->id, world.soon()); })
                   .has_value());
  EXPECT_EQ(world.uids(world.box().folder_with(Role::drafts)->id).size(), 1U);
}

TEST(Submission, NothingWaitsForEver) {
  StoreWorld world;
  world.transport.answers = false;
  const auto done =
      world.ask([&] { return world.box().submit(submission_of("\r\nx"), world.soon()); });
  world.runtime.advance(Duration::days(41));
  const auto ended = world.ask([&] { return world.box().submission(done->id, world.soon()); });
  EXPECT_EQ(ended->state, SubmissionState::failed);
  EXPECT_EQ(ended->reason, SubmissionReason::expired);
}

rt::Task<void> submit_some(Mailbox& box, rt::Deadline deadline,
                           std::vector<std::string>& accepted) {
  for (int i = 0; i < 3; ++i) {
    const auto done = co_await box.submit(submission_of("\r\n" + std::to_string(i)), deadline);
    if (done.has_value()) accepted.push_back(done->handover_id);
  }
}

// The process is killed at one moment of the way; afterwards each accepted submission must have
// been taken, once, and have ended, and the Outbox must be empty.
enum class Moment : uint8_t { at_commit, before_take, after_take };

bool crash_at(Moment moment, uint64_t number) {
  StoreWorld world(number);
  world.transport.progress_answer.kind = TransportProgress::Kind::sent;
  Mailbox& box = world.box();
  std::vector<std::string> accepted;
  bool crashed = false;
  uint64_t count = 0;
  const auto tick = [&] {
    if (crashed || ++count != number) return;
    crashed = true;
    world.disk.power_off();
  };
  if (moment == Moment::before_take) world.transport.before_take = tick;
  if (moment == Moment::after_take) world.transport.after_take = tick;
  if (moment == Moment::at_commit) world.disk.set_hook([&](const kv_mem::CrashPoint&) { tick(); });
  {
    rt::Scope scope(box.home(), "user");
    scope.spawn("user", submit_some(box, world.soon(), accepted));
    const Instant end = box.home().now() + Duration::minutes(2);
    world.runtime.run_until([&] { return crashed || box.home().now() > end; });
  }
  world.disk.set_hook(nullptr);
  world.transport.before_take = nullptr;
  world.transport.after_take = nullptr;
  world.restart();
  world.runtime.advance(Duration::minutes(2));
  for (const std::string& handover : accepted) {
    EXPECT_EQ(world.transport.taken.count(handover), 1U) << handover;
  }
  // One whose commit was durable, but not answered, goes too: at most all three.
  EXPECT_GE(world.transport.taken.size(), accepted.size());
  EXPECT_LE(world.transport.taken.size(), 3U);
  EXPECT_TRUE(world.box().open_submissions().empty());
  EXPECT_TRUE(world.uids(world.box().folder_with(Role::outbox)->id).empty());
  EXPECT_EQ(world.disk.blobs(), 0U);
  return crashed;
}

TEST(Submission, SurvivesACrashAtEachStep) {
  for (const Moment moment : {Moment::at_commit, Moment::before_take, Moment::after_take}) {
    uint64_t number = 1;
    while (crash_at(moment, number)) ++number;
    EXPECT_GT(number, moment == Moment::at_commit ? 12U : 3U);
  }
}

}  // namespace
}  // namespace ph::store
