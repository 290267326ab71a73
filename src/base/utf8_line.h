// utf8_line: a text from outside as one line for people.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace ph {

// At most `limit` octets of it, cut between characters: UTF-8 stays, control characters become
// blanks. What is not valid UTF-8 is answered as printable() does.
std::string utf8_line(std::string_view text, size_t limit);

}  // namespace ph
