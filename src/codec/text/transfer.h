// Content-Transfer-Encodings (RFC 2045 section 6), read with tolerance and written strictly.
//
// Reading never fails: base64 skips what is not in its alphabet
// and ends at its padding, quoted-printable takes a broken
// escape literally. Linear; a decoder keeps a few octets between pieces and gives the same octets
// however its input is cut (white space at a line's end is held back, up to 4 KiB of it).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace ph::text {

enum class TransferEncoding : uint8_t {
  seven_bit,
  eight_bit,
  binary,
  quoted_printable,
  base64,
  unrecognised,  // a token not in RFC 2045: octets pass unchanged
};

// From the value of a Content-Transfer-Encoding field; "" is seven_bit.
TransferEncoding parse_transfer_encoding(std::string_view value);
// True if decoding is the identity.
constexpr bool is_identity(TransferEncoding e) {
  return e != TransferEncoding::quoted_printable && e != TransferEncoding::base64;
}

class TransferDecoder {
 public:
  explicit TransferDecoder(TransferEncoding encoding) : encoding_(encoding) {}

  void feed(std::string_view in, std::string& out);  // appends to `out`
  void finish(std::string& out);                     // then it is as new

 private:
  void feed_base64(std::string_view in, std::string& out);
  void feed_quoted(std::string_view in, std::string& out);
  void quoted_octet(char c, std::string& out);
  void quoted_escape(char c, std::string& out);

  TransferEncoding encoding_;
  std::string held_;   // quoted-printable: an unfinished escape, or white space that may be padding
  uint32_t bits_ = 0;  // base64: what the last quantum has so far
  int bit_count_ = 0;
  int quantum_ = 0;  // its characters so far, of four
  bool ended_ = false;
};

std::string decode_transfer(std::string_view in, TransferEncoding encoding);

// Lines of 76, CRLF between and behind them.
std::string encode_base64_lines(std::string_view bytes);
// Lines of at most 76; line ends in `text` (CRLF or LF) are kept as CRLF, all other control octets
// are escaped.
std::string encode_quoted_printable(std::string_view text);

}  // namespace ph::text
