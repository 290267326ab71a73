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
//   s <lane>            the suspension of a lane
//   u <time><number>    what administrators did
//   p                   the policy that all rows follow
// A row and its index entry change in the same commit. The message's octets are a blob referred to
// with the queue id as tag, from the commit that accepts it to the commit that ends its last row.
//
// Reads see the newest answered commit, so whoever changes a message first takes its guard: an
// in-memory lock of one message, held over store calls only (never over network or router), freed
// by scope exit, and not before it is known what became of the message's commits: whoever gave up
// waiting for one leaves the message to nobody who would not see it. Changes of many callers are
// gathered into few commits. Home loop only.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
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
  bool waits_for_lane = false;  // its lane was full or closed: may go as soon as that changes
};

struct DuePage {
  std::vector<DueEntry> entries;
  std::optional<kv::Range> rest;
  std::vector<std::string> strays;  // keys that are no index entries
};

uint32_t lane_hash(std::string_view lane);

class Ledger;

// Holds one message against other changers until it goes out of scope and the message's commits are
// settled.
class MessageGuard {
 public:
  MessageGuard() = default;
  MessageGuard(MessageGuard&& other) noexcept
      : ledger_(std::exchange(other.ledger_, nullptr)), id_(other.id_) {}
  MessageGuard& operator=(MessageGuard&& other) noexcept;
  ~MessageGuard() { release(); }
  void release();
  bool is_held() const { return ledger_ != nullptr; }

 private:
  friend class Ledger;
  MessageGuard(Ledger& ledger, model::QueueId id) : ledger_(&ledger), id_(id) {}
  Ledger* ledger_ = nullptr;
  model::QueueId id_;
};

// Tells whoever keeps a copy of a message's rows whether one of them was written since. To be taken
// under the message's guard, before reading: a commit that is on its way is not seen yet.
class Watch {
 public:
  Watch() = default;
  Watch(Watch&& other) noexcept
      : ledger_(std::exchange(other.ledger_, nullptr)), id_(other.id_), seen_(other.seen_) {}
  Watch& operator=(Watch&& other) noexcept;
  ~Watch() { release(); }
  bool is_fresh() const;
  // What is in memory is the newest again: read anew, or written by the holder itself.
  void refresh();

 private:
  friend class Ledger;
  Watch(Ledger& ledger, model::QueueId id);
  void release();
  Ledger* ledger_ = nullptr;
  model::QueueId id_;
  uint64_t seen_ = 0;
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
  rt::Task<Status> load();
  // A new id; reserves more of them in `batch` when needed.
  model::QueueId next_id(kv::Batch& batch);
  // The commit that first used `id` is durable, and with it what next_id() reserved there.
  void confirm(model::QueueId id);

  // kBusy at the deadline. Whoever holds one guard must not wait for another.
  rt::Task<Result<MessageGuard>> guard(model::QueueId id, rt::Deadline deadline);
  // Not held if somebody else holds it.
  MessageGuard try_guard(model::QueueId id);
  Watch watch(model::QueueId id) { return {*this, id}; }

  // Reads. kNoSuchMessage, kUndecodable (the record stays where it is for the auditor).
  rt::Task<Result<MessageFacts>> message(model::QueueId id);
  rt::Task<Result<model::QueueRow>> row(model::QueueId id, uint32_t index);
  // The rows from `first` on, at most `limit`; undecodable ones are left out.
  rt::Task<Result<std::vector<model::QueueRow>>> rows(model::QueueId id, uint32_t first,
                                                      size_t limit);
  rt::Task<Result<DuePage>> due(kv::Range range);
  // All index entries up to `until` included, from the floor on.
  kv::Range due_range(Time until, size_t limit) const;

  // The floor: no entry of the index is before it. Entries that have gone leave marks behind which
  // a scan must pass one by one, so a scan that begins at the floor costs what is there, not what
  // was. A reader of the index's front takes a mark, reads, and tells the first entry that it
  // found: the floor rises to it, but for what was being written meanwhile.
  struct FloorMark {
    Gatherer::Lowest unsettled;
  };
  FloorMark mark_floor();
  void raise_floor(const FloorMark& mark, Time first_found);
  Time floor() const { return floor_; }
  // The same for what is in the future: what is due does not lower this one, so a look at what
  // comes next passes over nothing that has gone. `now` must not go back meanwhile.
  kv::Range due_range_ahead(Time now, size_t limit) const;
  void raise_floor_ahead(const FloorMark& mark, Time first_found);
  // A floor that was wrong would hide rows, so it is never believed for long, nor over a step of
  // the clock.
  void forget_floors() { floor_ = floor_ahead_ = Time(); }
  rt::Task<Result<std::vector<model::QueueId>>> by_message_id(std::string message_id, size_t limit);
  rt::Task<Result<std::optional<model::QueueId>>> by_handover(std::string handover_id);

  // Where changes go. Fill it and await commit() without suspending in between. `intake` is for
  // commits that add octets: a nearly full disk refuses those, and only those.
  enum class Way : uint8_t { changes, intake };
  kv::Batch& batch(Way way) { return gatherer(way).batch(); }
  rt::Task<Status> commit(Way way, Proof proof, rt::Deadline deadline) {
    return gatherer(way).flush(std::move(proof), deadline);
  }

  // Building changes.
  void add_message(kv::Batch& batch, const MessageFacts& facts, kv::BlobBytes raw);
  void put_message(kv::Batch& batch, const MessageFacts& facts);
  void add_row(kv::Batch& batch, const model::QueueRow& row);
  // `was` gives way to `is`; `facts` follow, and with the last open row the message ends: its
  // octets are dropped. The caller puts the facts when they changed (after its last row).
  void change_row(kv::Batch& batch, const model::QueueRow& was, const model::QueueRow& is);
  // After rows of it have ended or were added: writes the facts, drops the octets when open is 0.
  void settle_message(kv::Batch& batch, MessageFacts& facts, Time now);
  // Forgets an ended message altogether.
  void forget(kv::Batch& batch, const MessageFacts& facts, uint32_t rows);
  // Suspensions of lanes, by lane.
  static void put_suspension(kv::Batch& batch, const Suspension& suspension);
  static void erase_suspension(kv::Batch& batch, std::string_view lane);
  static Proof proof_of(const Suspension& suspension);

  // The audit log keeps the newest kAuditKept entries, and none from before `oldest`: each entry
  // that comes makes some room.
  rt::Task<Status> note(AuditEntry entry, Time oldest, rt::Deadline deadline);
  // Newest first, at most `limit`; with `subject` only those about it.
  rt::Task<Result<std::vector<AuditEntry>>> audit(size_t limit, std::string subject);
  // The delivery reports that were made about a message and are known.
  rt::Task<Result<std::vector<model::QueueId>>> reports_on(model::QueueId id);

  static Proof proof_of(const model::QueueRow& row);
  static Proof proof_of(const MessageFacts& facts);

 private:
  friend class MessageGuard;
  friend class Watch;
  struct Guarded;
  struct Watched {
    size_t watchers = 0;
    uint64_t generation = 0;
  };
  Gatherer& gatherer(Way way) { return way == Way::intake ? intake_ : changes_; }
  Gatherer* gatherer_of(const kv::Batch& batch);
  void note_due(const kv::Batch& batch, Time when);
  void unguard(model::QueueId id);
  void touched(const kv::Batch& batch, model::QueueId id);
  void settled(const std::vector<model::QueueId>& messages);
  rt::Task<Status> load_audit();
  rt::Task<Status> tidy_audit(Time oldest, rt::Deadline deadline);

  rt::Loop& home_;
  kv::Store& store_;
  std::unique_ptr<kv::Partition> partition_;
  uint32_t shard_;
  uint64_t last_number_ = 0;
  uint64_t reserved_ = 0;  // ids below are reserved durably
  std::unordered_map<model::QueueId, std::unique_ptr<Guarded>> guarded_;
  std::unordered_map<model::QueueId, Watched> watched_;
  uint64_t generations_ = 0;
  Time floor_;
  Time floor_ahead_;
  Gatherer::Lowest noted_;     // the earliest entries written since the last mark
  uint64_t audit_number_ = 0;  // of the last entry
  uint64_t audit_kept_ = 0;
  bool audit_tidying_ = false;
  Gatherer intake_;
  Gatherer changes_;
};

}  // namespace ph::queue
