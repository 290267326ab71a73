// IMAP's BODY and BODYSTRUCTURE (RFC 3501 and RFC 9051 section 7.4.2), as plain values.
//
// What the grammar demands holds for every input: a multipart has at least one child (an empty
// text/plain one if the message has none there), a message has an envelope and exactly one child.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "codec/mime/envelope.h"
#include "codec/mime/message.h"
#include "codec/text/parameter.h"

namespace ph::mime {

enum class BodyKind : uint8_t {
  basic,
  text,       // with lines
  message,    // message/rfc822 and message/global: with envelope, one child, lines
  multipart,  // children, subtype, then parameters and extension data only
};

struct BodyStructure {
  BodyKind kind = BodyKind::text;
  std::string type = "text";  // lower case
  std::string subtype = "plain";
  // As written (RFC 2231 suffixes kept); text/plain without a charset has "charset" "us-ascii".
  text::Parameters parameters;
  std::optional<std::string> id;
  std::optional<std::string> description;
  std::string encoding = "7bit";
  uint64_t size_octets = 0;
  uint64_t lines = 0;
  std::optional<Envelope> envelope;
  std::vector<BodyStructure> children;

  // Extension data: in BODYSTRUCTURE, not in BODY.
  std::optional<std::string> md5;  // not for multipart
  std::optional<Disposition> disposition;
  std::vector<std::string> languages;  // empty: NIL
  std::optional<std::string> location;
};

// At most `address_limit` addresses are kept in all envelopes of the structure together.
BodyStructure make_body_structure(const Message& message, size_t address_limit = 20'000);

}  // namespace ph::mime
