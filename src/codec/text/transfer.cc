#include "codec/text/transfer.h"

#include <algorithm>
#include <array>

#include "base/text.h"

namespace ph::text {
namespace {

constexpr size_t kHeldMax = 4096;
constexpr size_t kLineMax = 76;
constexpr std::string_view kUpperHex = "0123456789ABCDEF";

constexpr std::array<int8_t, 256> make_base64_values() {
  constexpr std::string_view alphabet =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::array<int8_t, 256> values{};
  for (int8_t& v : values) v = -1;
  for (size_t i = 0; i < alphabet.size(); ++i) {
    values[static_cast<unsigned char>(alphabet[i])] = static_cast<int8_t>(i);
  }
  return values;
}
constexpr auto kBase64Values = make_base64_values();

int hex_digit(char c) {
  if (is_digit(c)) return c - '0';
  const char lower = ascii_lower(c);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

}  // namespace

TransferEncoding parse_transfer_encoding(std::string_view value) {
  value = trim(value);
  const size_t end = value.find_first_of("; \t(");
  const std::string_view token = value.substr(0, end);
  if (token.empty() || iequals(token, "7bit")) return TransferEncoding::seven_bit;
  if (iequals(token, "8bit")) return TransferEncoding::eight_bit;
  if (iequals(token, "binary")) return TransferEncoding::binary;
  if (iequals(token, "quoted-printable")) return TransferEncoding::quoted_printable;
  if (iequals(token, "base64")) return TransferEncoding::base64;
  return TransferEncoding::unrecognised;
}

void TransferDecoder::feed(std::string_view in, std::string& out) {
  switch (encoding_) {
    case TransferEncoding::base64: return feed_base64(in, out);
    case TransferEncoding::quoted_printable: return feed_quoted(in, out);
    default: out += in;
  }
}

void TransferDecoder::finish(std::string& out) {
  if (encoding_ == TransferEncoding::quoted_printable) {
    // A lone "=" is a soft line break cut off; white space is padding (RFC 2045 section 6.7).
    if (held_.size() > 1 && held_.front() == '=' && !is_blank(held_[1]) && held_[1] != '\r') {
      out += held_;
    }
  }
  *this = TransferDecoder(encoding_);
}

// A "=" that fills up a quantum is the end (RFC 2045 section 6.8): behind it stand footers and
// broken delimiters, not data.
void TransferDecoder::feed_base64(std::string_view in, std::string& out) {
  for (const char c : in) {
    if (c == '=' && quantum_ >= 2) ended_ = true;
    if (ended_) return;
    const int8_t value = kBase64Values[static_cast<unsigned char>(c)];
    if (value < 0) continue;
    bits_ = (bits_ << 6U) | static_cast<uint32_t>(value);
    bit_count_ += 6;
    quantum_ = (quantum_ + 1) % 4;
    if (bit_count_ < 8) continue;
    bit_count_ -= 8;
    out += static_cast<char>((bits_ >> static_cast<uint32_t>(bit_count_)) & 0xFFU);
  }
}

void TransferDecoder::feed_quoted(std::string_view in, std::string& out) {
  size_t at = 0;
  while (at < in.size()) {
    if (held_.empty()) {
      const size_t stop = std::min(in.find_first_of("= \t\r", at), in.size());
      out.append(in, at, stop - at);
      at = stop;
      if (at == in.size()) return;
    }
    quoted_octet(in[at++], out);
  }
}

// held_ is empty, or an escape that starts with '=', or a run of blanks and CRs that is padding if
// a line end follows it.
void TransferDecoder::quoted_octet(char c, std::string& out) {
  if (!held_.empty() && held_.front() == '=') return quoted_escape(c, out);
  if (c == '\n') {
    if (!held_.empty() && held_.back() == '\r') out += '\r';
    out += '\n';
    held_.clear();
    return;
  }
  if (is_blank(c) || c == '\r') {
    if (held_.size() >= kHeldMax) {
      out += held_;
      held_.clear();
    }
    held_ += c;
    return;
  }
  out += held_;
  held_.clear();
  if (c == '=') {
    held_ = "=";
  } else {
    out += c;
  }
}

void TransferDecoder::quoted_escape(char c, std::string& out) {
  const bool soft_break = held_.size() == 1 || is_blank(held_[1]) || held_[1] == '\r';
  if (soft_break && c == '\n') {
    held_.clear();
    return;
  }
  if (soft_break && (is_blank(c) || c == '\r') && held_.size() < kHeldMax) {
    held_ += c;
    return;
  }
  const bool wants_digit = held_.size() == 1 || (held_.size() == 2 && hex_digit(held_[1]) >= 0);
  if (wants_digit && hex_digit(c) >= 0) {
    held_ += c;
    if (held_.size() < 3) return;
    out += static_cast<char>(hex_digit(held_[1]) * 16 + hex_digit(held_[2]));
    held_.clear();
    return;
  }
  // No escape after all: as it stands, and `c` is looked at afresh.
  const std::string broken = std::move(held_);
  held_.clear();
  out += broken;
  quoted_octet(c, out);
}

std::string decode_transfer(std::string_view in, TransferEncoding encoding) {
  std::string out;
  out.reserve(in.size());
  TransferDecoder decoder(encoding);
  decoder.feed(in, out);
  decoder.finish(out);
  return out;
}

std::string encode_base64_lines(std::string_view bytes) {
  constexpr size_t kOctetsPerLine = kLineMax / 4 * 3;
  std::string out;
  for (size_t at = 0; at < bytes.size(); at += kOctetsPerLine) {
    out += base64_encode(bytes.substr(at, kOctetsPerLine));
    out += "\r\n";
  }
  return out;
}

std::string encode_quoted_printable(std::string_view text) {
  std::string out;
  size_t column = 0;
  const auto put = [&](std::string_view piece) {
    if (column + piece.size() > kLineMax - 1) {
      out += "=\r\n";
      column = 0;
    }
    out += piece;
    column += piece.size();
  };
  for (size_t i = 0; i < text.size(); ++i) {
    const bool crlf = text[i] == '\r' && i + 1 < text.size() && text[i + 1] == '\n';
    if (crlf || text[i] == '\n') {
      i += crlf ? 1 : 0;
      out += "\r\n";
      column = 0;
      continue;
    }
    const char c = text[i];
    const bool line_ends = i + 1 == text.size() || text[i + 1] == '\n' || text[i + 1] == '\r';
    const bool plain = (c > ' ' && c < 0x7F && c != '=') || (is_blank(c) && !line_ends);
    const auto octet = static_cast<unsigned char>(c);
    const char escape[3] = {'=', kUpperHex[octet >> 4U], kUpperHex[octet & 15U]};
    put(plain ? std::string_view(&c, 1) : std::string_view(escape, 3));
  }
  return out;
}

}  // namespace ph::text
