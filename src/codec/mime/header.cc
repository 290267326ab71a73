#include "codec/mime/header.h"

#include <algorithm>

#include "base/text.h"
#include "codec/text/encoded_word.h"

namespace ph::mime {
namespace {

// Behind the line that starts at `at`.
size_t line_end(std::string_view text, size_t at) {
  const size_t feed = text.find('\n', at);
  return feed == std::string_view::npos ? text.size() : feed + 1;
}

// The size of an empty line at the front; 0 if there is none.
size_t empty_line(std::string_view text) {
  if (text.starts_with('\n')) return 1;
  return text.starts_with("\r\n") ? 2 : 0;
}

std::string_view without_line_end(std::string_view line) {
  if (line.ends_with('\n')) line.remove_suffix(1);
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

// RFC 5322 section 3.6.8, with blanks before the colon (section 4.5).
std::string_view field_name(std::string_view before_colon) {
  while (!before_colon.empty() && is_blank(before_colon.back())) before_colon.remove_suffix(1);
  const bool good = std::ranges::all_of(before_colon, [](char c) { return c > ' ' && c < 0x7F; });
  return good ? before_colon : std::string_view();
}

}  // namespace

bool Field::is(std::string_view other) const { return iequals(name, other); }

std::string Field::value() const {
  std::string_view rest = trim(raw);
  std::string out;
  out.reserve(rest.size());
  while (!rest.empty()) {
    const size_t end = line_end(rest, 0);
    const std::string_view line = rest.substr(0, end);
    out += line.ends_with('\n') ? without_line_end(line) : line;
    rest.remove_prefix(end);
  }
  return out;
}

std::string Field::decoded() const { return text::decode_words(value()); }

void HeaderView::Iterator::read() {
  field_ = {};
  if (rest_.empty() || empty_line(rest_) > 0) {
    rest_ = {};
    return;
  }
  size_t end = line_end(rest_, 0);
  const std::string_view first_line = rest_.substr(0, end);
  while (end < rest_.size() && is_blank(rest_[end])) end = line_end(rest_, end);
  field_.whole = rest_.substr(0, end);
  field_.raw = without_line_end(field_.whole);
  const size_t colon = first_line.find(':');
  if (colon != std::string_view::npos) {
    field_.name = field_name(first_line.substr(0, colon));
    if (!field_.name.empty()) field_.raw.remove_prefix(colon + 1);
  }
  rest_.remove_prefix(end);
}

std::optional<Field> HeaderView::first(std::string_view name) const {
  for (const Field& field : *this) {
    if (field.is(name)) return field;
  }
  return std::nullopt;
}

std::vector<Field> HeaderView::all(std::string_view name) const {
  std::vector<Field> out;
  for (const Field& field : *this) {
    if (field.is(name)) out.push_back(field);
  }
  return out;
}

size_t HeaderView::count(std::string_view name) const {
  size_t n = 0;
  for (const Field& field : *this) n += field.is(name) ? 1 : 0;
  return n;
}

size_t header_size(std::string_view message) {
  for (size_t at = 0; at < message.size(); at = line_end(message, at)) {
    if (const size_t size = empty_line(message.substr(at)); size > 0) return at + size;
  }
  return message.size();
}

TopHeader scan_top_header(std::string_view message) {
  TopHeader out;
  const auto keep_first = [](std::string_view& slot, const Field& field) {
    if (slot.data() == nullptr) slot = field.raw;
  };
  for (const Field& field : HeaderView(message)) {
    ++out.field_count;
    out.size += field.whole.size();
    switch (field.name.size()) {  // names of one length are few
      case 0: ++out.nameless_count; break;
      case 2:
        if (field.is("To")) keep_first(out.to, field);
        break;
      case 4:
        if (field.is("Date")) keep_first(out.date, field);
        if (field.is("From")) {
          keep_first(out.from, field);
          ++out.from_count;
        }
        break;
      case 6:
        if (field.is("Sender")) keep_first(out.sender, field);
        break;
      case 7:
        if (field.is("Subject")) keep_first(out.subject, field);
        break;
      case 8:
        if (field.is("Received")) ++out.received_count;
        break;
      case 10:
        if (field.is("Message-ID")) keep_first(out.message_id, field);
        break;
      case 12:
        if (field.is("Delivered-To")) ++out.delivered_to_count;
        break;
      case 14:
        if (field.is("Auto-Submitted")) keep_first(out.auto_submitted, field);
        break;
      default: break;
    }
  }
  const size_t empty = empty_line(message.substr(out.size));
  out.has_empty_line = empty > 0;
  out.size += empty;
  return out;
}

}  // namespace ph::mime
