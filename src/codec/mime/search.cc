#include "codec/mime/search.h"

#include <algorithm>
#include <string>

#include "codec/text/charset.h"

namespace ph::mime {
namespace {

constexpr size_t kPiece = 64 * 1024;

// Decodes piece by piece, so that memory does not grow with the part.
bool content_contains(const Message& message, const Part& part, const text::Needle& needle) {
  const std::string* charset = text::plain_parameter(part.parameters, "charset");
  text::CharsetReader reader(charset == nullptr ? std::string_view("us-ascii") : *charset);
  text::TransferDecoder decoder(part.transfer);
  text::NeedleSearch search(needle);
  std::string octets;
  std::string utf8;
  std::string_view body = message.body(part);
  for (; !body.empty(); body.remove_prefix(std::min(kPiece, body.size()))) {
    octets.clear();
    utf8.clear();
    decoder.feed(body.substr(0, kPiece), octets);
    reader.feed(octets, utf8);
    if (search.feed(utf8)) return true;
  }
  octets.clear();
  utf8.clear();
  decoder.finish(octets);
  reader.feed(octets, utf8);
  reader.finish(utf8);
  return search.feed(utf8);
}

bool fields_contain(const HeaderView& header, const text::Needle& needle) {
  for (const Field& field : header) {
    std::string line(field.name);
    if (!line.empty()) line += ": ";
    line += field.decoded();
    if (needle.is_in(line)) return true;
  }
  return false;
}

// Recursion follows the tree, which is no deeper than Limits::depth.
bool part_contains(const Message& message, const Part& part, const text::Needle& needle) {
  if (part.is_text()) return content_contains(message, part, needle);
  for (const Part& child : part.children) {
    if (fields_contain(message.header(child), needle)) return true;
    if (part_contains(message, child, needle)) return true;
  }
  return false;
}

}  // namespace

bool header_contains(const HeaderView& header, std::string_view name, const text::Needle& needle) {
  for (const Field& field : header) {
    if (field.is(name) && (needle.empty() || needle.is_in(field.decoded()))) return true;
  }
  return false;
}

bool body_contains(const Message& message, const text::Needle& needle) {
  return needle.empty() || part_contains(message, message.root(), needle);
}

bool text_contains(const Message& message, const text::Needle& needle) {
  return fields_contain(message.header(message.root()), needle) || body_contains(message, needle);
}

}  // namespace ph::mime
