// What this room's tests work with: mailboxes on a disk in memory, two loops turned by the test, a
// transport that follows a script, and a crash at will.
#pragma once

#include <gtest/gtest.h>

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/random.h"
#include "kv_conformance/crank.h"
#include "kv_mem/store.h"
#include "obs/log.h"
#include "obs/metrics.h"
#include "state/store/mailboxes.h"

namespace ph::store {

class SeededEntropy final : public rt::Entropy {
 public:
  explicit SeededEntropy(uint64_t seed) : random_(seed) {}
  std::string bytes(size_t count) override { return random_.bytes(count); }

 private:
  Random random_;
};

// Remembers what it took, over crashes of the store: another room's disk.
class ScriptedTransport final : public Transport {
 public:
  std::map<std::string, HandOver> taken;    // by hand-over id
  std::map<std::string, int> times_asked;   // take() calls by hand-over id
  std::deque<HandOverAnswer::Kind> script;  // of take(); accepted when empty
  std::function<void()> before_take;
  std::function<void()> after_take;
  TransportProgress progress_answer;
  bool answers = true;

  rt::Task<Result<HandOverAnswer>> take(rt::Loop& home, HandOver handover, rt::Deadline) override {
    ++times_asked[handover.handover_id];
    if (before_take) before_take();
    co_await rt::sleep(home, home.in(Duration::milliseconds(2)), "transport");
    if (!answers) co_return fail(rt::kTimedOut, "no answer");
    HandOverAnswer answer{HandOverAnswer::Kind::accepted, "queued", {}};
    if (!taken.contains(handover.handover_id) && !script.empty()) {
      answer.kind = script.front();
      script.pop_front();
      answer.words = "as scripted";
    }
    if (answer.kind == HandOverAnswer::Kind::accepted) {
      taken.emplace(handover.handover_id, handover);
    }
    if (after_take) after_take();
    co_return answer;
  }
  rt::Task<Result<TransportProgress>> progress(rt::Loop& home, std::string handover_id,
                                               rt::Deadline) override {
    co_await rt::sleep(home, home.in(Duration::milliseconds(2)), "transport");
    if (!answers) co_return fail(rt::kTimedOut, "no answer");
    if (!taken.contains(handover_id)) {
      co_return TransportProgress{TransportProgress::Kind::not_there, {}, {}};
    }
    co_return progress_answer;
  }
};

class StoreWorld {
 public:
  explicit StoreWorld(uint64_t seed = 1, Options given = {}, Duration read_max = {})
      : random(seed),
        disk(disk_options(seed, read_max)),
        runtime(2, kv_conformance::Idle::advance_clock),
        options(given),
        entropy_(seed) {
    runtime.advance(Duration::days(365));
    start();
  }
  ~StoreWorld() { kill(); }

  void start() {
    kv_ = std::make_unique<kv_mem::MemStore>(disk);
    const Parts parts{*kv_, runtime.loops(), entropy_, transport, obs::silent_log(), metrics};
    boxes_ = std::make_unique<Mailboxes>(parts, options);
    for (rt::Loop* loop : runtime.loops()) {
      rt::Loop& home = *loop;
      EXPECT_TRUE(
          runtime
              .ask([&] { return boxes_->start(home, home.in(Duration::seconds(9))); }, home.index())
              .has_value());
    }
  }
  // The process is gone; what the disk says is durable stays.
  void kill() {
    ref_ = {};
    stop_objects();
    runtime.drop_posted();
  }
  void restart() {
    kill();
    start();
  }

  Mailboxes& boxes() { return *boxes_; }
  kv_mem::MemStore& kv() { return *kv_; }
  size_t loop_index(MailboxId of) { return boxes_->home_of(of).index(); }
  rt::Deadline soon() { return runtime.loop(0).in(Duration::seconds(60)); }

  // The mailbox under test; kept open until kill().
  Mailbox& box() {
    if (!ref_) {
      auto opened = runtime.ask([&] { return boxes_->open(id, soon()); }, loop_index(id));
      PH_CHECK(opened.has_value());
      ref_ = std::move(*opened);
    }
    return *ref_;
  }
  void release() { ref_ = {}; }

  template <class F>
  auto ask(F make) {
    return runtime.ask(std::move(make), loop_index(id));
  }

  FolderId inbox() { return box().folder_with(Role::inbox)->id; }
  FolderId folder(std::string name) {
    if (const auto known = box().find_folder(name)) return known->id;
    return ask([&] { return box().create_folder(name, Role::none, soon()); })->id;
  }
  Result<Appended> append(FolderId to, std::string text, Flags flags = {}) {
    std::vector<NewMessage> messages(1);
    messages[0].bytes = std::make_shared<const std::string>(std::move(text));
    messages[0].flags = std::move(flags);
    return ask([&] { return box().append(to, std::move(messages), soon()); });
  }
  std::vector<Uid> uids(FolderId of) {
    auto view = ask([&] { return box().open_view(of, Access::read_only, soon()); });
    PH_CHECK(view.has_value());
    return (*view)->uids().between(1, UINT32_MAX);
  }
  std::optional<MessageInfo> message(FolderId of, Uid uid) {
    auto view = ask([&] { return box().open_view(of, Access::read_only, soon()); });
    return (*view)->message(uid);
  }
  // Puts a blob where deliveries find it, as the queue would; kept by another partition.
  kv::BlobId blob(std::string text);

  Random random;
  kv_mem::MemDisk disk;
  kv_conformance::CrankedRuntime runtime;
  ScriptedTransport transport;
  obs::Metrics metrics;
  Options options;
  MailboxId id{3};

 private:
  static kv_mem::MemDiskOptions disk_options(uint64_t seed, Duration read_max) {
    kv_mem::MemDiskOptions out;
    out.seed = seed;
    out.read_max = read_max;
    return out;
  }
  void stop_objects() {
    boxes_.reset();
    queue_.reset();
    kv_.reset();
  }

  SeededEntropy entropy_;
  std::unique_ptr<kv_mem::MemStore> kv_;
  std::unique_ptr<kv::Partition> queue_;
  std::unique_ptr<Mailboxes> boxes_;
  MailboxRef ref_;
};

inline kv::BlobId StoreWorld::blob(std::string text) {
  if (queue_ == nullptr) queue_ = std::move(*kv_->open(runtime.loop(0), "queue/test"));
  const auto bytes = std::make_shared<const std::string>(std::move(text));
  const kv::BlobId blob_id = kv::blob_id_of(*bytes);
  kv::Batch batch;
  batch.add_blob(blob_id, bytes, "q");
  const auto done = runtime.ask([&] { return queue_->commit(std::move(batch), {{}, soon()}); }, 0);
  PH_CHECK(done.has_value());
  return blob_id;
}

inline Delivery delivery_of(std::string handover_id, kv::BlobId blob, uint64_t size) {
  Delivery d;
  d.handover_id = std::move(handover_id);
  d.blob = blob;
  d.blob_size = size;
  return d;
}

inline const char* const kPlainMessage =
    "From: Ann <ann@example.org>\r\nTo: bob@example.net\r\nSubject: Greetings\r\n"
    "Message-ID: <one@example.org>\r\nDate: Sat, 21 Nov 2026 02:50:16 +0000\r\n\r\n"
    "Hello W\xC3\xB6rld\r\n";

}  // namespace ph::store
