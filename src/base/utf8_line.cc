#include "base/utf8_line.h"

#include <algorithm>

#include "base/text.h"

namespace ph {

std::string utf8_line(std::string_view text, size_t limit) {
  if (!is_valid_utf8(text)) return printable(text, limit);
  const auto continues = [&](size_t at) {
    return (static_cast<unsigned char>(text[at]) & 0xC0) == 0x80;
  };
  size_t end = std::min(limit, text.size());
  while (end > 0 && end < text.size() && continues(end)) --end;
  std::string out(text.substr(0, end));
  for (char& c : out) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) c = ' ';
  }
  return out;
}

}  // namespace ph
