#include "codec/mime/writer.h"

#include <gtest/gtest.h>

#include "base/text.h"
#include "codec/mime/message.h"
#include "codec/mime/structure.h"
#include "codec/text/encoded_word.h"

namespace ph::mime {
namespace {

TEST(Writer, FoldsAtWhiteSpace) {
  EXPECT_EQ(fold_field("Subject", "short"), "Subject: short\r\n");
  EXPECT_EQ(fold_field("X", ""), "X:\r\n");
  const std::string value =
      "from mail.example.org (mail.example.org [192.0.2.1]) by mx.example.net "
      "with ESMTPS id 0123456789abcdef for <someone@example.net>; "
      "Sat, 21 Nov 2026 02:50:16 +0000";
  const std::string field = fold_field("Received", value);
  for (const std::string_view line : split(field, '\n')) EXPECT_LE(line.size(), 79U);  // with CR
  EXPECT_EQ(HeaderView(field).first("Received")->value(), value);
}

TEST(Writer, NeverPassesTheLimits) {
  const std::string field = fold_field("X", std::string(5000, 'a') + " b");
  for (const std::string_view line : split(field, '\n')) EXPECT_LE(line.size(), 999U);
  size_t fields = 0;
  for ([[maybe_unused]] const Field& f : HeaderView(field)) ++fields;
  EXPECT_EQ(fields, 1U);
  const std::string blanks = fold_field("X", "a" + std::string(5000, ' ') + "b");
  EXPECT_EQ(blanks, "X: a b\r\n");
}

TEST(Writer, LetsNoValueStartAField) {
  const std::string field = fold_field("Subject", "a\r\nBcc: x\r\n\r\nbody");
  EXPECT_EQ(field, "Subject: a  Bcc: x    body\r\n");
}

TEST(Writer, WritesMailboxes) {
  EXPECT_EQ(format_mailbox("", "a@b"), "<a@b>");
  EXPECT_EQ(format_mailbox("Mail Delivery System", "p@x"), "Mail Delivery System <p@x>");
  EXPECT_EQ(format_mailbox("O'Neil, \"Joe\"", "p@x"), "\"O'Neil, \\\"Joe\\\"\" <p@x>");
  const auto back = parse_address_list(format_mailbox("Jörg", "p@x"));
  EXPECT_EQ(text::decode_words(*back[0].name), "Jörg");
  EXPECT_EQ(format_mailbox("a\r\nb", "p@x\r\n"), "a  b <p@x  >");
}

TEST(Writer, MakesAMultipartThatReadsBack) {
  MultipartWriter parts(make_boundary("sixteen octets.."));
  std::string message =
      fold_field("Content-Type", parts.content_type("report", "report-type=delivery-status"));
  message += "\r\n";
  parts.add(fold_field("Content-Type", "text/plain; charset=utf-8"), "It failed.\r\n");
  parts.add(fold_field("Content-Type", "message/delivery-status"), "Reporting-MTA: dns; x\r\n");
  parts.add("", "no header\r\n");
  message += parts.finish();

  const Message read(message);
  ASSERT_EQ(read.root().children.size(), 3U);
  EXPECT_EQ(read.root().subtype, "report");
  EXPECT_EQ(*text::plain_parameter(read.root().parameters, "report-type"), "delivery-status");
  EXPECT_EQ(read.body(read.root().children[0]), "It failed.\r\n");
  EXPECT_EQ(read.body(read.root().children[1]), "Reporting-MTA: dns; x\r\n");
  EXPECT_EQ(read.body(read.root().children[2]), "no header\r\n");
}

TEST(Writer, BoundariesAreWellFormed) {
  EXPECT_EQ(make_boundary("\x01\xff"), "=_01ff");
  EXPECT_LE(make_boundary(std::string(100, 'x')).size(), 70U);
}

}  // namespace
}  // namespace ph::mime
