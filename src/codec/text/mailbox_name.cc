#include "codec/text/mailbox_name.h"

#include <array>
#include <cstdint>

#include "codec/text/detail/utf8.h"

namespace ph::text {
namespace {

// Base64 with ',' for '/', without padding.
constexpr std::string_view kAlphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,";

constexpr bool is_direct(char32_t c) { return c >= 0x20 && c <= 0x7E; }

class Utf16Writer {
 public:
  explicit Utf16Writer(std::string& out) : out_(&out) {}

  void put(char32_t character) {
    if (!open_) *out_ += '&';
    open_ = true;
    if (character < 0x10000) return unit(character);
    unit(0xD800U + ((character - 0x10000U) >> 10U));
    unit(0xDC00U + ((character - 0x10000U) & 0x3FFU));
  }
  void close() {
    if (!open_) return;
    if (count_ > 0) *out_ += kAlphabet[(bits_ << (6U - count_)) & 63U];
    *out_ += '-';
    open_ = false;
    count_ = 0;
    bits_ = 0;
  }

 private:
  void unit(uint32_t value) {
    bits_ = (bits_ << 16U) | value;
    for (count_ += 16; count_ >= 6; count_ -= 6) *out_ += kAlphabet[(bits_ >> (count_ - 6U)) & 63U];
    bits_ &= (1U << count_) - 1U;
  }
  std::string* out_;
  bool open_ = false;
  uint32_t bits_ = 0;
  uint32_t count_ = 0;
};

// The characters of one shifted run (what stands between '&' and '-', not empty), or false.
bool read_shifted(std::string_view run, std::string& out) {
  uint32_t bits = 0;
  uint32_t count = 0;
  char32_t high = 0;  // a high surrogate waiting for its low one
  for (const char c : run) {
    const size_t value = kAlphabet.find(c);
    if (value == std::string_view::npos) return false;
    bits = (bits << 6U) | static_cast<uint32_t>(value);
    count += 6;
    if (count < 16) continue;
    count -= 16;
    const char32_t unit = (bits >> count) & 0xFFFFU;
    bits &= (1U << count) - 1U;
    const bool is_low = unit >= 0xDC00 && unit < 0xE000;
    if (is_low != (high != 0)) return false;
    if (unit >= 0xD800 && unit < 0xDC00) {
      high = unit;
      continue;
    }
    if (is_direct(unit)) return false;  // it must stand for itself
    append_utf8(is_low ? 0x10000U + ((high - 0xD800U) << 10U) + (unit - 0xDC00U) : unit, out);
    high = 0;
  }
  return high == 0 && count < 6 && bits == 0;
}

}  // namespace

std::string to_modified_utf7(std::string_view utf8) {
  std::string out;
  Utf16Writer shifted(out);
  while (!utf8.empty()) {
    const Utf8Step step = read_utf8(utf8);
    const char32_t character = step.valid ? step.character : char32_t{0xFFFD};
    utf8.remove_prefix(step.length);
    if (!is_direct(character)) {
      shifted.put(character);
      continue;
    }
    shifted.close();
    out += static_cast<char>(character);
    if (character == '&') out += '-';
  }
  shifted.close();
  return out;
}

std::optional<std::string> from_modified_utf7(std::string_view name) {
  std::string out;
  bool after_shift = false;  // two runs side by side would have been one
  while (!name.empty()) {
    const char c = name.front();
    name.remove_prefix(1);
    if (!is_direct(static_cast<unsigned char>(c))) return std::nullopt;
    if (c != '&') {
      out += c;
      after_shift = false;
      continue;
    }
    const size_t end = name.find('-');
    if (end == std::string_view::npos) return std::nullopt;
    if (end == 0) {
      out += '&';
    } else if (after_shift || !read_shifted(name.substr(0, end), out)) {
      return std::nullopt;
    }
    after_shift = end > 0;
    name.remove_prefix(end + 1);
  }
  return out;
}

}  // namespace ph::text
