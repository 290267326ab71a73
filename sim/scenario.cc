#include "sim/scenario.h"

#include "base/text.h"
#include "sim/detail/stage.h"

namespace ph::sim {

int run_scenario(const std::string& path, const std::string& script,
                 const std::function<void(const std::string&)>& print) {
  Stage stage(print);
  size_t number = 0;
  for (const std::string_view line : split(script, '\n')) {
    ++number;
    const size_t before = stage.failures();
    const Status played = stage.play(line);
    const std::string where = path + ":" + std::to_string(number);
    if (!played.has_value() && played.error().is(kBadLine)) {
      print(where + ": " + played.error().context());
      return 2;
    }
    if (!played.has_value()) {
      print(where + ": " + played.error().to_text());
      return 1;
    }
    if (stage.failures() > before) print("  at " + where);
  }
  stage.finish();
  print(stage.failures() == 0 ? "All of " + path + " holds."
                              : path + ": " + std::to_string(stage.failures()) + " failed.");
  return stage.failures() == 0 ? 0 : 1;
}

}  // namespace ph::sim
