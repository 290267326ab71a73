// Real and deliberately broken mail collected by other projects, where it is present: nothing
// crashes, everything is linear, and the structure is the one those projects expect. Where we
// differ on purpose the file is listed with the reason.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>

#include "base/text.h"
#include "codec/mime/search.h"
#include "codec/mime/section.h"
#include "codec/mime/structure.h"

namespace ph::mime {
namespace {

namespace fs = std::filesystem;

const fs::path kCorpus = fs::path(PH_SOURCE_DIR) / ".." / "shared" / "testdata" / "mime";

// Why we differ: an embedded message in base64 (against RFC 2046 section 5.2.1) is taken apart by
// others; our tree holds offsets into the message's own octets, so it is read as it stands.
const std::string kEncodedMessage = "embedded message in base64";
// A line in a header that is no field: mime4j can be told to start the body there; we go on to the
// empty line, so that header and text together are the message.
const std::string kOddHeaderLine = "odd header line";
// Others drop a last quantum of base64 that lacks its padding; we keep the octets it holds.
const std::string kUnpadded = "base64 without its padding";
// Others want the blanks at the end of a boundary (which RFC 2046 section 5.1.1 forbids) in its
// delimiters as well; we take them as padding that may come and go.
const std::string kTrailingBlanks = "boundary ends with blanks";

std::string read_all(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

std::vector<fs::path> files_below(const fs::path& dir, std::string_view extension) {
  std::vector<fs::path> out;
  for (const auto& entry : fs::recursive_directory_iterator(dir)) {
    const bool wanted = extension.empty() || entry.path().extension() == extension;
    if (entry.is_regular_file() && wanted) out.push_back(entry.path());
  }
  std::ranges::sort(out);
  return out;
}

void visit(const Message& message, const Part& part) {
  ASSERT_LE(part.header.begin, part.header.end);
  ASSERT_EQ(part.header.end, part.body.begin);
  ASSERT_LE(part.body.begin, part.body.end);
  if (part.is_text()) EXPECT_TRUE(is_valid_utf8(decoded_text(message, part)));
  decoded(message, part);
  part.filename();
  for (const Part& child : part.children) {
    ASSERT_GE(child.header.begin, part.body.begin);
    ASSERT_LE(child.body.end, part.body.end);
    visit(message, child);
  }
}

TEST(Corpus, NothingBreaks) {
  if (!fs::exists(kCorpus)) GTEST_SKIP() << "no ../shared/testdata here";
  size_t count = 0;
  for (const fs::path& path : files_below(kCorpus, "")) {
    const std::string bytes = read_all(path);
    const Message message(bytes);
    visit(message, message.root());
    EXPECT_LE(message.steps(), 5 * bytes.size() + 100) << path;
    make_body_structure(message);
    for (const Field& field : message.header(message.root())) {
      EXPECT_TRUE(is_valid_utf8(field.decoded())) << path;
    }
    EXPECT_FALSE(text_contains(message, text::Needle("surely in no message \x01"))) << path;
    ++count;
  }
  EXPECT_GT(count, 500U);
}

// mime4j says "message[multipart[text-body binary-body]]" in XML.
std::string shape_of_xml(std::string_view xml) {
  std::string out;
  for (size_t at = xml.find('<'); at != std::string_view::npos; at = xml.find('<', at + 1)) {
    const std::string_view rest = xml.substr(at + 1);
    for (const std::string_view tag : {"message>", "multipart>"}) {
      if (rest.starts_with(tag)) out += tag.substr(0, 2) == "me" ? "message[ " : "multipart[ ";
      if (rest.starts_with('/') && rest.substr(1).starts_with(tag)) out += "] ";
    }
    if (rest.starts_with("text-body") || rest.starts_with("binary-body")) out += "leaf ";
  }
  return out;
}

std::string shape_of(const Part& part) {
  std::string inside;
  for (const Part& child : part.children) {
    inside += part.is_message() ? "message[ " + shape_of(child) + "] " : shape_of(child);
  }
  if (part.is_multipart()) return "multipart[ " + inside + "] ";
  return part.is_message() ? inside : "leaf ";
}

// The files of decoded content that the XML names, in order.
std::vector<std::string> leaf_names(std::string_view xml) {
  constexpr std::string_view kKey = "-body name=\"";
  std::vector<std::string> out;
  for (size_t at = xml.find(kKey); at != std::string_view::npos; at = xml.find(kKey, at + 1)) {
    const size_t start = at + kKey.size();
    out.emplace_back(xml.substr(start, xml.find('"', start) - start));
  }
  return out;
}

void collect_leaves(const Part& part, std::vector<const Part*>& out) {
  if (!part.is_multipart() && !part.is_message()) out.push_back(&part);
  for (const Part& child : part.children) collect_leaves(child, out);
}

std::string without_cr(std::string text) {
  std::erase(text, '\r');
  return text;
}

TEST(Corpus, AgreesWithMime4j) {
  if (!fs::exists(kCorpus)) GTEST_SKIP() << "no ../shared/testdata here";
  const std::map<std::string, std::string> differing = {
      {"multi-2gifs-base64", kEncodedMessage},
      {"bad-newlines-multiple-parts-base64", kEncodedMessage},
      {"base64encoded-rfc822message-nested", kEncodedMessage},
      {"base64encoded-rfc822message", kEncodedMessage},
      {"frag", kUnpadded},
      {"multi-frag", kUnpadded},
      {"malformedHeaderStartsBody-nocrlfcrlf", kOddHeaderLine},
      {"malformedHeaderStartsBody-noheader", kOddHeaderLine},
      {"weird-boundary", kTrailingBlanks},
      {"very-long-boundary", kTrailingBlanks},
      {"very-very-long-boundary", kTrailingBlanks},
  };
  size_t count = 0;
  for (const fs::path& path : files_below(kCorpus / "mime4j", ".msg")) {
    const std::string name = path.stem();
    const fs::path expected = path.parent_path() / (name + "_decoded.xml");
    if (!fs::exists(expected) || differing.contains(name)) continue;
    ++count;
    const std::string bytes = read_all(path);
    const std::string xml = read_all(expected);
    const Message message(bytes);
    EXPECT_EQ("message[ " + shape_of(message.root()) + "] ", shape_of_xml(xml)) << name;
    std::vector<const Part*> leaves;
    collect_leaves(message.root(), leaves);
    const std::vector<std::string> names = leaf_names(xml);
    for (size_t i = 0; i < std::min(leaves.size(), names.size()); ++i) {
      const std::string wanted = read_all(path.parent_path() / names[i]);
      const bool is_exact = names[i].ends_with(".bin");
      const std::string ours =
          decoded(message, *leaves[i]).value_or(std::string(message.body(*leaves[i])));
      EXPECT_EQ(is_exact ? ours : without_cr(ours), is_exact ? wanted : without_cr(wanted))
          << names[i];
    }
  }
  EXPECT_GE(count, 69U);
}

struct Offsets {
  uint64_t header = 0;
  uint64_t body = 0;
  uint64_t end = 0;
  auto operator<=>(const Offsets&) const = default;
};
void PrintTo(const Offsets& o, std::ostream* out) {
  *out << o.header << "/" << o.body << "/" << o.end;
}

uint64_t number_behind(std::string_view json, std::string_view key, size_t from) {
  const size_t start = std::min(json.find(key, from), json.size() - key.size()) + key.size();
  const size_t end = json.find_first_not_of("0123456789", start);
  return parse_u64(json.substr(start, end - start)).value_or(0);
}

// Of every part in mail-parser's JSON, in whatever order.
std::vector<Offsets> offsets_of_json(std::string_view json) {
  constexpr std::string_view kKey = "\"offset_header\": ";
  std::vector<Offsets> out;
  for (size_t at = json.find(kKey); at != std::string_view::npos; at = json.find(kKey, at + 1)) {
    out.push_back({.header = number_behind(json, kKey, at),
                   .body = number_behind(json, "\"offset_body\": ", at),
                   .end = number_behind(json, "\"offset_end\": ", at)});
  }
  std::ranges::sort(out);
  return out;
}

void collect_offsets(const Part& part, std::vector<Offsets>& out) {
  out.push_back({.header = part.header.begin, .body = part.body.begin, .end = part.body.end});
  for (const Part& child : part.children) collect_offsets(child, out);
}

TEST(Corpus, AgreesWithMailParser) {
  if (!fs::exists(kCorpus)) GTEST_SKIP() << "no ../shared/testdata here";
  size_t count = 0;
  for (const fs::path& path : files_below(kCorpus / "mail-parser", ".eml")) {
    if (path.parent_path().filename() == "rfc" && path.stem() == "008")
      continue;  // kEncodedMessage
    const std::string bytes = read_all(path);
    const bool has_crlf = bytes.contains("\r\n");
    const Message message(bytes);
    std::vector<Offsets> ours;
    collect_offsets(message.root(), ours);
    std::ranges::sort(ours);
    const fs::path expected =
        path.parent_path() / (path.stem().string() + (has_crlf ? ".crlf.json" : ".json"));
    EXPECT_EQ(ours, offsets_of_json(read_all(expected)))
        << path.parent_path().filename() << path.stem();
    ++count;
  }
  EXPECT_GE(count, 60U);
}

}  // namespace
}  // namespace ph::mime
