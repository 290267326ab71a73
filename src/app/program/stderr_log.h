// The log on standard error, one line an event, with the time in front. From any thread.
#pragma once

#include <mutex>

#include "obs/log.h"

namespace ph::app {

class StderrLog final : public obs::Log {
 public:
  void set_level(obs::Level level) { level_ = level; }
  bool enabled(obs::Level level) const override { return level >= level_; }
  void write(obs::Level level, std::string_view event,
             std::initializer_list<obs::Field> fields) override;

 private:
  obs::Level level_ = obs::Level::info;
  std::mutex mutex_;  // lines do not mix
};

}  // namespace ph::app
