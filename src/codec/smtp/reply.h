// An SMTP reply: code, enhanced status code (RFC 3463) and text, as sent and as received.
//
// FixedReply is the same over constant text, so that the replies of errors.h cost nothing. The text
// of a Reply may have several lines, separated by '\n'. append_reply() makes of any text valid
// reply lines: octets that are not printable ASCII become '?', a line never passes 512 octets.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace ph::smtp {

struct EnhancedCode {
  uint8_t kind = 0;  // 2, 4 or 5; 0 when there is no enhanced code
  uint16_t subject = 0;
  uint16_t detail = 0;

  constexpr bool is_set() const { return kind != 0; }
  constexpr bool operator==(const EnhancedCode&) const = default;
};

// "5.1.1"; "" when not set.
std::string to_text(EnhancedCode code);
// The whole of `text`, class 2, 4 or 5, subject and detail of at most three digits.
std::optional<EnhancedCode> parse_enhanced_code(std::string_view text);

struct Reply {
  uint16_t code = 0;
  EnhancedCode enhanced;
  std::string text;

  bool is_positive() const { return code / 100 == 2; }
  bool is_intermediate() const { return code / 100 == 3; }
  bool is_transient() const { return code / 100 == 4; }
  bool is_permanent() const { return code / 100 == 5; }
  bool is_negative() const { return is_transient() || is_permanent(); }
  bool operator==(const Reply&) const = default;
};

struct FixedReply {
  uint16_t code = 0;
  EnhancedCode enhanced;
  std::string_view text;

  Reply to_reply() const { return {code, enhanced, std::string(text)}; }
};

// The reply as it goes over the wire (RFC 5321 §4.2.1, RFC 2034), "250-..." lines and CRLF
// included.
void append_reply(std::string& out, const Reply& reply);
void append_reply(std::string& out, const FixedReply& reply);
// For logs and histories, on one line: "550 5.1.1 No such user here".
std::string to_text(const Reply& reply);

}  // namespace ph::smtp
