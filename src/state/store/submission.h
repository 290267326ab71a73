// Submissions: messages that a user sent, from the commit that accepts them to their end.
//
// One commit holds the message in the Outbox, its copy in Sent if wanted, and the submission's row;
// from then on nothing can lose it. A row rests in a state with a clock until it has ended; the
// states are the table kSubmissionStates. The row leaves the Outbox in the commit that ends it and
// stays as history for some time.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"
#include "kv/store.h"
#include "state/store/flags.h"
#include "state/store/ids.h"

namespace ph::store {

inline constexpr size_t kSubmissionRecipientsMax = 10'000;

struct SubmissionRecipient {
  std::string address;
  uint8_t notify = 0;  // RFC 3461 NOTIFY: 1 success, 2 failure, 4 delay, 8 never; 0 not given
  std::string original_type;  // ORCPT; "" not given
  std::string original_address;
  bool operator==(const SubmissionRecipient&) const = default;
};

// Facts of the submission as the client gave them; no decision is stored.
struct SubmissionEnvelope {
  std::string sender;  // the reverse path; "" is <>
  std::vector<SubmissionRecipient> recipients;
  std::string envelope_id;  // RFC 3461 ENVID
  uint8_t dsn_return = 0;   // 0 not given, 1 full, 2 headers
  uint8_t body = 0;         // 0 not given, 1 7bit, 2 8bitmime
  bool smtp_utf8 = false;
  std::string authenticated;  // the login that submitted
  std::string client;         // address of the client, for `why`
  bool operator==(const SubmissionEnvelope&) const = default;
};

struct NewSubmission {
  kv::BlobBytes bytes;                // must be set
  std::optional<kv::BlobId> blob_id;  // of `bytes`, when the caller hashed while it received
  SubmissionEnvelope envelope;
  enum class SentCopy : uint8_t { none, in_sent } sent_copy = SentCopy::none;
  std::optional<Time> hold_until;  // RFC 4865: not before
};

// Stored: never change a value.
enum class SubmissionState : uint8_t {
  held = 1,
  handing_over = 2,
  in_transport = 3,
  sent = 4,
  failed = 5,
  partly_failed = 6,
  cancelled = 7,
};

enum class SubmissionReason : uint8_t {
  submitted = 1,            // just accepted
  send_later = 2,           // hold_until is in the future
  transport_not_ready = 3,  // it did not take the message; asked again by the clock
  transport_has_it = 4,
  transport_silent = 5,  // no answer about it; asked again by the clock
  delivered = 6,
  transport_refused = 7,  // for good, with its words
  recipients_failed = 8,
  by_user = 9,
  message_damaged = 10,  // its octets cannot be read
};

enum class SubmissionEvent : uint8_t { clock, accepted, not_now, refused, going, ended, cancel };

// How a resting state moves on by itself.
enum class SubmissionClock : uint8_t { next_action_at, ended };

struct SubmissionStateRow {
  SubmissionState state;
  std::string_view name;
  SubmissionClock clock;
  std::string_view sentence;  // for people
};

inline constexpr SubmissionStateRow kSubmissionStates[] = {
    {SubmissionState::held, "held", SubmissionClock::next_action_at,
     "waits for the time it was asked to be sent at"},
    {SubmissionState::handing_over, "handing_over", SubmissionClock::next_action_at,
     "is being handed to transport; tried again until transport has it"},
    {SubmissionState::in_transport, "in_transport", SubmissionClock::next_action_at,
     "transport has it and works on its recipients"},
    {SubmissionState::sent, "sent", SubmissionClock::ended, "reached all its recipients' servers"},
    {SubmissionState::failed, "failed", SubmissionClock::ended,
     "reached no recipient; a report says why"},
    {SubmissionState::partly_failed, "partly_failed", SubmissionClock::ended,
     "reached some recipients; a report names the others"},
    {SubmissionState::cancelled, "cancelled", SubmissionClock::ended, "was taken back by its user"},
};

struct SubmissionEdge {
  SubmissionState from;
  SubmissionEvent event;
  SubmissionState to;
};

inline constexpr SubmissionEdge kSubmissionEdges[] = {
    {SubmissionState::held, SubmissionEvent::clock, SubmissionState::handing_over},
    {SubmissionState::held, SubmissionEvent::cancel, SubmissionState::cancelled},
    {SubmissionState::handing_over, SubmissionEvent::clock, SubmissionState::handing_over},
    {SubmissionState::handing_over, SubmissionEvent::not_now, SubmissionState::handing_over},
    {SubmissionState::handing_over, SubmissionEvent::accepted, SubmissionState::in_transport},
    {SubmissionState::handing_over, SubmissionEvent::refused, SubmissionState::failed},
    {SubmissionState::in_transport, SubmissionEvent::clock, SubmissionState::in_transport},
    {SubmissionState::in_transport, SubmissionEvent::going, SubmissionState::in_transport},
    {SubmissionState::in_transport, SubmissionEvent::ended, SubmissionState::sent},
    {SubmissionState::in_transport, SubmissionEvent::ended, SubmissionState::failed},
    {SubmissionState::in_transport, SubmissionEvent::ended, SubmissionState::partly_failed},
};

constexpr const SubmissionStateRow& row_of(SubmissionState state) {
  for (const SubmissionStateRow& row : kSubmissionStates) {
    if (row.state == state) return row;
  }
  return kSubmissionStates[0];
}
constexpr bool has_ended(SubmissionState state) {
  return row_of(state).clock == SubmissionClock::ended;
}
constexpr bool may_go(SubmissionState from, SubmissionEvent event, SubmissionState to) {
  for (const SubmissionEdge& edge : kSubmissionEdges) {
    if (edge.from == from && edge.event == event && edge.to == to) return true;
  }
  return false;
}
std::string_view to_text(SubmissionState state);
std::string_view to_text(SubmissionReason reason);

struct Submission {
  SubmissionId id;
  std::string handover_id;  // the same at every attempt: "<mailbox GUID>/<number>"
  SubmissionState state = SubmissionState::handing_over;
  SubmissionReason reason = SubmissionReason::submitted;
  std::string words;  // transport's, for people; may be empty
  Time since;         // in this state
  Time submitted_at;
  Time next_action_at;    // Time::max() once it has ended
  uint32_t attempts = 0;  // of the hand-over
  MessageId message;      // its row in the Outbox (gone once it has ended)
  EmailId email;
  kv::BlobId blob;
  uint64_t size_bytes = 0;
  SubmissionEnvelope envelope;
};

struct Submitted {
  SubmissionId id;
  std::string handover_id;
  Seq seq;
};

}  // namespace ph::store
