#include "codec/mime/search.h"

#include <gtest/gtest.h>

namespace ph::mime {
namespace {

using text::Needle;

constexpr std::string_view kMessage =
    "Subject: =?iso-8859-1?Q?Gr=FC=DFe?= aus\n  Wien\nFrom: a@b\nX-Empty:\n"
    "Content-Type: multipart/mixed; boundary=b\n\npreamble words\n"
    "--b\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: base64\n\n"
    "w5xiZXJyYXNjaGVuZGV\nyIEbDvG5kICs=\n"
    "--b\nContent-Type: text/html; charset=koi8-r\nContent-Transfer-Encoding: quoted-printable\n\n"
    "<b>=F0=D2=C9=\n=D7=C5=D4</b>\n"
    "--b\nContent-Type: application/pdf; name=paper.pdf\n\nneedle in a stack\n"
    "--b\nContent-Type: message/rfc822\n\nSubject: forwarded\n\ninside it\n"
    "--b--\n";

class Search : public testing::Test {
 protected:
  bool header(std::string_view name, std::string_view needle) const {
    return header_contains(message_.header(message_.root()), name, Needle(needle));
  }
  bool body(std::string_view needle) const { return body_contains(message_, Needle(needle)); }
  bool text(std::string_view needle) const { return text_contains(message_, Needle(needle)); }
  const Message message_{kMessage};
};

TEST_F(Search, LooksIntoNamedFields) {
  EXPECT_TRUE(header("subject", "GRÜße AUS"));
  EXPECT_TRUE(header("Subject", ""));
  EXPECT_TRUE(header("X-Empty", ""));
  EXPECT_FALSE(header("X-None", ""));
  EXPECT_FALSE(header("From", "wien"));
  EXPECT_FALSE(header("Subject", "forwarded"));  // that is another message's
}

TEST_F(Search, LooksIntoDecodedBodies) {
  EXPECT_TRUE(body("überraschender fünd"));
  EXPECT_TRUE(body("ПРИВЕТ"));
  EXPECT_TRUE(body("inside it"));
  EXPECT_TRUE(body("forwarded"));
  EXPECT_TRUE(body("paper.pdf"));
  EXPECT_FALSE(body("needle"));
  EXPECT_FALSE(body("preamble"));
  EXPECT_FALSE(body("Wien"));
  EXPECT_FALSE(body("w5xiZXL"));
}

TEST_F(Search, LooksIntoTheWholeText) {
  EXPECT_TRUE(text("wien"));
  EXPECT_TRUE(text("from: A@B"));
  EXPECT_TRUE(text("привет"));
  EXPECT_FALSE(text("needle"));
  EXPECT_TRUE(text(""));
}

TEST(SearchPieces, LooksAtWhatDecodingHeldBack) {
  const std::string head = "Content-Transfer-Encoding: quoted-printable\n\n";
  EXPECT_TRUE(body_contains(Message(head + "10=4"), Needle("10=4")));
  EXPECT_TRUE(body_contains(Message("\nabc\xC3"), Needle("abc\xEF\xBF\xBD")));
}

TEST(SearchPieces, FindsAcrossThem) {
  // Whatever the shift, the needle lies across the border of two pieces once.
  for (const size_t shift : {0U, 1U, 2U, 3U, 4U, 5U, 6U, 7U, 8U}) {
    const std::string bytes = "Content-Type: text/plain; charset=utf-8\n\n" +
                              std::string(64 * 1024 - shift, 'x') + "gr\xC3\xBC\xC3\x9F" + "end";
    EXPECT_TRUE(body_contains(Message(bytes), Needle("GRÜßEND"))) << shift;
  }
}

}  // namespace
}  // namespace ph::mime
