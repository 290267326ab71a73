#include "codec/text/transfer.h"

#include <gtest/gtest.h>

#include "base/random.h"

namespace ph::text {
namespace {

constexpr auto kQuoted = TransferEncoding::quoted_printable;
constexpr auto kBase64 = TransferEncoding::base64;

TEST(Transfer, NamesEncodings) {
  EXPECT_EQ(parse_transfer_encoding(" Quoted-Printable "), kQuoted);
  EXPECT_EQ(parse_transfer_encoding("BASE64 (yes)"), kBase64);
  EXPECT_EQ(parse_transfer_encoding(""), TransferEncoding::seven_bit);
  EXPECT_EQ(parse_transfer_encoding("8bit"), TransferEncoding::eight_bit);
  EXPECT_EQ(parse_transfer_encoding("x-uuencode"), TransferEncoding::unrecognised);
}

TEST(Transfer, ReadsQuotedPrintable) {
  EXPECT_EQ(decode_transfer("a=3Db=\r\nc=C3=a9", kQuoted), "a=bc\xC3\xA9");
  EXPECT_EQ(decode_transfer("end  \t\r\nnext \n", kQuoted), "end\r\nnext\n");
  EXPECT_EQ(decode_transfer("soft= \t \r\nbreak", kQuoted), "softbreak");
  EXPECT_EQ(decode_transfer("in line", kQuoted), "in line");
  EXPECT_EQ(decode_transfer("lone\rcr", kQuoted), "lone\rcr");
}

TEST(Transfer, KeepsBrokenQuotedPrintable) {
  EXPECT_EQ(decode_transfer("50=ZZ =4", kQuoted), "50=ZZ =4");
  EXPECT_EQ(decode_transfer("a==41", kQuoted), "a=A");
  EXPECT_EQ(decode_transfer("a=4=41", kQuoted), "a=4A");
  EXPECT_EQ(decode_transfer("cut=", kQuoted), "cut");
}

TEST(Transfer, ReadsBase64) {
  EXPECT_EQ(decode_transfer("aGVs\r\nbG8=\r\n", kBase64), "hello");
  EXPECT_EQ(decode_transfer("aGVsbG8", kBase64), "hello");         // no padding
  EXPECT_EQ(decode_transfer("a G!V*sbG8=", kBase64), "hello");     // junk between
  EXPECT_EQ(decode_transfer("aGk=\n-- \nfooter", kBase64), "hi");  // ends at the padding
  EXPECT_EQ(decode_transfer("=aG=k=", kBase64), "h");
  EXPECT_EQ(decode_transfer("a=Gk=", kBase64), "hi");  // padding that pads nothing
  EXPECT_EQ(decode_transfer("a", kBase64), "");
}

TEST(Transfer, PiecesGiveTheSameOctets) {
  Random random(3);
  constexpr std::string_view kAlphabet = "=== \t\r\nA4fZ";
  for (int round = 0; round < 500; ++round) {
    std::string in;
    for (uint64_t i = random.below(30); i > 0; --i) in += kAlphabet[random.below(kAlphabet.size())];
    for (const TransferEncoding encoding : {kQuoted, kBase64}) {
      std::string out;
      TransferDecoder decoder(encoding);
      for (const char c : in) decoder.feed({&c, 1}, out);
      decoder.finish(out);
      EXPECT_EQ(out, decode_transfer(in, encoding)) << testing::PrintToString(in);
    }
  }
}

TEST(Transfer, WritesWhatItReads) {
  Random random(4);
  for (int round = 0; round < 50; ++round) {
    const std::string bytes = random.bytes(random.below(300));
    EXPECT_EQ(decode_transfer(encode_base64_lines(bytes), kBase64), bytes);
  }
  const std::string text =
      "gr\xC3\xBC\xC3\x9F = trailing \r\n" + std::string(200, 'x') + "\r\n\tend ";
  const std::string encoded = encode_quoted_printable(text);
  EXPECT_EQ(decode_transfer(encoded, kQuoted), text);
  size_t line = 0;
  for (const char c : encoded) {
    line = c == '\n' ? 0 : line + 1;
    EXPECT_LE(line, 77U);  // 76 and CR
    EXPECT_TRUE(c == '\r' || c == '\n' || c == '\t' || (c >= ' ' && c <= '~'));
  }
  EXPECT_EQ(encode_quoted_printable("a\nb"), "a\r\nb");
}

}  // namespace
}  // namespace ph::text
