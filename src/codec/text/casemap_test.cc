#include "codec/text/casemap.h"

#include <gtest/gtest.h>

#include "base/random.h"

namespace ph::text {
namespace {

TEST(Casemap, FoldsSimply) {
  EXPECT_EQ(fold_case("ABC xyz 123"), "abc xyz 123");
  EXPECT_EQ(fold_case("ÄÖÜ"), "äöü");
  EXPECT_EQ(fold_case("ΟΔΟΣ"), fold_case("οδος"));
  EXPECT_EQ(fold_case("ПРИВЕТ"), "привет");
  EXPECT_EQ(fold_case("Ÿ"), "ÿ");
  EXPECT_EQ(fold_case("ﬀ ß 日本"), "ﬀ ß 日本");
  EXPECT_EQ(fold_case("\xE2\x84\xAA"), "k");  // Kelvin sign
  EXPECT_EQ(fold_case("A\xFF\xC3"), "a\xFF\xC3");
}

TEST(Casemap, FindsAnywhere) {
  EXPECT_TRUE(Needle("grüße").is_in("Viele GRÜßE!"));
  EXPECT_TRUE(Needle("").is_in(""));
  EXPECT_FALSE(Needle("abc").is_in("ab"));
  EXPECT_TRUE(Needle("aab").is_in("aaaaab"));
  EXPECT_TRUE(Needle("ababac").is_in("abababac"));
}

TEST(Casemap, FindsAcrossPieces) {
  const Needle needle("needle");
  NeedleSearch search(needle);
  EXPECT_FALSE(search.feed("a nee"));
  EXPECT_TRUE(search.feed("DLE b"));
  EXPECT_TRUE(search.found());
  NeedleSearch apart(needle);
  apart.feed("nee");
  apart.restart();
  EXPECT_FALSE(apart.feed("dle"));
}

TEST(Casemap, AgreesWithPlainSearch) {
  Random random(5);
  for (int round = 0; round < 2000; ++round) {
    std::string text;
    std::string wanted;
    for (int i = 0; i < 20; ++i) text += random.chance(50) ? 'a' : 'b';
    for (uint64_t i = 1 + random.below(6); i > 0; --i) wanted += random.chance(50) ? 'A' : 'B';
    EXPECT_EQ(Needle(wanted).is_in(text), text.find(fold_case(wanted)) != std::string::npos);
  }
}

}  // namespace
}  // namespace ph::text
