#include "service/report/detail/lines.h"

#include <algorithm>

#include "base/text.h"
#include "codec/mime/header.h"

namespace ph::report {
namespace {

constexpr size_t kFieldTextMax = 900;
constexpr size_t kColumns = 78;

struct Character {
  uint32_t code = 0;
  size_t length = 1;
};

Character character_at(std::string_view text, size_t at) {
  const auto lead = static_cast<unsigned char>(text[at]);
  Character out{lead, 1};
  if (lead >= 0xC0) {
    out.length = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
    out.code = lead & (0x7FU >> out.length);
  }
  for (size_t i = 1; i < out.length && at + i < text.size(); ++i) {
    out.code = out.code << 6 | (static_cast<unsigned char>(text[at + i]) & 0x3FU);
  }
  return out;
}

std::string hex_of(uint32_t code) {
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  std::string out;
  for (int shift = 20; shift >= 0; shift -= 4) {
    const char digit = kDigits[(code >> shift) & 0xF];
    if (!out.empty() || digit != '0' || shift <= 4) out += digit;
  }
  return out;
}

}  // namespace

std::string one_line(std::string_view text) { return printable(text, kFieldTextMax); }

std::string wrapped(std::string_view indent, std::string_view words) {
  std::string out;
  size_t column = kColumns;
  for (const std::string_view word : split(words, ' ')) {
    if (word.empty()) continue;
    const bool fits = column + 1 + word.size() <= kColumns;
    if (fits) {
      out += ' ';
      column += 1;
    } else {
      if (!out.empty()) out += "\r\n";
      out += indent;
      column = indent.size();
    }
    out += word;
    column += word.size();
  }
  return out + "\r\n";
}

std::string date_for_people(Time when) {
  const std::string date = to_rfc5322_date(when);  // "Sat, 21 Nov 2026 02:50:16 +0000"
  const size_t begin = date.find(' ') + 1;
  return date.substr(begin, date.rfind(' ') - begin) + " UTC";
}

std::string address_type(const std::string& address) {
  return is_all_ascii(address) ? "rfc822" : "utf-8";
}

// The field is ASCII: what is not goes as RFC 6533 section 3 says, "\\x{FC}".
std::string typed_address(const std::string& type, const std::string& address) {
  if (!iequals(type, "utf-8")) return one_line(type) + "; " + one_line(address);
  std::string out = "utf-8; ";
  for (size_t at = 0; at < address.size() && out.size() < kFieldTextMax;) {
    const char c = address[at];
    const bool plain = c > ' ' && c < 0x7F && c != '\\' && c != '+' && c != '=';
    if (plain) {
      out += c;
      ++at;
      continue;
    }
    const Character character = character_at(address, at);
    out += "\\x{" + hex_of(character.code) + "}";
    at += character.length;
  }
  return out;
}

bool is_all_ascii(std::string_view text) { return std::ranges::all_of(text, is_ascii); }

bool is_sendable(std::string_view message) {
  size_t length = 0;
  char last = '\n';
  for (const char c : message) {
    if (c == '\0' || (last == '\r') != (c == '\n')) return false;
    length = c == '\n' ? 0 : length + 1;
    if (length > kLineMax + 1) return false;  // the CR counts not
    last = c;
  }
  return last == '\n';
}

std::string sendable_header(std::string_view message) {
  std::string_view rest = message.substr(0, mime::header_size(message));
  std::string out;
  while (!rest.empty()) {
    const size_t end = std::min(rest.find('\n'), rest.size());
    std::string_view line = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    std::string clean(line.substr(0, kLineMax));
    std::ranges::replace(clean, '\r', ' ');
    std::ranges::replace(clean, '\0', ' ');
    out.append(clean).append("\r\n");
  }
  return out;
}

}  // namespace ph::report
