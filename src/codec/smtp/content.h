// Message content on its way out: the check that it is CRLF text, and dot-stuffing.
//
// The rule of this room: a message in SMTP is lines that end in CRLF. A CR or LF on its own is
// never sent and never accepted, because peers that take one for a line end can be made to see
// another message in the middle of ours ("SMTP smuggling"). Whoever stores messages must therefore
// have normalised them; content_fault() checks a whole message beforehand, ContentWriter checks
// again while it streams and stops at the first fault without having emitted it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace ph::smtp {

enum class ContentFault : uint8_t {
  none,
  bare_newline,   // a CR or LF that is not part of CRLF
  nul,            // a NUL octet (RFC 5321 §4.5.2 knows none)
  line_too_long,  // beyond the limit in force
  too_big,        // the message is beyond the limit in force
};

// The first fault in a whole message: bare_newline, nul or none.
ContentFault content_fault(std::string_view message);

// Streams one message as the body of DATA (RFC 5321 §4.5.2) or of BDAT, where it is only checked.
class ContentWriter {
 public:
  enum class Form : uint8_t { dotted, plain };
  explicit ContentWriter(Form form = Form::dotted) : form_(form) {}

  // Appends `piece`, stuffed. Errors: kBareNewline, kNulInContent; nothing of the faulty octet or
  // behind it was appended, and the message must be abandoned (close without finish()).
  Status append(std::string_view piece, std::string& out);
  // Appends the end (dotted only): CRLF if the last line has none, then the final dot. Errors:
  // kBareNewline when the message ends in a bare CR.
  Status finish(std::string& out);

 private:
  enum class Place : uint8_t { line_start, in_line, after_cr };
  Form form_;
  Place place_ = Place::line_start;
};

}  // namespace ph::smtp
