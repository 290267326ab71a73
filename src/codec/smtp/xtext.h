// xtext (RFC 3461 §4): how ENVID, ORCPT and AUTH= values travel.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace ph::smtp {

std::string xtext_encode(std::string_view bytes);
// Strict: "+" and two upper-case hex digits, else printable ASCII without "+" and "=". nullopt if
// not xtext.
std::optional<std::string> xtext_decode(std::string_view text);

}  // namespace ph::smtp
