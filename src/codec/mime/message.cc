#include "codec/mime/message.h"

#include "codec/mime/detail/tree_reader.h"
#include "codec/text/charset.h"

namespace ph::mime {

std::optional<std::string> Part::filename() const {
  if (disposition) {
    if (std::optional<std::string> name = text::parameter(disposition->parameters, "filename")) {
      return name;
    }
  }
  return text::parameter(parameters, "name");
}

Message::Message(std::string_view bytes, const Limits& limits) : bytes_(bytes) {
  TreeReader reader(bytes, limits);
  root_ = reader.read();
  part_count_ = reader.part_count();
  steps_ = reader.steps();
}

std::optional<std::string> decoded(const Message& message, const Part& part) {
  const std::string_view body = message.body(part);
  if (part.is_multipart()) return std::string(body);
  if (part.transfer == text::TransferEncoding::unrecognised) return std::nullopt;
  return text::decode_transfer(body, part.transfer);
}

std::string decoded_text(const Message& message, const Part& part) {
  const std::string* charset = text::plain_parameter(part.parameters, "charset");
  return text::to_utf8(text::decode_transfer(message.body(part), part.transfer),
                       charset == nullptr ? "us-ascii" : *charset);
}

}  // namespace ph::mime
