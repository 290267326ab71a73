// What of a session moves from loop to loop.
#pragma once

#include <optional>
#include <string>

#include "codec/imap/engine.h"
#include "front/imap/server.h"
#include "service/wire/gate.h"
#include "service/wire/wire.h"

namespace ph::imap_server {

// A client who has proved himself and is not answered yet: that happens at his mailbox.
struct ProvenLogin {
  std::string tag;
  std::string user;  // as the directory writes it
  store::MailboxId mailbox;
  enum class By : uint8_t { login, authenticate } by = By::login;
};

struct Connection {
  wire::Wire wire;
  imap::ServerEngine engine;
  wire::Gate::Place place;
  Service service;
  rt::Endpoint peer;
  Instant login_until;
  bool greeted = false;
  uint32_t failed_logins = 0;
  std::optional<ProvenLogin> proven = {};
};

}  // namespace ph::imap_server
