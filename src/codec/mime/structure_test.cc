#include "codec/mime/structure.h"

#include <gtest/gtest.h>

#include "codec/mime/detail/render_for_test.h"

namespace ph::mime {
namespace {

std::string body_of(std::string_view bytes) { return render(make_body_structure(Message(bytes))); }
std::string structure_of(std::string_view bytes) {
  return render(make_body_structure(Message(bytes)), 1);
}

TEST(Envelope, HasEveryMember) {
  const std::string header = crlf(
      "Date: Wed, 17 Jul 1996 02:23:25 -0700 (PDT)\n"
      "From: Terry Gray <gray@cac.washington.edu>\n"
      "Subject: IMAP4rev1 WG mtg\n  summary and minutes\n"
      "To: imap@cac.washington.edu\n"
      "cc: minutes@CNRI.Reston.VA.US, John Klensin <KLENSIN@MIT.EDU>\n"
      "To: second@x\n"
      "Message-Id: <B27397-0100000@cac.washington.edu>\n"
      "In-Reply-To:\n\n");
  EXPECT_EQ(
      render(make_envelope(HeaderView(header))),
      R"x(("Wed, 17 Jul 1996 02:23:25 -0700 (PDT)" "IMAP4rev1 WG mtg  summary and minutes" )x"
      R"((("Terry Gray" NIL "gray" "cac.washington.edu")) )"
      R"((("Terry Gray" NIL "gray" "cac.washington.edu")) )"
      R"((("Terry Gray" NIL "gray" "cac.washington.edu")) )"
      R"(((NIL NIL "imap" "cac.washington.edu")(NIL NIL "second" "x")) )"
      R"(((NIL NIL "minutes" "CNRI.Reston.VA.US")("John Klensin" NIL "KLENSIN" "MIT.EDU")) NIL "" )"
      R"("<B27397-0100000@cac.washington.edu>"))");
}

TEST(Envelope, OfNothingIsNil) {
  EXPECT_EQ(render(make_envelope(HeaderView(""))), "(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)");
  const Envelope e = make_envelope(HeaderView("From: a@b\nSender: \nReply-To: c@d\n"));
  EXPECT_EQ(e.sender, e.from);
  EXPECT_EQ(render(e.reply_to), R"(((NIL NIL "c" "d")))");
}

TEST(Structure, OfPlainMessages) {
  EXPECT_EQ(body_of(crlf("Subject: x\n\nline 1\nline 2\n")),
            R"(("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 16 2))");
  EXPECT_EQ(body_of(""), R"(("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 0 0))");
  EXPECT_EQ(body_of("Subject: header without an empty line\n"),
            R"(("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 0 0))");
  EXPECT_EQ(body_of("Content-Type: text/html\n\n<p>no line end"),
            R"(("text" "html" NIL NIL NIL "7bit" 14 0))");
  EXPECT_EQ(body_of("Content-Type: nonsense; charset=utf-8\n\nx\n"),
            R"(("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 2 1))");
}

TEST(Structure, HasExtensionData) {
  EXPECT_EQ(structure_of(crlf("Content-Type: IMAGE/Png; Name*0*=utf-8''a; name*1=b\n"
                              "Content-Transfer-Encoding: BASE64\n"
                              "Content-ID: <id@x>\nContent-Description: a\n picture\n"
                              "Content-MD5: Q2hlY2s=\nContent-Language: en, de\n"
                              "Content-Location: http://x/y\n"
                              "Content-Disposition: Attachment; filename=\"a b.png\"\n\nAAAA\n")),
            R"(("image" "png" ("name*0*" "utf-8''a" "name*1" "b") "<id@x>" "a picture" "BASE64" 6 )"
            R"("Q2hlY2s=" ("attachment" ("filename" "a b.png")) ("en" "de") "http://x/y"))");
}

constexpr std::string_view kNested =
    "From: a@b\nContent-Type: multipart/mixed; boundary=outer\n\npreamble\n"
    "--outer\n\npart 1\n"
    "--outer\nContent-Type: message/rfc822\n\n"
    "Subject: inner\nContent-Type: multipart/alternative; boundary=\"inner\"\n\n"
    "--inner\nContent-Type: text/plain; charset=utf-8\n\ntext\n\n"
    "--inner\nContent-Type: text/html\n\n<b>\n"
    "--inner--\nepilogue\n"
    "--outer--  \nepilogue\n";

TEST(Structure, OfNestedMessages) {
  EXPECT_EQ(
      structure_of(crlf(kNested)),
      R"((("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 6 0 NIL NIL NIL NIL))"
      R"(("message" "rfc822" NIL NIL NIL "7bit" 193 (NIL "inner" NIL NIL NIL NIL NIL NIL NIL NIL) )"
      R"((("text" "plain" ("charset" "utf-8") NIL NIL "7bit" 6 1 NIL NIL NIL NIL))"
      R"(("text" "html" NIL NIL NIL "7bit" 3 0 NIL NIL NIL NIL) "alternative" )"
      R"(("boundary" "inner") NIL NIL NIL) 13 NIL NIL NIL NIL) )"
      R"("mixed" ("boundary" "outer") NIL NIL NIL))");
}

TEST(Structure, ObeysTheGrammarForBrokenMultiparts) {
  constexpr std::string_view kEmpty =
      R"((("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 0 0) "mixed"))";
  EXPECT_EQ(body_of("Content-Type: multipart/mixed; boundary=b\n\n--b--\n"), kEmpty);
  EXPECT_EQ(body_of("Content-Type: multipart/mixed; boundary=b\n\nnothing\n"), kEmpty);
  EXPECT_EQ(body_of("Content-Type: multipart/mixed; boundary=b"), kEmpty);
  // No boundary: an unusable Content-Type, so text.
  EXPECT_EQ(body_of("Content-Type: multipart/mixed\n\n--b\n\nx\n--b--\n"),
            R"(("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 13 4))");
  EXPECT_EQ(body_of("Content-Type: message/rfc822"),
            R"(("message" "rfc822" NIL NIL NIL "7bit" 0 (NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL) )"
            R"(("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 0 0) 0))");
}

TEST(Structure, OfDigests) {
  EXPECT_EQ(
      body_of("Content-Type: multipart/digest; boundary=d\n\n--d\n\nSubject: one\n\nx\n"
              "--d\nContent-Type: text/plain\n\ny\n--d--\n"),
      R"((("message" "rfc822" NIL NIL NIL "7bit" 15 (NIL "one" NIL NIL NIL NIL NIL NIL NIL NIL) )"
      R"(("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 1 0) 2))"
      R"(("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 1 0) "digest"))");
}

TEST(Structure, SharesOneAllowanceOfAddresses) {
  std::string bytes = "Content-Type: multipart/digest; boundary=d\n\n";
  for (int i = 0; i < 20; ++i) {
    bytes += "--d\n\nTo: ";
    for (int k = 0; k < 100; ++k) bytes += "a@b,";
    bytes += "\n\n\n";
  }
  size_t addresses = 0;
  for (const BodyStructure& child : make_body_structure(Message(bytes), 600).children) {
    addresses += child.envelope->to.size();
  }
  EXPECT_GT(addresses, 100U);
  EXPECT_LE(addresses, 600U);
}

}  // namespace
}  // namespace ph::mime
