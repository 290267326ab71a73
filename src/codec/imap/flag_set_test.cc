#include "codec/imap/flag_set.h"

#include <gtest/gtest.h>

namespace ph::imap {
namespace {

TEST(FlagSet, SystemFlagsHaveNamesInAnyCase) {
  EXPECT_EQ(system_flag_from("\\SEEN"), SystemFlag::seen);
  EXPECT_EQ(system_flag_from("\\deleted"), SystemFlag::deleted);
  EXPECT_EQ(system_flag_from("\\Recent"), std::nullopt);  // not for clients to set
  EXPECT_EQ(system_flag_from("Seen"), std::nullopt);
  EXPECT_EQ(system_flag_from("\\Junk"), std::nullopt);
}

TEST(FlagSet, SetsAndClears) {
  FlagSet flags;
  EXPECT_TRUE(flags.empty());
  flags.set(SystemFlag::seen);
  flags.set(SystemFlag::draft);
  EXPECT_TRUE(flags.has(SystemFlag::seen));
  EXPECT_FALSE(flags.has(SystemFlag::flagged));
  EXPECT_EQ(flags.system_bits(), 8 | 16);
  flags.clear(SystemFlag::seen);
  EXPECT_FALSE(flags.has(SystemFlag::seen));
  EXPECT_TRUE(flags.has(SystemFlag::draft));
}

TEST(FlagSet, KeywordsAreOneInAnyCase) {
  FlagSet flags;
  EXPECT_TRUE(flags.add_keyword("$Junk"));
  EXPECT_TRUE(flags.add_keyword("$JUNK"));
  EXPECT_TRUE(flags.has_keyword("$junk"));
  EXPECT_EQ(flags.keywords(), std::vector<std::string>{"$Junk"});
}

TEST(FlagSet, IsBounded) {
  FlagSet flags;
  EXPECT_FALSE(flags.add_keyword(""));
  EXPECT_FALSE(flags.add_keyword(std::string(FlagSet::kKeywordLengthMax + 1, 'k')));
  for (size_t i = 0; i < FlagSet::kKeywordsMax; ++i) {
    ASSERT_TRUE(flags.add_keyword("k" + std::to_string(i)));
  }
  EXPECT_FALSE(flags.add_keyword("one-more"));
  EXPECT_TRUE(flags.add_keyword("K7"));  // there already
  EXPECT_EQ(flags.keywords().size(), FlagSet::kKeywordsMax);
}

}  // namespace
}  // namespace ph::imap
