// The closed list of character sets.
#pragma once

#include <string>
#include <string_view>

namespace ph::text {

// How a character set is read.
enum class CharsetFamily : unsigned char {
  utf8,         // and us-ascii
  windows1252,  // and iso-8859-1, whose C1 controls mean nothing in mail
  utf7,
  converter,  // by iconv, under CharsetName::iconv_name
  unknown,
};

struct CharsetName {
  CharsetFamily family = CharsetFamily::unknown;
  const char* iconv_name = "";
};

// Without regard to case and punctuation ("ISO_8859-5", "iso8859-5").
CharsetName find_charset(std::string_view name);

}  // namespace ph::text
