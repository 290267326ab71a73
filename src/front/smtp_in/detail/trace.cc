#include "front/smtp_in/detail/trace.h"

#include <algorithm>
#include <vector>

#include "base/text.h"
#include "codec/mime/header.h"

namespace ph::smtp_in {
namespace {

constexpr size_t kChainMax = 60;  // hops that are named
constexpr size_t kNameMax = 80;

// What stands at `at` in one piece: a comment, which may hold others, or a quoted string.
size_t end_of_enclosed(std::string_view text, size_t at) {
  const bool comment = text[at] == '(';
  size_t depth = 1;
  for (++at; at < text.size() && depth > 0; ++at) {
    if (text[at] == '\\') {
      ++at;
    } else if (comment && text[at] == '(') {
      ++depth;
    } else if (text[at] == (comment ? ')' : '"')) {
      --depth;
    }
  }
  return std::min(at, text.size());
}

bool is_word(char c) { return !is_blank(c) && c != '(' && c != '"' && c != ';'; }

}  // namespace

std::string by_of(std::string_view received) {
  bool after_by = false;
  for (size_t at = 0; at < received.size() && received[at] != ';';) {
    if (received[at] == '(' || received[at] == '"') {
      at = end_of_enclosed(received, at);
      continue;
    }
    size_t end = at;
    while (end < received.size() && is_word(received[end])) ++end;
    std::string_view word = received.substr(at, end - at);
    at = std::max(end, at + (word.empty() ? 1 : 0));
    if (word.empty()) continue;
    if (after_by) {
      if (word.ends_with('.')) word.remove_suffix(1);
      return std::string(word);
    }
    after_by = iequals(word, "by");
  }
  return {};
}

Trace trace_of(std::string_view header, std::string_view host) {
  Trace trace;
  const bool own_name = host.find('.') != std::string_view::npos;
  std::vector<std::string> hosts;  // the newest first, as the fields stand
  for (const mime::Field& field : mime::HeaderView(header)) {
    if (!field.is("Received")) continue;
    const std::string by = by_of(field.value());
    if (own_name && iequals(by, host)) ++trace.own;
    if (hosts.size() < kChainMax) hosts.push_back(by.empty() ? "?" : printable(by, kNameMax));
  }
  for (size_t i = hosts.size(); i > 0; --i) {
    if (!trace.chain.empty()) trace.chain += " > ";
    trace.chain += hosts[i - 1];
  }
  return trace;
}

}  // namespace ph::smtp_in
