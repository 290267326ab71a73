// The event log: structured lines, one event a line, for people and for machines alike.
//
//   log.info("queue.accepted", {{"id", id_text}, {"recipients", count}});
//
// An event name is <room>.<what happened>. Values are printed as they are with control octets
// replaced, so input from outside cannot forge a line. Secrets (passwords, keys, tokens, message
// bodies) are never passed. From any thread.
#pragma once

#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>

#include "base/time.h"

namespace ph::obs {

enum class Level : uint8_t { debug, info, warning, error };

std::string_view to_text(Level level);

struct Field {
  std::string_view key;
  std::string value;

  Field(std::string_view k, std::string v) : key(k), value(std::move(v)) {}
  Field(std::string_view k, std::string_view v) : key(k), value(v) {}
  Field(std::string_view k, const char* v) : key(k), value(v) {}
  template <std::integral N>
  Field(std::string_view k, N n) : key(k), value(std::to_string(n)) {}
};

class Log {
 public:
  virtual ~Log() = default;
  virtual bool enabled(Level level) const = 0;
  virtual void write(Level level, std::string_view event, std::initializer_list<Field> fields) = 0;

  void debug(std::string_view event, std::initializer_list<Field> fields = {}) {
    if (enabled(Level::debug)) write(Level::debug, event, fields);
  }
  void info(std::string_view event, std::initializer_list<Field> fields = {}) {
    if (enabled(Level::info)) write(Level::info, event, fields);
  }
  void warning(std::string_view event, std::initializer_list<Field> fields = {}) {
    if (enabled(Level::warning)) write(Level::warning, event, fields);
  }
  void error(std::string_view event, std::initializer_list<Field> fields = {}) {
    if (enabled(Level::error)) write(Level::error, event, fields);
  }
};

// "queue.accepted id=4F3K recipients=2": values with spaces or quotes are quoted.
std::string format_event(Level level, std::string_view event, std::initializer_list<Field> fields);

// For tests and tools that want silence.
Log& silent_log();

}  // namespace ph::obs
