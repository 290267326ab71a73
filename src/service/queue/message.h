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

// A message to accept. `raw` is complete: our Received field and all. Texts are cut at their
// limits.
struct NewMessage {
  model::Envelope envelope;
  std::vector<model::Recipient> recipients;
  kv::BlobBytes raw;
  std::string message_id;   // the header's, with or without its angle brackets; may be empty
  std::string handover_id;  // "" or an id under which it may be given again: then the first one
                            // counts, and its queue id is answered again
};

// What is known about a message itself.
struct MessageFacts {
  model::QueueId id;
  model::Envelope envelope;
  std::string message_id;  // without angle brackets
  std::string handover_id;
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

struct ListFilter {
  std::optional<model::QueueState> state{};
  std::optional<model::QueueReason> reason{};
  std::string lane{};       // exact
  std::string sender{};     // a part of it, case-insensitive
  std::string recipient{};  // a part of it, case-insensitive
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

enum class Command : uint8_t { hold, release, retry, remove };

struct ControlRequest {
  model::QueueId id;
  std::optional<uint32_t> recipient{};  // absent: every row of the message that has not ended
  Command command = Command::retry;
  std::string by{};                    // who, and why in their words
  std::optional<Duration> hold_for{};  // hold: absent is queue.hold
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
  uint64_t orphans = 0;  // a row without its message, or a count of open rows that is wrong
  uint64_t repaired = 0;

  uint64_t defects() const {
    return undecodable + faulty + index_missing + index_stray + overdue + beyond_expiry + orphans;
  }
  SweepFindings& operator+=(const SweepFindings& other);
};

}  // namespace ph::queue
