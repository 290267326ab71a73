// Sections of a message as IMAP names them: BODY[1.2.HEADER] (RFC 3501 section 6.4.5).
//
// Part numbers follow the RFC: children of a multipart count from 1; a message that is not a
// multipart, top or embedded, has one part, 1; the parts of an embedded message are numbered below
// the part that holds it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "codec/mime/message.h"

namespace ph::mime {

enum class SectionKind : uint8_t {
  all,                // BODY[] or BODY[1.2]
  header,             // HEADER: of the message, or of the message/rfc822 part at `path`
  header_fields,      // HEADER.FIELDS (names)
  header_fields_not,  // HEADER.FIELDS.NOT (names)
  text,               // TEXT: the same, without header
  mime,               // MIME: the header of the part at `path`, which must not be empty
};

struct Section {
  std::vector<uint32_t> path{};
  SectionKind kind = SectionKind::all;
  std::vector<std::string> fields{};  // header_fields and header_fields_not
  bool operator==(const Section&) const = default;
};

// Either a range of the message (no copy) or octets put together for the occasion.
struct SectionBytes {
  std::optional<Span> range{};
  std::string assembled{};  // if there is no range

  std::string_view view(const Message& message) const {
    return range ? message.at(*range) : std::string_view(assembled);
  }
};

// nullopt: the message has no such section (IMAP answers NIL).
std::optional<SectionBytes> find_section(const Message& message, const Section& section);

// The part that `path` names, for BINARY[] (RFC 3516) and BINARY.SIZE; nullptr if there is none. An
// empty path is the whole message.
const Part* find_part(const Message& message, const std::vector<uint32_t>& path);

}  // namespace ph::mime
