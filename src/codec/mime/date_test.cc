#include "codec/mime/date.h"

#include <gtest/gtest.h>

namespace ph::mime {
namespace {

std::string utc(std::string_view text) {
  const auto date = parse_date(text);
  return date ? to_iso8601(date->time) : "none";
}

TEST(Date, ReadsTheFormsOfTheRfc) {
  EXPECT_EQ(utc("Fri, 21 Nov 1997 09:55:06 -0600"), "1997-11-21T15:55:06Z");
  EXPECT_EQ(utc("21 Nov 97 09:55:06 GMT"), "1997-11-21T09:55:06Z");
  EXPECT_EQ(utc("Thu,\r\n 13\r\n Feb\r\n 1969\r\n 23:32\r\n -0330 (Newfoundland Time)"),
            "1969-02-14T03:02:00Z");
  EXPECT_EQ(utc("Fri, 21 Nov 1997 09(comment):   55  :  06 -0600"), "1997-11-21T00:00:00Z");
  EXPECT_EQ(utc("1 Jan 103 00:00:00 EST"), "2003-01-01T05:00:00Z");
  EXPECT_EQ(utc("1 Jan 49 00:00:00 Z"), "2049-01-01T00:00:00Z");
  EXPECT_EQ(utc("31 Dec 2016 23:59:60 +0000"), "2017-01-01T00:00:00Z");
}

TEST(Date, ReadsWhatRealMailHolds) {
  EXPECT_EQ(utc("Tue Mar 22 13:34:51 1994"), "1994-03-22T13:34:51Z");
  EXPECT_EQ(utc("Thu, 6 Jun 1996 15:50:39 +0400 (MOW DST)"), "1996-06-06T11:50:39Z");
  EXPECT_EQ(utc("2026-11-21T02:50:16+01:00"), "2026-11-21T01:50:16Z");
  EXPECT_EQ(utc("21-Nov-2026 2:50:16 pm CET"), "2026-11-21T13:50:16Z");
  EXPECT_EQ(utc("Sat, 21 November 2026"), "2026-11-21T00:00:00Z");
  EXPECT_EQ(utc("Sat, 21 Nov 2026 02:50:16 GMT+0100"), "2026-11-21T02:50:16Z");
}

TEST(Date, KnowsTheWritersZone) {
  const auto date = parse_date("Fri, 21 Nov 1997 23:55:06 -0600");
  ASSERT_TRUE(date.has_value());
  EXPECT_EQ(date->offset_minutes, -360);
  EXPECT_TRUE(date->zone_is_local);
  EXPECT_EQ(to_iso8601(date->wall()), "1997-11-21T23:55:06Z");
  EXPECT_FALSE(parse_date("21 Nov 1997 23:55:06 -0000")->zone_is_local);
  EXPECT_FALSE(parse_date("21 Nov 1997 23:55:06 XYZ")->zone_is_local);
}

TEST(Date, RefusesWhatIsNone) {
  for (const std::string_view bad :
       {"", "yesterday", "32 Jan 2000", "0 Jan 2000", "1 Foo 2000", "12:00:00", "1 Jan", "Jan 2000",
        "99999 Jan 2000 00:00:00 +0000"}) {
    EXPECT_EQ(parse_date(bad), std::nullopt) << bad;
  }
  EXPECT_EQ(utc("1 Jan 2000 99:99:99 +9999"), "2000-01-01T00:00:00Z");
}

}  // namespace
}  // namespace ph::mime
