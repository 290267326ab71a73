// Settings: typed, with unit, bounds, default, a line of documentation and how a change takes
// effect.
//
// A room declares its settings as constants beside the code that reads them:
//   inline constexpr config::DurationSetting kExpiry{
//       {"queue.expiry", "How long a message may wait before it is returned (4.4.7).",
//        config::Effect::at_once}, Duration::days(2), Duration::minutes(1), Duration::days(45)};
// app/ collects them in a Schema. Values is an immutable set of values for a whole schema; what is
// not in it has its default. A reader asks `source.current().get(kExpiry)` each time it needs the
// value and keeps no copy, so a change acts at once (law 10). Text forms: durations "90 s", "4 h",
// "2 d", "500 ms"; sizes "50 MiB"; lists separated by commas; booleans "on" and "off".
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.h"
#include "base/result.h"
#include "base/time.h"

namespace ph::config {

inline constexpr ErrorKind kUnknownSetting{"config", "unknown_setting", Disposition::permanent};
inline constexpr ErrorKind kBadValue{"config", "bad_value", Disposition::permanent};

enum class Effect : uint8_t { at_once, at_next_connection, at_start };

struct Setting {
  std::string_view name;
  std::string_view doc;
  Effect effect = Effect::at_once;
};

struct DurationSetting : Setting {
  Duration initial;
  Duration low;
  Duration high;
};
struct NumberSetting : Setting {
  uint64_t initial = 0;
  uint64_t low = 0;
  uint64_t high = UINT64_MAX;
};
struct SizeSetting : Setting {
  ByteCount initial;
  ByteCount low;
  ByteCount high;
};
struct SwitchSetting : Setting {
  bool initial = false;
};
// Any text of at most 4,096 octets without control characters, checked by `valid` when there is one
// (it answers "" or what is wrong).
struct TextSetting : Setting {
  std::string_view initial;
  std::string (*valid)(std::string_view) = nullptr;
};
struct DurationListSetting : Setting {
  std::string_view initial;  // "60 s, 60 s, 5 min"
  Duration low;
  Duration high;
};

class Values;

// All settings of a program. Built once at start; names are unique (checked).
class Schema {
 public:
  Schema();
  ~Schema();
  void add(const DurationSetting& s);
  void add(const NumberSetting& s);
  void add(const SizeSetting& s);
  void add(const SwitchSetting& s);
  void add(const TextSetting& s);
  void add(const DurationListSetting& s);

  struct Row {  // for listings and the generated reference page
    const Setting* setting;
    std::string kind;  // "duration", "number", ...
    std::string initial;
    std::string bounds;  // "1 min to 45 d", "" where none
  };
  std::vector<Row> rows() const;
  // "" if `text` is a legal value of `name`, else what is wrong with it; kUnknownSetting.
  Result<std::string> problem_with(std::string_view name, std::string_view text) const;

 private:
  friend class Values;
  struct Entry;
  std::map<std::string, std::unique_ptr<Entry>, std::less<>> entries_;
};

class Values {
 public:
  Values() = default;  // all defaults
  // The same values with one changed; kUnknownSetting or kBadValue with a sentence for the
  // operator.
  Result<Values> with(const Schema& schema, std::string_view name, std::string_view text) const;
  Result<Values> without(const Schema& schema, std::string_view name) const;  // back to the default

  Duration get(const DurationSetting& s) const;
  uint64_t get(const NumberSetting& s) const;
  ByteCount get(const SizeSetting& s) const;
  bool get(const SwitchSetting& s) const;
  std::string get(const TextSetting& s) const;
  std::vector<std::string> get_list(const TextSetting& s) const;  // split at commas, trimmed
  std::vector<Duration> get(const DurationListSetting& s) const;

  // As written by the operator; what is at its default is absent.
  const std::map<std::string, std::string, std::less<>>& changed() const { return texts_; }
  // Counts up with every change; an attempt records the epoch it ran under.
  uint64_t epoch() const { return epoch_; }

 private:
  std::string_view text_or(const Setting& s, std::string_view initial) const;
  std::map<std::string, std::string, std::less<>> texts_;
  uint64_t epoch_ = 1;
};

// Where the values of this moment come from.
class Source {
 public:
  virtual ~Source() = default;
  // Valid until the caller's next suspension.
  virtual const Values& current() const = 0;
};

// A fixed set, for tests and scenarios; set() as they go.
class FixedSource final : public Source {
 public:
  const Values& current() const override { return values_; }
  void set(Values values) { values_ = std::move(values); }

 private:
  Values values_;
};

Result<Duration> parse_duration(std::string_view text);
Result<ByteCount> parse_size(std::string_view text);
std::string to_text(ByteCount size);

}  // namespace ph::config
