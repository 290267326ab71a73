// Messages we make ourselves: delivery reports, Received fields.
//
// What is written is always well formed: CRLF line ends, lines folded near 78 and never beyond 998
// octets, and no value can start a new field (CR, LF and NUL in it become spaces).
#pragma once

#include <string>
#include <string_view>

namespace ph::mime {

// "Name: value" CRLF, folded at white space where it can be. `value` goes out as it is otherwise:
// encode unstructured text with text::encode_words first.
std::string fold_field(std::string_view name, std::string_view value);

// A boundary (RFC 2046 section 5.1.1) from random octets the caller drew (16 are enough; they are
// written in hexadecimal, and only the first 24 are used). It holds "=_", which neither base64 nor
// quoted-printable text can.
std::string make_boundary(std::string_view random);

// A display name and address as they go into From or To: quoted or encoded where needed.
std::string format_mailbox(std::string_view name_utf8, std::string_view addr_spec);

// A multipart, part by part:
//
//   MultipartWriter parts(make_boundary(random));
//   message += fold_field("Content-Type", parts.content_type("report",
//   "report-type=delivery-status")); message += "\r\n"; parts.add(fold_field("Content-Type",
//   "text/plain; charset=utf-8"), text); message += parts.finish();
class MultipartWriter {
 public:
  explicit MultipartWriter(std::string boundary);

  // "multipart/report; report-type=...; boundary="..."".
  std::string content_type(std::string_view subtype, std::string_view more_parameters = {}) const;
  // `header`: whole fields with their line ends, possibly none. `body`: as it is to be sent.
  void add(std::string_view header, std::string_view body);
  // The body of the multipart, closed. Ends the object's use.
  std::string finish();

 private:
  std::string boundary_;
  std::string out_;
};

}  // namespace ph::mime
