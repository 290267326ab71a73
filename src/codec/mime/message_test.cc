#include "codec/mime/message.h"

#include <gtest/gtest.h>

#include "base/random.h"
#include "codec/mime/detail/render_for_test.h"
#include "codec/mime/section.h"

namespace ph::mime {
namespace {

// The tree as text: "mixed[text/plain:body text/html:body]".
std::string tree(const Message& message, const Part& part) {
  if (part.is_multipart() || part.is_message()) {
    std::string out;
    for (const Part& child : part.children) out += " " + tree(message, child);
    return part.subtype + "[" + (out.empty() ? out : out.substr(1)) + "]";
  }
  return std::string(message.body(part));
}
std::string tree(std::string_view bytes, const Limits& limits = {}) {
  const Message message(bytes, limits);
  return tree(message, message.root());
}

std::string mixed(std::string_view boundary, std::string_view body) {
  return "Content-Type: multipart/mixed; boundary=\"" + std::string(boundary) + "\"\n\n" +
         std::string(body);
}

TEST(Message, FindsDelimiters) {
  EXPECT_EQ(tree(mixed("b", "pre\n--b\n\none\n--b\n\ntwo\n--b--\nepi\n--b\n\nx\n")),
            "mixed[one two]");
  EXPECT_EQ(tree(mixed("b", "--b\r\n\r\none\r\n\r\n--b \t\r\n\r\ntwo\r\n--b--\r\n")),
            "mixed[one\r\n two]");
  EXPECT_EQ(tree(mixed("b", "--b junk\n\none\n--b-- junk\n--b\n\nx\n")), "mixed[one]");
  EXPECT_EQ(tree(mixed("b", "--b\n\none\n--b\n\nno end\n")), "mixed[one no end\n]");
  EXPECT_EQ(tree(mixed("b", "--b\n--b\n\n--b\n\n\n--b--")), "mixed[  ]");
  EXPECT_EQ(tree(mixed("b", "--b\n\n-- b\n --b\nx--b\n--bb\n--b-\n--b--x\n--b- x\n--b--")),
            "mixed[-- b\n --b\nx--b\n--bb\n--b-\n--b--x\n--b- x]");
  EXPECT_EQ(tree(mixed("b:'( )+_,-./=? z ", "--b:'( )+_,-./=? z\n\nx\n--b:'( )+_,-./=? z--")),
            "mixed[x]");
}

TEST(Message, EndsPartsAtOuterDelimiters) {
  const std::string inner = mixed("in", "--in\n\none\n");  // never closed
  EXPECT_EQ(tree(mixed("out", "--out\n" + inner + "--out\n\ntwo\n--out--\n")),
            "mixed[mixed[one] two]");
  // One boundary begins the other.
  const std::string longer = mixed("bb", "--bb\n\none\n--bb--\n");
  EXPECT_EQ(tree(mixed("b", "--b\n" + longer + "--b\n\ntwo\n--b--\n")), "mixed[mixed[one] two]");
  const std::string shorter = mixed("b", "--b\n\none\n--b--\n");
  EXPECT_EQ(tree(mixed("bb", "--bb\n" + shorter + "--bb\n\ntwo\n--bb--\n")),
            "mixed[mixed[one] two]");
  const std::string dashes = mixed("b--", "--b--\n\none\n--b----\n");
  EXPECT_EQ(tree(mixed("b", "--b\n" + dashes + "--b\n\ntwo\n--b--\n")), "mixed[mixed[one] two]");
  // The same boundary twice: the inner one has it until it is closed.
  const std::string same = mixed("b", "--b\n\none\n--b--\n");
  EXPECT_EQ(tree(mixed("b", "--b\n" + same + "--b\n\ntwo\n--b--\n")), "mixed[mixed[one] two]");
}

// The line end before a delimiter is the delimiter's, even where it was the header's empty line.
TEST(Message, GivesLineEndsToDelimiters) {
  const std::string bytes =
      mixed("o", "--o\nContent-Type: message/rfc822\n\nSubject: x\n\n--o\n\n--o\n" +
                     mixed("i", "--i\nA: b\n\n--o--\n"));
  const Message message(bytes);
  const Part& forwarded = message.root().children.at(0);
  EXPECT_EQ(message.body(forwarded), "Subject: x\n");
  EXPECT_EQ(message.at(forwarded.children[0].header), "Subject: x\n");
  EXPECT_EQ(forwarded.children[0].header_lines, 1U);
  EXPECT_EQ(message.root().children.at(1).header.size(), 0U);
  EXPECT_EQ(message.at(message.root().children.at(2).children.at(0).header), "A: b\n");
}

TEST(Message, EndsHeadersAtDelimiters) {
  const std::string bytes = mixed("b", "--b\nContent-Type: text/html\n--b\n\ntwo\n--b--\n");
  const Message message(bytes);
  const Part& first = message.root().children.at(0);
  EXPECT_EQ(message.at(first.header), "Content-Type: text/html");
  EXPECT_EQ(first.subtype, "html");
  EXPECT_EQ(first.body.size(), 0U);
  EXPECT_EQ(tree(bytes), "mixed[ two]");
  EXPECT_EQ(tree(mixed("b", "--b\nContent-Type: message/rfc822\n--b--\n")), "mixed[rfc822[]]");
}

TEST(Message, KnowsOffsetsAndLines) {
  const std::string bytes = crlf(mixed("b", "--b\nA: b\n\none\ntwo\n\n--b--\n"));
  const Message message(bytes);
  const Part& part = message.root().children.at(0);
  EXPECT_EQ(message.at(part.header), "A: b\r\n\r\n");
  EXPECT_EQ(part.header_lines, 2U);
  EXPECT_EQ(message.body(part), "one\r\ntwo\r\n");
  EXPECT_EQ(part.body_lines, 2U);
  EXPECT_EQ(message.root().header_lines, 2U);
  EXPECT_EQ(message.root().body_lines, 7U);
  EXPECT_EQ(message.root().body.end, bytes.size());
}

TEST(Message, ReadsContentFields) {
  const Message message(
      "content-type: Text/HTML (really); charset=\"ISO-8859-1\"\n"
      "Content-Type: text/plain\nContent-Transfer-Encoding: Quoted-Printable (x)\n"
      "Content-Disposition: inline; filename*=utf-8''%C3%BC.html\n\ngr=FC=DF\n");
  const Part& part = message.root();
  EXPECT_EQ(part.type + "/" + part.subtype, "text/html");
  EXPECT_EQ(part.encoding, "Quoted-Printable");
  EXPECT_EQ(part.filename(), "ü.html");
  EXPECT_EQ(decoded(message, part), "gr\xFC\xDF\n");
  EXPECT_EQ(decoded_text(message, part), "grüß\n");
  const Message uu("Content-Transfer-Encoding: x-uuencode\n\nbegin\n");
  EXPECT_EQ(decoded(uu, uu.root()), std::nullopt);
  EXPECT_EQ(decoded_text(uu, uu.root()), "begin\n");
  EXPECT_EQ(Message("Content-Type: a/b; name=x\n\n").root().filename(), "x");
}

TEST(Message, AcceptsLongAndContinuedBoundaries) {
  const std::string boundary(200, 'x');
  EXPECT_EQ(tree(mixed(boundary, "--" + boundary + "\n\none\n--" + boundary + "--\n")),
            "mixed[one]");
  EXPECT_EQ(
      tree("Content-Type: multipart/mixed; boundary*0=a; boundary*1=b\n\n--ab\n\none\n--ab--"),
      "mixed[one]");
  EXPECT_EQ(tree(mixed(std::string(9000, 'x'), "text")), "text");
}

TEST(Message, MakesOpaqueWhatIsTooDeep) {
  std::string bytes;
  for (int i = 0; i < 300; ++i) bytes += "Content-Type: message/rfc822\n\n";
  const Message message(bytes);
  EXPECT_EQ(message.part_count(), 101U);
  const Part* part = &message.root();
  while (!part->children.empty()) part = &part->children.front();
  EXPECT_EQ(part->type + "/" + part->subtype, "application/octet-stream");
  EXPECT_EQ(message.body(*part).size(), 199U * 30);
  EXPECT_EQ(tree(mixed("b", "--b\n" + mixed("c", "--c\n\nx\n--c--\n") + "--b--\n"), {.depth = 1}),
            "mixed[--c\n\nx\n--c--]");
}

TEST(Message, RunsToTheEndAtTheLimitOfParts) {
  const std::string bytes = mixed("b", "--b\n\n1\n--b\n\n2\n--b\n\n3\n--b--\nend\n");
  EXPECT_EQ(tree(bytes, {.parts = 3}), "mixed[1 2\n--b\n\n3\n--b--\nend\n]");
  EXPECT_EQ(tree(bytes, {.parts = 4}), "mixed[1 2 3\n--b--\nend\n]");
  EXPECT_EQ(tree(bytes, {.parts = 5}), "mixed[1 2 3]");
  EXPECT_EQ(tree(bytes, {.parts = 1}).size(), Message(bytes).root().body.size());
}

TEST(Message, SharesOneAllowanceOfParameters) {
  std::string bytes = mixed("b", "");
  for (int i = 0; i < 10; ++i) bytes += "--b\nContent-Type: a/b; a=1; b=2; c=3\n\n";
  const Message message(bytes, {.parameters = 10});
  size_t count = message.root().parameters.size();
  for (const Part& part : message.root().children) count += part.parameters.size();
  EXPECT_EQ(count, 10U);
}

// Linear time, shown by counting what is looked at instead of by a clock: each octet a fixed number
// of times, whatever the octets are.
constexpr size_t kHostileSize = 10'000'000;
constexpr size_t kSmallerSize = 1'000'000;
constexpr uint64_t kLooksMax = 5;

std::string repeated(std::string start, std::string_view piece, size_t size = kSmallerSize) {
  start.reserve(size + piece.size());
  while (start.size() < size) start += piece;
  return start;
}

void expect_linear(const std::string& bytes, std::string_view what) {
  const Message message(bytes);
  EXPECT_LE(message.steps(), kLooksMax * bytes.size()) << what;
  EXPECT_LE(message.part_count(), Limits().parts) << what;
}

TEST(MessageTime, IsLinearInDelimiters) {
  expect_linear(repeated(mixed("b", ""), "--b\n", kHostileSize), "a delimiter a line");
  expect_linear(repeated(mixed("b", "--b--\n"), "--b\n"), "delimiters in the epilogue");
  expect_linear(repeated(mixed("b", ""), "--c\n"), "almost delimiters");
  expect_linear(repeated(mixed("b", ""), "--b" + std::string(900, ' ')), "padding without end");
  expect_linear(repeated(mixed("b", "--b\n"), "A: b\n--b\n"), "headers cut short");
}

TEST(MessageTime, IsLinearInHeaderFields) {
  expect_linear(repeated("", "A: b\n", kHostileSize), "fields");
  expect_linear(repeated("", "Content-Type: text/plain\n"), "one field again and again");
  expect_linear(repeated("Content-Type: text/plain", ";\n a=b"), "parameters");
  expect_linear(repeated("Content-Type: text/plain", "("), "an open comment");
  expect_linear(repeated("Content-Language: en", ",\n en"), "languages");
  expect_linear(repeated("A: b\n", " folded\n"), "one folded field");
  expect_linear(repeated("", "\r"), "no lines at all");
}

TEST(MessageTime, IsLinearInNesting) {
  std::string nested;
  for (int i = 0; nested.size() < kHostileSize; ++i) {
    const std::string boundary = "b" + std::to_string(i);
    nested += mixed(boundary, "--" + boundary + "\n");
  }
  expect_linear(nested, "multiparts in multiparts");
  expect_linear(repeated("", "Content-Type: message/rfc822\n\n"), "messages in messages");
  expect_linear(repeated("", mixed("b", "--b\n")), "multiparts of one boundary");
  std::string deep;  // every level open, then lines that are nearly the delimiter of each
  for (int i = 0; i < 99; ++i)
    deep += mixed("b" + std::to_string(i), "--b" + std::to_string(i) + "\n");
  expect_linear(repeated(deep, "--b98x\n"), "lines compared with all open multiparts");
}

TEST(MessageTime, OtherReadersAreLinearToo) {
  // These have no counter; each of them would take minutes here if it were quadratic.
  const std::string fields = repeated("", "To: a@b\n");
  EXPECT_EQ(scan_top_header(fields).size, fields.size());
  EXPECT_LE(make_envelope(HeaderView(fields)).to.size(), kAddressesMax);
  const Message message(fields);
  const auto none = find_section(message, {.kind = SectionKind::header_fields, .fields = {"Cc"}});
  EXPECT_EQ(none->view(message).size(), 0U);
}

// Whatever the octets: spans lie inside each other, and the octets outside the leaves are headers,
// delimiters, preambles.
void check_spans(const Message& message, const Part& part, Span within) {
  ASSERT_LE(within.begin, part.header.begin);
  ASSERT_LE(part.header.begin, part.header.end);
  ASSERT_EQ(part.header.end, part.body.begin);
  ASSERT_LE(part.body.begin, part.body.end);
  ASSERT_LE(part.body.end, within.end);
  const std::string_view body = message.body(part);
  ASSERT_EQ(part.body_lines, static_cast<uint64_t>(std::count(body.begin(), body.end(), '\n')));
  const std::string_view header = message.at(part.header);
  ASSERT_EQ(part.header_lines,
            static_cast<uint64_t>(std::count(header.begin(), header.end(), '\n')));
  uint64_t from = part.body.begin;
  for (const Part& child : part.children) {
    check_spans(message, child, {from, part.body.end});
    from = child.body.end;
  }
}

TEST(Message, SpansLieInsideEachOther) {
  Random random(23);
  const std::string_view pieces[] = {"--b\n",
                                     "--b--\n",
                                     "--c\r\n",
                                     "--c--\r\n",
                                     "\n",
                                     "\r\n",
                                     "A: b\n",
                                     "text",
                                     "-",
                                     "Content-Type: multipart/mixed; boundary=b\n",
                                     "Content-Type: multipart/x; boundary=c\r\n",
                                     "Content-Type: message/rfc822\n",
                                     "Content-Type: multipart/digest; boundary=b\n",
                                     " ",
                                     "--b"};
  for (int round = 0; round < 5000; ++round) {
    std::string bytes;
    for (uint64_t i = random.below(30); i > 0; --i)
      bytes += pieces[random.below(std::size(pieces))];
    const Message message(bytes, {.depth = 5, .parts = 12});
    check_spans(message, message.root(), {0, bytes.size()});
    if (testing::Test::HasFatalFailure()) FAIL() << testing::PrintToString(bytes);
    EXPECT_EQ(message.root().body.end, bytes.size());
  }
}

}  // namespace
}  // namespace ph::mime
