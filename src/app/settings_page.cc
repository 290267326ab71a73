#include "app/settings_page.h"

#include "app/options.h"
#include "base/check.h"

namespace ph::app {
namespace {

std::string_view words_of(config::Effect effect) {
  switch (effect) {
    case config::Effect::at_once: return "at once";
    case config::Effect::at_next_connection: return "at the next connection";
    case config::Effect::at_start: return "at the next start";
  }
  PH_CHECK(false);
}

// As the text of a table's cell.
std::string cell(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '|' || c == '<' || c == '*' || c == '_') out += '\\';
    out += c;
  }
  return out;
}

std::string as_code(std::string_view text) {
  return text.empty() ? std::string("(empty)") : "`" + std::string(text) + "`";
}

}  // namespace

std::string settings_page() {
  config::Schema schema;
  add_all_settings(schema);
  std::string out =
      "# Which settings are there?\n\n"
      "`posthorn get` lists them with their values, `posthorn set NAME VALUE` changes one, and\n"
      "`posthorn reset NAME` puts it back.\n"
      "This page is written by `./dev docs` from the settings as the program declares them.\n\n"
      "Durations are written like `90 s`, `5 min`, `4 h`, `2 d`; sizes like `50 MiB`; switches "
      "`on`\n"
      "and `off`; lists with commas.\n";
  std::string group;
  for (const config::Schema::Row& row : schema.rows()) {
    const std::string name(row.setting->name);
    const std::string of = name.substr(0, name.find('.'));
    if (of != group) {
      group = of;
      out += "\n## " + group + "\n\n| setting | what it does | kind | default | bounds | acts |\n" +
             "| --- | --- | --- | --- | --- | --- |\n";
    }
    out += "| `" + name + "` | " + cell(row.setting->doc) + " | " + row.kind + " | " +
           as_code(row.initial) + " | " + row.bounds + " | " +
           std::string(words_of(row.setting->effect)) + " |\n";
  }
  return out;
}

}  // namespace ph::app
