// Reads the tree of one complete response.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "codec/imap/response_parser.h"

namespace ph::imap::detail {

// "OK", "NO", "BAD", "BYE", "PREAUTH".
std::optional<Condition> condition_from(std::string_view word);

// `text` is without the last CR LF; its literals are in it as they came. Nothing if it breaks the
// grammar or a limit; `why` says which then.
std::optional<Response> read_response(std::string_view text, const ResponseLimits& limits,
                                      std::string& why);

}  // namespace ph::imap::detail
