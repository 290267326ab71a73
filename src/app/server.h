// The whole server on a Runtime and a Store: what main() runs and what the simulator runs.
//
// Life: construct before the loops run (or between two steps of the simulator); start() on the
// first loop wires the rooms and listens; stop() there ends politely within its deadline; destroy
// when the loops have ended. Destroying it without stop() is a crash, and loses nothing that was
// acknowledged.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "admin/verb.h"
#include "codec/tls/context.h"
#include "config/setting.h"
#include "kv/store.h"
#include "obs/log.h"
#include "obs/metrics.h"
#include "rt/runtime.h"

namespace ph::queue {
class Queue;
}
namespace ph::store {
class Mailboxes;
}
namespace ph::directory {
class Directory;
}
namespace ph::auth {
class Auth;
}
namespace ph::pressure {
class Monitor;
}
namespace ph::settings {
class Settings;
}

namespace ph::app {

// The certificates of this moment; nullptr members where there are none.
struct Identity {
  std::shared_ptr<const tls::Context> server;  // shared by all connections made from it
  std::shared_ptr<const tls::Context> trust;   // for next hops
};

struct ServerPorts {
  rt::Runtime& runtime;
  kv::Store& store;
  const config::Schema& schema;
  obs::Log& log;
  obs::Metrics& metrics;
  Identity identity;
  std::string control_socket;  // "" for none
};

// Where it really listens, for tests and for the demo's words.
struct Listening {
  std::vector<rt::Endpoint> smtp;
  std::vector<rt::Endpoint> submission;
  std::vector<rt::Endpoint> submissions;
  std::vector<rt::Endpoint> imap;
  std::vector<rt::Endpoint> imaps;
  std::vector<rt::Endpoint> metrics;  // wanted: a port that is taken is tried again
};

class Server {
 public:
  explicit Server(ServerPorts ports);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  rt::Task<Status> start(rt::Deadline deadline);
  // No new connections, sessions end within the deadline, then the rest is handed back to the
  // tables.
  rt::Task<Status> stop(rt::Deadline deadline);

  // After start().
  const Listening& listening() const;
  const admin::Verbs& verbs() const;
  settings::Settings& settings();
  directory::Directory& directory();
  auth::Auth& auth();
  queue::Queue& queue();
  store::Mailboxes& mailboxes();
  const pressure::Monitor& pressure() const;

 private:
  struct Rooms;
  std::unique_ptr<Rooms> rooms_;
};

}  // namespace ph::app
