#include "codec/mime/structure.h"

#include <algorithm>

namespace ph::mime {
namespace {

BodyStructure empty_text() {
  BodyStructure out;
  out.parameters = {{"charset", "us-ascii"}};
  return out;
}

size_t address_count(const Envelope& e) {
  return e.from.size() + e.sender.size() + e.reply_to.size() + e.to.size() + e.cc.size() +
         e.bcc.size();
}

class StructureMaker {
 public:
  StructureMaker(const Message& message, size_t address_limit)
      : message_(&message), addresses_left_(address_limit) {}

  // Recursion follows the tree, which is no deeper than Limits::depth.
  BodyStructure make(const Part& part) {
    BodyStructure out = describe(part);
    if (part.is_multipart()) {
      out.kind = BodyKind::multipart;
      out.md5.reset();
      for (const Part& child : part.children) out.children.push_back(make(child));
      if (out.children.empty()) out.children.push_back(empty_text());
    } else if (part.is_message()) {
      out.kind = BodyKind::message;
      out.envelope = envelope(part.children.front());
      out.children.push_back(make(part.children.front()));
    } else {
      out.kind = part.is_text() ? BodyKind::text : BodyKind::basic;
    }
    return out;
  }

 private:
  static BodyStructure describe(const Part& part) {
    BodyStructure out;
    out.type = part.type;
    out.subtype = part.subtype;
    out.parameters = part.parameters;
    const bool is_plain = part.type == "text" && part.subtype == "plain";
    if (is_plain && text::plain_parameter(part.parameters, "charset") == nullptr) {
      out.parameters.push_back({"charset", "us-ascii"});  // RFC 2046 section 4.1.2
    }
    out.id = part.id;
    out.description = part.description;
    if (!part.encoding.empty()) out.encoding = part.encoding;
    out.size_octets = part.body.size();
    out.lines = part.body_lines;
    out.md5 = part.md5;
    out.disposition = part.disposition;
    out.languages = part.languages;
    out.location = part.location;
    return out;
  }

  // An address list costs more memory than its text does, so all of them share one allowance.
  Envelope envelope(const Part& embedded) {
    Envelope out = make_envelope(message_->header(embedded), addresses_left_ / 6);
    addresses_left_ -= std::min(addresses_left_, address_count(out));
    return out;
  }

  const Message* message_;
  size_t addresses_left_;
};

}  // namespace

BodyStructure make_body_structure(const Message& message, size_t address_limit) {
  return StructureMaker(message, address_limit).make(message.root());
}

}  // namespace ph::mime
