// Mailboxes and paths (RFC 5321 §4.1.2, RFC 6531 §3.3): what stands in MAIL FROM and RCPT TO.
//
// A Path keeps the local part as its plain octets (quotes and backslashes taken off; printing puts
// them back where they are needed) and the domain as written: a name, or an address literal in its
// brackets. The null reverse-path has neither; <postmaster> has no domain. Source routes are parsed
// and dropped. UTF-8 is accepted in both parts: is_ascii() tells whether SMTPUTF8 is needed.
// Limits: local part 256 octets (RFC 5321 says 64, but VERP and SRS addresses pass that), domain
// 255, label 63. Underscores in domain labels are accepted, since real senders have them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace ph::smtp {

struct Path {
  std::string local;
  std::string domain;

  bool is_null() const { return local.empty() && domain.empty(); }
  bool is_ascii() const;
  bool operator==(const Path&) const = default;
};

enum class PathKind : uint8_t {
  reverse,  // MAIL FROM: may be null
  forward,  // RCPT TO: may be <postmaster> without a domain
};

struct ParsedPath {
  Path path;
  std::string_view rest;  // what follows '>'
};

// A path in angle brackets at the start of `text`. Errors: kBadPath.
Result<ParsedPath> parse_path(std::string_view text, PathKind kind);
// A bare mailbox, local@domain, the whole text. Errors: kBadPath.
Result<Path> parse_mailbox(std::string_view text);

// local@domain with the local part quoted if it must be; "" for the null path.
std::string to_text(const Path& path);
// The same in angle brackets: "<>" for the null path.
std::string to_bracketed(const Path& path);

// The form in which domains are compared and stored: ASCII letters in lower case, no dot at the
// end. Non-ASCII octets stay (no IDNA here: a U-label and its A-label are different domains).
std::string normal_domain(std::string_view domain);
bool is_address_literal(std::string_view domain);
// The syntax only: a domain name (UTF-8 labels included) or an address literal.
bool is_valid_domain(std::string_view domain);

}  // namespace ph::smtp
