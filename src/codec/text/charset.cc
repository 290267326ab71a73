#include "codec/text/charset.h"

#include <iconv.h>

#include <array>
#include <cerrno>

#include "base/text.h"
#include "codec/text/detail/charset_names.h"
#include "codec/text/detail/utf7.h"
#include "codec/text/detail/utf8.h"

namespace ph::text {
namespace {

// 0x80 to 0x9F of windows-1252; 0 means no character. From 0xA0 on it is Unicode itself.
constexpr std::array<char16_t, 32> kWindows1252 = {
    0x20AC, 0,      0x201A, 0x0192, 0x201E, 0x2026, 0x2020, 0x2021, 0x02C6, 0x2030, 0x0160,
    0x2039, 0x0152, 0,      0x017D, 0,      0,      0x2018, 0x2019, 0x201C, 0x201D, 0x2022,
    0x2013, 0x2014, 0x02DC, 0x2122, 0x0161, 0x203A, 0x0153, 0,      0x017E, 0x0178};

// More than any character with its escape sequence takes in the sets we know.
constexpr size_t kSequenceMax = 32;

void append_ascii_run(std::string_view octets, size_t& at, std::string& out) {
  const size_t start = at;
  while (at < octets.size() && is_ascii(octets[at])) ++at;
  out.append(octets, start, at - start);
}

void append_windows1252(std::string_view octets, std::string& out) {
  for (size_t at = 0; at < octets.size();) {
    append_ascii_run(octets, at, out);
    if (at == octets.size()) return;
    const auto octet = static_cast<unsigned char>(octets[at++]);
    const char32_t character = octet >= 0xA0 ? char32_t{octet} : kWindows1252[octet - 0x80U];
    append_utf8(character == 0 ? char32_t{0xFFFD} : character, out);
  }
}

void append_unknown(std::string_view octets, std::string& out) {
  for (size_t at = 0; at < octets.size();) {
    append_ascii_run(octets, at, out);
    for (; at < octets.size() && !is_ascii(octets[at]); ++at) out += kReplacement;
  }
}

// Returns how many octets were used; the rest is the start of a sequence.
size_t append_clean_utf8(std::string_view octets, std::string& out) {
  for (size_t at = 0; at < octets.size();) {
    append_ascii_run(octets, at, out);
    if (at == octets.size()) break;
    const Utf8Step step = read_utf8(octets.substr(at));
    if (step.incomplete) return at;
    if (step.valid) {
      out.append(octets, at, step.length);
    } else {
      out += kReplacement;
    }
    at += step.length;
  }
  return octets.size();
}

const iconv_t kNoConverter = reinterpret_cast<iconv_t>(-1);  // NOLINT: iconv_open's own error value

}  // namespace

struct CharsetReader::State {
  explicit State(std::string_view charset) {
    const CharsetName name = find_charset(charset);
    family = name.family;
    if (family != CharsetFamily::converter) return;
    converter = iconv_open("UTF-8", name.iconv_name);
    if (converter == kNoConverter) family = CharsetFamily::unknown;  // not installed here
  }
  ~State() {
    if (converter != kNoConverter) iconv_close(converter);
  }
  State(const State&) = delete;
  State& operator=(const State&) = delete;

  size_t convert(std::string_view octets, std::string& out);
  size_t convert_by_iconv(std::string_view octets, std::string& out);

  CharsetFamily family = CharsetFamily::unknown;
  iconv_t converter = kNoConverter;
  Utf7Reader utf7;
  std::string pending;  // the start of a sequence, at most kSequenceMax octets
};

size_t CharsetReader::State::convert(std::string_view octets, std::string& out) {
  switch (family) {
    case CharsetFamily::utf8: return append_clean_utf8(octets, out);
    case CharsetFamily::windows1252: append_windows1252(octets, out); return octets.size();
    case CharsetFamily::unknown: append_unknown(octets, out); return octets.size();
    case CharsetFamily::utf7: utf7.feed(octets, out); return octets.size();
    case CharsetFamily::converter: return convert_by_iconv(octets, out);
  }
  return octets.size();
}

// Each turn of the loop uses input, empties a full buffer, or skips one octet nobody can read.
size_t CharsetReader::State::convert_by_iconv(std::string_view octets, std::string& out) {
  char* in = const_cast<char*>(octets.data());  // NOLINT: iconv does not write to its input
  size_t in_left = octets.size();
  while (in_left > 0) {
    std::array<char, 4096> buffer;
    char* to = buffer.data();
    size_t to_left = buffer.size();
    const size_t before = in_left;
    const size_t answer = iconv(converter, &in, &in_left, &to, &to_left);
    const int why = answer == static_cast<size_t>(-1) ? errno : 0;
    out.append(buffer.data(), buffer.size() - to_left);
    if (why == 0 || (why == E2BIG && (in_left < before || to_left < buffer.size()))) continue;
    if (why == EINVAL && in_left < kSequenceMax) return octets.size() - in_left;
    out += kReplacement;
    ++in;
    --in_left;
  }
  return octets.size();
}

CharsetReader::CharsetReader(std::string_view charset) : state_(std::make_unique<State>(charset)) {}
CharsetReader::~CharsetReader() = default;
CharsetReader::CharsetReader(CharsetReader&&) noexcept = default;
CharsetReader& CharsetReader::operator=(CharsetReader&&) noexcept = default;

void CharsetReader::feed(std::string_view octets, std::string& out) {
  std::string& pending = state_->pending;
  if (!pending.empty()) {
    pending += octets;
    octets = pending;
  }
  const size_t used = state_->convert(octets, out);
  std::string rest(octets.substr(used));
  pending = std::move(rest);
}

void CharsetReader::finish(std::string& out) {
  if (!state_->pending.empty()) {
    out += kReplacement;
    state_->pending.clear();
  }
  state_->utf7.finish(out);
  if (state_->converter == kNoConverter) return;
  std::array<char, 64> buffer;
  char* to = buffer.data();
  size_t to_left = buffer.size();
  iconv(state_->converter, nullptr, nullptr, &to, &to_left);  // back to the initial shift state
  out.append(buffer.data(), buffer.size() - to_left);
}

bool is_known_charset(std::string_view charset) {
  return find_charset(charset).family != CharsetFamily::unknown;
}

std::string to_utf8(std::string_view octets, std::string_view charset) {
  std::string out;
  out.reserve(octets.size());
  CharsetReader reader(charset);
  reader.feed(octets, out);
  reader.finish(out);
  return out;
}

std::string guess_utf8(std::string_view octets) {
  if (is_valid_utf8(octets)) return std::string(octets);
  std::string out;
  append_windows1252(octets, out);
  return out;
}

}  // namespace ph::text
