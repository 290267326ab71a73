#include "codec/text/detail/utf8.h"

#include <algorithm>

namespace ph::text {
namespace {

struct Range {
  uint32_t low;
  uint32_t high;
};

// The second octet's range, which keeps out long forms, surrogates and what lies past U+10FFFF.
Range second_octet(uint32_t lead) {
  switch (lead) {
    case 0xE0: return {0xA0, 0xBF};
    case 0xED: return {0x80, 0x9F};
    case 0xF0: return {0x90, 0xBF};
    case 0xF4: return {0x80, 0x8F};
    default: return {0x80, 0xBF};
  }
}

}  // namespace

Utf8Step read_utf8(std::string_view octets) {
  const auto at = [&](size_t i) { return uint32_t{static_cast<unsigned char>(octets[i])}; };
  const uint32_t lead = at(0);
  if (lead < 0x80) return {.length = 1, .valid = true, .character = lead};
  if (lead < 0xC2 || lead > 0xF4) return {};
  const size_t length = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
  char32_t character = lead & (0x7FU >> length);
  for (size_t i = 1; i < std::min(length, octets.size()); ++i) {
    const Range allowed = i == 1 ? second_octet(lead) : Range{0x80, 0xBF};
    if (at(i) < allowed.low || at(i) > allowed.high) return {};
    character = (character << 6U) | (at(i) & 0x3FU);
  }
  if (octets.size() < length) return {.incomplete = true};
  return {.length = static_cast<uint8_t>(length), .valid = true, .character = character};
}

void append_utf8(char32_t character, std::string& out) {
  const auto put = [&](uint32_t octet) { out += static_cast<char>(octet); };
  if (character < 0x80) {
    put(character);
    return;
  }
  if (character < 0x800) {
    put(0xC0U | (character >> 6U));
  } else if (character < 0x10000) {
    put(0xE0U | (character >> 12U));
    put(0x80U | ((character >> 6U) & 0x3FU));
  } else {
    put(0xF0U | (character >> 18U));
    put(0x80U | ((character >> 12U) & 0x3FU));
    put(0x80U | ((character >> 6U) & 0x3FU));
  }
  put(0x80U | (character & 0x3FU));
}

}  // namespace ph::text
