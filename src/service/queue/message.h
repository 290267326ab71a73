// What is given to the queue and what it answers about it: values only.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "kv/store.h"
#include "model/envelope.h"
#include "model/queue_row.h"

namespace ph::queue {

inline constexpr size_t kRecipientsMax = 10'000;
inline constexpr size_t kMessageIdMax = 998;
inline constexpr size_t kHandoverIdMax = 64;
inline constexpr size_t kSubjectMax = 200;

// A message to accept. `raw` is complete: our Received field and all. Texts are cut at their
// limits.
struct NewMessage {
  model::Envelope envelope;
  std::vector<model::Recipient> recipients;
  kv::BlobBytes raw;
  std::string message_id;   // the header's, with or without its angle brackets; may be empty
  std::string subject;      // the header's, decoded; may be empty
  std::string handover_id;  // "" or an id under which it may be given again: then the first one
                            // counts, and its queue id is answered again
};

// What is known about a message itself.
struct MessageFacts {
  model::QueueId id;
  model::Envelope envelope;
  std::string message_id;  // without angle brackets
  std::string handover_id;
  std::string subject;  // kSubjectMax octets of it
  kv::BlobId blob;
  uint32_t recipients = 0;  // rows made so far
  uint32_t open = 0;        // rows that have not ended; at 0 the message's octets are dropped
  Time ended_at;            // when open is 0
};

// The answer to `posthorn why`: everything, ready for a person or a program.
struct Explanation {
  MessageFacts message;
  std::vector<model::QueueRow> rows;  // with reason, clock, expiry and history each
  bool rows_cut = false;              // more rows than kExplainedRowsMax
};
inline constexpr size_t kExplainedRowsMax = 1000;

// ---- what administrators did ----

struct AuditEntry {
  Time when;
  std::string by;
  std::string what;     // "hold", "suspend-lane", "import" ...
  std::string subject;  // a queue id, a lane, or the filter in words
  uint64_t rows = 0;    // changed
};
inline constexpr size_t kAuditKept = 10'000;  // each shard, and no longer than queue.keep-ended

// All that is known of a message's way, for `posthorn trace`.
struct Trace {
  Explanation explanation;
  std::vector<AuditEntry> commands;  // that named it, newest first
  std::vector<Explanation> reports;  // made about it and still known
};
inline constexpr size_t kTracedReportsMax = 50;

// Rows that fit everything that is given.
struct ListFilter {
  std::optional<model::QueueState> state{};
  std::optional<model::QueueReason> reason{};
  std::string lane{};        // exact
  std::string sender{};      // a part of it, case-insensitive; "<>" is the null reverse-path
  std::string recipient{};   // a part of it, case-insensitive
  std::string subject{};     // a part of it, case-insensitive
  std::string message_id{};  // exact, without angle brackets
  std::optional<Duration> older_than{};  // since its acceptance
  std::optional<Duration> younger_than{};
  std::optional<uint64_t> larger_than{};  // octets
  std::optional<uint64_t> smaller_than{};
  std::optional<model::Priority> priority{};
  bool with_ended = false;
};

struct ListedRow {
  model::QueueRow row;  // without its history
  std::string sender;
  std::string message_id;
  uint64_t size_bytes = 0;
};

// One page, in the order of queue ids (shard by shard, oldest first).
struct ListPage {
  std::vector<ListedRow> rows;
  std::string next;  // give it to list() for the page behind; "" at the end
};

struct StateCount {
  model::QueueState state;
  model::QueueReason reason;
  uint64_t rows = 0;
  Time oldest_since;
  Time next_action_at;  // the earliest
};

enum class Command : uint8_t { hold, release, retry, remove, redirect };
std::string_view to_text(Command command);

// remove: whether the sender is told.
enum class Telling : uint8_t { silently, with_report };
enum class Doing : uint8_t { really, dry_run };

struct ControlRequest {
  model::QueueId id;
  std::optional<uint32_t> recipient{};  // absent: every row of the message that has not ended
  Command command = Command::retry;
  std::string by{};                     // who, and why in their words
  std::optional<Duration> hold_for{};   // hold: absent is queue.hold
  Telling telling = Telling::silently;  // remove
  // redirect: another address that stands for the recipient from now on, or a next hop "host:port"
  // to use for it ("" for the router's choice again). One of the two.
  std::string to{};
  std::optional<std::string> via{};
};

// The same for every row that fits. Bounded: `next` says where to go on.
struct BulkRequest {
  ListFilter filter;
  ControlRequest control;  // its id and recipient do not count
  Doing doing = Doing::really;
  std::string from{};  // of the answer before
};

struct BulkResult {
  uint64_t looked_at = 0;
  uint64_t matched = 0;
  uint64_t messages = 0;          // of the rows that matched
  uint64_t changed = 0;           // rows; with dry_run: that would have been asked
  uint64_t refused = 0;           // rows in whose state the command means nothing
  std::string refusal;            // why, of the last one
  std::vector<StateCount> after;  // what became of them, read back; dry_run: what they are now
  std::string next;               // "" at the end
};

// ---- lanes ----

// An administrator's suspension of a lane: durable, with an owner and an end.
struct Suspension {
  std::string lane;
  std::string by;  // who, and why in their words
  Time since;
  Time until;
};

enum class LaneHealth : uint8_t { healthy, failing, resting, probing, suspended };
std::string_view to_text(LaneHealth health);

// One next hop as it is at this moment, over all loops. Rows are those in memory; the table may
// hold more (list() by lane).
struct LaneView {
  std::string lane;
  LaneHealth health = LaneHealth::healthy;
  uint64_t waiting = 0;      // in memory
  uint64_t connections = 0;  // workers that live
  uint64_t connections_allowed = 0;
  double rate = 0;           // attempts ended a second
  uint32_t failures = 0;     // connections in a row
  model::ReplyRecord fault;  // the last one, when failing or resting
  Time next_action_at;       // resting: the probe; suspended: its end
  std::optional<Suspension> suspension;
};

// What a sweep found. Everything but `rows`, `resting`, `takeovers` and `repaired` is a defect.
struct SweepFindings {
  uint64_t rows = 0;
  uint64_t resting = 0;
  uint64_t takeovers = 0;      // leases of a former process, ended
  uint64_t undecodable = 0;    // set aside
  uint64_t faulty = 0;         // a row that contradicts the rest table
  uint64_t index_missing = 0;  // a row without its entry in the index by time
  uint64_t index_stray = 0;    // an entry without its row, or at another time
  uint64_t overdue = 0;        // past its time beyond the tolerance
  uint64_t beyond_expiry = 0;
  uint64_t orphans = 0;        // a row without its message, or a count of open rows that is wrong
  uint64_t slots_leaked = 0;   // a connection's place that nobody uses and no clock frees
  uint64_t leases_stolen = 0;  // a lease renewed although its worker is dead
  uint64_t repaired = 0;

  uint64_t defects() const {
    return undecodable + faulty + index_missing + index_stray + overdue + beyond_expiry + orphans +
           slots_leaked + leases_stolen;
  }
  SweepFindings& operator+=(const SweepFindings& other);
};

}  // namespace ph::queue
