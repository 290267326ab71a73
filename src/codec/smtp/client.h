// The client's side of one SMTP or LMTP connection, as a value: no I/O, no clock.
//
// The driver loop is the server's (server.h): feed, next, and when nothing moves, take_output and
// read with the timer that phase() suggests. What the driver asks for, and when:
//
//   Ready            -> start_tls(), authenticate(), send() or quit()
//   TlsReady         -> handshake, then tls_started(); a new Ready follows. Feed what was read in
//                       the clear behind the reply first: it ends the connection (injection).
//   AuthChallenge    -> respond() or cancel_auth()
//   DataReady        -> content() in pieces, then finish_content()
//   MessageDone      -> the transaction is over, idle again: send() the next message, or quit()
//   the connection ended or timed out, at any time -> lost(); the event Lost says at which stage
//
// Every reply of the peer is raised, with code, enhanced code and text (bounded: 128 lines, 8 KiB
// kept; 64 KiB or malformed lines end the connection). Nothing is retried here.
//
// Content must be CRLF text (content.h): a bare CR or LF is never sent. content() then fails and
// the engine is closed without the final dot, so the peer has no message; the caller must hold such
// a message, sending it again cannot help.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/result.h"
#include "codec/smtp/content.h"
#include "codec/smtp/detail/reply_parser.h"
#include "codec/smtp/envelope.h"
#include "codec/smtp/reply.h"

namespace ph::smtp {

// What the peer offered in its EHLO or LHLO reply; all absent after HELO.
struct Capabilities {
  bool extended = false;
  bool pipelining = false;
  bool eight_bit_mime = false;
  bool smtp_utf8 = false;
  bool chunking = false;
  bool dsn = false;
  bool starttls = false;
  bool enhanced_status_codes = false;
  bool size = false;
  uint64_t size_max = 0;  // 0: no limit told
  bool mt_priority = false;
  bool deliver_by = false;
  uint64_t deliver_by_min_s = 0;             // RFC 2852 §2; 0: none told
  std::vector<std::string> auth_mechanisms;  // upper case
};

// Where in the conversation something happened. RFC 5321 §4.5.3.2 timers: greeting 5 min, hello and
// others 5 min, data_start 2 min, content 3 min a block, final 10 min.
enum class Stage : uint8_t {
  greeting,
  hello,
  tls,
  auth,
  idle,
  sender,
  recipients,
  data_start,
  content,
  final,  // the end of the message was given out: it may have been delivered
  quit,
  closed
};
std::string_view to_text(Stage stage);

// The peer is ready for a command.
struct Ready {
  Capabilities capabilities;
};
// The peer turned the connection away (greeting, hello) with this reply; QUIT has been sent.
struct Refused {
  Stage stage = Stage::greeting;
  Reply reply;
};
struct TlsReady {};
// STARTTLS was refused; the connection goes on in the clear if the driver wants.
struct TlsRefused {
  Reply reply;
};
struct AuthChallenge {
  std::string challenge;  // decoded
};
struct AuthReply {
  Reply reply;  // 235: authenticated
};
struct SenderReply {
  Reply reply;
};
struct RecipientReply {
  size_t recipient = 0;  // index into Envelope::recipients
  Reply reply;
};
// The peer's answer to DATA, when it is a refusal although recipients were accepted.
struct DataReply {
  Reply reply;
};
// At least one recipient was accepted: send the content.
struct DataReady {};
// The answer to the message. `recipient` is set in LMTP: one for each accepted recipient.
struct MessageReply {
  std::optional<size_t> recipient;
  Reply reply;
};
// The transaction is over, however it ended; the connection is idle again.
struct MessageDone {};
// The connection is gone or unusable: close it. `reply` is set when the peer said something about
// it: a 421, or a refusal in the middle of the content.
struct Lost {
  Stage stage = Stage::greeting;
  std::string reason;  // for people
  std::optional<Reply> reply;
  bool maybe_delivered() const { return stage == Stage::final; }
};
// QUIT was answered: close.
struct Closed {};

using ClientEvent =
    std::variant<Ready, Refused, TlsReady, TlsRefused, AuthChallenge, AuthReply, SenderReply,
                 RecipientReply, DataReply, DataReady, MessageReply, MessageDone, Lost, Closed>;

// How content goes out where the peer offers CHUNKING: as one "BDAT size LAST" or still by DATA.
enum class ContentWay : uint8_t { data, chunk_if_offered };

struct ClientOptions {
  std::string host;  // our name in EHLO
  Protocol protocol = Protocol::smtp;
  ContentWay content_way = ContentWay::data;
  bool tls_active = false;  // implicit TLS
};

class Client {
 public:
  explicit Client(ClientOptions options);

  size_t feed(std::string_view bytes);
  std::optional<ClientEvent> next();
  std::string take_output();
  bool has_output() const { return !output_.empty(); }
  Stage phase() const { return stage_; }
  const Capabilities& capabilities() const { return capabilities_; }

  // Whether send() would take this envelope here. Errors: kPeerLacksEightBit (body is eight_bit;
  // convert it, or send with BodyType::unspecified), kPeerLacksUtf8, kTooBigForPeer, kNoRecipients,
  // kTooManyRecipients (more than 1000), kBadPath (a path that cannot be sent); where the message
  // is to go back when its time is over (BY with mode R, RFC 2852 §4.1.4.1): kPeerLacksDeliverBy,
  // kTooSoonForPeer (less time is left than the peer takes).
  Status can_send(const Envelope& envelope) const;
  // Begins a transaction; only when idle. With PIPELINING the whole envelope is one write. DSN
  // parameters are dropped if the peer does not offer DSN; RFC 3461 §5.2.2 is the caller's duty. So
  // are MT-PRIORITY and BY. HOLDFOR and HOLDUNTIL are never sent: who holds is the submission
  // server (RFC 4865 §3).
  // Parameters.size must be the exact size of the content when CHUNKING is to be used.
  Status send(Envelope envelope);
  // In stage content. Errors: kBareNewline, kNulInContent, kWrongSize, each of which closes the
  // engine without a Lost event; kConnectionLost when it was closed before (the event says why).
  Status content(std::string_view piece);
  Status finish_content();

  void start_tls();
  void tls_started();
  void authenticate(std::string_view mechanism, std::optional<std::string_view> initial);
  void respond(std::string_view response);
  void cancel_auth();
  void quit();
  // The connection ended (end of stream, error, timer): raises Lost, unless QUIT was under way.
  void lost(std::string_view reason);

  bool is_tls() const { return tls_; }

 private:
  enum class Expect : uint8_t {
    greeting,
    ehlo,
    helo,
    starttls,
    auth,
    mail,
    rcpt,
    data,
    final,
    reset,
    quit,
  };
  struct Expected {
    Expect what;
    size_t recipient = 0;
  };

  void on_reply(Reply reply);
  void dispatch(Expected expected, Reply reply);
  void on_greeting(Reply reply);
  void on_hello(Expect what, Reply reply);
  void on_starttls(Reply reply);
  void on_auth(Reply reply);
  void on_mail(Reply reply);
  void on_rcpt(size_t recipient, Reply reply);
  void on_data(Reply reply);
  void on_final(size_t recipient, Reply reply);
  void after_envelope();
  void leave_transaction();
  void begin_content();
  void end_transaction();
  void refused(Reply reply);
  void give_up(std::string_view reason);
  Error broken(Error error);
  void say(std::string_view command, Expect what);
  void say_hello();
  void write_mail();
  void write_rcpt(size_t recipient);
  bool uses_chunking() const;
  void raise(ClientEvent event) { events_.push_back(std::move(event)); }

  ClientOptions options_;
  Capabilities capabilities_;
  Stage stage_ = Stage::greeting;
  bool tls_ = false;
  bool handshake_ = false;
  bool sender_ok_ = false;
  Envelope envelope_;
  std::vector<size_t> accepted_;
  uint64_t chunk_left_ = 0;
  std::optional<Reply> last_words_;  // a 421, or a reply nobody asked for
  ContentWriter writer_;
  detail::ReplyParser parser_;
  std::deque<Expected> expected_;   // at most one for each recipient and a few
  std::deque<ClientEvent> events_;  // a handful: feed() stops while there are any
  std::string output_;
};

}  // namespace ph::smtp
