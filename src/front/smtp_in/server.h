// The SMTP server: MX reception (25), submission with STARTTLS (587), submission over TLS (465).
//
// Relay is closed: a stranger reaches local addresses only, a user who logged in reaches everyone,
// and so does a client of smtp.relay_networks. A message is answered 250 only after Intake has made
// it durable. One listener per loop and endpoint; a session stays on the loop that accepted it.
#pragma once

#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/result.h"
#include "codec/tls/context.h"
#include "config/setting.h"
#include "front/smtp_in/gate.h"
#include "front/smtp_in/ports.h"
#include "obs/log.h"
#include "obs/metrics.h"
#include "rt/runtime.h"
#include "service/wire/wire.h"
#include "state/auth/auth.h"

namespace ph::smtp_in {

enum class Service : uint8_t { mx, submission, submission_tls };

struct Parts {
  rt::Runtime& runtime;
  Intake& intake;
  const Addresses& addresses;
  auth::Auth& auth;
  Gate& gate;
  obs::Log& log;
  obs::Metrics& metrics;
  std::string host;  // our name in greetings and Received fields
  // The identity of this moment; nullptr while there is none (then TLS is not offered).
  std::function<std::shared_ptr<const tls::Context>()> tls;
};

// The server of one loop.
class Server {
 public:
  Server(Parts parts, rt::Loop& loop, config::Source& settings);
  ~Server();  // ends its sessions where they are
  Status listen(const rt::Endpoint& at, Service service);
  // The endpoints that are really listened at, in the order of listen().
  std::vector<rt::Endpoint> endpoints() const;
  // No new connections; sessions get 421 once they wait for a command (content that is on its way
  // is still taken). Then until all have ended.
  rt::Task<Status> drain(rt::Deadline deadline);

 private:
  rt::Task<void> accept_all(rt::Listener& listener, Service service);
  rt::Task<void> serve(std::unique_ptr<rt::Stream> stream, Service service, Gate::Place place);
  rt::Task<void> turn_away(std::unique_ptr<rt::Stream> stream);
  rt::Task<Status> shake_hands(wire::Wire& wire);

  Parts parts_;
  rt::Loop& loop_;
  config::Source& settings_;
  std::vector<std::unique_ptr<rt::Listener>> listeners_;
  std::set<wire::Wire*> talking_;  // nudged when the server drains
  bool draining_ = false;
  obs::Counter& accepted_;
  obs::Counter& turned_away_;
  rt::Scope listening_;
  rt::Scope sessions_;
};

}  // namespace ph::smtp_in
