// docs/settings.md, made from the settings as the program declares them.
#pragma once

#include <string>

namespace ph::app {

std::string settings_page();

}  // namespace ph::app
