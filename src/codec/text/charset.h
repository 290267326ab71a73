// Octets in some character set, as UTF-8.
//
// Names come from hostile mail, so they are looked up in a closed list of aliases (IANA names and
// the misspellings seen in real mail); nothing else ever reaches iconv. Conversion never fails: an
// octet that means nothing becomes U+FFFD, and with an unknown character set every octet beyond
// ASCII does. The result is always valid UTF-8. Time and memory are linear in the input.
#pragma once

#include <memory>
#include <string>
#include <string_view>

namespace ph::text {

bool is_known_charset(std::string_view charset);

// The whole text at once. "us-ascii" and "" take octets beyond ASCII as UTF-8 where they are valid
// UTF-8, because that is what such mail turns out to be.
std::string to_utf8(std::string_view octets, std::string_view charset);

// For header text whose character set is not named: valid UTF-8 as it is, else windows-1252.
std::string guess_utf8(std::string_view octets);

// The same in pieces, each at most what the caller feeds; whole UTF-8 sequences come out.
class CharsetReader {
 public:
  explicit CharsetReader(std::string_view charset);
  ~CharsetReader();
  CharsetReader(CharsetReader&&) noexcept;
  CharsetReader& operator=(CharsetReader&&) noexcept;

  // Appends to `out`. An incomplete sequence at the end is kept for the next feed.
  void feed(std::string_view octets, std::string& out);
  // The end: an incomplete sequence becomes U+FFFD.
  void finish(std::string& out);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace ph::text
