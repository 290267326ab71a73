// Dates of mail (RFC 5322 section 3.3, the obsolete forms of 4.3, and what real mail holds besides:
// missing seconds, one-digit fields, ISO-like order, named zones).
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "base/time.h"

namespace ph::mime {

struct ZonedTime {
  Time time;                   // the point of time, UTC
  int32_t offset_minutes = 0;  // the writer's zone, east of Greenwich
  bool zone_is_local = true;   // false for "-0000" and unknown names: only the UTC time is meant

  // The date and time the writer saw, as if it were UTC: for IMAP SENTON, SENTBEFORE, SENTSINCE.
  Time wall() const { return time + Duration::minutes(offset_minutes); }
  bool operator==(const ZonedTime&) const = default;
};

// nullopt if day, month or year cannot be made out. A missing time is 00:00:00, a missing zone UTC.
std::optional<ZonedTime> parse_date(std::string_view value);

}  // namespace ph::mime
