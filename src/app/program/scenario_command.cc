#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "app/program/commands.h"
#include "sim/scenario.h"

namespace ph::app {
namespace {

// A name is a file of that name below scenarios/, here or beside the program's source.
std::string find_scenario(const std::string& name) {
  if (folder_exists(name)) return name;
  for (const char* folder : {"scenarios/", "scenarios/regress/", PH_SOURCE_DIR "/scenarios/",
                             PH_SOURCE_DIR "/scenarios/regress/"}) {
    const std::string path = folder + name + ".scn";
    if (folder_exists(path)) return path;
  }
  return {};
}

}  // namespace

int run_scenario(const std::string& name) {
  const std::string path = find_scenario(name);
  if (path.empty()) {
    std::fprintf(stderr, "posthorn: there is no scenario %s\n", name.c_str());
    return 2;
  }
  std::ifstream file(path);
  const std::string script((std::istreambuf_iterator<char>(file)),
                           std::istreambuf_iterator<char>());
  return sim::run_scenario(path, script,
                           [](const std::string& line) { std::printf("%s\n", line.c_str()); });
}

}  // namespace ph::app
