#include "codec/imap/date.h"

#include <array>

#include "base/text.h"

namespace ph::imap {

namespace {

constexpr std::array<std::string_view, 12> kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                      "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

// Digits of a fixed count; -1 for anything else.
int digits(std::string_view text) {
  int value = 0;
  for (const char c : text) {
    if (!is_digit(c)) return -1;
    value = value * 10 + (c - '0');
  }
  return text.empty() ? -1 : value;
}

int month_from(std::string_view name) {
  for (size_t i = 0; i < kMonths.size(); ++i) {
    if (iequals(name, kMonths[i])) return static_cast<int>(i) + 1;
  }
  return -1;
}

std::optional<CalendarDate> date_of(int day, std::string_view month_and_year) {
  if (month_and_year.size() != 9 || month_and_year[0] != '-' || month_and_year[4] != '-') {
    return std::nullopt;
  }
  const int month = month_from(month_and_year.substr(1, 3));
  const int year = digits(month_and_year.substr(5, 4));
  if (day < 1 || month < 1 || year < 0) return std::nullopt;
  // A day that the month does not have would come back as another one.
  const CalendarDate out{static_cast<int16_t>(year), static_cast<uint8_t>(month),
                         static_cast<uint8_t>(day)};
  return CalendarDate::of(out.midnight()) == out ? std::optional(out) : std::nullopt;
}

std::optional<int16_t> zone_from(std::string_view text) {
  if (text.size() != 5 || (text[0] != '+' && text[0] != '-')) return std::nullopt;
  const int hours = digits(text.substr(1, 2));
  const int minutes = digits(text.substr(3, 2));
  if (hours < 0 || hours > 23 || minutes < 0 || minutes > 59) return std::nullopt;
  const int all = hours * 60 + minutes;
  return static_cast<int16_t>(text[0] == '-' ? -all : all);
}

void append_two(std::string& out, int value) {
  out += static_cast<char>('0' + value / 10 % 10);
  out += static_cast<char>('0' + value % 10);
}

}  // namespace

Time CalendarDate::midnight() const {
  return time_from_civil({.year = year, .month = month, .day = day});
}

CalendarDate CalendarDate::of(Time utc) {
  const CivilTime c = civil_from_time(utc);
  return {static_cast<int16_t>(c.year), static_cast<uint8_t>(c.month), static_cast<uint8_t>(c.day)};
}

std::optional<CalendarDate> parse_date(std::string_view text) {
  const size_t dash = text.find('-');
  if (dash != 1 && dash != 2) return std::nullopt;
  return date_of(digits(text.substr(0, dash)), text.substr(dash));
}

std::optional<DateTime> parse_date_time(std::string_view text) {
  // "dd-Mon-yyyy hh:mm:ss +zzzz", where the first d may be a space.
  if (text.size() != 26 || text[11] != ' ' || text[14] != ':' || text[17] != ':' ||
      text[20] != ' ') {
    return std::nullopt;
  }
  const int day = text[0] == ' ' ? digits(text.substr(1, 1)) : digits(text.substr(0, 2));
  const auto date = date_of(day, text.substr(2, 9));
  const auto zone = zone_from(text.substr(21));
  const int hour = digits(text.substr(12, 2));
  const int minute = digits(text.substr(15, 2));
  const int second = digits(text.substr(18, 2));
  if (!date || !zone || hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 ||
      second > 60) {  // 60: a leap second
    return std::nullopt;
  }
  const Duration in_day = Duration::hours(hour) + Duration::minutes(minute) +
                          Duration::seconds(second) - Duration::minutes(*zone);
  return DateTime{date->midnight() + in_day, *zone};
}

void append_date_time(std::string& out, const DateTime& when) {
  const CivilTime c = civil_from_time(when.moment + Duration::minutes(when.zone_minutes));
  append_two(out, c.day);
  out += '-';
  out += kMonths[static_cast<size_t>(c.month - 1)];
  out += '-';
  append_two(out, c.year / 100);
  append_two(out, c.year % 100);
  out += ' ';
  append_two(out, c.hour);
  out += ':';
  append_two(out, c.minute);
  out += ':';
  append_two(out, c.second);
  out += when.zone_minutes < 0 ? " -" : " +";
  const int zone = when.zone_minutes < 0 ? -when.zone_minutes : when.zone_minutes;
  append_two(out, zone / 60);
  append_two(out, zone % 60);
}

}  // namespace ph::imap
