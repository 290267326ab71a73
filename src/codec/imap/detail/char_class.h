// The character classes of IMAP's grammar (RFC 9051 section 9), as one table.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace ph::imap::detail {

enum CharBit : uint8_t {
  kAtomBit = 1,
  kAstringBit = 2,  // ATOM-CHAR and "]"
  kListBit = 4,     // "]", "%" and "*" too
  kTagBit = 8,      // ASTRING-CHAR without "+"
  kWordBit = 16,    // our own keywords: letters, digits and ".-_"
  kQuotedBit = 32,  // goes into a quoted string as it is
};

consteval std::array<uint8_t, 256> make_char_table() {
  std::array<uint8_t, 256> table{};
  constexpr std::string_view kSpecials = "(){ %*\"\\]";
  constexpr std::string_view kWordMarks = ".-_";
  for (unsigned i = 0x20; i < 0x7f; ++i) {
    const char c = static_cast<char>(i);
    uint8_t bits = 0;
    if (kSpecials.find(c) == std::string_view::npos) bits |= kAtomBit;
    if ((bits & kAtomBit) != 0 || c == ']') bits |= kAstringBit;
    if ((bits & kAstringBit) != 0 || c == '%' || c == '*') bits |= kListBit;
    if ((bits & kAstringBit) != 0 && c != '+') bits |= kTagBit;
    const bool alnum = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    if (alnum || kWordMarks.find(c) != std::string_view::npos) bits |= kWordBit;
    if (c != '"' && c != '\\') bits |= kQuotedBit;
    table[i] = bits;
  }
  table['\t'] = kQuotedBit;
  return table;
}

inline constexpr std::array<uint8_t, 256> kCharTable = make_char_table();

constexpr bool is_in_class(char c, CharBit bit) {
  return (kCharTable[static_cast<unsigned char>(c)] & bit) != 0;
}

}  // namespace ph::imap::detail
