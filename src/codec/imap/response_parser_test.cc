#include "codec/imap/response_parser.h"

#include <gtest/gtest.h>

#include "base/random.h"

namespace ph::imap {
namespace {

// The tree as text again: strings in quotes, NIL as NIL.
std::string shown(const std::vector<ResponseNode>& items) {
  std::string out;
  for (const ResponseNode& node : items) {
    if (!out.empty()) out += ' ';
    switch (node.kind) {
      case NodeKind::atom: out += node.text; break;
      case NodeKind::string: out += '"' + node.text + '"'; break;
      case NodeKind::nil: out += "NIL"; break;
      case NodeKind::list: out += '(' + shown(node.items) + ')'; break;
    }
  }
  return out;
}

std::string shown(const Response& r) {
  constexpr const char* kKinds[] = {"*", "tagged", "+"};
  std::string out = kKinds[static_cast<size_t>(r.kind)];
  out += " <" + r.tag + "> ";
  out += r.condition ? std::to_string(static_cast<int>(*r.condition)) : "-";
  return out + " [" + shown(r.code) + "] <" + r.text + "> " + shown(r.items);
}

// All responses in order, then why it ended.
std::vector<std::string> read(std::string_view input, const ResponseLimits& limits = {},
                              Random* random = nullptr) {
  ResponseParser parser(limits);
  std::vector<std::string> out;
  while (!input.empty()) {
    const size_t offered = random == nullptr ? input.size() : random->below(input.size()) + 1;
    const size_t consumed = parser.feed(input.substr(0, offered));
    input.remove_prefix(consumed);
    const auto response = parser.next();
    if (response) out.push_back(shown(*response));
    if (!response && consumed == 0) break;
  }
  if (!parser.failed().empty()) out.push_back("failed: " + parser.failed());
  return out;
}

std::string one(std::string_view line, const ResponseLimits& limits = {}) {
  const auto all = read(std::string(line) + "\r\n", limits);
  return all.size() == 1 ? all[0] : "not one";
}

TEST(ResponseParser, StatusResponses) {
  EXPECT_EQ(one("* OK hello"), "* <> 0 [] <hello> ");
  EXPECT_EQ(one("a1 NO [TRYCREATE] no such"), "tagged <a1> 1 [TRYCREATE] <no such> ");
  EXPECT_EQ(one("a bad x"), "tagged <a> 2 [] <x> ");
  EXPECT_EQ(one("* BYE [PERMANENTFLAGS (\\Seen \\*)] x"),
            "* <> 3 [PERMANENTFLAGS (\\Seen \\*)] <x> ");
  EXPECT_EQ(one("* OK [UIDNEXT 5]"), "* <> 0 [UIDNEXT 5] <> ");
  EXPECT_EQ(one("* PREAUTH"), "* <> 4 [] <> ");
  EXPECT_EQ(one("+ idling"), "+ <> - [] <idling> ");
  EXPECT_EQ(one("+"), "+ <> - [] <> ");
}

TEST(ResponseParser, Trees) {
  EXPECT_EQ(one("* 2 EXISTS"), "* <> - [] <> 2 EXISTS");
  EXPECT_EQ(one("* LIST (\\Noselect) \"/\" ~/Mail/foo"),
            "* <> - [] <> LIST (\\Noselect) \"/\" ~/Mail/foo");
  EXPECT_EQ(one("* 1 FETCH (FLAGS () BODY[1.HEADER.FIELDS (A B)]<0> nil X \"a\\\"b\")"),
            "* <> - [] <> 1 FETCH (FLAGS () BODY[1.HEADER.FIELDS (A B)]<0> NIL X \"a\"b\")");
  EXPECT_EQ(one("* X ((a)(b))(c)"), "* <> - [] <> X ((a) (b)) (c)");
  EXPECT_EQ(one("* 1 FETCH (BODY[] {7}\r\n)\r\n* X\n)"),
            "* <> - [] <> 1 FETCH (BODY[] \")\r\n* X\n\")");
  EXPECT_EQ(one("* X ~{0}\r\n {1+}\r\n\""), "* <> - [] <> X \"\" \"\"\"");
}

TEST(ResponseParser, FreeTextAnnouncesNoLiterals) {
  EXPECT_EQ(one("* OK size {5}"), "* <> 0 [] <size {5}> ");
  EXPECT_EQ(one("+ {5}"), "+ <> - [] <{5}> ");
  EXPECT_EQ(one("a NO [X] {5}"), "tagged <a> 1 [X] <{5}> ");
  EXPECT_EQ(one("a NO [X {2}\r\n]] y] {5}"), "tagged <a> 1 [X \"]]\" y] <{5}> ");
}

TEST(ResponseParser, MalformedResponsesEndIt) {
  for (const char* line : {"", "*", "* ", "a", "a FOO", "* (", "* )", "* X (a", "* X \"a",
                           "* X BODY[", "* OK [X", "* OK [X (]", "* X\r", "* \"a\\"}) {
    const auto all = read(std::string(line) + "\r\n* OK x\r\n");
    if (std::string_view(line) == "* ") continue;  // an empty response is only odd
    ASSERT_EQ(all.size(), 1u) << line;
    EXPECT_TRUE(all[0].starts_with("failed: ")) << line;
  }
  EXPECT_EQ(read("* OK x\n").back(), "failed: a line without CR LF");
}

TEST(ResponseParser, Limits) {
  const ResponseLimits limits{.line = 60, .literal = 10, .response = 70, .nodes = 8, .depth = 3};
  EXPECT_EQ(one("* X (((a)))", limits), "* <> - [] <> X (((a)))");
  EXPECT_TRUE(one("* X ((((a))))", limits).starts_with("failed"));
  EXPECT_EQ(one("* 1 2 3 4 5 6 7 8", limits), "* <> - [] <> 1 2 3 4 5 6 7 8");
  EXPECT_TRUE(one("* 1 2 3 4 5 6 7 8 9", limits).starts_with("failed"));
  EXPECT_EQ(one("* OK " + std::string(60, 'x'), limits), "failed: a line that is too long");
  EXPECT_EQ(one("* X {11}\r\n", limits), "failed: a literal that is too big");
  EXPECT_EQ(one("* X {99999999999999999999}\r\n", limits), "failed: a literal that is too big");
  std::string sum = "* X";
  for (int i = 0; i < 4; ++i) sum += " {10}\r\n0123456789";
  EXPECT_EQ(one(sum, limits), "failed: a literal that is too big");
}

TEST(ResponseParser, CuttingTheInputChangesNothing) {
  const std::string input =
      "* OK [CAPABILITY X] hi {3}\r\n* 1 FETCH (BODY[] {12}\r\n\r\n{3}\r\na\r\nb) FLAGS "
      "(\\Seen))\r\n+ go\r\n* LIST () NIL {5}\r\nINBOX\r\na OK done\r\n* X {0}\r\n\r\nbroken\r\n";
  const auto whole = read(input);
  EXPECT_EQ(whole.size(), 7u);
  constexpr uint64_t kSeed = 7;
  Random random(kSeed);
  for (int i = 0; i < 300; ++i) ASSERT_EQ(read(input, {}, &random), whole) << kSeed << " " << i;
}

}  // namespace
}  // namespace ph::imap
