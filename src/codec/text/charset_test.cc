#include "codec/text/charset.h"

#include <gtest/gtest.h>

#include "base/random.h"
#include "base/text.h"

namespace ph::text {
namespace {

struct Sample {
  std::string_view charset;
  std::string_view octets;
  std::string_view utf8;
};

TEST(Charset, ReadsTheSetsOfRealMail) {
  const Sample samples[] = {
      {"utf-8", "gr\xC3\xBC\xC3\x9F", "grüß"},
      {"ISO-8859-1", "caf\xE9", "café"},
      {"iso_8859-1:1987", "caf\xE9", "café"},
      {"windows-1252", "\x80 \x93x\x94", "€ “x”"},
      {"ISO-8859-2", "\xB1\xE6", "ąć"},
      {"iso8859_15", "\xA4", "€"},
      {"Windows-1251", "\xCF\xF0\xE8\xE2\xE5\xF2", "Привет"},
      {"cp1251", "\xCF\xF0", "Пр"},
      {"KOI8-R", "\xF0\xD2\xC9\xD7\xC5\xD4", "Привет"},
      {"ISO-2022-JP", "\x1B$B$3$s$K$A$O\x1B(B", "こんにちは"},
      {"Shift_JIS", "\x82\xB1\x82\xF1", "こん"},
      {"EUC-JP", "\xA4\xB3\xA4\xF3", "こん"},
      {"gb2312", "\xC4\xE3\xBA\xC3", "你好"},
      {"GB18030", "\x81\x30\x81\x30", "\xC2\x80"},
      {"big5", "\xA7\x41\xA6\x6E", "你好"},
      {"ks_c_5601-1987", "\xBE\xC8\xB3\xE7", "안녕"},
      {"windows-1256", "\xC7", "ا"},
      {"ISO-8859-8-I", "\xE9", "י"},
      {"UTF-7", "Hi +AGUA6Q-", "Hi eé"},
      {"utf-7", "1 +- 1 +AOk. +2D3eAA- +AOk-+AOk", "1 + 1 é. 😀 éé"},
      {"unicode-1-1-utf-7", "+AOk", "é"},
      {"utf-16le", std::string_view("h\0i\0", 4), "hi"},
  };
  for (const Sample& s : samples) {
    EXPECT_TRUE(is_known_charset(s.charset)) << s.charset;
    EXPECT_EQ(to_utf8(s.octets, s.charset), s.utf8) << s.charset;
  }
}

TEST(Charset, NeverFails) {
  EXPECT_EQ(to_utf8("a\xE9z", "utf-8"), "a\xEF\xBF\xBDz");
  EXPECT_EQ(to_utf8("a\xE9\xE9z", "x-no-such-set"), "a\xEF\xBF\xBD\xEF\xBF\xBDz");
  EXPECT_EQ(to_utf8("abc \xC3\xA9", "us-ascii"), "abc é");
  EXPECT_EQ(to_utf8("\x81", "windows-1252"), "\xEF\xBF\xBD");
  EXPECT_EQ(to_utf8("\xA4", "euc-jp"), "\xEF\xBF\xBD");  // cut inside a character
  EXPECT_EQ(to_utf8("\xED\xA0\x80", "utf-8"), "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD");
  EXPECT_EQ(to_utf8("=+3/A\xC3;l", "utf-7"),
            "=\xEF\xBF\xBD\xEF\xBF\xBD;l");  // a lone half of a pair
  EXPECT_EQ(to_utf8("+2D0AQQ-", "utf-7"),
            "\xEF\xBF\xBD"
            "A");
  EXPECT_FALSE(is_known_charset("UTF-8//IGNORE/../x"));
  EXPECT_EQ(to_utf8("x\xE9", std::string(5000, 'a')), "x\xEF\xBF\xBD");
}

TEST(Charset, GuessesOnlyWhatIsNotUtf8) {
  EXPECT_EQ(guess_utf8("gr\xC3\xBC\xC3\x9F"), "grüß");
  EXPECT_EQ(guess_utf8("gr\xFC\xDF"), "grüß");
}

// However the octets are cut, the same text comes out, and it is valid UTF-8.
TEST(Charset, PiecesGiveTheSameText) {
  Random random(7);
  for (const std::string_view charset :
       {"utf-8", "iso-8859-1", "iso-2022-jp", "gb18030", "shift_jis", "euc-kr", "utf-7", "utf-16",
        "big5", "iso-2022-kr", "iso-2022-cn", "koi8-r", "nonsense"}) {
    for (int round = 0; round < 40; ++round) {
      std::string octets = random.bytes(random.below(80));
      if (round % 2 == 0) octets = "\x1B$B" + octets + "\xE4\xBD";
      const std::string whole = to_utf8(octets, charset);
      EXPECT_TRUE(is_valid_utf8(whole)) << charset;
      std::string pieces;
      CharsetReader reader(charset);
      for (const char c : octets) reader.feed({&c, 1}, pieces);
      reader.finish(pieces);
      EXPECT_EQ(pieces, whole) << charset << " " << hex_encode(octets);
    }
  }
}

}  // namespace
}  // namespace ph::text
