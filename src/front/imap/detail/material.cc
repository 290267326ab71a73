#include "front/imap/detail/material.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "codec/mime/section.h"
#include "state/store/errors.h"

namespace ph::imap_server {
namespace {

using imap::FetchKind;
using imap::SectionKind;

constexpr uint64_t kHeaderFirst = 16 * 1024;

bool is_header(SectionKind kind) {
  return kind == SectionKind::header || kind == SectionKind::header_fields ||
         kind == SectionKind::header_fields_not;
}

void add_section(Needs& needs, const imap::Section& section) {
  if (!section.path.empty()) {
    needs.parts = true;
  } else if (section.kind == SectionKind::all) {
    needs.whole = true;
  } else {
    needs.header = true;
    needs.whole = needs.whole || section.kind == SectionKind::text;
  }
}

// RFC 3501 section 6.4.5: a partial that starts behind the end gives an empty string.
void cut(Piece& piece, const imap::Partial& partial) {
  if (piece.kind == Piece::Kind::range) {
    const uint64_t skipped = std::min(partial.offset, piece.length);
    piece.offset += skipped;
    piece.length = std::min(partial.count, piece.length - skipped);
  } else if (piece.kind == Piece::Kind::octets) {
    const std::string_view all = piece.octets();
    const size_t skipped = std::min<uint64_t>(partial.offset, all.size());
    const std::string_view some = all.substr(skipped, partial.count);
    if (piece.assembled.empty()) {
      piece.view = some;
    } else {
      piece.assembled = std::string(some);
      piece.view = {};
    }
  }
}

}  // namespace

Needs Needs::of(const imap::cmd::Fetch& command) {
  Needs out;
  for (const imap::FetchItem& item : command.items) {
    switch (item.kind) {
      case FetchKind::envelope:
      case FetchKind::body:
      case FetchKind::body_structure: out.summary = true; break;
      case FetchKind::rfc822: out.whole = true; break;
      case FetchKind::rfc822_header: out.header = true; break;
      case FetchKind::rfc822_text: add_section(out, {{}, SectionKind::text, {}}); break;
      case FetchKind::body_section: add_section(out, item.section); break;
      case FetchKind::binary:
      case FetchKind::binary_size: out.parts = true; break;
      default: break;
    }
  }
  return out;
}

rt::Task<Status> Material::load(Needs needs) {
  if (needs.summary) {
    PH_CO_TRY(summary_, co_await desk_.mailbox->summary(info_.id, desk_.loop.in(kReadMax)));
  }
  if (needs.parts || (needs.whole && info_.size_bytes <= kWholeMax)) {
    PH_CO_TRY_STATUS(co_await load_whole());
  } else if (needs.header || needs.whole) {
    PH_CO_TRY_STATUS(co_await load_header());
  }
  if (needs.parts) parsed_.emplace(*head_);
  co_return Status();
}

rt::Task<Status> Material::load_whole() {
  const uint64_t limit = desk_.settings.current().get(kMemoryMax).value;
  if (info_.size_bytes > kWholeMax && !memory_.resize(info_.size_bytes, limit)) {
    co_return fail(kNoMemory, "for a message of " + std::to_string(info_.size_bytes));
  }
  PH_CO_TRY(head_,
            co_await desk_.mailbox->bytes(info_.id, 0, info_.size_bytes, desk_.loop.in(kReadMax)));
  if (head_->size() != info_.size_bytes)
    co_return fail(store::kDamaged, "shorter than it should be");
  header_size_ = mime::header_size(*head_);
  co_return Status();
}

// Also for what is streamed: it shows that the message is there before its size is announced.
rt::Task<Status> Material::load_header() {
  uint64_t wanted = std::min(kHeaderFirst, info_.size_bytes);
  for (;;) {
    PH_CO_TRY(head_, co_await desk_.mailbox->bytes(info_.id, 0, wanted, desk_.loop.in(kReadMax)));
    if (head_->size() != wanted) co_return fail(store::kDamaged, "shorter than it should be");
    header_size_ = mime::header_size(*head_);
    if (header_size_ < wanted || wanted == info_.size_bytes) co_return Status();
    wanted = std::min(wanted * 8, info_.size_bytes);
    const uint64_t limit = desk_.settings.current().get(kMemoryMax).value;
    if (wanted > kWholeMax && !memory_.resize(wanted, limit)) {
      co_return fail(kNoMemory, "for a header of " + std::to_string(wanted));
    }
  }
}

Piece Material::from(uint64_t offset) const {
  Piece out;
  if (head_->size() == info_.size_bytes) {
    out.kind = Piece::Kind::octets;
    out.view = std::string_view(*head_).substr(offset);
  } else {
    out.kind = Piece::Kind::range;
    out.offset = offset;
    out.length = info_.size_bytes - offset;
  }
  return out;
}

Piece Material::top_section(const imap::Section& section) const {
  if (section.kind == SectionKind::all) return from(0);
  if (section.kind == SectionKind::text) return from(header_size_);
  Piece out;
  if (!is_header(section.kind)) return out;
  out.kind = Piece::Kind::octets;
  const std::string_view header = std::string_view(*head_).substr(0, header_size_);
  if (section.kind == SectionKind::header) {
    out.view = header;
    return out;
  }
  const mime::Message alone(header);
  std::optional<mime::SectionBytes> found = mime::find_section(alone, section);
  PH_CHECK(found.has_value());  // every message has a header, perhaps an empty one
  out.assembled = std::string(found->view(alone));
  return out;
}

Piece Material::part_section(const imap::Section& section) const {
  Piece out;
  std::optional<mime::SectionBytes> found = mime::find_section(*parsed_, section);
  if (!found.has_value()) return out;
  out.kind = Piece::Kind::octets;
  if (found->range.has_value()) {
    out.view = parsed_->at(*found->range);
  } else {
    out.assembled = std::move(found->assembled);
  }
  return out;
}

Piece Material::decoded_part(const imap::Section& section) const {
  Piece out;
  const mime::Part* part = mime::find_part(*parsed_, section.path);
  if (part == nullptr) return out;
  if (section.path.empty()) return from(0);
  std::optional<std::string> octets = mime::decoded(*parsed_, *part);
  out.kind = octets.has_value() ? Piece::Kind::octets : Piece::Kind::not_decodable;
  if (octets.has_value()) out.assembled = std::move(*octets);
  return out;
}

Piece Material::find(const imap::FetchItem& item) const {
  switch (item.kind) {
    case FetchKind::rfc822: return from(0);
    case FetchKind::rfc822_header: return top_section({{}, SectionKind::header, {}});
    case FetchKind::rfc822_text: return from(header_size_);
    case FetchKind::binary:
    case FetchKind::binary_size: return decoded_part(item.section);
    case FetchKind::body_section:
      return item.section.path.empty() ? top_section(item.section) : part_section(item.section);
    default: return {};
  }
}

Piece Material::piece(const imap::FetchItem& item) const {
  Piece out = find(item);
  if (item.partial.has_value()) cut(out, *item.partial);
  return out;
}

}  // namespace ph::imap_server
