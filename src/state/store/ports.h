// What the store needs of others; app/ wires it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "kv/store.h"
#include "model/envelope.h"
#include "rt/deadline.h"
#include "rt/loop.h"
#include "rt/task.h"
#include "state/store/ids.h"
#include "state/store/submission.h"

namespace ph::store {

// A submission on its way to transport. The mailbox refers to the blob until the submission ends.
struct HandOver {
  MailboxId mailbox;
  SubmissionId submission;
  std::string handover_id;
  kv::BlobId blob;
  uint64_t size_bytes = 0;
  Time submitted_at;
  model::Envelope envelope;
  std::vector<model::Recipient> recipients;
};

struct HandOverAnswer {
  enum class Kind : uint8_t {
    accepted,  // durable in transport, now or before (the hand-over id was known)
    not_now,   // nothing happened; ask again at `when`
    refused,   // for good: `words` says why; the store ends the submission as failed
  } kind = Kind::not_now;
  std::string words;
  Time when;
};

struct TransportProgress {
  enum class Kind : uint8_t {
    going,          // `words` says what it waits for, `when` when something happens next
    sent,           // all recipients reached their end well
    partly_failed,  // some recipients failed; a report is on its way
    failed,
    not_there,  // transport never accepted this id, or has forgotten it
  } kind = Kind::going;
  std::string words;
  Time when;
};

// Called on the mailbox's home loop; crosses loops itself. An Error means "no answer", whatever it
// is: the store asks again by its clock.
class Transport {
 public:
  virtual ~Transport() = default;
  // Idempotent by hand-over id: accepted once however often it is asked.
  virtual rt::Task<Result<HandOverAnswer>> take(rt::Loop& home, HandOver handover,
                                                rt::Deadline deadline) = 0;
  // Knows an accepted id for at least a day after its end.
  virtual rt::Task<Result<TransportProgress>> progress(rt::Loop& home, std::string handover_id,
                                                       rt::Deadline deadline) = 0;
};

}  // namespace ph::store
