// What FETCH asks for (RFC 3501 section 6.4.5, RFC 9051 section 6.4.5, RFC 3516 BINARY).
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "codec/mime/section.h"

namespace ph::imap {

enum class FetchKind : uint8_t {
  uid,
  flags,
  internal_date,
  envelope,
  body,            // BODY: the structure without extension data
  body_structure,  // BODYSTRUCTURE
  rfc822,          // RFC822: like BODY[], answered under its own name; sets \Seen
  rfc822_header,   // like BODY.PEEK[HEADER]
  rfc822_size,
  rfc822_text,   // like BODY[TEXT]; sets \Seen
  body_section,  // BODY[section]<partial> and BODY.PEEK
  binary,        // BINARY[part]<partial> and BINARY.PEEK: transfer encoding undone
  binary_size,   // BINARY.SIZE[part]
  modseq,
};

// "1.2.HEADER.FIELDS (FROM TO)": the type that codec/mime looks sections up by.
using mime::Section;
using mime::SectionKind;

// "<offset.count>": the octets from `offset` on, `count` (never 0) at most.
struct Partial {
  uint64_t offset = 0;
  uint64_t count = 0;
  bool operator==(const Partial&) const = default;
};

struct FetchItem {
  FetchKind kind = FetchKind::uid;
  bool peek = false;     // does not set \Seen
  Section section = {};  // for body_section, binary, binary_size
  std::optional<Partial> partial = {};
  bool operator==(const FetchItem&) const = default;
};

inline constexpr size_t kFetchItemsMax = 256;
inline constexpr size_t kSectionPartsMax = 128;
inline constexpr size_t kSectionFieldsMax = 512;

// True if answering `item` sets \Seen.
bool marks_seen(const FetchItem& item);
// The name under which the answer goes out: "BODY[1.MIME]<0>", "RFC822.TEXT", "BINARY.SIZE[2]".
void append_name(std::string& out, const FetchItem& item);

}  // namespace ph::imap
