#include "codec/mime/header.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <new>

#include "base/random.h"

// Counts what this test program allocates, to show that the accept path allocates nothing.
static uint64_t allocations = 0;
#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define PH_ALLOCATIONS_NOT_COUNTED 1  // its runtime has operators of its own
#endif
#endif
#ifndef PH_ALLOCATIONS_NOT_COUNTED
void* operator new(size_t size) {
  ++allocations;
  if (void* out = std::malloc(size == 0 ? 1 : size)) return out;
  throw std::bad_alloc();
}
void operator delete(void* p) noexcept { std::free(p); }
void operator delete(void* p, size_t) noexcept { std::free(p); }
#endif

namespace ph::mime {
namespace {

constexpr std::string_view kMessage =
    "Received: one\r\n"
    "received : two\r\n"
    "Subject: =?utf-8?Q?gr=C3=BC?=\r\n"
    "\t folded\r\n"
    "no field at all\r\n"
    "Subject: second\r\n"
    "Message-ID:<a@b>\r\n"
    "\r\n"
    "From: in the body\r\n";

TEST(Header, GoesFieldByField) {
  std::vector<std::string> names;
  std::string wholes;
  for (const Field& field : HeaderView(kMessage)) {
    names.emplace_back(field.name);
    wholes += field.whole;
  }
  EXPECT_EQ(names, (std::vector<std::string>{"Received", "received", "Subject", "", "Subject",
                                             "Message-ID"}));
  EXPECT_EQ(wholes + "\r\n", kMessage.substr(0, header_size(kMessage)));
}

TEST(Header, UnfoldsAndDecodes) {
  const auto field = HeaderView(kMessage).first("SUBJECT");
  ASSERT_TRUE(field.has_value());
  EXPECT_EQ(field->raw, " =?utf-8?Q?gr=C3=BC?=\r\n\t folded");
  EXPECT_EQ(field->value(), "=?utf-8?Q?gr=C3=BC?=\t folded");
  EXPECT_EQ(field->decoded(), "grü\t folded");
}

TEST(Header, FindsAllOfAName) {
  const HeaderView view(kMessage);
  EXPECT_EQ(view.count("Received"), 2U);
  EXPECT_EQ(view.all("subject").size(), 2U);
  EXPECT_EQ(view.all("subject")[1].value(), "second");
  EXPECT_FALSE(view.first("From").has_value());
}

TEST(Header, EndsWhereItShould) {
  EXPECT_EQ(header_size(""), 0U);
  EXPECT_EQ(header_size("\r\nbody"), 2U);
  EXPECT_EQ(header_size("\nbody"), 1U);
  EXPECT_EQ(header_size("A: b\n\nbody"), 6U);
  EXPECT_EQ(header_size("A: b\r\n \r\n\r\nbody"), 11U);  // a line of blanks continues
  EXPECT_EQ(header_size("A: b\r\rx\r\n"), 9U);           // no empty line: all of it
  EXPECT_EQ(header_size("A: b"), 4U);
}

TEST(Header, TakesOddLinesAsNameless) {
  const HeaderView view(" starts folded\nFrom someone Mon Jan 1\n: no name\nN\xC3\xA4me: x\nOK:\n");
  std::vector<std::string> names;
  for (const Field& field : view) names.emplace_back(field.name);
  EXPECT_EQ(names, (std::vector<std::string>{"", "", "", "", "OK"}));
  EXPECT_EQ(view.first("ok")->value(), "");
}

TEST(Header, TopScanSeesWhatAcceptNeeds) {
  const TopHeader top = scan_top_header(kMessage);
  EXPECT_EQ(top.received_count, 2U);
  EXPECT_EQ(top.message_id, "<a@b>");
  EXPECT_EQ(top.subject, " =?utf-8?Q?gr=C3=BC?=\r\n\t folded");
  EXPECT_EQ(top.from.data(), nullptr);
  EXPECT_EQ(top.from_count, 0U);
  EXPECT_EQ(top.field_count, 6U);
  EXPECT_EQ(top.nameless_count, 1U);
  EXPECT_EQ(top.size, header_size(kMessage));
  EXPECT_TRUE(top.has_empty_line);

  const TopHeader second = scan_top_header(
      "To: t\nDate: d\nFrom: f\nFrom: g\nSender: s\nDelivered-To: x\nAuto-Submitted: no");
  EXPECT_EQ(second.to, " t");
  EXPECT_EQ(second.date, " d");
  EXPECT_EQ(second.from, " f");
  EXPECT_EQ(second.from_count, 2U);
  EXPECT_EQ(second.sender, " s");
  EXPECT_EQ(second.delivered_to_count, 1U);
  EXPECT_EQ(second.auto_submitted, " no");
  EXPECT_FALSE(second.has_empty_line);
  EXPECT_EQ(scan_top_header("From:\n").from.size(), 0U);
  EXPECT_NE(scan_top_header("From:\n").from.data(), nullptr);
}

TEST(Header, TopScanAllocatesNothing) {
#ifdef PH_ALLOCATIONS_NOT_COUNTED
  GTEST_SKIP() << "the sanitizer's allocator cannot be counted";
#endif
  const uint64_t before = allocations;
  const TopHeader top = scan_top_header(kMessage);
  const size_t received = HeaderView(kMessage).count("received");
  EXPECT_EQ(allocations, before);
  EXPECT_EQ(received, top.received_count);
  EXPECT_FALSE(HeaderView(kMessage).all("received").empty());
  EXPECT_GT(allocations, before);
}

// No octet is lost, whatever they are.
TEST(Header, WholesAreTheBlock) {
  Random random(1);
  constexpr std::string_view kAlphabet = "A: \t\r\n\n\rb";
  for (int round = 0; round < 2000; ++round) {
    std::string bytes;
    for (uint64_t i = random.below(40); i > 0; --i) bytes += kAlphabet[random.below(9)];
    std::string wholes;
    for (const Field& field : HeaderView(bytes)) wholes += field.whole;
    const TopHeader top = scan_top_header(bytes);
    ASSERT_EQ(top.size, header_size(bytes)) << testing::PrintToString(bytes);
    ASSERT_TRUE(std::string_view(bytes).starts_with(wholes));
    const std::string rest = bytes.substr(wholes.size(), top.size - wholes.size());
    ASSERT_EQ(rest.empty(), !top.has_empty_line);
    ASSERT_TRUE(rest.empty() || rest == "\n" || rest == "\r\n");
  }
}

}  // namespace
}  // namespace ph::mime
