// Submissions: messages that a user sent, from the commit that accepts them to their end.
//
// One commit holds the message in the Outbox, its copy in Sent if wanted, and the submission's row;
// from then on nothing can lose it. A row rests in a state with a clock until it has ended; the
// states are the table kSubmissionTable. The message leaves the Outbox in the commit that ends the
// row, which stays as history for some time. What transport never took goes back to Drafts.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"
#include "kv/store.h"
#include "model/envelope.h"
#include "model/rest_table.h"
#include "state/store/flags.h"
#include "state/store/ids.h"

namespace ph::store {

inline constexpr size_t kSubmissionRecipientsMax = 10'000;

struct NewSubmission {
  kv::BlobBytes bytes;                // must be set
  std::optional<kv::BlobId> blob_id;  // of `bytes`, when the caller hashed while it received
  model::Envelope envelope;           // its size and time are filled in
  std::vector<model::Recipient> recipients;
  enum class SentCopy : uint8_t { none, in_sent } sent_copy = SentCopy::none;
  std::optional<Time> hold_until;  // RFC 4865: not before
};

// Stored: never change a value.
enum class SubmissionState : uint8_t {
  held = 0,
  handing_over = 1,
  in_transport = 2,
  sent = 3,
  failed = 4,
  partly_failed = 5,
  cancelled = 6,
};

// Stored: never change a value.
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
  transport_forgot = 10,  // it ended so long ago that transport does not know how
  expired = 11,
};

enum class SubmissionEvent : uint8_t {
  clock,
  accepted,
  not_now,
  refused,
  going,
  ended,
  cancel,
  expire
};

using SubmissionTable = model::RestTable<SubmissionState, SubmissionEvent, SubmissionReason, 7, 14>;
extern const SubmissionTable kSubmissionTable;

bool has_ended(SubmissionState state);
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
  model::Envelope envelope;
  std::vector<model::Recipient> recipients;
};

struct Submitted {
  SubmissionId id;
  std::string handover_id;
  Seq seq;
};

}  // namespace ph::store
