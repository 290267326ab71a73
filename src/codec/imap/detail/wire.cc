#include "codec/imap/detail/wire.h"

#include <algorithm>

#include "base/text.h"
#include "codec/imap/detail/char_class.h"

namespace ph::imap::detail {

namespace {

bool needs_literal(std::string_view text) {
  return std::any_of(text.begin(), text.end(),
                     [](char c) { return !is_in_class(c, kQuotedBit) && c != '"' && c != '\\'; });
}

void append_literal(std::string& out, std::string_view text) {
  out += '{';
  append_number(out, text.size());
  out += "}\r\n";
  const size_t start = out.size();
  out += text;
  std::replace(out.begin() + static_cast<std::ptrdiff_t>(start), out.end(), '\0', '?');
}

}  // namespace

void append_quoted(std::string& out, std::string_view text) {
  out += '"';
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c == '\r' || c == '\n' || c == '\0' ? '?' : c;
  }
  out += '"';
}

void append_string(std::string& out, std::string_view text) {
  if (needs_literal(text)) {
    append_literal(out, text);
  } else {
    append_quoted(out, text);
  }
}

void append_nstring(std::string& out, const std::optional<std::string>& text) {
  if (text) {
    append_string(out, *text);
  } else {
    out += "NIL";
  }
}

void append_astring(std::string& out, std::string_view text) {
  const bool atom =
      !text.empty() && !iequals(text, "NIL") &&
      std::all_of(text.begin(), text.end(), [](char c) { return is_in_class(c, kAtomBit); });
  if (atom) {
    out += text;
  } else {
    append_string(out, text);
  }
}

void append_text(std::string& out, std::string_view text) {
  for (const char c : text) {
    const bool control = static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
    out += control ? '?' : c;
  }
}

}  // namespace ph::imap::detail
