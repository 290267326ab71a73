// The priority of RFC 6710 §7 as text: MT-PRIORITY= of MAIL, and the MT-Priority header field (RFC
// 6758 §3.1).
#pragma once

#include <optional>
#include <string_view>

namespace ph::smtp {

// "-9" to "9" without leading zeros; "-0" and "+1" are no priorities.
std::optional<int> parse_priority(std::string_view text);

}  // namespace ph::smtp
