// Small text functions for protocols: ASCII only, independent of any locale.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace ph {

constexpr char ascii_lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}
constexpr char ascii_upper(char c) {
  return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
}
constexpr bool is_digit(char c) { return c >= '0' && c <= '9'; }
constexpr bool is_alpha(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
constexpr bool is_blank(char c) { return c == ' ' || c == '\t'; }
constexpr bool is_ascii(char c) { return static_cast<unsigned char>(c) < 0x80; }

std::string to_lower(std::string_view text);
std::string to_upper(std::string_view text);
bool iequals(std::string_view a, std::string_view b);
bool istarts_with(std::string_view text, std::string_view prefix);
// The first place of `needle` in `text` without regard to case; npos if none; linear time.
size_t ifind(std::string_view text, std::string_view needle);

// Without spaces, tabs, CR and LF at both ends.
std::string_view trim(std::string_view text);
std::vector<std::string_view> split(std::string_view text, char separator);

// Digits only, the whole text, within 64 bits.
std::optional<uint64_t> parse_u64(std::string_view digits);

std::string hex_encode(std::string_view bytes);
std::optional<std::string> hex_decode(std::string_view hex);
// RFC 4648 section 4, with padding, on one line.
std::string base64_encode(std::string_view bytes);
// Strict: no white space, right padding, nothing behind it.
std::optional<std::string> base64_decode(std::string_view text);

bool is_valid_utf8(std::string_view text);
// For logs and replies: control and non-ASCII octets become '?', at most `limit` octets.
std::string printable(std::string_view text, size_t limit = 512);

}  // namespace ph
