// The server's half of IMAP4rev1 (RFC 3501) and IMAP4rev2 (RFC 9051), as a value.
//
// The driver owns the connection and loops:
//
//   while (auto event = engine.next()) { act on it; write responses to engine.output() }
//   flush engine.take_output();
//   if (engine.phase() == Phase::closed) close;
//   read if `input` is empty;  input.remove_prefix(engine.feed(input));
//
// feed() stops consuming as soon as an event is ready or a decision of the driver is due, so that
// one command is held at a time and a fast client is held back by its own socket. What comes out
// does not depend on how the octets are cut into feeds.
//
// What the engine answers by itself (into output(), before the event that tells of it):
// continuation requests for bounded literals, BAD for what it cannot parse, does not know or may
// not accept in the session's state, NO [TOOBIG] for an oversized message, BYE when it gives up.
// Everything else is the driver's, who answers a Command with the tag of its event.
//
// Decisions. After these events the engine consumes nothing until the driver calls one of the
// verbs named here; each verb is a caller's bug (PH_CHECK) at any other time:
//   Command with cmd::Starttls       resume(), after the handshake (the driver throws away what it
//                                    has read but not fed) or after refusing
//   Command with cmd::Authenticate,  challenge(data) to ask for more, resume() after the tagged
//   or SaslResponse                  answer
//   Command with cmd::Idle           idle(), or resume() after a tagged refusal
//   MessageBegin                     accept_message(), or refuse_message() after a tagged answer
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "codec/imap/command.h"
#include "codec/imap/options.h"

namespace ph::imap {

enum class SessionState : uint8_t { not_authenticated, authenticated, selected };

// Which timer the driver should run.
enum class Phase : uint8_t {
  between_commands,  // nothing of a command has come: the autologout timer (RFC 9051 5.4)
  in_command,        // in the middle of one: a short timer
  in_message,        // octets of an appended message are due: a timer of progress
  decision,          // the driver's turn
  sasl_response,     // a line of AUTHENTICATE is due
  idle,              // IDLE: until DONE; the autologout timer
  discarding,        // octets of something refused are due
  closed,            // after BYE: flush output, close
};

struct CommandEvent {
  std::string tag;
  Command command;
  bool operator==(const CommandEvent&) const = default;
};
// One message of APPEND (RFC 3501 section 6.3.11). Its octets follow as MessageData once it is
// accepted; `size` of 0 has none. RFC 3502: `index` counts the messages of one command from 0.
struct MessageBegin {
  std::string tag;
  std::string mailbox;
  FlagSet flags = {};
  std::optional<DateTime> internal_date = {};
  uint64_t size = 0;
  uint32_t index = 0;
  bool binary = false;         // literal8 (RFC 3516)
  bool utf8 = false;           // UTF8 (...) (RFC 6855)
  bool synchronising = false;  // the client waits for the decision
  bool operator==(const MessageBegin&) const = default;
};
// The octets in order; each but the last of a message has options.chunk_size of them.
struct MessageData {
  std::string octets;
  bool operator==(const MessageData&) const = default;
};
// The APPEND is complete and well-formed: store all its messages, answer with the tag. If Rejected
// comes instead, the messages of the command so far must be dropped; it has been answered.
struct AppendEnd {
  std::string tag;
  bool operator==(const AppendEnd&) const = default;
};
struct SaslResponse {
  bool cancelled = false;  // "*"
  std::string data;        // decoded
  bool operator==(const SaslResponse&) const = default;
};
struct IdleDone {
  std::string tag;
  bool operator==(const IdleDone&) const = default;
};
enum class Rejection : uint8_t {
  syntax,
  unknown_command,
  wrong_state,
  line_too_long,
  literal_too_big,
  message_too_big,
  sasl_malformed,
};
// Has been answered already; for the driver's counters and its limit of bad commands. After a
// Rejected during AUTHENTICATE, IDLE or APPEND, that command is over.
struct Rejected {
  Rejection reason = Rejection::syntax;
  std::string tag;   // "" where none could be read ("* BAD")
  std::string text;  // as answered
  bool operator==(const Rejected&) const = default;
};

using Event = std::variant<CommandEvent, MessageBegin, MessageData, AppendEnd, SaslResponse,
                           IdleDone, Rejected>;

class ServerEngine {
 public:
  explicit ServerEngine(const EngineOptions& options = {});
  ~ServerEngine();
  ServerEngine(ServerEngine&&) noexcept;
  ServerEngine& operator=(ServerEngine&&) noexcept;

  // The octets consumed from the front of `bytes`; 0 while an event or a decision is outstanding.
  size_t feed(std::string_view bytes);
  std::optional<Event> next();
  Phase phase() const;

  // Where responses go: the driver's (ResponseWriter) and the engine's own, in order.
  std::string& output();
  std::string take_output();

  // Which commands are allowed now, and which limits; not_authenticated at first.
  void set_state(SessionState state);
  SessionState state() const;
  // After ENABLE UTF8=ACCEPT or IMAP4rev2: mailbox names come as UTF-8, not modified UTF-7.
  void use_utf8_names();

  void resume();
  void challenge(std::string_view data);  // writes "+ <base64>"
  void idle();                            // writes "+ idling"
  void accept_message();                  // writes "+ ..." where the client waits for it
  void refuse_message();

 private:
  class Core;
  std::unique_ptr<Core> core_;
};

}  // namespace ph::imap
