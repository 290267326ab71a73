#include "codec/mime/section.h"

#include <gtest/gtest.h>

#include "codec/mime/detail/render_for_test.h"

namespace ph::mime {
namespace {

std::string section(std::string_view bytes, std::vector<uint32_t> path,
                    SectionKind kind = SectionKind::all, std::vector<std::string> fields = {}) {
  const Message message(bytes);
  const auto found =
      find_section(message, {.path = std::move(path), .kind = kind, .fields = std::move(fields)});
  return found ? std::string(found->view(message)) : "NIL";
}

// The example of RFC 3501 section 6.4.5: part 4 is a message with two parts, part 4.2 ... as there,
// with a message inside a message for the numbering below it.
constexpr std::string_view kMessage =
    "Subject: top\nContent-Type: multipart/mixed; boundary=o\n\npreamble\n"
    "--o\nX-P: 1\n\none\n"
    "--o\nContent-Type: message/rfc822\nX-P: 2\n\nSubject: plain inside\nFrom: a@b\n\ninner text\n"
    "--o\nContent-Type: message/rfc822\nX-P: 3\n\n"
    "Subject: mixed inside\nContent-Type: multipart/mixed; boundary=i\n\n"
    "--i\n\nthree one\n"
    "--i\nContent-Type: message/rfc822\n\nSubject: deep\n\ndeep text\n"
    "--i--\n"
    "--o--\nepilogue\n";

TEST(Section, OfTheMessage) {
  EXPECT_EQ(section(kMessage, {}), kMessage);
  EXPECT_EQ(section(kMessage, {}, SectionKind::header),
            "Subject: top\nContent-Type: multipart/mixed; boundary=o\n\n");
  EXPECT_EQ(section(kMessage, {}, SectionKind::header) + section(kMessage, {}, SectionKind::text),
            kMessage);
  EXPECT_EQ(section(kMessage, {}, SectionKind::mime), "NIL");
}

TEST(Section, OfParts) {
  EXPECT_EQ(section(kMessage, {1}), "one");
  EXPECT_EQ(section(kMessage, {1}, SectionKind::mime), "X-P: 1\n\n");
  EXPECT_EQ(section(kMessage, {1}, SectionKind::header), "NIL");
  EXPECT_EQ(section(kMessage, {1}, SectionKind::text), "NIL");
  for (const std::vector<uint32_t>& none :
       {std::vector<uint32_t>{0}, {4}, {1, 1}, {2, 2}, {3, 0}, {3, 3}, {3, 1, 1}, {3, 2, 1, 1}}) {
    EXPECT_EQ(section(kMessage, none), "NIL") << testing::PrintToString(none);
  }
}

TEST(Section, OfEmbeddedMessages) {
  EXPECT_EQ(section(kMessage, {2}), "Subject: plain inside\nFrom: a@b\n\ninner text");
  EXPECT_EQ(section(kMessage, {2}, SectionKind::mime), "Content-Type: message/rfc822\nX-P: 2\n\n");
  EXPECT_EQ(section(kMessage, {2}, SectionKind::header), "Subject: plain inside\nFrom: a@b\n\n");
  EXPECT_EQ(section(kMessage, {2}, SectionKind::text), "inner text");
  EXPECT_EQ(section(kMessage, {2, 1}), "inner text");
  EXPECT_EQ(section(kMessage, {2, 1}, SectionKind::mime), "Subject: plain inside\nFrom: a@b\n\n");
  EXPECT_EQ(section(kMessage, {2, 1}, SectionKind::header), "NIL");
  EXPECT_EQ(section(kMessage, {3, 1}), "three one");
  EXPECT_EQ(section(kMessage, {3, 1}, SectionKind::mime), "\n");
  EXPECT_EQ(section(kMessage, {3, 2}), "Subject: deep\n\ndeep text");
  EXPECT_EQ(section(kMessage, {3, 2}, SectionKind::header), "Subject: deep\n\n");
  EXPECT_EQ(section(kMessage, {3, 2, 1}), "deep text");
  EXPECT_EQ(section(kMessage, {3, 2, 1}, SectionKind::text), "NIL");
}

TEST(Section, PicksFields) {
  constexpr auto kWith = SectionKind::header_fields;
  constexpr auto kWithout = SectionKind::header_fields_not;
  const std::string_view bytes = "A: 1\r\nb: 2\r\n folded\r\njunk\r\nA: 3\r\n\r\nbody";
  EXPECT_EQ(section(bytes, {}, kWith, {"a"}), "A: 1\r\nA: 3\r\n\r\n");
  EXPECT_EQ(section(bytes, {}, kWith, {"B", "none"}), "b: 2\r\n folded\r\n\r\n");
  EXPECT_EQ(section(bytes, {}, kWithout, {"a"}), "b: 2\r\n folded\r\njunk\r\n\r\n");
  EXPECT_EQ(section(bytes, {}, kWith, {"none"}), "\r\n");
  EXPECT_EQ(section("A: 1\r\nB: 2\r\n", {}, kWith, {"A"}), "A: 1\r\n");  // no empty line to keep
  EXPECT_EQ(section(kMessage, {2}, kWith, {"from"}), "From: a@b\n\n");
  EXPECT_EQ(section(kMessage, {1}, kWith, {"X-P"}), "NIL");
}

TEST(Section, OfMessagesThatAreNoMultipart) {
  const std::string_view bytes = "Subject: x\n\nbody\n";
  EXPECT_EQ(section(bytes, {1}), "body\n");
  EXPECT_EQ(section(bytes, {1}, SectionKind::mime), "Subject: x\n\n");
  EXPECT_EQ(section(bytes, {2}), "NIL");
  EXPECT_EQ(section(bytes, {1, 1}), "NIL");
  const std::string_view forwarded = "Content-Type: message/rfc822\n\nSubject: y\n\nbody\n";
  EXPECT_EQ(section(forwarded, {1}), "Subject: y\n\nbody\n");
  EXPECT_EQ(section(forwarded, {1}, SectionKind::header), "Subject: y\n\n");
  EXPECT_EQ(section(forwarded, {1, 1}), "body\n");
}

TEST(Section, OfAnEmptyMultipart) {
  const std::string_view bytes = "Content-Type: multipart/mixed; boundary=b\n\nx\n";
  EXPECT_EQ(section(bytes, {1}), "");
  EXPECT_EQ(section(bytes, {2}), "NIL");
  EXPECT_EQ(section(bytes, {1, 1}), "NIL");
  EXPECT_EQ(section(bytes, {1}, SectionKind::text), "NIL");
}

TEST(Section, FindsPartsForBinary) {
  const Message message(kMessage);
  EXPECT_EQ(find_part(message, {}), &message.root());
  EXPECT_EQ(find_part(message, {3, 2}), &message.root().children[2].children[0].children[1]);
  EXPECT_EQ(find_part(message, {9}), nullptr);
}

}  // namespace
}  // namespace ph::mime
