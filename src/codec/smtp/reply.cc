#include "codec/smtp/reply.h"

#include <algorithm>

#include "base/check.h"
#include "base/text.h"

namespace ph::smtp {
namespace {

constexpr size_t kTextPerLine = 480;  // with code and enhanced code below the 512 of §4.5.3.1.5

void append_number(std::string& out, uint32_t value) { out += std::to_string(value); }

void append_code(std::string& out, EnhancedCode code) {
  append_number(out, code.kind);
  out += '.';
  append_number(out, code.subject);
  out += '.';
  append_number(out, code.detail);
}

void append_safe(std::string& out, std::string_view text) {
  for (const char c : text) out += (c >= ' ' && c <= '~') || c == '\t' ? c : '?';
}

// One line of text, without line ends, to at most kTextPerLine octets; the rest stays in `text`.
std::string_view take_line(std::string_view& text) {
  const size_t end = std::min({text.find('\n'), text.size(), kTextPerLine});
  const std::string_view line = text.substr(0, end);
  text.remove_prefix(end);
  if (text.starts_with('\n')) text.remove_prefix(1);
  return line;
}

void append_parts(std::string& out, uint16_t code, EnhancedCode enhanced, std::string_view text) {
  PH_CHECK(code >= 200 && code <= 599);
  do {
    const std::string_view line = take_line(text);
    append_number(out, code);
    out += text.empty() ? ' ' : '-';
    if (enhanced.is_set()) {
      append_code(out, enhanced);
      if (!line.empty()) out += ' ';
    }
    append_safe(out, line);
    out += "\r\n";
  } while (!text.empty());
}

}  // namespace

std::string to_text(EnhancedCode code) {
  std::string out;
  if (code.is_set()) append_code(out, code);
  return out;
}

std::optional<EnhancedCode> parse_enhanced_code(std::string_view text) {
  const auto parts = split(text.substr(0, 12), '.');
  if (text.size() > 11 || parts.size() != 3) return std::nullopt;
  EnhancedCode out;
  if (parts[0] != "2" && parts[0] != "4" && parts[0] != "5") return std::nullopt;
  out.kind = static_cast<uint8_t>(parts[0][0] - '0');
  for (size_t i = 1; i < 3; ++i) {
    const auto number = parse_u64(parts[i]);
    if (!number || parts[i].size() > 3) return std::nullopt;
    (i == 1 ? out.subject : out.detail) = static_cast<uint16_t>(*number);
  }
  return out;
}

void append_reply(std::string& out, const Reply& reply) {
  append_parts(out, reply.code, reply.enhanced, reply.text);
}

void append_reply(std::string& out, const FixedReply& reply) {
  append_parts(out, reply.code, reply.enhanced, reply.text);
}

std::string to_text(const Reply& reply) {
  std::string out = std::to_string(reply.code);
  if (reply.enhanced.is_set()) out += " " + to_text(reply.enhanced);
  if (reply.text.empty()) return out;
  out += ' ';
  for (const char c : reply.text) out += c == '\n' ? ' ' : (c >= ' ' && c <= '~') ? c : '?';
  return out;
}

}  // namespace ph::smtp
