// One IMAP session on one loop: binds the codec's engine to logins and a mailbox.
//
// A session ends when its connection does, or when its client has logged in and the mailbox lives
// on another loop: then wanted_loop() says which, and another Session goes on there with the same
// Connection.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "codec/sasl/server.h"
#include "front/imap/detail/append.h"
#include "front/imap/detail/connection.h"
#include "front/imap/detail/desk.h"
#include "front/imap/detail/voice.h"
#include "front/imap/server.h"

namespace ph::imap_server {

class Session {
 public:
  Session(Server& server, std::unique_ptr<Connection> connection);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  // Until the connection has ended or is wanted elsewhere.
  rt::Task<void> run();
  rt::Loop* wanted_loop() const { return wanted_loop_; }
  std::unique_ptr<Connection> release() { return std::move(connection_); }
  // Lets a session that waits for its client look around.
  void wake();

 private:
  rt::Task<void> talk();
  rt::Task<bool> take_events();
  rt::Task<bool> wait_for_client();
  rt::Task<bool> read_more();
  rt::Task<bool> shake_hands();
  rt::Task<bool> look_at_mailbox();
  Instant silence_ends() const;
  void greet();
  void say_bye(const FixedAnswer& why);
  void log_end() const;

  // Events.
  rt::Task<void> on_command(imap::CommandEvent event);
  rt::Task<void> on_message(imap::MessageBegin message);
  rt::Task<void> on_append_end(imap::AppendEnd end);
  void start_idle();
  rt::Task<void> on_idle_done(imap::IdleDone done);
  void on_rejected(const imap::Rejected& rejected);

  // Commands that are the session's own.
  bool on_simple(const std::string& tag, imap::Command& command);
  void on_starttls(const std::string& tag);
  void on_enable(const imap::cmd::Enable& command);
  void on_id(const std::vector<std::pair<std::string, std::optional<std::string>>>& fields);
  rt::Task<Answer> perform(const std::string& tag, imap::Command command);
  void settle();  // after a command: the engine's state follows the desk
  std::string capabilities() const;

  // Logging in: detail/login.cc.
  bool may_log_in() const;
  rt::Task<void> on_login(std::string tag, imap::cmd::Login login);
  rt::Task<void> on_authenticate(std::string tag, imap::cmd::Authenticate start);
  rt::Task<void> on_sasl(imap::SaslResponse response);
  rt::Task<void> on_sasl_step(sasl::Step step);
  void prove(ProvenLogin::By by, std::string tag, const sasl::Done& done);
  rt::Task<void> refuse_login(ProvenLogin::By by, std::string tag, std::string why);
  void answer_login(ProvenLogin::By by, std::string_view tag, const Answer& answer);
  rt::Task<void> enter_mailbox();

  Server& server_;
  const Parts& parts_;
  rt::Loop& loop_;
  std::unique_ptr<Connection> connection_;
  Voice voice_;
  Desk desk_;
  Appending appending_;
  std::optional<sasl::Server> sasl_;
  std::string sasl_tag_;
  rt::Loop* wanted_loop_ = nullptr;
  Instant last_heard_;
  uint32_t bad_commands_ = 0;  // in a row
  bool waiting_ = false;       // for the client: may be nudged
  bool idling_ = false;
  bool wants_tls_ = false;
  bool over_ = false;  // BYE was said
};

}  // namespace ph::imap_server
