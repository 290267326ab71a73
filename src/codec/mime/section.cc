#include "codec/mime/section.h"

#include <unordered_set>

#include "base/text.h"

namespace ph::mime {
namespace {

// Where a path leads. `part` is nullptr if nowhere, except for the one empty part that an empty
// multipart is shown with (see structure.h).
struct Place {
  const Part* part = nullptr;
  bool is_message_top = false;  // a message as a whole, not yet its part 1
  bool is_shown_empty = false;
};

Place child_of(const Part& multipart, uint32_t number) {
  if (multipart.children.empty()) return {.is_shown_empty = number == 1};
  if (number == 0 || number > multipart.children.size()) return {};
  return {.part = &multipart.children[number - 1]};
}

Place step(Place at, uint32_t number) {
  if (at.part == nullptr) return {};
  if (!at.is_message_top && at.part->is_message()) {
    at = {.part = &at.part->children.front(), .is_message_top = true};
  }
  if (at.part->is_multipart()) return child_of(*at.part, number);
  if (!at.is_message_top || number != 1) return {};
  return {.part = at.part};
}

Place walk(const Message& message, const std::vector<uint32_t>& path) {
  Place at{.part = &message.root(), .is_message_top = true};
  for (const uint32_t number : path) at = step(at, number);
  return at;
}

SectionBytes range(Span span) { return {.range = span}; }

// The message whose HEADER or TEXT is asked for at `place`; nullptr if there is none.
const Part* message_at(const Place& place) {
  if (place.part == nullptr) return nullptr;
  if (place.is_message_top) return place.part;
  return place.part->is_message() ? &place.part->children.front() : nullptr;
}

// The empty line is kept where the header has one (RFC 3501 section 6.4.5).
std::string pick_fields(std::string_view header, const Section& section) {
  std::unordered_set<std::string> names;
  for (const std::string& name : section.fields) names.insert(to_lower(name));
  const bool wanted = section.kind == SectionKind::header_fields;
  std::string out;
  size_t at = 0;
  for (const Field& field : HeaderView(header)) {
    if (names.contains(to_lower(field.name)) == wanted) out += field.whole;
    at += field.whole.size();
  }
  out += header.substr(at);
  return out;
}

}  // namespace

std::optional<SectionBytes> find_section(const Message& message, const Section& section) {
  const Place place = walk(message, section.path);
  if (place.is_shown_empty) {
    const bool exists = section.kind == SectionKind::all || section.kind == SectionKind::mime;
    return exists ? std::optional(SectionBytes{}) : std::nullopt;
  }
  if (place.part == nullptr) return std::nullopt;
  switch (section.kind) {
    case SectionKind::all:
      return range(place.is_message_top ? Span{0, message.bytes().size()} : place.part->body);
    case SectionKind::mime:
      if (place.is_message_top) return std::nullopt;
      return range(place.part->header);
    default: break;
  }
  const Part* inner = message_at(place);
  if (inner == nullptr) return std::nullopt;
  if (section.kind == SectionKind::header) return range(inner->header);
  if (section.kind == SectionKind::text) return range(inner->body);
  return SectionBytes{.assembled = pick_fields(message.at(inner->header), section)};
}

const Part* find_part(const Message& message, const std::vector<uint32_t>& path) {
  return walk(message, path).part;
}

}  // namespace ph::mime
