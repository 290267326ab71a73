#include "rt_real/detail/rdata.h"

#include <gtest/gtest.h>

namespace ph::rt_real::detail {
namespace {

using namespace std::literals;
using rt::DnsType;

std::string data_of(DnsType type, std::string_view rdata) {
  const auto record = parse_rdata(type, rdata);
  return record.has_value() ? record->data : "malformed";
}

TEST(Rdata, Addresses) {
  EXPECT_EQ(data_of(DnsType::a, "\x7f\0\0\1"sv), "127.0.0.1");
  EXPECT_EQ(data_of(DnsType::a, "\x7f\0\0"sv), "malformed");
  EXPECT_EQ(data_of(DnsType::a, "\x7f\0\0\1\0"sv), "malformed");
  EXPECT_EQ(data_of(DnsType::aaaa, "\x20\1\xd\xb8\0\0\0\0\0\0\0\0\0\0\0\1"sv), "2001:db8::1");
  EXPECT_EQ(data_of(DnsType::aaaa, "\x20\1"sv), "malformed");
}

TEST(Rdata, Mx) {
  const auto mx = parse_rdata(DnsType::mx, "\1\2\2MX\7example\3oRg\0"sv);
  ASSERT_TRUE(mx.has_value());
  EXPECT_EQ(mx->preference, 258);
  EXPECT_EQ(mx->data, "mx.example.org");
  const auto null = parse_rdata(DnsType::mx, "\0\0\0"sv);  // RFC 7505
  ASSERT_TRUE(null.has_value());
  EXPECT_EQ(null->data, "");
  EXPECT_EQ(data_of(DnsType::mx, "\0"sv), "malformed");
  EXPECT_EQ(data_of(DnsType::mx, "\0\1"sv), "malformed");
}

TEST(Rdata, NamesAreExactlyTheWholeOfTheData) {
  EXPECT_EQ(data_of(DnsType::ptr, "\4host\4_tcp\0"sv), "host._tcp");
  EXPECT_EQ(data_of(DnsType::ptr, ""sv), "malformed");
  EXPECT_EQ(data_of(DnsType::ptr, "\4host"sv), "malformed");     // no root
  EXPECT_EQ(data_of(DnsType::ptr, "\5host\0"sv), "malformed");   // label runs over the end
  EXPECT_EQ(data_of(DnsType::ptr, "\4host\0x"sv), "malformed");  // something behind it
  EXPECT_EQ(data_of(DnsType::ptr, "\4ho.t\0"sv), "malformed");   // would read as two labels
  EXPECT_EQ(data_of(DnsType::ptr, "\4ho\0t\0"sv), "malformed");
  EXPECT_EQ(data_of(DnsType::ptr, "\4ho\r\n\0"sv), "malformed");
  EXPECT_EQ(data_of(DnsType::ptr, "\xc0\x0c"sv), "malformed");  // compressed
  std::string longest;
  for (int i = 0; i < 127; ++i) longest += "\1a"sv;
  EXPECT_EQ(data_of(DnsType::ptr, longest + '\0').size(), 253U);
  EXPECT_EQ(data_of(DnsType::ptr, "\1a" + longest + '\0'), "malformed");
}

TEST(Rdata, TxtJoinsItsStrings) {
  EXPECT_EQ(data_of(DnsType::txt, "\3v=s\4pf1 \0"sv), "v=spf1 ");
  EXPECT_EQ(data_of(DnsType::txt, "\0"sv), "");
  EXPECT_EQ(data_of(DnsType::txt, ""sv), "malformed");
  EXPECT_EQ(data_of(DnsType::txt, "\4abc"sv), "malformed");
}

TEST(Rdata, Tlsa) {
  EXPECT_EQ(data_of(DnsType::tlsa, "\3\1\1x"sv), "\3\1\1x"sv);
  EXPECT_EQ(data_of(DnsType::tlsa, "\3\1\1"sv), "malformed");
}

TEST(Rdata, WhatMayBeAskedFor) {
  EXPECT_TRUE(is_askable("example.org"));
  EXPECT_TRUE(is_askable("_25._tcp.mx-1.example.org"));
  EXPECT_TRUE(is_askable(std::string(63, 'a') + ".b"));
  for (const std::string_view bad :
       {""sv, "."sv, "a."sv, ".a"sv, "a..b"sv, "a\\.b"sv, "a b"sv, "a\0b"sv, "\xc3\xa4.de"sv}) {
    EXPECT_FALSE(is_askable(bad)) << bad;
  }
  EXPECT_FALSE(is_askable(std::string(64, 'a') + ".b"));
  std::string long_name = "a";
  while (long_name.size() < 253) long_name += ".a";
  EXPECT_TRUE(is_askable(long_name));
  EXPECT_FALSE(is_askable(long_name + ".a"));
}

}  // namespace
}  // namespace ph::rt_real::detail
