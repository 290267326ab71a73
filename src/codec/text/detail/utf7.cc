#include "codec/text/detail/utf7.h"

#include "base/text.h"
#include "codec/text/detail/utf8.h"

namespace ph::text {
namespace {

constexpr std::string_view kAlphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void append_direct(char octet, std::string& out) {
  if (is_ascii(octet)) {
    out += octet;
  } else {
    out += kReplacement;
  }
}

}  // namespace

void Utf7Reader::feed(std::string_view octets, std::string& out) {
  for (const char octet : octets) {
    if (in_run_) {
      shifted(octet, out);
    } else if (octet == '+') {
      in_run_ = run_is_empty_ = true;
    } else {
      append_direct(octet, out);
    }
  }
}

void Utf7Reader::finish(std::string& out) { end_run(out); }

void Utf7Reader::shifted(char octet, std::string& out) {
  const size_t value = kAlphabet.find(octet);
  if (value == std::string_view::npos) {
    if (octet == '-' && run_is_empty_) out += '+';
    end_run(out);
    if (octet != '-') append_direct(octet, out);
    return;
  }
  run_is_empty_ = false;
  bits_ = (bits_ << 6U) | static_cast<uint32_t>(value);
  count_ += 6;
  if (count_ < 16) return;
  count_ -= 16;
  unit((bits_ >> count_) & 0xFFFFU, out);
  bits_ &= (1U << count_) - 1U;
}

void Utf7Reader::unit(char32_t unit, std::string& out) {
  const bool is_low = unit >= 0xDC00 && unit < 0xE000;
  if (is_low && high_ != 0) {
    append_utf8(0x10000U + ((high_ - 0xD800U) << 10U) + (unit - 0xDC00U), out);
    high_ = 0;
    return;
  }
  end_pair(out);
  if (unit >= 0xD800 && unit < 0xDC00) {
    high_ = unit;
  } else {
    append_utf8(is_low ? char32_t{0xFFFD} : unit, out);
  }
}

void Utf7Reader::end_pair(std::string& out) {
  if (high_ != 0) out += kReplacement;
  high_ = 0;
}

// Fewer than 16 bits at the end of a run are its padding.
void Utf7Reader::end_run(std::string& out) {
  end_pair(out);
  in_run_ = false;
  bits_ = count_ = 0;
}

}  // namespace ph::text
