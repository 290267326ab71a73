#include <gtest/gtest.h>

#include "config/setting.h"

namespace ph::config {
namespace {

constexpr DurationSetting kDelay{
    {"test.delay", "A delay."}, Duration::seconds(60), Duration::seconds(1), Duration::hours(1)};
constexpr SizeSetting kSize{
    {"test.size", "A size."}, ByteCount::mib(50), ByteCount::kib(1), ByteCount::mib(100)};
constexpr SwitchSetting kSwitch{{"test.switch", "A switch."}, true};
constexpr NumberSetting kNumber{{"test.number", "A number."}, 5, 1, 10};
constexpr TextSetting kText{{"test.text", "A text."}, "a, b"};
constexpr DurationListSetting kList{
    {"test.list", "A list."}, "60 s, 5 min", Duration::seconds(1), Duration::days(1)};

struct TestSchema : Schema {
  TestSchema() {
    add(kDelay);
    add(kSize);
    add(kSwitch);
    add(kNumber);
    add(kText);
    add(kList);
  }
};

TEST(Values, WhatIsNotSetHasItsDefault) {
  const Values values;
  EXPECT_EQ(values.get(kDelay), Duration::seconds(60));
  EXPECT_EQ(values.get(kSize), ByteCount::mib(50));
  EXPECT_TRUE(values.get(kSwitch));
  EXPECT_EQ(values.get(kNumber), 5U);
  EXPECT_EQ(values.get_list(kText), (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(values.get(kList),
            (std::vector<Duration>{Duration::seconds(60), Duration::minutes(5)}));
}

TEST(Values, AChangeIsCheckedAndCountsTheEpoch) {
  const TestSchema schema;
  const Values values = Values().with(schema, "test.delay", "1 min 30 s").value();
  EXPECT_EQ(values.get(kDelay), Duration::seconds(90));
  EXPECT_EQ(values.epoch(), 2U);
  EXPECT_EQ(values.without(schema, "test.delay")->get(kDelay), Duration::seconds(60));
  EXPECT_TRUE(Values().with(schema, "test.none", "1").error().is(kUnknownSetting));
  for (const auto& [name, text] :
       std::vector<std::pair<std::string, std::string>>{{"test.delay", "0 s"},
                                                        {"test.delay", "2 h"},
                                                        {"test.delay", "ninety"},
                                                        {"test.delay", "99999999999999 d"},
                                                        {"test.size", "1 B"},
                                                        {"test.switch", "maybe"},
                                                        {"test.number", "11"},
                                                        {"test.number", "-1"},
                                                        {"test.text", "a\nb"},
                                                        {"test.list", "5 min, x"},
                                                        {"test.list", ""}}) {
    EXPECT_TRUE(Values().with(schema, name, text).error().is(kBadValue)) << name << " " << text;
  }
}

TEST(Units, RoundTrip) {
  EXPECT_EQ(to_text(parse_size("64KiB").value()), "64 KiB");
  EXPECT_EQ(to_text(parse_size("1000 B").value()), "1000 B");
  EXPECT_EQ(parse_duration("2 d 3 h").value(), Duration::hours(51));
  EXPECT_FALSE(parse_duration("2").has_value());
}

}  // namespace
}  // namespace ph::config
