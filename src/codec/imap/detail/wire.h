// How values go out: numbers, strings and atoms, appended.
#pragma once

#include <charconv>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace ph::imap::detail {

inline void append_number(std::string& out, uint64_t value) {
  char digits[20];
  const auto end = std::to_chars(digits, digits + sizeof digits, value);
  out.append(digits, end.ptr);
}

// Quoted where it can be, else a literal. NUL, which neither may hold, becomes '?'.
void append_string(std::string& out, std::string_view text);
// The same, or NIL.
void append_nstring(std::string& out, const std::optional<std::string>& text);
// An atom where it can be, else as append_string.
void append_astring(std::string& out, std::string_view text);
// Quoted, whatever it holds; CR, LF and NUL become '?'. For UTF-8 names.
void append_quoted(std::string& out, std::string_view text);
// For people: control characters become '?'.
void append_text(std::string& out, std::string_view text);

}  // namespace ph::imap::detail
