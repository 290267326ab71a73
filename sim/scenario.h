// Scenarios: readable scripts with virtual time, run in the simulator. README.md has the language.
#pragma once

#include <functional>
#include <string>

namespace ph::sim {

// Runs `script`, which was read from `path` (for messages only), and prints what happens as it
// goes. 0 when every expectation holds, 1 when one does not, 2 when the script cannot be
// understood.
int run_scenario(const std::string& path, const std::string& script,
                 const std::function<void(const std::string&)>& print);

}  // namespace ph::sim
