// Dates as IMAP writes them.
//
// CalendarDate is the "1-Feb-1994" of SEARCH, without time or zone. DateTime is INTERNALDATE,
// "17-Jul-1996 02:44:25 -0700": a moment, and the zone it was written in.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/time.h"

namespace ph::imap {

struct CalendarDate {
  int16_t year = 1970;
  uint8_t month = 1;
  uint8_t day = 1;
  auto operator<=>(const CalendarDate&) const = default;

  // 00:00:00 UTC of that day.
  Time midnight() const;
  static CalendarDate of(Time utc);
};

struct DateTime {
  Time moment;
  int16_t zone_minutes = 0;
  bool operator==(const DateTime&) const = default;
};

// The whole text, or nothing. Impossible dates (31-Feb) are refused.
std::optional<CalendarDate> parse_date(std::string_view text);
std::optional<DateTime> parse_date_time(std::string_view text);
// 26 octets, without quotes: "17-Jul-1996 02:44:25 +0000".
void append_date_time(std::string& out, const DateTime& when);

}  // namespace ph::imap
