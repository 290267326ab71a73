#include "codec/imap/date.h"

#include <gtest/gtest.h>

namespace ph::imap {
namespace {

std::string rewritten(std::string_view text) {
  const auto when = parse_date_time(text);
  if (!when) return "malformed";
  std::string out;
  append_date_time(out, *when);
  return out;
}

TEST(Date, ReadsSearchDates) {
  EXPECT_EQ(parse_date("1-Feb-1994"), (CalendarDate{1994, 2, 1}));
  EXPECT_EQ(parse_date("01-FEB-1994"), (CalendarDate{1994, 2, 1}));
  EXPECT_EQ(parse_date("29-Feb-2024"), (CalendarDate{2024, 2, 29}));
  for (const char* text :
       {"", "1-Feb-94", "29-Feb-2023", "31-Apr-2020", "0-Jan-2020", "1-Foo-2020", "1/Feb/1994",
        "001-Feb-1994", " 1-Feb-1994", "1-Feb-1994 ", "-Feb-1994", "x-Feb-1994"}) {
    EXPECT_FALSE(parse_date(text)) << text;
  }
}

TEST(Date, ReadsAndWritesInternalDates) {
  EXPECT_EQ(rewritten("17-Jul-1996 02:44:25 -0700"), "17-Jul-1996 02:44:25 -0700");
  EXPECT_EQ(rewritten(" 7-jul-1996 02:44:25 +0530"), "07-Jul-1996 02:44:25 +0530");
  EXPECT_EQ(rewritten("01-Jan-0001 00:00:00 +0000"), "01-Jan-0001 00:00:00 +0000");
  const auto when = parse_date_time("01-Jan-1970 02:00:01 +0200");
  ASSERT_TRUE(when);
  EXPECT_EQ(when->moment, Time::from_unix_s(1));
  EXPECT_EQ(when->zone_minutes, 120);
}

TEST(Date, RefusesMalformedInternalDates) {
  for (const char* text :
       {"", "7-Jul-1996 02:44:25 -0700", "17-Jul-1996 24:00:00 -0700", "17-Jul-1996 02:60:25 -0700",
        "17-Jul-1996 02:44:61 -0700", "17-Jul-1996 02:44:25 0700 ", "17-Jul-1996 02:44:25 -2400",
        "31-Jun-1996 02:44:25 -0700", "17-Jul-1996T02:44:25 -0700", "17-Jul-1996 02:44:25 -07:0"}) {
    EXPECT_FALSE(parse_date_time(text)) << text;
  }
}

}  // namespace
}  // namespace ph::imap
