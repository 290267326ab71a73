// UTF-7 (RFC 2152) read octet by octet. Our own because iconv's answer to a malformed run depends
// on where its input is cut.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace ph::text {

class Utf7Reader {
 public:
  // Appends valid UTF-8; what cannot be read becomes U+FFFD.
  void feed(std::string_view octets, std::string& out);
  void finish(std::string& out);

 private:
  void shifted(char octet, std::string& out);
  void unit(char32_t unit, std::string& out);
  void end_run(std::string& out);
  void end_pair(std::string& out);

  bool in_run_ = false;
  bool run_is_empty_ = false;
  uint32_t bits_ = 0;
  uint32_t count_ = 0;
  char32_t high_ = 0;  // a high surrogate waiting for its low one
};

}  // namespace ph::text
