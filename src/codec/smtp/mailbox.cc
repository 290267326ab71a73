#include "codec/smtp/mailbox.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <optional>

#include "base/text.h"
#include "codec/smtp/errors.h"

namespace ph::smtp {
namespace {

constexpr size_t kLocalMax = 256;
constexpr size_t kDomainMax = 255;
constexpr size_t kLabelMax = 63;
constexpr std::string_view kAtomMarks = "!#$%&'*+-/=?^_`{|}~";

constexpr bool is_atext(char c) {
  return is_alpha(c) || is_digit(c) || !is_ascii(c) || kAtomMarks.find(c) != std::string_view::npos;
}

Error bad(std::string_view why) { return fail(kBadPath, std::string(why)); }

bool is_dot_string(std::string_view text) {
  if (text.empty() || text.front() == '.' || text.back() == '.') return false;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '.' ? text[i - 1] == '.' : !is_atext(text[i])) return false;
  }
  return true;
}

bool is_label(std::string_view label) {
  if (label.empty() || label.size() > kLabelMax) return false;
  if (label.front() == '-' || label.back() == '-') return false;
  return std::ranges::all_of(label, [](char c) {
    return is_alpha(c) || is_digit(c) || !is_ascii(c) || c == '-' || c == '_';
  });
}

bool is_ip(int family, std::string_view text) {
  std::array<unsigned char, 16> out{};
  return text.size() < 64 && inet_pton(family, std::string(text).c_str(), out.data()) == 1;
}

// A quoted string at the start of `text` (RFC 5321 §4.1.2 Quoted-string), its octets in `out`.
// Returns what follows the closing quote.
std::optional<std::string_view> take_quoted(std::string_view text, std::string& out) {
  for (size_t i = 1; i < text.size(); ++i) {
    if (text[i] == '"') return text.substr(i + 1);
    if (text[i] == '\\' && ++i == text.size()) return std::nullopt;
    const bool printable = (text[i] >= ' ' && text[i] <= '~') || !is_ascii(text[i]);
    if (!printable) return std::nullopt;
    out += text[i];
  }
  return std::nullopt;
}

// The local part at the start of `text`, up to `ends`; what follows is the rest.
Result<std::string_view> take_local(std::string_view text, std::string_view ends,
                                    std::string& local) {
  std::string_view rest;
  if (text.starts_with('"')) {
    const auto after = take_quoted(text, local);
    if (!after) return bad("bad quoted string");
    rest = *after;
    if (!rest.empty() && ends.find(rest.front()) == std::string_view::npos) {
      return bad("text behind a quoted string");
    }
  } else {
    const size_t end = std::min(text.find_first_of(ends), text.size());
    if (!is_dot_string(text.substr(0, end))) return bad("bad local part");
    local = text.substr(0, end);
    rest = text.substr(end);
  }
  if (local.empty()) return bad("empty local part");
  if (local.size() > kLocalMax) return bad("local part too long");
  return rest;
}

// "@a,@b:" in front of a mailbox: must be accepted, should be ignored (RFC 5321 §4.1.1.3).
Result<std::string_view> skip_source_route(std::string_view text) {
  while (text.starts_with('@')) {
    const size_t end = text.find_first_of(",:>");
    if (end == std::string_view::npos || text[end] == '>') return bad("bad source route");
    if (!is_valid_domain(text.substr(1, end - 1))) return bad("bad source route");
    const bool last = text[end] == ':';
    text.remove_prefix(end + 1);
    if (last) return text;
  }
  return bad("bad source route");
}

// The length of the domain at the start of `text`: up to `end`, brackets respected.
size_t domain_length(std::string_view text, char end) {
  if (!text.starts_with('[')) return std::min(text.find(end), text.size());
  const size_t close = text.find(']');
  return close == std::string_view::npos ? text.size() : close + 1;
}

}  // namespace

bool Path::is_ascii() const {
  const auto plain = [](char c) { return ph::is_ascii(c); };
  return std::ranges::all_of(local, plain) && std::ranges::all_of(domain, plain);
}

bool is_address_literal(std::string_view domain) { return domain.starts_with('['); }

bool is_valid_domain(std::string_view domain) {
  if (domain.empty() || domain.size() > kDomainMax) return false;
  if (!is_address_literal(domain)) {
    const auto labels = split(domain, '.');
    return std::ranges::all_of(labels, is_label) && is_valid_utf8(domain);
  }
  // RFC 5321 §4.1.3. Only the two registered forms: no tag other than IPv6 was ever registered.
  if (domain.size() < 3 || domain.back() != ']') return false;
  const std::string_view inner = domain.substr(1, domain.size() - 2);
  return istarts_with(inner, "IPv6:") ? is_ip(AF_INET6, inner.substr(5)) : is_ip(AF_INET, inner);
}

Result<ParsedPath> parse_path(std::string_view text, PathKind kind) {
  if (!text.starts_with('<')) return bad("'<' expected");
  text.remove_prefix(1);
  if (text.starts_with('>')) {
    if (kind == PathKind::forward) return bad("empty path");
    return ParsedPath{{}, text.substr(1)};
  }
  if (text.starts_with('@')) {
    PH_TRY(text, skip_source_route(text));
  }
  ParsedPath out;
  PH_TRY(std::string_view rest, take_local(text, "@>", out.path.local));
  if (rest.starts_with('>') && kind == PathKind::forward && iequals(out.path.local, "postmaster")) {
    out.rest = rest.substr(1);
    return out;
  }
  if (!rest.starts_with('@')) return bad("'@' expected");
  rest.remove_prefix(1);
  const size_t length = domain_length(rest, '>');
  out.path.domain = rest.substr(0, length);
  if (!is_valid_domain(out.path.domain)) return bad("bad domain");
  if (!is_valid_utf8(out.path.local)) return bad("local part is not UTF-8");
  rest.remove_prefix(length);
  if (!rest.starts_with('>')) return bad("'>' expected");
  out.rest = rest.substr(1);
  return out;
}

Result<Path> parse_mailbox(std::string_view text) {
  Path out;
  PH_TRY(std::string_view rest, take_local(text, "@", out.local));
  if (!rest.starts_with('@')) return bad("'@' expected");
  out.domain = rest.substr(1);
  if (!is_valid_domain(out.domain)) return bad("bad domain");
  if (!is_valid_utf8(out.local)) return bad("local part is not UTF-8");
  return out;
}

std::string to_text(const Path& path) {
  std::string out;
  if (path.is_null()) return out;
  if (is_dot_string(path.local)) {
    out = path.local;
  } else {
    out += '"';
    for (const char c : path.local) {
      if (c == '"' || c == '\\') out += '\\';
      out += c;
    }
    out += '"';
  }
  if (path.domain.empty()) return out;
  out += '@';
  out += path.domain;
  return out;
}

std::string to_bracketed(const Path& path) { return "<" + to_text(path) + ">"; }

std::string normal_domain(std::string_view domain) {
  if (domain.ends_with('.')) domain.remove_suffix(1);
  return to_lower(domain);
}

}  // namespace ph::smtp
