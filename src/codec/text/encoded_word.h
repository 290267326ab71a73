// Encoded words in header text (RFC 2047, with the language suffix of RFC 2231 section 5).
//
// Decoding never fails and is linear: what is not a well-formed encoded word stays as it is, raw
// octets beyond ASCII are UTF-8 if valid, else windows-1252. Adjacent words of one character set
// are joined before conversion, because real mail cuts them inside a character.
#pragma once

#include <string>
#include <string_view>

namespace ph::text {

// Of an unfolded value; the result is UTF-8.
std::string decode_words(std::string_view value);

// As encoded words of at most 75 octets, separated by single spaces, if `utf8` is not plain
// printable ASCII; otherwise as it is. For unstructured fields and for display names.
std::string encode_words(std::string_view utf8);

}  // namespace ph::text
