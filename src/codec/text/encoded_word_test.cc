#include "codec/text/encoded_word.h"

#include <gtest/gtest.h>

#include "base/text.h"

namespace ph::text {
namespace {

TEST(EncodedWord, ReadsTheExamplesOfTheRfc) {  // RFC 2047 section 8
  EXPECT_EQ(decode_words("=?ISO-8859-1?Q?a?="), "a");
  EXPECT_EQ(decode_words("=?ISO-8859-1?Q?a?= b"), "a b");
  EXPECT_EQ(decode_words("=?ISO-8859-1?Q?a?= =?ISO-8859-1?Q?b?="), "ab");
  EXPECT_EQ(decode_words("=?ISO-8859-1?Q?a?=  \t =?ISO-8859-1?Q?b?="), "ab");
  EXPECT_EQ(decode_words("=?ISO-8859-1?Q?a_b?="), "a b");
  EXPECT_EQ(decode_words("=?ISO-8859-1?Q?a?= =?ISO-8859-2?Q?_b?="), "a b");
  EXPECT_EQ(decode_words("=?ISO-8859-1?B?SWYgeW91IGNhbiByZWFkIHRoaXMgeW8=?="
                         " =?ISO-8859-2?B?dSB1bmRlcnN0YW5kIHRoZSBleGFtcGxlLg==?="),
            "If you can read this you understand the example.");
}

TEST(EncodedWord, IsTolerant) {
  EXPECT_EQ(decode_words("=?utf-8?q?gr=C3=BC=C3=9F?="), "grüß");
  EXPECT_EQ(decode_words("=?utf-8*de?Q?gr=C3=BC?="), "grü");
  EXPECT_EQ(decode_words("x=?utf-8?Q?y?=z"), "xyz");
  EXPECT_EQ(decode_words("=?utf-8?Q?with space?="), "with space");
  // A character cut in two by the mailer.
  EXPECT_EQ(decode_words("=?utf-8?B?w7w=?= =?utf-8?Q?=C3?= =?utf-8?Q?=9F?="), "üß");
  EXPECT_EQ(decode_words("=?utf-8?Q?a=0D=0ABcc:_x?="), "a  Bcc: x");
  EXPECT_EQ(decode_words("raw gr\xFC\xDF"), "raw grüß");
  EXPECT_EQ(decode_words("=?nonsense?Q?a=E9?="), "a\xEF\xBF\xBD");
}

TEST(EncodedWord, LeavesWhatIsNone) {
  for (const std::string_view text : {"=?utf-8?Q?no end", "=??Q?a?=", "=?utf-8?X?a?=", "=?utf-8?Q",
                                      "=?", "a =? b ?= c", "1=?2?"}) {
    EXPECT_EQ(decode_words(text), text);
  }
}

TEST(EncodedWord, WritesWhatItReads) {
  EXPECT_EQ(encode_words("plain text"), "plain text");
  EXPECT_NE(encode_words("not =?utf-8?Q?a?= word"), "not =?utf-8?Q?a?= word");
  const std::string text =
      "Zustellung fehlgeschlagen: für größere Übungen =?x?= 日本語 " + std::string(120, 'y');
  const std::string encoded = encode_words(text);
  EXPECT_EQ(decode_words(encoded), text);
  for (const std::string_view word : split(encoded, ' ')) EXPECT_LE(word.size(), 75U);
}

// Many beginnings and one far end, or many character sets: linear, so this ends at once.
TEST(EncodedWord, IsLinear) {
  std::string hostile;
  for (int i = 0; i < 100'000; ++i) hostile += "=?a?Q? ";
  EXPECT_EQ(decode_words(hostile), hostile);
  std::string sets;
  for (int i = 0; i < 20'000; ++i) sets += "=?koi8-r?Q?a?= =?big5?Q?b?= =?gbk?Q?c?= ";
  EXPECT_EQ(decode_words(sets).size(), 60'001U);
}

}  // namespace
}  // namespace ph::text
