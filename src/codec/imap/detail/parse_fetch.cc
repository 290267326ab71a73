// FETCH and UID FETCH (RFC 3501 section 6.4.5, RFC 3516, RFC 7162).
#include <algorithm>
#include <array>

#include "base/text.h"
#include "codec/imap/detail/command_table.h"
#include "codec/imap/errors.h"

namespace ph::imap::detail {

namespace {

struct Row {
  std::string_view name;
  FetchKind kind;
};

constexpr auto kItems = std::to_array<Row>({
    {"UID", FetchKind::uid},
    {"FLAGS", FetchKind::flags},
    {"INTERNALDATE", FetchKind::internal_date},
    {"ENVELOPE", FetchKind::envelope},
    {"BODY", FetchKind::body},
    {"BODYSTRUCTURE", FetchKind::body_structure},
    {"RFC822", FetchKind::rfc822},
    {"RFC822.HEADER", FetchKind::rfc822_header},
    {"RFC822.SIZE", FetchKind::rfc822_size},
    {"RFC822.TEXT", FetchKind::rfc822_text},
    {"BODY.PEEK", FetchKind::body_section},
    {"BINARY", FetchKind::binary},
    {"BINARY.PEEK", FetchKind::binary},
    {"BINARY.SIZE", FetchKind::binary_size},
    {"MODSEQ", FetchKind::modseq},
});

void add_item(Cursor& in, std::vector<FetchItem>& items, FetchItem item) {
  if (std::find(items.begin(), items.end(), item) != items.end()) return;
  if (items.size() >= kFetchItemsMax) in.fail(kTooManyItems);
  items.push_back(std::move(item));
}

// The numbers of "1.2.HEADER"; true if a name must follow (a "." was last).
bool parse_part(Cursor& in, std::vector<uint32_t>& part) {
  while (is_digit(in.peek())) {
    part.push_back(in.nz_number());
    if (part.size() > kSectionPartsMax) in.fail(kSectionMalformed);
    if (!in.skip('.')) return false;
    if (!is_digit(in.peek())) return true;
  }
  return false;
}

void parse_fields(Cursor& in, std::vector<std::string>& fields) {
  in.space();
  in.open();
  do {
    fields.push_back(in.astring());
    if (fields.back().empty()) in.fail(kSectionMalformed);
    if (fields.size() > kSectionFieldsMax) in.fail(kTooManyItems);
  } while (in.another());
}

Section parse_section(Cursor& in) {
  Section out;
  in.bracket('[');
  const bool name_due = parse_part(in, out.path);
  const bool name_allowed = name_due || out.path.empty();
  if (!name_allowed || (in.peek() == ']' && !name_due)) {
    in.bracket(']');
    return out;
  }
  if (in.skip_word("HEADER.FIELDS.NOT")) {
    out.kind = SectionKind::header_fields_not;
    parse_fields(in, out.fields);
  } else if (in.skip_word("HEADER.FIELDS")) {
    out.kind = SectionKind::header_fields;
    parse_fields(in, out.fields);
  } else if (in.skip_word("HEADER")) {
    out.kind = SectionKind::header;
  } else if (in.skip_word("TEXT")) {
    out.kind = SectionKind::text;
  } else if (name_due && in.skip_word("MIME")) {
    out.kind = SectionKind::mime;
  } else {
    in.fail(kSectionMalformed);
  }
  in.bracket(']');
  return out;
}

std::optional<Partial> parse_partial(Cursor& in) {
  if (!in.skip('<')) return std::nullopt;
  Partial out;
  out.offset = in.number64();
  if (!in.skip('.')) in.fail(kSectionMalformed);
  out.count = in.number64();
  if (out.count == 0 || !in.skip('>')) in.fail(kSectionMalformed);
  return out;
}

FetchItem parse_item(Cursor& in) {
  FetchItem out;
  const std::string_view name = in.word();
  const auto row = std::find_if(kItems.begin(), kItems.end(),
                                [&](const Row& r) { return iequals(r.name, name); });
  if (row == kItems.end()) {
    in.fail(kUnknownItem);
    return out;
  }
  out.kind = row->kind;
  if (out.kind == FetchKind::body && in.peek() == '[') out.kind = FetchKind::body_section;
  out.peek = name.size() > 5 && iequals(name.substr(name.size() - 5), ".PEEK");
  switch (out.kind) {
    case FetchKind::body_section:
      out.section = parse_section(in);
      out.partial = parse_partial(in);
      break;
    case FetchKind::binary:
    case FetchKind::binary_size:
      in.bracket('[');
      if (parse_part(in, out.section.path)) in.fail(kSectionMalformed);
      in.bracket(']');
      if (out.kind == FetchKind::binary) out.partial = parse_partial(in);
      break;
    default: break;
  }
  return out;
}

// True if a macro was there: ALL, FAST or FULL (RFC 3501 section 6.4.5).
bool parse_macro(Cursor& in, std::vector<FetchItem>& items) {
  const bool full = in.skip_word("FULL");
  const bool all = !full && in.skip_word("ALL");
  if (!full && !all && !in.skip_word("FAST")) return false;
  items.push_back({.kind = FetchKind::flags});
  items.push_back({.kind = FetchKind::internal_date});
  items.push_back({.kind = FetchKind::rfc822_size});
  if (all || full) items.push_back({.kind = FetchKind::envelope});
  if (full) items.push_back({.kind = FetchKind::body});
  return true;
}

// RFC 7162 sections 3.1.4 and 3.2.6: "(CHANGEDSINCE 5 VANISHED)".
void parse_modifiers(Cursor& in, cmd::Fetch& out) {
  in.open();
  do {
    if (in.skip_word("CHANGEDSINCE")) {
      in.space();
      out.changed_since = in.number64();
    } else if (out.by_uid && in.skip_word("VANISHED")) {
      out.vanished = true;
    } else {
      in.fail(kUnknownOption);
    }
  } while (in.another());
  if (out.vanished && !out.changed_since) in.fail(kUnknownOption);
  // The answers must carry it (RFC 7162 section 3.1.4.1).
  add_item(in, out.items, {.kind = FetchKind::modseq});
}

}  // namespace

Command parse_fetch(Cursor& in, const CommandRow& row) {
  cmd::Fetch out;
  out.by_uid = row.by_uid;
  if (out.by_uid) out.items.push_back({.kind = FetchKind::uid});
  in.space();
  out.numbers = in.sequence_set();
  in.space();
  if (in.skip('(')) {
    do add_item(in, out.items, parse_item(in));
    while (in.another());
  } else if (!parse_macro(in, out.items)) {
    add_item(in, out.items, parse_item(in));
  }
  if (in.skip(' ')) parse_modifiers(in, out);
  return out;
}

}  // namespace ph::imap::detail
