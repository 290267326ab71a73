#include "codec/smtp/xtext.h"

#include "base/text.h"

namespace ph::smtp {
namespace {

constexpr bool is_xchar(char c) { return c >= '!' && c <= '~' && c != '+' && c != '='; }
constexpr bool is_upper_hex(char c) { return is_digit(c) || (c >= 'A' && c <= 'F'); }

}  // namespace

std::string xtext_encode(std::string_view bytes) {
  std::string out;
  out.reserve(bytes.size());
  for (size_t i = 0; i < bytes.size(); ++i) {
    if (is_xchar(bytes[i])) {
      out += bytes[i];
    } else {
      out += '+';
      out += to_upper(hex_encode(bytes.substr(i, 1)));
    }
  }
  return out;
}

std::optional<std::string> xtext_decode(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    if (is_xchar(text[i])) {
      out += text[i];
      continue;
    }
    if (text[i] != '+' || text.size() - i < 3) return std::nullopt;
    if (!is_upper_hex(text[i + 1]) || !is_upper_hex(text[i + 2])) return std::nullopt;
    out += *hex_decode(text.substr(i + 1, 2));
    i += 2;
  }
  return out;
}

}  // namespace ph::smtp
