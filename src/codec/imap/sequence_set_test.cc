#include "codec/imap/sequence_set.h"

#include <gtest/gtest.h>

namespace ph::imap {
namespace {

std::string resolved(std::string_view text, uint32_t largest) {
  const auto set = SequenceSet::parse(text);
  return set ? set->resolve(largest).to_text() : "malformed";
}

TEST(SequenceSet, KeepsWhatWasWritten) {
  for (const char* text : {"1", "*", "1:*", "*:4", "2,4:7,9,12:*", "5:3", "4294967295", "$"}) {
    const auto set = SequenceSet::parse(text);
    ASSERT_TRUE(set) << text;
    EXPECT_EQ(set->to_text(), text);
  }
}

TEST(SequenceSet, RefusesMalformedText) {
  for (const char* text : {"", "0", "1,", ",1", "1:", ":1", "1::2", "1:0", "4294967296", "1 ", "a",
                           "1:2:3", "**", "1*", "-1", "$,1", "1,$", "99999999999999999999999"}) {
    EXPECT_FALSE(SequenceSet::parse(text)) << text;
  }
}

TEST(SequenceSet, ResolvesTheStar) {
  EXPECT_EQ(resolved("*", 7), "7");
  EXPECT_EQ(resolved("1:*", 7), "1:7");
  EXPECT_EQ(resolved("9:*", 7), "7:9");  // names the last message too (RFC 9051 section 9)
  EXPECT_EQ(resolved("*:3", 7), "3:7");
  EXPECT_EQ(resolved("*", 0), "");
  EXPECT_EQ(resolved("1:*,4", 0), "4");
}

TEST(SequenceSet, SortsAndJoins) {
  EXPECT_EQ(resolved("9,1:3,2:5,6", 20), "1:6,9");
  EXPECT_EQ(resolved("5:3,4", 20), "3:5");
  EXPECT_EQ(resolved("4294967295,4294967294", 20), "4294967294:4294967295");
  EXPECT_EQ(resolved("1:4294967295,7", 20), "1:4294967295");
}

TEST(SequenceSet, AnswersAboutMembers) {
  const auto set = SequenceSet::parse("2:4,8,10:*")->resolve(12);
  std::vector<uint32_t> members;
  set.for_each([&](uint32_t n) { members.push_back(n); });
  EXPECT_EQ(members, (std::vector<uint32_t>{2, 3, 4, 8, 10, 11, 12}));
  EXPECT_EQ(set.count(), 7u);
  for (uint32_t n = 0; n < 15; ++n) {
    const bool in = std::find(members.begin(), members.end(), n) != members.end();
    EXPECT_EQ(set.contains(n), in) << n;
  }
  EXPECT_EQ(SequenceSet::everything().resolve(4294967295).count(), 4294967295u);
}

TEST(SequenceSet, ForEachEndsAtTheLastNumberOfAll) {
  size_t count = 0;
  SequenceSet::parse("4294967294:4294967295")->resolve(1).for_each([&](uint32_t) { ++count; });
  EXPECT_EQ(count, 2u);
}

TEST(SequenceSet, AppendsAscendingNumbersAsRanges) {
  SequenceSet set;
  for (const uint32_t n : {1u, 2u, 3u, 7u, 9u, 10u}) ASSERT_TRUE(set.append(n));
  EXPECT_EQ(set.to_text(), "1:3,7,9:10");
  EXPECT_EQ(set.largest_named(), 10u);
  EXPECT_EQ(SequenceSet::parse("3:*")->largest_named(), 3u);
}

TEST(SequenceSet, IsBounded) {
  SequenceSet set;
  for (size_t i = 0; i < SequenceSet::kRangesMax; ++i) {
    ASSERT_TRUE(set.append(static_cast<uint32_t>(2 * i + 1)));
  }
  const SequenceSet before = set;
  EXPECT_FALSE(set.add({1, 1}));
  EXPECT_FALSE(set.append(4'000'000));
  EXPECT_EQ(set, before);
}

}  // namespace
}  // namespace ph::imap
