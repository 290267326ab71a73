// Everything codec/mime can say about arbitrary octets: no crash, bounded, spans consistent, what
// the IMAP grammar demands holds.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "base/text.h"
#include "codec/mime/date.h"
#include "codec/mime/search.h"
#include "codec/mime/section.h"
#include "codec/mime/structure.h"

namespace {

using namespace ph::mime;

void check_part(const Message& message, const Part& part) {
  PH_CHECK(part.header.begin <= part.header.end && part.header.end == part.body.begin);
  PH_CHECK(part.body.begin <= part.body.end && part.body.end <= message.bytes().size());
  PH_CHECK(!part.is_message() || part.children.size() == 1);
  PH_CHECK(part.is_multipart() || part.is_message() || part.children.empty());
  if (part.is_text()) PH_CHECK(ph::is_valid_utf8(decoded_text(message, part)));
  if (const auto name = part.filename()) PH_CHECK(ph::is_valid_utf8(*name));
  (void)decoded(message, part);
  for (const Part& child : part.children) {
    PH_CHECK(child.header.begin >= part.body.begin && child.body.end <= part.body.end);
    check_part(message, child);
  }
}

// Part numbers and structure agree: what the structure shows can be fetched, with its size.
void check_structure(const Message& message, const BodyStructure& body, Section at) {
  const bool is_multipart = body.kind == BodyKind::multipart;
  PH_CHECK(is_multipart == !body.children.empty() || body.kind == BodyKind::message);
  if (at.path.size() > 8) return;
  if (!is_multipart) {
    if (at.path.empty()) at.path.push_back(1);
    const auto found = find_section(message, at);
    PH_CHECK(found.has_value());
    PH_CHECK(found->view(message).size() == body.size_octets);
  }
  if (body.kind == BodyKind::message) {
    PH_CHECK(body.envelope.has_value() && body.children.size() == 1);
    Section header = at;
    header.kind = SectionKind::header_fields;
    header.fields = {"Subject"};
    PH_CHECK(find_section(message, header).has_value());
    const BodyStructure& inner = body.children.front();
    if (inner.kind != BodyKind::multipart) at.path.push_back(1);
    return check_structure(message, inner, at);
  }
  for (uint32_t i = 0; i < body.children.size(); ++i) {
    Section child = at;
    child.path.push_back(i + 1);
    check_structure(message, body.children[i], child);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const Message message(bytes, {.depth = 12, .parts = 60, .parameters = 100});
  PH_CHECK(message.part_count() <= 60);
  PH_CHECK(message.steps() <= 5 * size + 100);
  check_part(message, message.root());
  check_structure(message, make_body_structure(message, 100), {});
  const TopHeader top = scan_top_header(bytes);
  PH_CHECK(top.size == header_size(bytes) && top.size == message.root().header.size());
  for (const Field& field : message.header(message.root())) {
    PH_CHECK(ph::is_valid_utf8(field.decoded()));
    (void)parse_date(field.raw);
    for (const Address& address : parse_address_list(field.raw, 50)) (void)address.addr_spec();
  }
  const ph::text::Needle needle(bytes.substr(0, size / 4));
  (void)text_contains(message, needle);
  return 0;
}
