// Lists of endpoints as settings: "127.0.0.1:2525, [::1]:2525"; "" is none.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "rt/stream.h"

namespace ph::app {

Result<std::vector<rt::Endpoint>> parse_endpoints(std::string_view text);
// "" or what is wrong: for the settings' check.
std::string problem_with_endpoints(std::string_view text);
// The same, and each must be on loopback.
std::string problem_with_loopback_endpoints(std::string_view text);

}  // namespace ph::app
