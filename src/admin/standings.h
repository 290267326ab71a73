// Back pressure in the words of the administration API. Pure.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "service/pressure/monitor.h"

namespace ph::admin {

// {resource, level, since, figure, problem}; the level is "unknown" when there is no reading.
nlohmann::json standing_json(const pressure::Standing& standing);

// What is wrong, why, and what follows from it; "" while there is enough of the resource.
std::string complaint_of(const pressure::Standing& standing);

}  // namespace ph::admin
