#include "codec/smtp/priority.h"

#include "base/text.h"

namespace ph::smtp {

std::optional<int> parse_priority(std::string_view text) {
  if (text == "0") return 0;
  const bool negative = text.starts_with('-');
  if (negative) text.remove_prefix(1);
  if (text.size() != 1 || !is_digit(text.front()) || text.front() == '0') return std::nullopt;
  const int value = text.front() - '0';
  return negative ? -value : value;
}

}  // namespace ph::smtp
