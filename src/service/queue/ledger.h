// The ledger: the one durable table of a shard (law 1), and the only code that writes it.
//
// Partition "queue/<shard>" holds, all numbers big-endian in keys:
//   m <id>              the message: envelope, Message-ID, blob, count of open rows
//   r <id><index>       a row: one recipient, its state, reason, clock, lease, history
//   t <time><id><index> the index by next_action_at: one entry for each resting row, no other;
//                       its value is a hint for the scheduler (hash of the lane, why it waits)
//   e <time><id>        ended messages, by the time of their end
//   i <hash><id>        messages by Message-ID
//   h <handover id>     the message that was accepted under this id
//   x <key>             a record that could not be decoded, set aside
//   n                   ids below this number may have been given out
// A row and its index entry change in the same commit. The message's octets are a blob referred to
// with the queue id as tag, from the commit that accepts it to the commit that ends its last row.
//
// Reads see the newest answered commit, so whoever changes a message first takes its guard: an
// in-memory lock of one message, held over store calls only (never over network or router), freed
// by scope exit. Changes of many callers are gathered into few commits. Home loop only.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/result.h"
#include "kv/store.h"
#include "model/queue_row.h"
#include "rt/runtime.h"
#include "service/queue/errors.h"
#include "service/queue/gatherer.h"
#include "service/queue/message.h"

namespace ph::queue {

// A place in the index by time.
struct DueEntry {
  Time when;
  model::QueueId id;
  uint32_t index = 0;
  uint32_t lane_hash = 0;
  bool waits_for_lane = false;  // waiting_retry for one of kLaneReasons
};

struct DuePage {
  std::vector<DueEntry> entries;
  std::optional<kv::Range> rest;
  std::vector<std::string> strays;  // keys that are no index entries
};

uint32_t lane_hash(std::string_view lane);

// Holds one message against other changers until it goes out of scope.
class MessageGuard {
 public:
  MessageGuard() = default;
  MessageGuard(MessageGuard&& other) noexcept
      : ledger_(std::exchange(other.ledger_, nullptr)), id_(other.id_) {}
  MessageGuard& operator=(MessageGuard&& other) noexcept;
  ~MessageGuard() { release(); }
  void release();

 private:
  friend class Ledger;
  MessageGuard(class Ledger& ledger, model::QueueId id) : ledger_(&ledger), id_(id) {}
  class Ledger* ledger_ = nullptr;
  model::QueueId id_;
};

class Ledger {
 public:
  Ledger(rt::Loop& home, kv::Store& store, std::unique_ptr<kv::Partition> partition,
         uint32_t shard);
  ~Ledger();
  Ledger(const Ledger&) = delete;
  Ledger& operator=(const Ledger&) = delete;

  rt::Loop& home() const { return home_; }
  uint32_t shard() const { return shard_; }
  kv::Store& store() const { return store_; }
  kv::Partition& partition() const { return *partition_; }

  // Reads where the ids go on. Before anything else.
  rt::Task<Status> load(rt::Deadline deadline);
  // A new id; reserves more in `batch` when needed.
  model::QueueId next_id(kv::Batch& batch);

  // kBusy at the deadline.
  rt::Task<Result<MessageGuard>> guard(model::QueueId id, rt::Deadline deadline);

  // Reads. kNoSuchMessage, kUndecodable (the record stays where it is for the auditor).
  rt::Task<Result<MessageFacts>> message(model::QueueId id);
  rt::Task<Result<model::QueueRow>> row(model::QueueId id, uint32_t index);
  // The rows from `first` on, at most `limit`; undecodable ones are left out.
  rt::Task<Result<std::vector<model::QueueRow>>> rows(model::QueueId id, uint32_t first,
                                                      size_t limit);
  rt::Task<Result<DuePage>> due(kv::Range range);
  // All index entries up to `now` included.
  static kv::Range due_range(Time now, size_t limit);
  static kv::Range whole_index(size_t limit);
  rt::Task<Result<std::vector<model::QueueId>>> by_message_id(std::string message_id, size_t limit);
  rt::Task<Result<std::optional<model::QueueId>>> by_handover(std::string handover_id);

  // Building commits.
  void add_message(kv::Batch& batch, const MessageFacts& facts, kv::BlobBytes raw) const;
  void put_message(kv::Batch& batch, const MessageFacts& facts) const;
  void put_row(kv::Batch& batch, const model::QueueRow& row) const;
  // The row as it was gives way to the row as it is; the message's count follows, and with the last
  // open row the message ends (its octets are dropped).
  void change_row(kv::Batch& batch, MessageFacts& facts, const model::QueueRow& was,
                  const model::QueueRow& is, Time now) const;
  // Forgets an ended message altogether.
  void forget(kv::Batch& batch, const MessageFacts& facts,
              const std::vector<model::QueueRow>& rows) const;

  // Gathered with the changes of others. kv's errors; after kUncertain it has been settled whether
  // `proof` (a key and the value this commit gives it) is there, so the answer is definite unless
  // the disk does not come back before the deadline.
  struct Proof {
    std::string key;
    std::string value;
  };
  rt::Task<Status> commit(kv::Batch batch, rt::Deadline deadline);

 private:
  friend class MessageGuard;
  struct Guarded;
  void release(model::QueueId id);
  rt::Task<Status> commit_through(Gatherer& gatherer, kv::Batch batch, rt::Deadline deadline);

  rt::Loop& home_;
  kv::Store& store_;
  std::unique_ptr<kv::Partition> partition_;
  uint32_t shard_;
  uint64_t last_number_ = 0;
  uint64_t reserved_ = 0;
  std::unordered_map<model::QueueId, std::unique_ptr<Guarded>> guarded_;
  Gatherer intake_;   // commits that add blobs: a nearly full disk refuses them
  Gatherer changes_;  // the others, which must still work then
};

}  // namespace ph::queue
