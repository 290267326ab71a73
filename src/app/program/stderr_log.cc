#include "app/program/stderr_log.h"

#include <chrono>
#include <cstdio>

#include "base/time.h"

namespace ph::app {

void StderrLog::write(obs::Level level, std::string_view event,
                      std::initializer_list<obs::Field> fields) {
  const auto since_1970 = std::chrono::system_clock::now().time_since_epoch();
  const auto us = std::chrono::duration_cast<std::chrono::microseconds>(since_1970).count();
  const std::string line =
      to_iso8601(Time::from_unix_us(us)) + " " + obs::format_event(level, event, fields) + "\n";
  const std::lock_guard lock(mutex_);
  std::fwrite(line.data(), 1, line.size(), stderr);
}

}  // namespace ph::app
