#include "base/time.h"

#include <array>
#include <cstdio>

namespace ph {
namespace {

constexpr std::array<const char*, 7> kDays = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
constexpr std::array<const char*, 12> kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                 "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

// Days since 1970-01-01. Years are counted from March, so that the leap day is the year's last.
int64_t days_from_civil(int64_t y, int64_t m, int64_t d) {
  y -= m <= 2 ? 1 : 0;
  const int64_t era = (y >= 0 ? y : y - 399) / 400;
  const int64_t year_of_era = y - era * 400;
  const int64_t day_of_year = (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1;
  const int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
  return era * 146'097 + day_of_era - 719'468;
}

std::string unit(int64_t n, const char* name) { return std::to_string(n) + " " + name; }

}  // namespace

CivilTime civil_from_time(Time t) {
  const int64_t s = t.unix_s();
  int64_t days = s / 86'400;
  int64_t rest = s % 86'400;
  if (rest < 0) {
    rest += 86'400;
    --days;
  }
  const int64_t z = days + 719'468;
  const int64_t era = (z >= 0 ? z : z - 146'096) / 146'097;
  const int64_t day_of_era = z - era * 146'097;
  const int64_t year_of_era =
      (day_of_era - day_of_era / 1'460 + day_of_era / 36'524 - day_of_era / 146'096) / 365;
  const int64_t day_of_year =
      day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  const int64_t mp = (5 * day_of_year + 2) / 153;
  const int64_t month = mp < 10 ? mp + 3 : mp - 9;

  CivilTime c;
  c.year = static_cast<int>(year_of_era + era * 400 + (month <= 2 ? 1 : 0));
  c.month = static_cast<int>(month);
  c.day = static_cast<int>(day_of_year - (153 * mp + 2) / 5 + 1);
  c.hour = static_cast<int>(rest / 3'600);
  c.minute = static_cast<int>(rest / 60 % 60);
  c.second = static_cast<int>(rest % 60);
  c.weekday = static_cast<int>(((days + 4) % 7 + 7) % 7);
  return c;
}

Time time_from_civil(const CivilTime& c) {
  const int64_t days = days_from_civil(c.year, c.month, c.day);
  return Time::from_unix_s(days * 86'400 + c.hour * 3'600LL + c.minute * 60LL + c.second);
}

std::string to_iso8601(Time t) {
  const CivilTime c = civil_from_time(t);
  std::array<char, 64> out{};
  std::snprintf(out.data(), out.size(), "%04d-%02d-%02dT%02d:%02d:%02dZ", c.year, c.month, c.day,
                c.hour, c.minute, c.second);
  return out.data();
}

std::string to_rfc5322_date(Time t) {
  const CivilTime c = civil_from_time(t);
  std::array<char, 64> out{};
  std::snprintf(out.data(), out.size(), "%s, %02d %s %04d %02d:%02d:%02d +0000",
                kDays[static_cast<size_t>(c.weekday)], c.day,
                kMonths[static_cast<size_t>(c.month - 1)], c.year, c.hour, c.minute, c.second);
  return out.data();
}

std::string to_text(Duration d) {
  if (d < Duration()) return "-" + to_text(Duration() - d);
  if (d < Duration::milliseconds(1)) return unit(d.us(), "us");
  if (d < Duration::seconds(1)) return unit(d.ms(), "ms");
  const int64_t s = d.s();
  if (s < 60) return unit(s, "s");
  if (s < 3'600) return unit(s / 60, "min") + (s % 60 != 0 ? " " + unit(s % 60, "s") : "");
  if (s < 86'400) {
    return unit(s / 3'600, "h") + (s / 60 % 60 != 0 ? " " + unit(s / 60 % 60, "min") : "");
  }
  return unit(s / 86'400, "d") + (s / 3'600 % 24 != 0 ? " " + unit(s / 3'600 % 24, "h") : "");
}

}  // namespace ph
