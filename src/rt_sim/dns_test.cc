#include "rt_sim/dns.h"

#include <gtest/gtest.h>

#include "rt/errors.h"
#include "rt_sim/simulation.h"

namespace ph::rt_sim {
namespace {

class DnsTest : public ::testing::Test {
 protected:
  Result<rt::DnsAnswer> ask(std::string name, rt::DnsType type) {
    auto got = sim_.await(host_.loop(),
                          host_.runtime().resolver().lookup(host_.loop(), {std::move(name), type},
                                                            host_.loop().in(Duration::seconds(5))));
    return std::move(*got);
  }
  rt::DnsAnswer::Kind kind_of(std::string name, rt::DnsType type) {
    const auto got = ask(std::move(name), type);
    EXPECT_TRUE(got.has_value());
    return got->kind;
  }

  Simulation sim_{1};
  Host& host_ = sim_.add_host({.name = "host"});
  Dns& dns_ = sim_.dns();
};

using Kind = rt::DnsAnswer::Kind;

TEST_F(DnsTest, AnswersComeFromTheTable) {
  dns_.add_mx("Example.org.", 10, "MX.example.org.");
  dns_.add_mx("example.org", 20, "mx2.example.org");
  dns_.add_txt("example.org", "v=spf1 -all");
  dns_.add_address("mx.example.org", "192.0.2.1");
  dns_.add_address("mx.example.org", "2001:db8::1");
  dns_.add_ptr("192.0.2.1", "mx.example.org");
  dns_.set_secure("mx.example.org");
  const auto mx = ask("EXAMPLE.org", rt::DnsType::mx);
  ASSERT_TRUE(mx.has_value());
  ASSERT_EQ(mx->records.size(), 2U);
  EXPECT_EQ(mx->records[0].data, "mx.example.org");
  EXPECT_EQ(mx->records[0].preference, 10);
  EXPECT_FALSE(mx->secure);
  const auto aaaa = ask("mx.example.org", rt::DnsType::aaaa);
  ASSERT_TRUE(aaaa.has_value());
  ASSERT_EQ(aaaa->records.size(), 1U);
  EXPECT_EQ(aaaa->records[0].data, "2001:db8::1");
  EXPECT_TRUE(aaaa->secure);
  EXPECT_EQ(kind_of("1.2.0.192.in-addr.arpa", rt::DnsType::ptr), Kind::records);
  EXPECT_EQ(kind_of("example.org", rt::DnsType::a), Kind::no_data);
  EXPECT_EQ(kind_of("org", rt::DnsType::a), Kind::no_data);  // there are names below it
  EXPECT_EQ(kind_of("example.net", rt::DnsType::a), Kind::no_such_name);
  dns_.remove("example.org");
  EXPECT_EQ(kind_of("example.org", rt::DnsType::mx), Kind::no_data);
}

TEST_F(DnsTest, ReverseNamesOfBothFamilies) {
  EXPECT_EQ(Dns::reverse_name("192.0.2.17"), "17.2.0.192.in-addr.arpa");
  EXPECT_EQ(Dns::reverse_name("2001:db8::1"),
            "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa");
}

TEST_F(DnsTest, FaultsAreSeenAsTheirErrors) {
  using Fault = DnsFault::Kind;
  dns_.add_address("mx.example.org", "192.0.2.1");
  const auto a = rt::DnsType::a;
  dns_.set_fault("mx.example.org", {.kind = Fault::server_failure});
  EXPECT_TRUE(ask("mx.example.org", a).error().is(rt::kDnsServerFailure));
  EXPECT_EQ(kind_of("other.example.org", a), Kind::no_such_name);
  dns_.set_fault("mx.example.org", {.kind = Fault::no_such_name});
  EXPECT_EQ(kind_of("mx.example.org", a), Kind::no_such_name);
  Instant before = sim_.now();
  dns_.set_fault("mx.example.org", {.kind = Fault::silence});
  EXPECT_TRUE(ask("mx.example.org", a).error().is(rt::kTimedOut));
  EXPECT_EQ(sim_.now() - before, Duration::seconds(5));
  before = sim_.now();
  dns_.set_fault("mx.example.org", {.kind = Fault::slow, .delay = Duration::seconds(3)});
  EXPECT_EQ(kind_of("mx.example.org", a), Kind::records);
  EXPECT_GE(sim_.now() - before, Duration::seconds(3));
  dns_.set_fault("mx.example.org", {.kind = Fault::slow, .delay = Duration::seconds(9)});
  EXPECT_TRUE(ask("mx.example.org", a).error().is(rt::kTimedOut));
  dns_.set_fault("", {.kind = Fault::server_failure});
  EXPECT_TRUE(ask("example.net", a).error().is(rt::kDnsServerFailure));
  dns_.heal();
  EXPECT_EQ(kind_of("mx.example.org", a), Kind::records);
}

TEST_F(DnsTest, RandomFaultsComeAboutAsOftenAsAsked) {
  dns_.add_address("mx.example.org", "192.0.2.1");
  dns_.set_profile({.server_failure = 20, .silence = 10, .slow = 10});
  int failures = 0;
  int silent = 0;
  for (int i = 0; i < 1000; ++i) {
    const auto got = dns_.decide({"mx.example.org", rt::DnsType::a});
    failures += got.answer.has_value() ? 0 : 1;
    silent += got.delay.has_value() ? 0 : 1;
  }
  EXPECT_NEAR(failures, 200, 60);
  EXPECT_NEAR(silent, 100, 50);
}

}  // namespace
}  // namespace ph::rt_sim
