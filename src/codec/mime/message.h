// The MIME structure of a message (RFC 2045, 2046, 5322, 6532): a tree of offsets into its octets.
//
// The octets are the truth: nothing is changed, nothing is lost, the tree can be thrown away and
// made again. Parsing never fails and takes linear time. What is broken is read the way that shows
// the person most: a missing or malformed Content-Type is text/plain, so is a multipart without a
// boundary; a part that is not closed ends where an outer one does. Parts nested deeper than
// Limits::depth are opaque (application/octet-stream); the part that reaches Limits::parts runs to
// the end of the message.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "codec/mime/header.h"
#include "codec/text/parameter.h"
#include "codec/text/transfer.h"

namespace ph::mime {

struct Limits {
  uint32_t depth = 100;
  uint32_t parts = 10'000;
  uint32_t parameters = 20'000;  // of all parts together; further ones are ignored
};

// Octets [begin, end) of the message.
struct Span {
  uint64_t begin = 0;
  uint64_t end = 0;
  uint64_t size() const { return end - begin; }
  bool operator==(const Span&) const = default;
};

struct Disposition {
  std::string type;  // lower case: "inline", "attachment"
  text::Parameters parameters;
  bool operator==(const Disposition&) const = default;
};

struct Part {
  Span header;  // the empty line included
  Span body;    // in its transfer encoding; without the line end before a delimiter
  uint64_t header_lines = 0;
  uint64_t body_lines = 0;  // line ends in body

  std::string type = "text";  // lower case, as the part is treated (see above)
  std::string subtype = "plain";
  text::Parameters parameters;
  std::string encoding;  // the token of Content-Transfer-Encoding; "" if absent
  text::TransferEncoding transfer = text::TransferEncoding::seven_bit;
  std::optional<std::string> id;           // as written, with angle brackets
  std::optional<std::string> description;  // encoded words kept
  std::optional<std::string> md5;
  std::optional<std::string> location;
  std::optional<Disposition> disposition;
  std::vector<std::string> languages;

  // multipart: its parts (perhaps none). message/rfc822 and message/global: the message inside,
  // always one. Else none.
  std::vector<Part> children;

  bool is_multipart() const { return type == "multipart"; }
  bool is_message() const {
    return type == "message" && (subtype == "rfc822" || subtype == "global");
  }
  bool is_text() const { return type == "text"; }
  // The file name a client would show (Content-Disposition, else Content-Type name), as UTF-8.
  std::optional<std::string> filename() const;
};

// A parsed message. `bytes` must outlive it.
class Message {
 public:
  explicit Message(std::string_view bytes, const Limits& limits = {});

  std::string_view bytes() const { return bytes_; }
  const Part& root() const { return root_; }
  std::string_view at(Span span) const { return bytes_.substr(span.begin, span.size()); }
  HeaderView header(const Part& part) const { return HeaderView(at(part.header)); }
  std::string_view body(const Part& part) const { return at(part.body); }
  // Parts in the tree, and the steps parsing took (octets and lines looked at, each time anew): the
  // measure of the tests that prove linear time.
  uint64_t part_count() const { return part_count_; }
  uint64_t steps() const { return steps_; }

 private:
  std::string_view bytes_;
  Part root_;
  uint64_t part_count_ = 0;
  uint64_t steps_ = 0;
};

// The content of a part without its transfer encoding; nullopt if that is unrecognised (BINARY's
// UNKNOWN-CTE, RFC 3516). For a multipart the octets as they are.
std::optional<std::string> decoded(const Message& message, const Part& part);
// The same for text as UTF-8, by the charset parameter. Unrecognised encodings count as 8bit.
std::string decoded_text(const Message& message, const Part& part);

}  // namespace ph::mime
