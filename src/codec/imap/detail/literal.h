// The announcement of a literal: "{5}", "{5+}" (RFC 7888), "~{5}" (RFC 3516).
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace ph::imap::detail {

struct LiteralHead {
  uint64_t size = 0;  // at most UINT64_MAX, however many digits there are
  bool synchronising = true;
  bool binary = false;
  size_t length = 0;  // octets of the announcement, without CR LF
};

// At the start of `text`.
std::optional<LiteralHead> literal_at_start(std::string_view text);
// At the end of `line` (without CR LF).
std::optional<LiteralHead> literal_at_end(std::string_view line);
// True if a quoted string is open at the end of `line`, where a literal cannot be.
bool ends_in_quotes(std::string_view line);

}  // namespace ph::imap::detail
