// UTF-8, one character at a time (RFC 3629).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace ph::text {

inline constexpr std::string_view kReplacement = "\xEF\xBF\xBD";  // U+FFFD

// What stands at the front of some octets (at least one).
struct Utf8Step {
  uint8_t length = 1;       // octets it takes
  bool valid = false;       // a character; if not, one octet that belongs to none
  bool incomplete = false;  // not valid only because the octets end too early
  char32_t character = 0;   // if valid
};

Utf8Step read_utf8(std::string_view octets);
void append_utf8(char32_t character, std::string& out);

}  // namespace ph::text
