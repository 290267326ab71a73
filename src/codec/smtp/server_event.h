// What the server engine tells its driver. See server.h for the order of calls.
//
// Events marked "answer" hold the session until the driver answers. Views in an event are valid
// until the next call of Server::feed(); strings are the receiver's to keep.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "codec/smtp/content.h"
#include "codec/smtp/envelope.h"
#include "codec/smtp/reply.h"

namespace ph::smtp {

// Answer: the connection is open and the greeting due. accept() greets; a 421 or 554 turns away.
struct Connected {};

// Answer: HELO, EHLO or LHLO with a syntactically valid name. Any transaction is gone.
struct Hello {
  std::string name;
  bool extended = false;  // EHLO or LHLO
};

// Answer.
struct MailFrom {
  Path sender;
  MailParameters parameters;
};

// Answer. Raised only inside a transaction and below the recipient cap.
struct RcptTo {
  Recipient recipient;
};

// Answer: DATA or the first BDAT of a transaction with at least one accepted recipient. A rejection
// ends the transaction (after BDAT: once its octets are swallowed).
struct DataStart {};

// Content, dots unstuffed; a view of the octets given to feed(). Not answered.
struct DataChunk {
  std::string_view content;
};

// Answer: the message is complete. With a fault the content is not to be kept: accept() then sends
// the fitting rejection (5.6.0, 5.3.4), and chunks after the fault were not raised. In LMTP the
// answer is one reply for each accepted recipient.
struct DataEnd {
  ContentFault fault = ContentFault::none;
  uint64_t size = 0;  // octets raised in chunks
};

// Answer: AUTH with a mechanism of the options, allowed here and now. `initial` is decoded.
// Answer with challenge(), or with answer(): 235 2.7.0 or 535 5.7.8 and the like.
struct AuthStart {
  std::string mechanism;
  std::optional<std::string> initial;
};

// Answer, as to AuthStart: the client's next response, decoded.
struct AuthResponse {
  std::string response;
};

// Answer: accept() sends 220; then write the output, do the handshake and call tls_started().
struct StartTls {};

// RSET: the transaction is gone. Not answered.
struct Reset {};

// The client said QUIT and got its 221: write the output and close. Not answered.
struct Quit {};

// The engine refused a command by itself; `reply` has been sent. Not answered. For counters and
// logs; when the session ends by it, phase() is closed.
struct ProtocolError {
  Reply reply;
};

using ServerEvent = std::variant<Connected, Hello, MailFrom, RcptTo, DataStart, DataChunk, DataEnd,
                                 AuthStart, AuthResponse, StartTls, Reset, Quit, ProtocolError>;

}  // namespace ph::smtp
