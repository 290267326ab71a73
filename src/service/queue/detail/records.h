// The ledger's keys and records, as octets. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "model/queue_row.h"
#include "service/queue/message.h"

namespace ph::queue {

std::string message_key(model::QueueId id);
std::string row_key(model::QueueId id, uint32_t index);
std::string rows_prefix(model::QueueId id);
std::string due_key(Time when, model::QueueId id, uint32_t index);
std::string ended_key(Time when, model::QueueId id);
std::string message_id_prefix(std::string_view message_id);
std::string message_id_key(std::string_view message_id, model::QueueId id);
std::string handover_key(std::string_view handover_id);
std::string aside_key(std::string_view key);
std::string suspension_key(std::string_view lane);
std::string audit_key(Time when, uint64_t number);
// Hand-over ids of the reports about a message: how `trace` finds them.
std::string report_handover_prefix(model::QueueId about);
std::string report_handover_id(model::QueueId about, model::QueueId report);
std::string blob_tag(model::QueueId id);

inline constexpr std::string_view kMessagePrefix = "m";
inline constexpr std::string_view kRowPrefix = "r";
inline constexpr std::string_view kDuePrefix = "t";
inline constexpr std::string_view kEndedPrefix = "e";
inline constexpr std::string_view kMessageIdPrefix = "i";
inline constexpr std::string_view kHandoverPrefix = "h";
inline constexpr std::string_view kAsidePrefix = "x";
inline constexpr std::string_view kNumberKey = "n";
inline constexpr std::string_view kSuspensionPrefix = "s";
inline constexpr std::string_view kAuditPrefix = "u";
inline constexpr std::string_view kPolicyKey = "p";

struct RowPlace {
  model::QueueId id;
  uint32_t index = 0;
};
// nullopt if the key is not of that kind.
std::optional<RowPlace> row_place(std::string_view key);
std::optional<model::QueueId> message_place(std::string_view key);
struct DuePlace {
  Time when;
  RowPlace row;
};
std::optional<DuePlace> due_place(std::string_view key);
struct EndedPlace {
  Time when;
  model::QueueId id;
};
std::optional<EndedPlace> ended_place(std::string_view key);

// What the value of an index entry says about why its row rests.
enum class DueHint : uint8_t { own_time, lane_fault, lane_busy };

std::string due_value(const model::QueueRow& row);
struct DueValue {
  uint32_t lane_hash = 0;
  DueHint hint = DueHint::own_time;
};
DueValue read_due_value(std::string_view value);  // own_time for anything else

std::string encode(const model::QueueRow& row);
std::optional<model::QueueRow> decode_row(RowPlace place, std::string_view record);
// What most searches need of a row, without making the row. Views into the record.
struct RowGlance {
  std::string_view address;
  model::QueueState state;
  model::QueueReason reason;
  Time accepted_at;
  std::string_view lane;
};
std::optional<RowGlance> glance_at_row(std::string_view record);

std::string encode(const MessageFacts& facts);
std::optional<MessageFacts> decode_message(model::QueueId id, std::string_view record);

std::string encode(const Suspension& suspension);
std::optional<Suspension> decode_suspension(std::string_view key, std::string_view record);
std::string encode(const AuditEntry& entry);
std::optional<AuditEntry> decode_audit(std::string_view record);

// Differs when the policy does.
std::string policy_mark(const model::QueuePolicy& policy);

// The header's Message-ID as it is indexed: without angle brackets and blanks, bounded.
std::string normal_message_id(std::string_view message_id);

}  // namespace ph::queue
