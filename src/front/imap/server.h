// The IMAP server: 143 with STARTTLS, 993 over TLS.
//
// One Server and one listener per loop and endpoint. A connection stays on the loop that accepted
// it until its client has logged in; then it moves to the home loop of the client's mailbox, where
// the rest of the session reads folders and flags from memory. The servers of all loops find each
// other in the Fleet. A client is never disconnected because the store is slow or full: it gets NO
// [UNAVAILABLE] and may try again.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "base/result.h"
#include "codec/tls/context.h"
#include "config/setting.h"
#include "front/imap/options.h"
#include "obs/log.h"
#include "obs/metrics.h"
#include "rt/runtime.h"
#include "service/wire/gate.h"
#include "state/auth/auth.h"
#include "state/directory/directory.h"
#include "state/store/mailboxes.h"

namespace ph::imap_server {

enum class Service : uint8_t { starttls, tls };

class Server;
class Session;
struct Connection;

// What the servers of all loops share: the limits, and where each of them is. Made before them,
// destroyed after them and after the loops have ended.
class Fleet {
 public:
  Fleet(obs::Metrics& metrics, size_t loops);
  ~Fleet();

 private:
  friend class Server;
  friend class Session;
  struct Berth {
    Server* server = nullptr;  // touched on its own loop only
    std::mutex mutex;          // held for one push or swap
    std::vector<std::unique_ptr<Connection>> arriving;
  };
  wire::Gate gate_;
  std::vector<std::unique_ptr<Berth>> berths_;  // by the loop's index
};

struct Parts {
  rt::Runtime& runtime;
  store::Mailboxes& mailboxes;
  const directory::Directory& directory;
  auth::Auth& auth;
  Fleet& fleet;
  obs::Log& log;
  obs::Metrics& metrics;
  std::string host;  // our name in the greeting
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
  // No new connections; sessions get BYE when their command is done. Then until all have ended.
  rt::Task<Status> drain(rt::Deadline deadline);

 private:
  friend class Session;
  rt::Task<void> accept_all(rt::Listener& listener, Service service);
  void greet(std::unique_ptr<rt::Stream> stream, Service service);
  rt::Task<void> turn_away(std::unique_ptr<rt::Stream> stream, Service service);
  rt::Task<void> serve(std::unique_ptr<Connection> connection);
  // Moves a connection to the server of `target`.
  void hand_over(std::unique_ptr<Connection> connection, rt::Loop& target);
  void welcome_arriving();

  Parts parts_;
  rt::Loop& loop_;
  config::Source& settings_;
  std::vector<std::unique_ptr<rt::Listener>> listeners_;
  bool draining_ = false;
  obs::Counter& accepted_;
  obs::Counter& turned_away_;
  obs::Counter& moved_;
  std::set<Session*> here_;  // to be woken when draining
  rt::Scope listening_;
  rt::Scope sessions_;
};

}  // namespace ph::imap_server
