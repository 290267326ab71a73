// What the SMTP server needs of others; app/ wires it.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "kv/store.h"
#include "model/envelope.h"
#include "rt/runtime.h"

namespace ph::smtp_in {

// A complete message with its envelope. `bytes` begins with our Received field.
struct Incoming {
  model::Envelope envelope;
  std::vector<model::Recipient> recipients;
  kv::BlobBytes bytes;
  std::string message_id;  // of its header, without brackets; "" if it has none
};

// Who wants to hand in a message.
enum class Sender : uint8_t { stranger, user };  // a user has logged in

// Intake takes no such message for now; the context says why, in words for the reply.
inline constexpr ErrorKind kShed{"smtp_in", "shed", Disposition::transient};

// Takes responsibility for a message. Durable when answered (law 12); the answer is what people may
// ask `posthorn why` for.
class Intake {
 public:
  virtual ~Intake() = default;
  // From strangers and relays: into the transport queue.
  virtual rt::Task<Result<std::string>> accept(rt::Loop& loop, Incoming message,
                                               rt::Deadline deadline) = 0;
  // From a user who logged in as `login`: into his mailbox's Outbox first.
  virtual rt::Task<Result<std::string>> submit(rt::Loop& loop, std::string login, Incoming message,
                                               rt::Deadline deadline) = 0;
  // "" while this sender's mail is taken, else why not (disk full, say), for a 452 reply.
  virtual std::string refusal(Sender sender) const = 0;
};

// What the directory says of one address.
enum class Standing : uint8_t {
  local,           // a mailbox or alias here
  foreign,         // of a domain that is not ours
  no_such_address  // ours, but there is none
};

class Addresses {
 public:
  virtual ~Addresses() = default;
  virtual Standing standing(std::string_view address) const = 0;
  // Whether `login` may send in the name of `address` (his own address or an alias to him).
  virtual bool may_send_as(std::string_view login, std::string_view address) const = 0;
};

}  // namespace ph::smtp_in
