#include "codec/imap/detail/literal.h"

#include <limits>

#include "base/text.h"

namespace ph::imap::detail {

namespace {

constexpr size_t kHeadMax = 32;  // "~{" + digits + "+}"; more digits than fit are no literal

}  // namespace

std::optional<LiteralHead> literal_at_start(std::string_view text) {
  LiteralHead head;
  size_t at = 0;
  if (text.starts_with('~')) {
    head.binary = true;
    ++at;
  }
  if (at >= text.size() || text[at] != '{') return std::nullopt;
  const size_t first = ++at;
  while (at < text.size() && is_digit(text[at])) ++at;
  if (at == first) return std::nullopt;
  head.size =
      parse_u64(text.substr(first, at - first)).value_or(std::numeric_limits<uint64_t>::max());
  if (at < text.size() && text[at] == '+') {
    head.synchronising = false;
    ++at;
  }
  if (at >= text.size() || text[at] != '}') return std::nullopt;
  head.length = at + 1;
  return head;
}

std::optional<LiteralHead> literal_at_end(std::string_view line) {
  if (!line.ends_with('}')) return std::nullopt;
  const size_t start = line.size() > kHeadMax ? line.size() - kHeadMax : 0;
  size_t brace = line.rfind('{');
  if (brace == std::string_view::npos || brace < start) return std::nullopt;
  if (brace > 0 && line[brace - 1] == '~') --brace;
  const auto head = literal_at_start(line.substr(brace));
  if (!head || brace + head->length != line.size()) return std::nullopt;
  return head;
}

bool ends_in_quotes(std::string_view line) {
  bool quoted = false;
  for (size_t i = 0; i < line.size(); ++i) {
    if (line[i] == '"') quoted = !quoted;
    if (quoted && line[i] == '\\') ++i;
  }
  return quoted;
}

}  // namespace ph::imap::detail
