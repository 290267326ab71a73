// Settings that contradict each other: each alone is within its bounds, together they do not do
// what either says. Pure.
#pragma once

#include <string>
#include <vector>

#include "config/setting.h"

namespace ph::admin {

// A sentence each, which names both settings and says what to do.
std::vector<std::string> contradictions_of(const config::Values& values);

}  // namespace ph::admin
