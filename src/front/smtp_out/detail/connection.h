// One connection to a next hop: the codec's client engine over a wire, event by event.
#pragma once

#include <string>

#include "codec/smtp/client.h"
#include "front/smtp_out/carrier.h"
#include "model/reply.h"
#include "service/wire/wire.h"

namespace ph::smtp_out {

// Why a connection is of no use: for the lane's health and for `why`.
struct Fault {
  model::QueueReason reason = model::QueueReason::connection_lost;
  model::ReplyRecord reply;
  bool crowded = false;  // the peer lives and has as many connections as it wants
};

// Whether a refusal is about the number of our connections. 421 alone does not tell: a server that
// shuts down says it too (RFC 5321 section 3.8), and no enhanced code is kept for it. The words
// are: every common server names connections or sessions, and that they are too many.
bool says_crowded(const smtp::Reply& reply);

model::Stage stage_of(smtp::Stage stage);
model::ReplyRecord record_of(const smtp::Reply& reply, model::Stage stage, std::string host,
                             Time now);

class Connection {
 public:
  Connection(const Parts& parts, rt::Loop& loop, wire::Wire wire, std::string peer,
             smtp::ClientOptions options);

  // The next thing that happens. After Lost or Closed the connection is over.
  rt::Task<smtp::ClientEvent> next(rt::Deadline deadline);
  smtp::Client& engine() { return engine_; }
  const std::string& peer() const { return peer_; }
  bool is_over() const { return over_; }
  // What the peer has said already, without waiting: a refusal in the middle of the content.
  rt::Task<void> hear();
  // Of an idle connection, without waiting: whether the peer has neither spoken nor left.
  rt::Task<bool> is_still_good();
  // Puts the engine's output on the wire without waiting for an answer.
  rt::Task<Status> flush(rt::Deadline deadline);
  rt::Task<Status> start_tls(tls::Engine engine, rt::Deadline deadline);
  bool is_secure() const { return wire_.is_secure(); }
  Fault fault_of(const smtp::Lost& lost) const;
  void close() {
    over_ = true;
    wire_.close();
  }

 private:
  rt::Deadline phase_deadline() const;

  const Parts& parts_;
  rt::Loop& loop_;
  wire::Wire wire_;
  std::string peer_;
  smtp::Client engine_;
  bool over_ = false;
  model::QueueReason loss_ = model::QueueReason::connection_lost;
};

}  // namespace ph::smtp_out
