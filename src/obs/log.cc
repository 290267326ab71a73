#include "obs/log.h"

namespace ph::obs {
namespace {

void append_value(std::string& out, std::string_view value) {
  const bool plain = !value.empty() && value.find_first_of(" \"=\\") == std::string_view::npos;
  if (!plain) out += '"';
  for (const char c : value) {
    const auto octet = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') out += '\\';
    out += octet < 0x20 || octet == 0x7F ? '?' : c;
  }
  if (!plain) out += '"';
}

class SilentLog final : public Log {
 public:
  bool enabled(Level) const override { return false; }
  void write(Level, std::string_view, std::initializer_list<Field>) override {}
};

}  // namespace

std::string_view to_text(Level level) {
  switch (level) {
    case Level::debug: return "debug";
    case Level::info: return "info";
    case Level::warning: return "warning";
    case Level::error: return "error";
  }
  return "error";
}

std::string format_event(Level level, std::string_view event, std::initializer_list<Field> fields) {
  std::string out(to_text(level));
  out += ' ';
  out += event;
  for (const Field& field : fields) {
    out += ' ';
    out += field.key;
    out += '=';
    append_value(out, field.value);
  }
  return out;
}

Log& silent_log() {
  static SilentLog log;  // has no state
  return log;
}

}  // namespace ph::obs
