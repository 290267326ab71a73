#include "service/deliver/deliver.h"

#include <gtest/gtest.h>

#include <utility>

#include "kv/errors.h"
#include "kv_mem/store.h"
#include "rt_sim/simulation.h"

namespace ph::deliver {
namespace {

using model::QueueReason;
using queue::CarryVerdict;

constexpr const char* kLetter = "Subject: hello\r\n\r\nHello.\r\n";

class NoTransport final : public store::Transport {
 public:
  rt::Task<Result<store::HandOverAnswer>> take(rt::Loop&, store::HandOver, rt::Deadline) override {
    co_return store::HandOverAnswer{};
  }
  rt::Task<Result<store::TransportProgress>> progress(rt::Loop&, std::string,
                                                      rt::Deadline) override {
    co_return store::TransportProgress{};
  }
};

// What dies with the process. The members' order is that of the server.
struct Process {
  Process(rt::Runtime& runtime, kv_mem::MemDisk& disk)
      : kv(disk),
        mailboxes({kv, runtime.loops(), runtime.entropy(), transport, obs::silent_log(), metrics},
                  store::Options()) {}
  kv_mem::MemStore kv;
  NoTransport transport;
  obs::Metrics metrics;
  store::Mailboxes mailboxes;
  std::unique_ptr<directory::Directory> directory;
  std::unique_ptr<kv::Partition> queue;  // keeps the letter's blob alive
  std::optional<Parts> parts;
  std::unique_ptr<queue::CarrierSession> session;
};

class DeliverTest : public ::testing::Test {
 protected:
  DeliverTest() : sim(61), host(sim.add_host({.name = "mx"})) {
    host.start([this](rt::Runtime& runtime) { return std::make_shared<Process>(runtime, disk); });
    begin();
    EXPECT_TRUE(run(now().directory->add_domain("example.org", soon())).has_value());
    alice = run(now().directory->add_account("alice@example.org", soon()))->id.value;
    bob = run(now().directory->add_account("bob@example.org", soon()))->id.value;
    kv::Batch batch;
    batch.add_blob(blob, std::make_shared<const std::string>(kLetter), "letter");
    EXPECT_TRUE(run(now().queue->commit(std::move(batch), {std::nullopt, soon()})).has_value());
  }
  ~DeliverTest() override { EXPECT_EQ(sim.check(), rt_sim::Findings()); }

  Process& now() { return *host.program<Process>(); }
  void begin() {
    for (rt::Loop* loop : host.runtime().loops()) {
      ASSERT_TRUE(sim.await(*loop, now().mailboxes.start(*loop, soon()))->has_value());
    }
    now().directory = std::move(*run(directory::Directory::open(now().kv, host.loop())));
    now().queue = std::move(*now().kv.open(host.loop(), "queue"));
    now().parts.emplace(Parts{now().mailboxes, *now().directory, obs::silent_log()});
    now().session = open_session(*now().parts, host.loop());
  }
  void restart() {
    disk.power_off();
    host.restart();
    begin();
  }

  template <class T>
  T run(rt::Task<T> task) {
    std::optional<T> out = sim.await(host.loop(), std::move(task));
    PH_CHECK(out.has_value());
    return std::move(*out);
  }
  rt::Deadline soon() { return host.loop().in(Duration::minutes(5)); }

  queue::CarryWork work(std::vector<uint64_t> mailboxes) {
    queue::CarryWork w;
    w.id = model::make_queue_id(0, 42);
    w.envelope.sender = "x@peer.example";
    w.envelope.received_at = sim.wall();
    uint32_t index = 0;
    for (const uint64_t mailbox : mailboxes) {
      const std::string address = mailbox == alice ? "Alice+tag@example.org" : "bob@example.org";
      w.recipients.push_back({index++, {.address = address}, mailbox});
    }
    w.content = queue::Content(now().kv, blob, std::string_view(kLetter).size());
    return w;
  }
  queue::CarryResult carry(queue::CarryWork w) {
    return run(now().session->carry(std::move(w), hop, soon()));
  }
  struct Found {
    static rt::Task<Result<std::vector<std::string>>> run(store::Mailbox& box,
                                                          rt::Deadline deadline) {
      const store::FolderId inbox = box.find_folder("INBOX")->id;
      PH_CO_TRY(const std::vector<store::Uid> uids, co_await box.search(inbox, {}, deadline));
      PH_CO_TRY(auto view, co_await box.open_view(inbox, store::Access::read_only, deadline));
      std::vector<std::string> out;
      for (const store::Uid uid : uids) {
        PH_CO_TRY(const kv::BlobBytes bytes,
                  co_await box.bytes(view->message(uid)->id, 0, kv::kWholeBlob, deadline));
        out.push_back(*bytes);
      }
      co_return out;
    }
  };
  std::vector<std::string> inbox(uint64_t mailbox) {
    auto use = [deadline = soon()](store::Mailbox& box) { return Found::run(box, deadline); };
    auto found = run(now().mailboxes.with(host.loop(), store::MailboxId{mailbox}, "a look",
                                          std::move(use), soon()));
    EXPECT_TRUE(found.has_value());
    return found.has_value() ? *found : std::vector<std::string>();
  }

  kv_mem::MemDisk disk;
  rt_sim::Simulation sim;
  rt_sim::Host& host;
  queue::NextHop hop{.lane = "local", .kind = queue::HopKind::mailbox};
  const kv::BlobId blob = kv::blob_id_of(kLetter);
  uint64_t alice = 0;
  uint64_t bob = 0;
};

TEST_F(DeliverTest, TheInboxHasTheMessageWithItsTrace) {
  const queue::CarryResult result = carry(work({alice, bob}));
  ASSERT_EQ(result.outcomes.size(), 2U);
  for (const auto& outcome : result.outcomes) {
    EXPECT_EQ(outcome.verdict, CarryVerdict::delivered) << to_text(outcome.reply);
    EXPECT_EQ(outcome.reason, QueueReason::taken_by_mailbox);
  }
  EXPECT_EQ(inbox(alice), std::vector<std::string>{"Return-Path: <x@peer.example>\r\n"
                                                   "Delivered-To: Alice+tag@example.org\r\n" +
                                                   std::string(kLetter)});
  EXPECT_EQ(inbox(bob).size(), 1U);
}

TEST_F(DeliverTest, ARepeatedAttemptDeliversNothingTwice) {
  EXPECT_EQ(carry(work({alice})).outcomes[0].verdict, CarryVerdict::delivered);
  const queue::CarryResult again = carry(work({alice}));
  EXPECT_EQ(again.outcomes[0].verdict, CarryVerdict::delivered);
  EXPECT_EQ(again.outcomes[0].reply.text, "delivered by an earlier attempt");
  restart();
  EXPECT_EQ(carry(work({alice})).outcomes[0].verdict, CarryVerdict::delivered);
  EXPECT_EQ(inbox(alice).size(), 1U);
  // Another recipient of the same message that stands for the same mailbox is another delivery.
  EXPECT_EQ(carry(work({bob, alice})).outcomes.size(), 2U);
  EXPECT_EQ(inbox(alice).size(), 2U);
}

TEST_F(DeliverTest, ACrashAtAnyCommitLeavesItExactlyOnceAfterTheRepeat) {
  carry(work({bob}));  // so that the mailboxes and their folders exist
  inbox(alice);
  for (const auto phase :
       {kv_mem::CrashPoint::Phase::before_durable, kv_mem::CrashPoint::Phase::before_answer}) {
    const size_t before = inbox(alice).size();
    queue::CarryWork w = work({alice});
    w.id = model::make_queue_id(0, 100 + before);
    bool crashed = false;
    disk.set_hook([&](const kv_mem::CrashPoint& point) {
      if (crashed || point.phase != phase) return;
      crashed = true;
      disk.power_off();
    });
    std::optional<queue::CarryResult> unanswered;
    {
      rt::Scope scope(host.loop(), "attempt");
      struct Attempt {
        static rt::Task<void> run(queue::CarrierSession& s, queue::CarryWork w, queue::NextHop hop,
                                  rt::Deadline deadline, std::optional<queue::CarryResult>& out) {
          out.emplace(co_await s.carry(std::move(w), hop, deadline));
        }
      };
      scope.spawn("attempt", Attempt::run(*now().session, w, hop, soon(), unanswered));
      sim.run_until([&] { return crashed; }, Duration::minutes(1));
    }
    ASSERT_TRUE(crashed);
    EXPECT_FALSE(unanswered.has_value());
    disk.set_hook(nullptr);
    restart();
    w.content = queue::Content(now().kv, blob, std::string_view(kLetter).size());
    EXPECT_EQ(carry(w).outcomes[0].verdict, CarryVerdict::delivered);
    EXPECT_EQ(inbox(alice).size(), before + 1);
  }
}

TEST_F(DeliverTest, ARemovedAccountFailsForGoodAndAlone) {
  ASSERT_TRUE(run(now().directory->remove_account("bob@example.org", soon())).has_value());
  const queue::CarryResult result = carry(work({bob, alice}));
  ASSERT_EQ(result.outcomes.size(), 2U);
  EXPECT_EQ(result.outcomes[0].verdict, CarryVerdict::permanent);
  EXPECT_EQ(result.outcomes[0].reason, QueueReason::no_such_address);
  EXPECT_EQ(model::to_text(result.outcomes[0].reply.enhanced), "5.1.1");
  EXPECT_EQ(result.outcomes[1].verdict, CarryVerdict::delivered);
}

TEST_F(DeliverTest, WhatTimeMayMendIsTriedAgain) {
  inbox(alice);
  disk.set_space(kv_mem::Space::none);
  queue::CarryResult result = carry(work({alice}));
  EXPECT_EQ(result.outcomes[0].verdict, CarryVerdict::transient);
  EXPECT_EQ(result.outcomes[0].reason, QueueReason::disk_full);
  disk.set_space(kv_mem::Space::plenty);
  disk.fail_next(1);
  result = carry(work({alice}));
  EXPECT_EQ(result.outcomes[0].verdict, CarryVerdict::transient);
  EXPECT_EQ(result.outcomes[0].reason, QueueReason::mailbox_unavailable);
  queue::CarryWork gone = work({alice});
  gone.content = queue::Content(now().kv, kv::blob_id_of("another"), 7);
  result = carry(std::move(gone));
  EXPECT_EQ(result.outcomes[0].verdict, CarryVerdict::transient);
  EXPECT_EQ(result.outcomes[0].reason, QueueReason::message_unreadable);
  result = carry(work({alice}));
  EXPECT_EQ(result.outcomes[0].verdict, CarryVerdict::delivered);
  EXPECT_EQ(inbox(alice).size(), 1U);
}

TEST_F(DeliverTest, TheNullSenderAndLongAddressesMakeSoundFields) {
  queue::CarryWork w = work({alice, alice});
  w.envelope.sender = "";
  w.recipients[1].recipient.address = std::string(5000, 'x') + "@example.org";
  EXPECT_EQ(carry(std::move(w)).outcomes.size(), 2U);
  const std::vector<std::string> got = inbox(alice);
  ASSERT_EQ(got.size(), 2U);
  EXPECT_TRUE(got[0].starts_with("Return-Path: <>\r\nDelivered-To: Alice+tag@example.org\r\n"));
  EXPECT_LT(got[1].find("\r\nSubject:"), 998U);
}

}  // namespace
}  // namespace ph::deliver
