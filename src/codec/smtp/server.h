// The server's side of one SMTP or LMTP session (RFC 5321, RFC 2033), as a value: no I/O, no clock.
//
// Extensions: PIPELINING, SIZE, 8BITMIME, SMTPUTF8, CHUNKING, DSN, ENHANCEDSTATUSCODES, STARTTLS,
// AUTH, MT-PRIORITY, DELIVERBY, FUTURERELEASE. The driver's loop:
//
//   loop:  n = server.feed(unread)            consumes up to what makes one event
//          while (e = server.next()) handle and, where the event says so, answer
//          drop n octets from unread
//          if n == 0 and there was no event:
//            out = server.take_output(); if not empty: write it and go on
//            else if phase() is closed: close; else read more (timer by phase())
//
// so that the replies of a pipelined group leave in one write. While an answer is outstanding
// feed() consumes nothing; the same when 64 KiB of output wait to be taken. The result does not
// depend on how the input is cut into pieces (chunks of content apart).
//
// STARTTLS: after accept() the phase is `handshake`. Octets fed then came in the clear behind
// STARTTLS: the session closes, they are never run as commands. Feed what is left before the
// handshake, then read only through TLS. After tls_started() the session starts anew (RFC 3207
// §4.2).
//
// Hostile input: command lines, AUTH lines, content lines, messages, recipients, errors are bounded
// by ServerOptions; content beyond a limit is swallowed up to twice the size limit, then the
// session closes. Lines end in CRLF and content ends in CRLF.CRLF, nothing else: a bare CR or LF in
// a command closes the session with 500 5.5.2, in content it is answered 5.6.0 after the end.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.h"
#include "codec/smtp/detail/content_reader.h"
#include "codec/smtp/server_event.h"

namespace ph::smtp {

// What MAIL may carry besides, as announced; a parameter of what is not offered is refused (555).
struct MailExtensions {
  bool mt_priority = false;
  std::string priority_profile;  // RFC 6710 §3: "MIXER", "STANAG4406", "NSEP" or "" for none
  bool deliver_by = false;
  uint32_t deliver_by_min_s = 0;  // RFC 2852 §2: the least time that is taken with mode R
  // RFC 4865, for submission only. The driver refuses holds beyond its limit; these are words.
  uint32_t hold_max_s = 0;     // 0: not offered
  std::string hold_until_max;  // a date-time of RFC 3339
};

enum class AuthOffer : uint8_t { never, over_tls, always };
enum class BeforeMail : uint8_t { nothing, tls, authentication };

struct ServerOptions {
  std::string host;    // in the greeting and the EHLO reply
  std::string banner;  // more text for the greeting
  Protocol protocol = Protocol::smtp;
  bool offer_starttls = false;
  bool tls_active = false;              // implicit TLS (RFC 8314)
  AuthOffer auth = AuthOffer::never;    // over_tls: hidden and refused (538 5.7.11) before TLS
  std::vector<std::string> mechanisms;  // upper case, in the order offered
  BeforeMail before_mail = BeforeMail::nothing;  // else MAIL gets 530 5.7.0
  MailExtensions mail;
  ByteCount size_max = ByteCount::mib(50);
  uint32_t recipients_max = 1000;      // RFC 5321 §4.5.3.1.8; beyond it 452 4.5.3
  uint32_t command_line_max = 2048;    // CRLF included
  uint32_t auth_line_max = 12288;      // RFC 4954 §4
  uint32_t data_line_max = 64 * 1024;  // CRLF included; 998 is only advice to senders
  uint32_t errors_max = 20;            // refusals by the engine; beyond it 421 4.7.0
  uint32_t rejections_max = 200;       // refusals by the driver; beyond it 421 4.7.0
};

// What the session waits for. RFC 5321 §4.5.3.2: command 5 min, data 3 min a block.
enum class ServerPhase : uint8_t { answer, command, auth, data, handshake, closed };

class Server {
 public:
  explicit Server(ServerOptions options);

  // Octets consumed. The bytes must stay valid until the events they made are handled.
  size_t feed(std::string_view bytes);
  std::optional<ServerEvent> next();
  // All output so far, moved out.
  std::string take_output();
  bool has_output() const { return !output_.empty(); }
  ServerPhase phase() const;

  // Answers to the outstanding event; calling one without such an event is a bug (PH_CHECK).
  // accept() sends the usual positive reply (for a faulty DataEnd: the fitting rejection).
  void accept();
  // 2xx accepts, 4xx and 5xx reject; 421 also closes. A positive answer to a faulty DataEnd is
  // replaced by the rejection.
  void answer(const Reply& reply);
  void answer(const FixedReply& reply);
  // LMTP, to DataEnd: one for each accepted recipient, in order.
  void answer_recipients(std::span<const Reply> replies);
  // To AuthStart and AuthResponse: sends "334 base64".
  void challenge(std::string_view bytes);

  // In phase handshake: TLS is up.
  void tls_started();
  // From outside, at any time (time-out, shutdown): sends `reply`, a 421, and closes. Nothing more
  // is consumed or raised.
  void close(const FixedReply& reply);

  bool is_tls() const { return tls_; }
  bool is_authenticated() const { return authenticated_; }
  uint32_t recipient_count() const { return recipients_; }

 private:
  enum class Mode : uint8_t { command, auth, data, chunk, handshake, closed };
  enum class Waiting : uint8_t {
    nothing,
    greeting,
    hello,
    mail,
    rcpt,
    data_start,
    chunk_start,
    data_end,
    auth,
    starttls,
  };
  // failed: a BDAT went wrong before its LAST, and only RSET or a new hello helps (RFC 3030 §2).
  enum class Transaction : uint8_t { none, sender, chunking, failed };
  struct Command;
  struct Chunk {
    uint64_t left = 0;
    bool last = false;
    bool swallow = false;               // its octets are not wanted
    const FixedReply* fault = nullptr;  // why, when the engine says so
    Reply refusal;                      // why, when the driver says so
  };

  size_t feed_line(std::string_view bytes);
  size_t skip_line(std::string_view segment);
  void judge_skipped();
  size_t line_limit() const;
  size_t feed_data(std::string_view bytes);
  size_t feed_chunk(std::string_view bytes);
  uint64_t swallow_limit() const;
  bool is_chunk_over() const { return mode_ == Mode::chunk && chunk_.left == 0; }
  void end_chunk();

  static const Command* find_command(std::string_view verb);
  void run_line(std::string_view line);
  void run_command(std::string_view line);
  void run_auth_response(std::string_view line);
  void on_helo(std::string_view arguments);
  void on_ehlo(std::string_view arguments);
  void on_lhlo(std::string_view arguments);
  void on_mail(std::string_view arguments);
  void on_rcpt(std::string_view arguments);
  void on_data(std::string_view arguments);
  void on_bdat(std::string_view arguments);
  void on_rset(std::string_view arguments);
  void on_noop(std::string_view arguments);
  void on_vrfy(std::string_view arguments);
  void on_expn(std::string_view arguments);
  void on_help(std::string_view arguments);
  void on_quit(std::string_view arguments);
  void on_starttls(std::string_view arguments);
  void on_auth(std::string_view arguments);
  void hello(std::string_view name, Protocol protocol);
  const FixedReply* mail_fault() const;
  const FixedReply* extension_fault(const MailParameters& parameters) const;
  std::string extensions_text() const;
  const FixedReply* content_command_fault() const;
  const FixedReply* auth_fault(std::string_view mechanism) const;

  void raise(ServerEvent event, Waiting waiting = Waiting::nothing);
  void refuse(const FixedReply& reply);
  void shut(const FixedReply& reply);
  template <class AnyReply>
  void settle(const AnyReply& reply);
  void settle_greeting();
  void settle_hello();
  template <class AnyReply>
  void settle_negative(Waiting what, const AnyReply& reply);
  void settle_positive(Waiting what);
  void begin_content(Mode mode);
  size_t replies_due() const;
  void settle_data_end(const Reply& reply);
  void finish_data_end();
  void end_transaction();

  ServerOptions options_;
  Mode mode_ = Mode::command;
  Waiting waiting_ = Waiting::nothing;
  Transaction transaction_ = Transaction::none;
  bool tls_ = false;
  bool extended_ = false;  // EHLO or LHLO accepted
  bool greeted_ = false;   // or HELO
  bool hello_extended_ = false;
  bool authenticated_ = false;
  bool utf8_ = false;  // MAIL had SMTPUTF8
  bool turned_away_ = false;
  bool line_overlong_ = false;
  uint32_t recipients_ = 0;
  uint32_t recipients_tried_ = 0;
  uint32_t errors_ = 0;
  uint32_t rejections_ = 0;
  uint64_t received_ = 0;  // octets of this content on the wire, or of the overlong line
  Chunk chunk_;
  std::string line_;  // the part of a line seen so far, when it came in pieces
  std::string output_;
  detail::ContentReader content_;
  std::optional<ServerEvent> event_;
};

}  // namespace ph::smtp
