#include "codec/imap/fetch_writer.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "codec/imap/response_parser.h"
#include "codec/mime/envelope.h"
#include "codec/mime/structure.h"

namespace ph::imap {
namespace {

mime::Address address(const char* name, const char* mailbox, const char* host) {
  mime::Address out;
  if (name != nullptr) out.name = name;
  if (mailbox != nullptr) out.mailbox = mailbox;
  if (host != nullptr) out.host = host;
  return out;
}

std::string envelope_text(const mime::Envelope& envelope) {
  std::string out;
  append_envelope(out, envelope);
  return out;
}

std::string structure_text(const mime::BodyStructure& structure, StructureForm form) {
  std::string out;
  append_structure(out, structure, form);
  return out;
}

mime::BodyStructure text_part() {
  mime::BodyStructure part;
  part.parameters = {{"charset", "utf-8"}};
  part.size_octets = 1152;
  part.lines = 23;
  return part;
}

TEST(FetchWriter, SimpleItems) {
  std::string out;
  FetchWriter line(out, 7);
  line.uid(9);
  FlagSet flags;
  flags.set(SystemFlag::seen);
  ASSERT_TRUE(flags.add_keyword("$X"));
  line.flags(flags);
  line.flags({});
  line.internal_date({Time::from_unix_s(0), -60});
  line.rfc822_size(44827);
  line.modseq(624140003);
  line.end();
  EXPECT_EQ(out,
            "* 7 FETCH (UID 9 FLAGS (\\Seen $X) FLAGS () INTERNALDATE \"31-Dec-1969 23:00:00 "
            "-0100\" RFC822.SIZE 44827 MODSEQ (624140003))\r\n");
}

TEST(FetchWriter, Sections) {
  std::string out;
  FetchWriter line(out, 1);
  FetchItem item{.kind = FetchKind::body_section, .peek = true, .partial = Partial{5, 10}};
  item.section.kind = SectionKind::text;
  line.section(item, "a\r\nb");
  line.section({.kind = FetchKind::rfc822_header}, "");
  item = {.kind = FetchKind::binary, .peek = true};
  item.section.path = {1, 2};
  line.section(item, std::string(1, '\0'));
  line.section_nil(item);
  item.kind = FetchKind::binary_size;
  line.binary_size(item, 12);
  line.literal_header({.kind = FetchKind::rfc822}, 5'000'000'000);
  const std::string nul(1, '\0');
  EXPECT_EQ(out,
            "* 1 FETCH (BODY[TEXT]<5> {4}\r\na\r\nb RFC822.HEADER {0}\r\n BINARY[1.2] ~{1}\r\n" +
                nul + " BINARY[1.2] NIL BINARY.SIZE[1.2] 12 RFC822 {5000000000}\r\n");
}

TEST(FetchWriter, HostileFieldNamesCannotEndALine) {
  std::string out;
  FetchItem item{.kind = FetchKind::body_section};
  item.section = {{}, SectionKind::header_fields, {"a\r\n* BYE x", "b\"c", "d"}};
  append_name(out, item);
  EXPECT_EQ(out, "BODY[HEADER.FIELDS ({10}\r\na\r\n* BYE x \"b\\\"c\" d)]");
}

TEST(FetchWriter, Envelopes) {
  EXPECT_EQ(envelope_text({}), "(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)");
  mime::Envelope e;
  e.date = "Wed, 17 Jul 1996 02:23:25 -0700 (PDT)";
  e.subject = "a \"b\" \\c";
  e.from = {address("Terry Gray", "gray", "cac.washington.edu")};
  e.to = {address(nullptr, "friends", nullptr), address("\xc3\xa4", "x", ""),
          address(nullptr, nullptr, nullptr)};
  e.in_reply_to = "";
  e.message_id = "<a\rb@c>";
  EXPECT_EQ(envelope_text(e),
            "(\"Wed, 17 Jul 1996 02:23:25 -0700 (PDT)\" \"a \\\"b\\\" \\\\c\" "
            "((\"Terry Gray\" NIL \"gray\" \"cac.washington.edu\")) NIL NIL "
            "((NIL NIL \"friends\" NIL)({2}\r\n\xc3\xa4 NIL \"x\" \"\")(NIL NIL NIL NIL)) "
            "NIL NIL \"\" {7}\r\n<a\rb@c>)");
  e = {};
  e.subject = std::string("a\0b", 3);
  EXPECT_EQ(envelope_text(e), "(NIL {3}\r\na?b NIL NIL NIL NIL NIL NIL NIL NIL)");
}

TEST(FetchWriter, SingleParts) {
  mime::BodyStructure part = text_part();
  EXPECT_EQ(structure_text(part, StructureForm::basic),
            "(\"text\" \"plain\" (\"charset\" \"utf-8\") NIL NIL \"7bit\" 1152 23)");
  EXPECT_EQ(structure_text(part, StructureForm::extended),
            "(\"text\" \"plain\" (\"charset\" \"utf-8\") NIL NIL \"7bit\" 1152 23 NIL NIL NIL "
            "NIL)");
  part.kind = mime::BodyKind::basic;
  part.type = "image";
  part.subtype = "png";
  part.parameters = {};
  part.id = "<1@x>";
  part.description = "d";
  part.encoding = "base64";
  part.md5 = "m";
  part.disposition = mime::Disposition{"attachment", {{"filename", "a.png"}, {"x", ""}}};
  part.languages = {"en"};
  part.location = "http://x";
  EXPECT_EQ(structure_text(part, StructureForm::extended),
            "(\"image\" \"png\" NIL \"<1@x>\" \"d\" \"base64\" 1152 \"m\" (\"attachment\" "
            "(\"filename\" \"a.png\" \"x\" \"\")) \"en\" \"http://x\")");
  part.languages = {"en", "de"};
  part.disposition->parameters = {};
  EXPECT_TRUE(structure_text(part, StructureForm::extended)
                  .ends_with("(\"attachment\" NIL) (\"en\" \"de\") \"http://x\")"));
}

TEST(FetchWriter, NestedParts) {
  mime::BodyStructure inner;
  inner.kind = mime::BodyKind::message;
  inner.type = "message";
  inner.subtype = "rfc822";
  inner.size_octets = 300;
  inner.lines = 8;
  inner.envelope = mime::Envelope{};
  inner.children = {text_part()};
  mime::BodyStructure outer;
  outer.kind = mime::BodyKind::multipart;
  outer.type = "multipart";
  outer.subtype = "mixed";
  outer.parameters = {{"boundary", "b"}};
  outer.children = {text_part(), inner};
  const std::string text = "(\"text\" \"plain\" (\"charset\" \"utf-8\") NIL NIL \"7bit\" 1152 23)";
  EXPECT_EQ(structure_text(outer, StructureForm::basic),
            "(" + text +
                "(\"message\" \"rfc822\" NIL NIL NIL \"7bit\" 300 "
                "(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL) " +
                text + " 8) \"mixed\")");
  EXPECT_TRUE(structure_text(outer, StructureForm::extended)
                  .ends_with(" 8 NIL NIL NIL NIL) \"mixed\" (\"boundary\" \"b\") NIL NIL NIL)"));
  // What codec/mime never makes still gives a readable answer.
  outer.children.clear();
  inner.children.clear();
  EXPECT_TRUE(structure_text(outer, StructureForm::basic).starts_with("(\"multipart\" \"mixed\""));
  EXPECT_FALSE(structure_text(inner, StructureForm::basic).empty());
}

TEST(FetchWriter, WhatItWritesCanBeRead) {
  std::string out;
  FetchWriter line(out, 3);
  mime::Envelope e;
  e.subject = "{5}";
  e.from = {address("\"]) (", "x\r\n", "y")};
  line.envelope(e);
  line.body_structure(text_part());
  FetchItem item{.kind = FetchKind::body_section};
  item.section = {{}, SectionKind::header_fields, {"From", "To"}};
  line.section(item, ")\r\n* BYE\r\n");
  line.end();
  ResponseParser parser;
  EXPECT_EQ(parser.feed(out), out.size());
  const auto response = parser.next();
  ASSERT_TRUE(response) << parser.failed();
  const auto& items = response->items.at(2).items;
  ASSERT_EQ(items.size(), 6u);
  EXPECT_EQ(items[1].items.at(1).text, "{5}");
  EXPECT_EQ(items[1].items.at(2).items.at(0).items.at(0).text, "\"]) (");
  EXPECT_EQ(items[1].items.at(2).items.at(0).items.at(2).text, "x\r\n");
  EXPECT_EQ(items[4].text, "BODY[HEADER.FIELDS (From To)]");
  EXPECT_EQ(items[5].text, ")\r\n* BYE\r\n");
}

// ENVELOPE, BODY, BODYSTRUCTURE and BODY[] of `message`, written and read back.
void expect_readable(const std::string& message, const std::string& where) {
  const mime::Message parsed(message);
  const mime::BodyStructure structure = mime::make_body_structure(parsed);
  std::string out;
  FetchWriter line(out, 1);
  line.envelope(mime::make_envelope(parsed.header(parsed.root())));
  line.body(structure);
  line.body_structure(structure);
  line.section({.kind = FetchKind::body_section}, message);
  line.end();
  ResponseParser parser({.depth = 500});
  ASSERT_EQ(parser.feed(out), out.size()) << where;
  const auto response = parser.next();
  ASSERT_TRUE(response) << where << ": " << parser.failed();
  const auto& items = response->items.at(2).items;
  ASSERT_EQ(items.size(), 8u) << where;
  EXPECT_EQ(items[1].items.size(), 10u) << where;
  EXPECT_EQ(items[7].text, message) << where;
}

TEST(FetchWriter, RealMessagesCanBeRead) {
  const std::filesystem::path folder = PH_SOURCE_DIR "/../shared/testdata/mime";
  if (!std::filesystem::is_directory(folder)) GTEST_SKIP() << "no corpus of messages here";
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    if (!entry.is_regular_file() || entry.file_size() > 1'000'000) continue;
    std::ifstream file(entry.path(), std::ios::binary);
    std::stringstream octets;
    octets << file.rdbuf();
    expect_readable(octets.str(), entry.path().filename().string());
  }
}

TEST(FetchWriter, DeepMessagesCanBeRead) {
  std::string message;
  for (int i = 0; i < 300; ++i) {
    const std::string boundary = "b" + std::to_string(i);
    message += "Content-Type: multipart/mixed; boundary=" + boundary + "\r\n\r\n--" + boundary;
    message += "\r\nContent-Type: message/rfc822\r\n\r\n";
  }
  expect_readable(message, "deep");
}

}  // namespace
}  // namespace ph::imap
