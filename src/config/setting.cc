#include "config/setting.h"

#include <functional>

#include "base/check.h"
#include "base/text.h"

namespace ph::config {

// What the schema knows of one setting, whatever its type: how to check and how to describe it.
struct Schema::Entry {
  Row row;
  std::function<std::string(std::string_view)> problem;  // "" if the text is legal
};

namespace {

template <class T>
std::string outside(const T& value, const T& low, const T& high, const std::string& bounds) {
  return value < low || value > high ? "must be within " + bounds : std::string();
}

std::string number_problem(std::string_view text, const NumberSetting& s,
                           const std::string& bounds) {
  const auto number = parse_u64(trim(text));
  if (!number) return "'" + printable(text, 64) + "' is no whole number";
  return outside(*number, s.low, s.high, bounds);
}

std::string list_problem(std::string_view text, const DurationListSetting& s,
                         const std::string& bounds) {
  const std::vector<std::string_view> items = split(text, ',');
  if (items.size() > 64) return "at most 64 entries";
  for (const std::string_view item : items) {
    const Result<Duration> d = parse_duration(item);
    if (!d.has_value()) return d.error().context();
    if (*d < s.low || *d > s.high) return "each entry must be within " + bounds;
  }
  return {};
}

std::string text_problem(std::string_view text, const TextSetting& s) {
  if (text.size() > 4096) return "at most 4096 octets";
  for (const char c : text) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F)
      return "control characters are not allowed";
  }
  if (!is_valid_utf8(text)) return "not valid UTF-8";
  return s.valid != nullptr ? s.valid(text) : std::string();
}

std::optional<bool> parse_switch(std::string_view text) {
  text = trim(text);
  if (iequals(text, "on") || iequals(text, "true") || iequals(text, "yes")) return true;
  if (iequals(text, "off") || iequals(text, "false") || iequals(text, "no")) return false;
  return std::nullopt;
}

std::string range(const std::string& low, const std::string& high) { return low + " to " + high; }

}  // namespace

Schema::Schema() = default;
Schema::~Schema() = default;

void Schema::add(const DurationSetting& s) {
  const std::string bounds = range(ph::to_text(s.low), ph::to_text(s.high));
  auto entry = std::make_unique<Entry>();
  entry->row = {&s, "duration", ph::to_text(s.initial), bounds};
  entry->problem = [&s, bounds](std::string_view text) {
    const Result<Duration> d = parse_duration(text);
    return d.has_value() ? outside(*d, s.low, s.high, bounds) : d.error().context();
  };
  PH_CHECK(entries_.emplace(s.name, std::move(entry)).second);
}

void Schema::add(const NumberSetting& s) {
  const std::string bounds = range(std::to_string(s.low), std::to_string(s.high));
  auto entry = std::make_unique<Entry>();
  entry->row = {&s, "number", std::to_string(s.initial), bounds};
  entry->problem = [&s, bounds](std::string_view text) { return number_problem(text, s, bounds); };
  PH_CHECK(entries_.emplace(s.name, std::move(entry)).second);
}

void Schema::add(const SizeSetting& s) {
  const std::string bounds = range(to_text(s.low), to_text(s.high));
  auto entry = std::make_unique<Entry>();
  entry->row = {&s, "size", to_text(s.initial), bounds};
  entry->problem = [&s, bounds](std::string_view text) {
    const Result<ByteCount> size = parse_size(text);
    return size.has_value() ? outside(*size, s.low, s.high, bounds) : size.error().context();
  };
  PH_CHECK(entries_.emplace(s.name, std::move(entry)).second);
}

void Schema::add(const SwitchSetting& s) {
  auto entry = std::make_unique<Entry>();
  entry->row = {&s, "switch", s.initial ? "on" : "off", ""};
  entry->problem = [](std::string_view text) {
    return std::string(parse_switch(text).has_value() ? "" : "write on or off");
  };
  PH_CHECK(entries_.emplace(s.name, std::move(entry)).second);
}

void Schema::add(const TextSetting& s) {
  auto entry = std::make_unique<Entry>();
  entry->row = {&s, "text", std::string(s.initial), ""};
  entry->problem = [&s](std::string_view text) { return text_problem(text, s); };
  PH_CHECK(entries_.emplace(s.name, std::move(entry)).second);
}

void Schema::add(const DurationListSetting& s) {
  const std::string bounds = range(ph::to_text(s.low), ph::to_text(s.high));
  auto entry = std::make_unique<Entry>();
  entry->row = {&s, "list of durations", std::string(s.initial), bounds};
  entry->problem = [&s, bounds](std::string_view text) { return list_problem(text, s, bounds); };
  PH_CHECK(entries_.emplace(s.name, std::move(entry)).second);
}

std::vector<Schema::Row> Schema::rows() const {
  std::vector<Row> out;
  for (const auto& [name, entry] : entries_) out.push_back(entry->row);
  return out;
}

Result<std::string> Schema::problem_with(std::string_view name, std::string_view text) const {
  const auto at = entries_.find(name);
  if (at == entries_.end()) {
    return fail(kUnknownSetting, "there is no setting '" + printable(name, 64) + "'");
  }
  return at->second->problem(text);
}

Result<Values> Values::with(const Schema& schema, std::string_view name,
                            std::string_view text) const {
  PH_TRY(const std::string problem, schema.problem_with(name, text));
  if (!problem.empty()) return fail(kBadValue, std::string(name) + ": " + problem);
  Values out = *this;
  out.texts_[std::string(name)] = std::string(trim(text));
  ++out.epoch_;
  return out;
}

Result<Values> Values::without(const Schema& schema, std::string_view name) const {
  PH_TRY_STATUS(schema.problem_with(name, ""));
  Values out = *this;
  out.texts_.erase(std::string(name));
  ++out.epoch_;
  return out;
}

std::string_view Values::text_or(const Setting& s, std::string_view initial) const {
  const auto at = texts_.find(s.name);
  return at == texts_.end() ? initial : std::string_view(at->second);
}

// A stored text was checked when it was set; should a later version have narrowed the bounds, the
// default stands in for it.
Duration Values::get(const DurationSetting& s) const {
  const std::string_view text = text_or(s, {});
  if (text.empty()) return s.initial;
  return parse_duration(text).value_or(s.initial);
}

uint64_t Values::get(const NumberSetting& s) const {
  return parse_u64(text_or(s, {})).value_or(s.initial);
}

ByteCount Values::get(const SizeSetting& s) const {
  const std::string_view text = text_or(s, {});
  if (text.empty()) return s.initial;
  return parse_size(text).value_or(s.initial);
}

bool Values::get(const SwitchSetting& s) const {
  return parse_switch(text_or(s, {})).value_or(s.initial);
}

std::string Values::get(const TextSetting& s) const { return std::string(text_or(s, s.initial)); }

std::vector<std::string> Values::get_list(const TextSetting& s) const {
  std::vector<std::string> out;
  for (const std::string_view item : split(text_or(s, s.initial), ',')) {
    if (!trim(item).empty()) out.emplace_back(trim(item));
  }
  return out;
}

std::vector<Duration> Values::get(const DurationListSetting& s) const {
  std::vector<Duration> out;
  for (const std::string_view item : split(text_or(s, s.initial), ',')) {
    if (const Result<Duration> d = parse_duration(item)) out.push_back(*d);
  }
  return out;
}

}  // namespace ph::config
