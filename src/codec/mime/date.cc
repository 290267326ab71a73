#include "codec/mime/date.h"

#include <array>
#include <string>

#include "base/text.h"

namespace ph::mime {
namespace {

// A date is short: what stands behind this many octets or words is no part of it.
constexpr size_t kLengthMax = 200;
constexpr int kWordsMax = 20;

constexpr std::array<std::string_view, 12> kMonths = {"jan", "feb", "mar", "apr", "may", "jun",
                                                      "jul", "aug", "sep", "oct", "nov", "dec"};
struct Zone {
  std::string_view name;
  int32_t minutes;
};
// RFC 5322 section 4.3, and a few names seen in mail.
constexpr Zone kZones[] = {
    {"ut", 0},     {"gmt", 0},    {"utc", 0},    {"z", 0},      {"est", -300}, {"edt", -240},
    {"cst", -360}, {"cdt", -300}, {"mst", -420}, {"mdt", -360}, {"pst", -480}, {"pdt", -420},
    {"bst", 60},   {"cet", 60},   {"cest", 120}, {"met", 60},   {"mest", 120}, {"eet", 120},
    {"eest", 180}, {"wet", 0},    {"west", 60},  {"msk", 180},  {"jst", 540},  {"hkt", 480}};

std::optional<int> small_number(std::string_view digits) {
  if (digits.empty() || digits.size() > 4) return std::nullopt;
  const std::optional<uint64_t> value = parse_u64(digits);
  return value ? std::optional(static_cast<int>(*value)) : std::nullopt;
}

std::string without_comments(std::string_view value) {
  std::string out;
  size_t depth = 0;
  for (const char c : value.substr(0, kLengthMax)) {
    if (c == '(') ++depth;
    if (depth == 0) out += c == '\r' || c == '\n' || c == '\t' || c == ',' ? ' ' : c;
    if (c == ')' && depth > 0) --depth;
  }
  return out;
}

// Takes the words of a date in whatever order they come.
class DateReader {
 public:
  void word(std::string_view w) {
    if (w.contains(':')) return clock(w);
    if (is_alpha(w.front())) return name(w);
    if (has_clock_ && (w.front() == '+' || w.front() == '-')) return offset(w);
    const size_t mark = w.find_first_of("-/.");
    if (mark != std::string_view::npos) return date_in_one(w, w[mark]);
    number(w);
  }

  std::optional<ZonedTime> finish() {
    if (day_ < 1 || day_ > 31 || month_ == 0 || year_ < 0) return std::nullopt;
    ZonedTime out = zone_;
    const Time wall = time_from_civil({.year = year_,
                                       .month = month_,
                                       .day = day_,
                                       .hour = hour_,
                                       .minute = minute_,
                                       .second = second_});
    out.time = wall - Duration::minutes(out.offset_minutes);
    return out;
  }

 private:
  // "02:50", "2:50:16.25", "02:50:16Z", "02:50:16+0100"
  void clock(std::string_view w) {
    if (has_clock_) return;
    const size_t end = w.find_first_not_of("0123456789:.");
    const std::vector<std::string_view> fields = split(w.substr(0, end), ':');
    const std::optional<int> hour = small_number(fields[0]);
    const std::optional<int> minute = fields.size() > 1 ? small_number(fields[1]) : std::nullopt;
    std::optional<int> second = 0;
    if (fields.size() > 2) second = small_number(fields[2].substr(0, fields[2].find('.')));
    if (!hour || !minute || !second || *hour > 23 || *minute > 59 || *second > 60) return;
    has_clock_ = true;
    hour_ = *hour;
    minute_ = *minute;
    second_ = *second;
    if (end != std::string_view::npos) word_behind_clock(w.substr(end));
  }
  void word_behind_clock(std::string_view w) {
    if (is_alpha(w.front())) return name(w);
    if (w.front() == '+' || w.front() == '-') offset(w);
  }

  void name(std::string_view w) {
    const std::string lower = to_lower(w);
    if (has_clock_ && (lower == "am" || lower == "pm") && hour_ >= 1 && hour_ <= 12) {
      hour_ = hour_ % 12 + (lower == "pm" ? 12 : 0);
      return;
    }
    for (const Zone& zone : kZones) {
      if (has_clock_ && !has_zone_ && lower == zone.name) {
        has_zone_ = true;
        zone_ = {.time = {}, .offset_minutes = zone.minutes, .zone_is_local = true};
        return;
      }
    }
    for (size_t i = 0; i < kMonths.size(); ++i) {
      if (month_ == 0 && lower.starts_with(kMonths[i])) month_ = static_cast<int>(i) + 1;
    }
  }

  // "+0100", "-0000", "+01:00"; after "GMT" as well ("GMT+0100").
  void offset(std::string_view w) {
    std::string digits;
    for (const char c : w.substr(1)) {
      if (is_digit(c)) digits += c;
    }
    if (digits.size() == 2) digits += "00";
    const std::optional<int> hhmm = digits.size() == 4 ? small_number(digits) : std::nullopt;
    if (!hhmm || *hhmm % 100 > 59 || *hhmm / 100 > 23) return;
    const int32_t minutes = *hhmm / 100 * 60 + *hhmm % 100;
    has_zone_ = true;
    zone_.offset_minutes = w.front() == '-' ? -minutes : minutes;
    zone_.zone_is_local = !(w.front() == '-' && minutes == 0);
  }

  // "2026-11-21", "21-Nov-2026", "21/11/2026"
  void date_in_one(std::string_view w, char mark) {
    if (day_ > 0) return;
    const std::vector<std::string_view> parts = split(w, mark);
    if (parts.size() != 3) return number(parts[0]);
    if (!parts[1].empty() && is_alpha(parts[1].front())) {
      number(parts[0]);
      name(parts[1]);
      return number(parts[2]);
    }
    const bool year_first = parts[0].size() == 4;
    const std::optional<int> month = small_number(parts[1]);
    if (!month || *month < 1 || *month > 12) return;
    month_ = *month;
    number(parts[year_first ? 2 : 0]);
    number(parts[year_first ? 0 : 2]);
  }

  void number(std::string_view digits) {
    const std::optional<int> value = small_number(digits);
    if (!value) return;
    if (day_ == 0 && digits.size() <= 2) {
      day_ = *value;
    } else if (year_ < 0) {
      year_ = *value;
      if (digits.size() == 2) year_ += *value < 50 ? 2000 : 1900;  // RFC 5322 section 4.3
      if (digits.size() == 3) year_ += 1900;
    }
  }

  int year_ = -1;
  int month_ = 0;
  int day_ = 0;
  int hour_ = 0;
  int minute_ = 0;
  int second_ = 0;
  bool has_clock_ = false;
  bool has_zone_ = false;
  ZonedTime zone_{.time = {}, .offset_minutes = 0, .zone_is_local = false};
};

}  // namespace

std::optional<ZonedTime> parse_date(std::string_view value) {
  const std::string clean = without_comments(value);
  DateReader reader;
  int words = 0;
  for (const std::string_view w : split(clean, ' ')) {
    const std::string_view trimmed = trim(w);
    if (trimmed.empty() || ++words > kWordsMax) continue;
    // ISO 8601: "2026-11-21T02:50:16Z"
    const size_t t = trimmed.find('T');
    if (is_digit(trimmed.front()) && t != std::string_view::npos && t + 1 < trimmed.size()) {
      reader.word(trimmed.substr(0, t));
      reader.word(trimmed.substr(t + 1));
    } else {
      reader.word(trimmed);
    }
  }
  return reader.finish();
}

}  // namespace ph::mime
