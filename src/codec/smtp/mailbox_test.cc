#include "codec/smtp/mailbox.h"

#include <gtest/gtest.h>

#include "base/random.h"
#include "base/text.h"
#include "codec/smtp/errors.h"
#include "codec/smtp/reply.h"
#include "codec/smtp/xtext.h"

namespace ph::smtp {
namespace {

using namespace std::string_literals;

TEST(Mailbox, ParsesAndPrintsPaths) {
  struct Case {
    std::string text, local, domain, printed;
  };
  const std::vector<Case> cases{
      {"<a@b.c>", "a", "b.c", "<a@b.c>"},
      {"<a.b+c=d@x-y.org>", "a.b+c=d", "x-y.org", "<a.b+c=d@x-y.org>"},
      {"<\"a b\"@c>", "a b", "c", "<\"a b\"@c>"},
      {"<\"a\"@c>", "a", "c", "<a@c>"},
      {"<\"a\\\"b\\\\c\"@d>", "a\"b\\c", "d", "<\"a\\\"b\\\\c\"@d>"},
      {"<\"a>b@c\"@d>", "a>b@c", "d", "<\"a>b@c\"@d>"},
      {"<\"..\"@d>", "..", "d", "<\"..\"@d>"},
      {"<a@[192.0.2.1]>", "a", "[192.0.2.1]", "<a@[192.0.2.1]>"},
      {"<a@[IPv6:2001:db8::1]>", "a", "[IPv6:2001:db8::1]", "<a@[IPv6:2001:db8::1]>"},
      {"<@r.x:a@b>", "a", "b", "<a@b>"},
      {"<@r.x,@s.y:a@b>", "a", "b", "<a@b>"},
      {"<\xC3\xA9@\xC3\xA9.org>", "\xC3\xA9", "\xC3\xA9.org", "<\xC3\xA9@\xC3\xA9.org>"},
      {"<a@_dmarc.b>", "a", "_dmarc.b", "<a@_dmarc.b>"},
  };
  for (const Case& one : cases) {
    const std::string text = one.text + " X";
    const auto parsed = parse_path(text, PathKind::forward);
    ASSERT_TRUE(parsed.has_value()) << one.text;
    EXPECT_EQ(parsed->path.local, one.local);
    EXPECT_EQ(parsed->path.domain, one.domain);
    EXPECT_EQ(parsed->rest, " X");
    EXPECT_EQ(to_bracketed(parsed->path), one.printed);
  }
}

TEST(Mailbox, SpecialPathsDependOnTheKind) {
  EXPECT_TRUE(parse_path("<>", PathKind::reverse)->path.is_null());
  EXPECT_FALSE(parse_path("<>", PathKind::forward).has_value());
  EXPECT_EQ(parse_path("<PostMaster>", PathKind::forward)->path.domain, "");
  EXPECT_FALSE(parse_path("<postmaster>", PathKind::reverse).has_value());
  EXPECT_FALSE(parse_path("<root>", PathKind::forward).has_value());
  EXPECT_EQ(to_bracketed(Path{}), "<>");
  EXPECT_EQ(to_bracketed(Path{.local = "postmaster", .domain = ""}), "<postmaster>");
}

TEST(Mailbox, RefusesMalformedPaths) {
  for (const std::string& text : {""s,
                                  "a@b"s,
                                  "<a@b"s,
                                  "<a>"s,
                                  "<@b>"s,
                                  "<a@>"s,
                                  "<a@b>@c>"s.substr(0, 4),
                                  "<a..b@c>"s,
                                  "<.a@b>"s,
                                  "<a.@b>"s,
                                  "<a b@c>"s,
                                  "<a@b c>"s,
                                  "<a@b..c>"s,
                                  "<a@b.>"s,
                                  "<a@.b>"s,
                                  "<a@-b>"s,
                                  "<a@b->"s,
                                  "<\"a@b>"s,
                                  "<\"a\"b@c>"s,
                                  "<\"\"@c>"s,
                                  "<\"a\\\">"s,
                                  "<\"a\x01\"@b>"s,
                                  "<a@[1.2.3]>"s,
                                  "<a@[IPv6:zz]>"s,
                                  "<a@[1.2.3.4>"s,
                                  "<a@[tag:x]>"s,
                                  "<@a:>"s,
                                  "<@a@b>"s,
                                  "<@a,b:c@d>"s,
                                  "<\xff@b>"s,
                                  "<a@\xff>"s,
                                  "<a\0@b>"s,
                                  "<(c)a@b>"s,
                                  "<" + std::string(257, 'a') + "@b>",
                                  "<a@" + std::string(64, 'b') + ">",
                                  "<a@" + std::string(254, 'b') + ".c>"}) {
    const auto parsed = parse_path(text, PathKind::forward);
    EXPECT_FALSE(parsed.has_value()) << text;
    if (!parsed) EXPECT_TRUE(parsed.error().is(kBadPath));
  }
}

TEST(Mailbox, ParsesBareMailboxes) {
  EXPECT_EQ(parse_mailbox("a@b.c").value(), (Path{.local = "a", .domain = "b.c"}));
  EXPECT_EQ(parse_mailbox("\"a@x\"@b").value(), (Path{.local = "a@x", .domain = "b"}));
  for (const std::string_view text : {"", "a", "@b", "a@", "a@b@c", "a@b>", "a @b", "<a@b>"}) {
    EXPECT_FALSE(parse_mailbox(text).has_value()) << text;
  }
}

// Whatever octets a local part has, it comes back from its printed form, or is refused.
TEST(Mailbox, PrintedPathsParseBack) {
  Random random(5);
  for (int i = 0; i < 5000; ++i) {
    std::string local;
    for (uint64_t n = 1 + random.below(12); n > 0; --n) {
      local += static_cast<char>(' ' + random.below(95));
    }
    const Path path{.local = local, .domain = "example.org"};
    const auto parsed = parse_path(to_bracketed(path), PathKind::forward);
    ASSERT_TRUE(parsed.has_value()) << to_bracketed(path);
    EXPECT_EQ(parsed->path, path);
  }
}

TEST(Mailbox, NormalDomains) {
  EXPECT_EQ(normal_domain("Example.ORG."), "example.org");
  EXPECT_EQ(normal_domain("[IPv6:2001:DB8::1]"), "[ipv6:2001:db8::1]");
  EXPECT_TRUE(is_valid_domain("localhost"));
  EXPECT_FALSE(is_valid_domain(""));
  EXPECT_FALSE(is_valid_domain("[]"));
}

TEST(Xtext, RoundTrip) {
  std::string all;
  for (int i = 0; i < 256; ++i) all += static_cast<char>(i);
  EXPECT_EQ(xtext_decode(xtext_encode(all)), all);
  EXPECT_EQ(xtext_encode("a+b=c d"), "a+2Bb+3Dc+20d");
  for (const std::string_view text : {"+", "+2", "+2b", "+GG", "a=b", "a b", "\xC3"}) {
    EXPECT_FALSE(xtext_decode(text).has_value()) << text;
  }
}

std::string wire(const Reply& reply) {
  std::string out;
  append_reply(out, reply);
  return out;
}

TEST(Reply, FormatsLines) {
  EXPECT_EQ(wire({250, {2, 1, 5}, "OK"}), "250 2.1.5 OK\r\n");
  EXPECT_EQ(wire({250, {}, "a\nb"}), "250-a\r\n250 b\r\n");
  EXPECT_EQ(wire({550, {5, 7, 1}, "a\nb"}), "550-5.7.1 a\r\n550 5.7.1 b\r\n");
  EXPECT_EQ(wire({250, {2, 0, 0}, ""}), "250 2.0.0\r\n");
  EXPECT_EQ(wire({550, {}, "a\r\n250 OK\x01\xC3"}), "550-a?\r\n550 250 OK??\r\n");
  const std::string endless = wire({550, {5, 555, 555}, std::string(2000, 'x')});
  for (const auto line : split(endless, '\n')) EXPECT_LE(line.size(), 511U);
}

TEST(Reply, EnhancedCodes) {
  EXPECT_EQ(parse_enhanced_code("5.1.10"), (EnhancedCode{5, 1, 10}));
  EXPECT_EQ(to_text(EnhancedCode{4, 4, 7}), "4.4.7");
  EXPECT_EQ(to_text(EnhancedCode{}), "");
  for (const std::string_view text :
       {"", "5", "5.1", "3.1.1", "5.1.1.1", "5.1000.1", "5.x.1", "55.1.1", "5..1", "5.1.1 "}) {
    EXPECT_FALSE(parse_enhanced_code(text).has_value()) << text;
  }
  EXPECT_EQ(to_text(Reply{550, {5, 1, 1}, "a\nb"}), "550 5.1.1 a b");
}

}  // namespace
}  // namespace ph::smtp
