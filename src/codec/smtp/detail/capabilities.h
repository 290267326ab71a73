// The reply to EHLO as a value.
#pragma once

#include <string_view>

#include "codec/smtp/client.h"

namespace ph::smtp::detail {

// `text` is the reply's text, its lines separated by '\n', the first being the greeting.
Capabilities parse_capabilities(std::string_view text);

}  // namespace ph::smtp::detail
