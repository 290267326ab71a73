#include "codec/imap/fetch_item.h"

#include <algorithm>

#include "codec/imap/command.h"
#include "codec/imap/detail/wire.h"

namespace ph::imap {

namespace {

std::string_view section_word(SectionKind kind) {
  switch (kind) {
    case SectionKind::all: return {};
    case SectionKind::header: return "HEADER";
    case SectionKind::header_fields: return "HEADER.FIELDS";
    case SectionKind::header_fields_not: return "HEADER.FIELDS.NOT";
    case SectionKind::text: return "TEXT";
    case SectionKind::mime: return "MIME";
  }
  return {};
}

void append_section(std::string& out, const Section& section) {
  out += '[';
  bool first = true;
  for (const uint32_t number : section.path) {
    if (!first) out += '.';
    first = false;
    detail::append_number(out, number);
  }
  const std::string_view word = section_word(section.kind);
  if (!first && !word.empty()) out += '.';
  out += word;
  if (!section.fields.empty()) {
    char before = '(';
    out += ' ';
    for (const std::string& field : section.fields) {
      out += before;
      before = ' ';
      detail::append_astring(out, field);
    }
    out += ')';
  }
  out += ']';
}

std::string_view item_word(FetchKind kind) {
  switch (kind) {
    case FetchKind::uid: return "UID";
    case FetchKind::flags: return "FLAGS";
    case FetchKind::internal_date: return "INTERNALDATE";
    case FetchKind::envelope: return "ENVELOPE";
    case FetchKind::body:
    case FetchKind::body_section: return "BODY";
    case FetchKind::body_structure: return "BODYSTRUCTURE";
    case FetchKind::rfc822: return "RFC822";
    case FetchKind::rfc822_header: return "RFC822.HEADER";
    case FetchKind::rfc822_size: return "RFC822.SIZE";
    case FetchKind::rfc822_text: return "RFC822.TEXT";
    case FetchKind::binary: return "BINARY";
    case FetchKind::binary_size: return "BINARY.SIZE";
    case FetchKind::modseq: return "MODSEQ";
  }
  return {};
}

}  // namespace

bool marks_seen(const FetchItem& item) {
  switch (item.kind) {
    case FetchKind::rfc822:
    case FetchKind::rfc822_text: return true;
    case FetchKind::body_section:
    case FetchKind::binary: return !item.peek;
    default: return false;
  }
}

void append_name(std::string& out, const FetchItem& item) {
  out += item_word(item.kind);
  if (item.kind != FetchKind::body_section && item.kind != FetchKind::binary &&
      item.kind != FetchKind::binary_size) {
    return;
  }
  append_section(out, item.section);
  if (!item.partial) return;
  out += '<';
  detail::append_number(out, item.partial->offset);
  out += '>';
}

bool cmd::Fetch::has(FetchKind kind) const {
  return std::any_of(items.begin(), items.end(),
                     [kind](const FetchItem& item) { return item.kind == kind; });
}

}  // namespace ph::imap
