#include <gtest/gtest.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <map>
#include <mutex>
#include <optional>
#include <thread>

#include "base/text.h"
#include "rt_real/detail/address.h"
#include "rt_real/detail/real_test_world.h"
#include "rt_real/detail/system.h"

namespace ph::rt_real::detail {
namespace {

using namespace std::literals;
using rt::DnsAnswer;
using rt::DnsType;
using rt::Endpoint;
using rt::Task;

// A name server on loopback that says what the test told it to. It answers a name it does not know
// with NXDOMAIN, and "silent..." not at all until "release..." is asked for.
class NameServer {
 public:
  static constexpr char kNoError = 0;
  static constexpr char kServFail = 2;
  static constexpr char kNxDomain = 3;
  struct Answer {
    char rcode = kNoError;
    std::vector<std::string> rdata;
  };

  explicit NameServer(std::map<std::string, Answer> answers) : answers_(std::move(answers)) {
    Address at = address_of({Endpoint::Kind::ipv4, "127.0.0.1", 0}).value();
    socket_ = Fd(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    EXPECT_EQ(::bind(socket_.get(), &at.any, at.size), 0);
    end_ = Fd(::eventfd(0, EFD_CLOEXEC));
    thread_ = std::thread([this] { serve(); });
  }
  ~NameServer() {
    const uint64_t one = 1;
    EXPECT_EQ(::write(end_.get(), &one, sizeof(one)), 8);
    thread_.join();
  }
  std::string address() const {
    const Endpoint at = local_endpoint_of(socket_.get());
    return at.host + "@" + std::to_string(at.port);
  }
  size_t asked(const std::string& name) {
    const std::lock_guard lock(mutex_);
    return asked_[name];
  }

 private:
  struct Question {
    std::string packet;
    Address from;
  };

  void serve() {
    for (;;) {
      pollfd fds[] = {{socket_.get(), POLLIN, 0}, {end_.get(), POLLIN, 0}};
      ::poll(fds, 2, -1);
      if (fds[1].revents != 0) return;
      Question q{std::string(1500, '\0'), {}};
      const ssize_t got =
          ::recvfrom(socket_.get(), q.packet.data(), q.packet.size(), 0, &q.from.any, &q.from.size);
      if (got < 12) continue;
      q.packet.resize(static_cast<size_t>(got));
      take(std::move(q));
    }
  }

  void take(Question question) {
    const std::string name = name_of(question.packet);
    {
      const std::lock_guard lock(mutex_);
      ++asked_[name];
    }
    if (name.starts_with("silent")) {
      held_.push_back(std::move(question));
      return;
    }
    if (name.starts_with("release")) {
      for (const Question& q : held_) answer(q, {kNoError, {"\x7f\0\0\x09"s}});
      held_.clear();
    }
    const auto at = answers_.find(name);
    answer(question, at == answers_.end() ? Answer{kNxDomain, {}} : at->second);
  }

  static std::string name_of(const std::string& packet) {
    std::string out;
    for (size_t at = 12; at < packet.size() && packet[at] != 0;) {
      const auto size = static_cast<size_t>(packet[at]);
      if (!out.empty()) out += '.';
      out += to_lower(packet.substr(at + 1, size));
      at += size + 1;
    }
    return out;
  }

  void answer(const Question& q, const Answer& answer) {
    const size_t question_end = q.packet.find('\0', 12) + 5;
    const std::string question = q.packet.substr(12, question_end - 12);
    std::string out = q.packet.substr(0, 2) + "\x85"s;  // QR, AA, RD
    out += static_cast<char>('\x80' | answer.rcode);    // RA
    out += "\0\1\0"s + static_cast<char>(answer.rdata.size()) + "\0\0\0\0"s + question;
    for (const std::string& rdata : answer.rdata) {
      out += "\xc0\x0c"s + question.substr(question.size() - 4) + "\0\0\x01\x2c\0"s;  // TTL 300
      out += static_cast<char>(rdata.size()) + rdata;
    }
    ::sendto(socket_.get(), out.data(), out.size(), 0, &q.from.any, q.from.size);
  }

  const std::map<std::string, Answer> answers_;
  std::vector<Question> held_;  // on the server's thread
  Fd socket_;
  Fd end_;
  std::mutex mutex_;
  std::map<std::string, size_t> asked_;  // under mutex_
  std::thread thread_;
};

RealOptions asking(const NameServer& server) {
  RealOptions options;
  options.resolver_forward = {server.address()};
  return options;
}

Task<Result<DnsAnswer>> look(World& world, std::string name, DnsType type, size_t loop = 0) {
  return world.runtime().resolver().lookup(world.loop(loop), {std::move(name), type},
                                           world.later(loop));
}

std::vector<std::string> data_of(const DnsAnswer& answer) {
  std::vector<std::string> out;
  for (const rt::DnsRecord& record : answer.records) out.push_back(record.data);
  std::ranges::sort(out);
  return out;
}

Task<void> look_up_records(World& world) {
  PH_MUST(const DnsAnswer a, co_await look(world, "two.example", DnsType::a));
  EXPECT_EQ(a.kind, DnsAnswer::Kind::records);
  EXPECT_EQ(data_of(a), (std::vector<std::string>{"127.0.0.1", "127.0.0.2"}));
  EXPECT_EQ(a.ttl, Duration::seconds(300));
  EXPECT_FALSE(a.secure);
  PH_MUST(const DnsAnswer mx, co_await look(world, "mail.example", DnsType::mx));
  EXPECT_EQ(data_of(mx), (std::vector<std::string>{"mx.example"}));
  EXPECT_EQ(mx.records.at(0).preference, 10);
  PH_MUST(const DnsAnswer txt, co_await look(world, "text.test", DnsType::txt));
  EXPECT_EQ(data_of(txt), (std::vector<std::string>{"hello world"}));
}

TEST(Resolver, Records) {
  NameServer server({{"two.example", {0, {"\x7f\0\0\1"s, "\x7f\0\0\2"s}}},
                     {"mail.example", {0, {"\0\x0a\2mx\7example\0"s}}},
                     {"text.test", {0, {"\6hello \5world"s}}}});
  World world(1, asking(server));
  world.run(look_up_records(world));
}

TEST(Resolver, WorksBeyondAThousandDescriptors) {
  World world(1, {});  // raises the limit
  std::vector<Fd> many;
  for (int i = 0; i < 1100; ++i) many.emplace_back(::dup(0));
  if (!many.back()) GTEST_SKIP() << "too few descriptors allowed here";
  NameServer server({{"two.example", {0, {"\x7f\0\0\1"s, "\x7f\0\0\2"s}}},
                     {"mail.example", {0, {"\0\x0a\2mx\7example\0"s}}},
                     {"text.test", {0, {"\6hello \5world"s}}}});
  World crowded(1, asking(server));
  crowded.run(look_up_records(crowded));
}

Task<void> tell_facts_from_failures(World& world) {
  PH_MUST(const DnsAnswer none, co_await look(world, "no-data.example", DnsType::mx));
  EXPECT_EQ(none.kind, DnsAnswer::Kind::no_data);
  PH_MUST(const DnsAnswer no_name, co_await look(world, "no-name.example", DnsType::mx));
  EXPECT_EQ(no_name.kind, DnsAnswer::Kind::no_such_name);
  EXPECT_TRUE(no_name.records.empty());
  const auto failed = co_await look(world, "broken.example", DnsType::mx);
  EXPECT_TRUE(!failed.has_value() && failed.error().is(rt::kDnsServerFailure));
  const auto junk = co_await look(world, "junk.example", DnsType::mx);
  EXPECT_TRUE(!junk.has_value() && junk.error().is(rt::kDnsServerFailure));
  PH_MUST(const DnsAnswer partly, co_await look(world, "partly.example", DnsType::mx));
  EXPECT_EQ(data_of(partly), (std::vector<std::string>{"mx.example"}));
  const auto bad = co_await look(world, "bad name", DnsType::mx);
  EXPECT_TRUE(!bad.has_value() && bad.error().is(rt::kBadAddress));
}

TEST(Resolver, TellsFactsFromFailures) {
  NameServer server({{"no-data.example", {}},
                     {"broken.example", {NameServer::kServFail, {}}},
                     {"junk.example", {0, {"\0\x0a\4m x!\0"s}}},
                     {"partly.example", {0, {"\0\x0a\4m x!\0"s, "\0\x0a\2mx\7example\0"s}}}});
  World world(1, asking(server));
  world.run(tell_facts_from_failures(world));
}

Task<void> ask_the_silent(World& world, NameServer& server) {
  const auto late = co_await world.runtime().resolver().lookup(
      world.loop(), {"silent.example", DnsType::a}, world.soon());
  EXPECT_TRUE(!late.has_value() && late.error().is(rt::kTimedOut));
  rt::Scope scope(world.loop(), "inner");
  scope.spawn("killed", [](World& w) -> Task<void> {
    const auto never = co_await look(w, "silent2.example", DnsType::a);
    ADD_FAILURE() << never.has_value();
  }(world));
  while (server.asked("silent.example") == 0 || server.asked("silent2.example") == 0) {
    co_await rt::sleep(world.loop(), world.loop().in(Duration::milliseconds(1)), "the server");
  }
}

Task<void> meet_late_answers(World& world, NameServer& server) {
  co_await ask_the_silent(world, server);
  // Both questions are given up; now come their answers.
  PH_MUST(const DnsAnswer release, co_await look(world, "release.example", DnsType::a));
  EXPECT_EQ(release.kind, DnsAnswer::Kind::records);
  PH_MUST(const DnsAnswer later, co_await look(world, "release.example", DnsType::a));
}

TEST(Resolver, SilenceEndsAtTheDeadlineAndLateAnswersFindNobody) {
  NameServer server({{"release.example", {0, {"\x7f\0\0\1"s}}}});
  World world(1, asking(server));
  world.run(meet_late_answers(world, server));
}

Task<void> fill_table(World& world) {
  {
    rt::Scope scope(world.loop(), "inner");
    scope.spawn("waiter", [](World& w) -> Task<void> {
      const auto never = co_await look(w, "silent.example", DnsType::a);
      ADD_FAILURE() << never.has_value();
    }(world));
    co_await rt::yield(world.loop());
    const auto refused = co_await look(world, "two.example", DnsType::a);
    EXPECT_TRUE(!refused.has_value() && refused.error().is(rt::kDnsServerFailure));
  }
  // The waiter is killed, and its place is free.
  PH_MUST(const DnsAnswer answer, co_await look(world, "two.example", DnsType::a));
  EXPECT_EQ(answer.kind, DnsAnswer::Kind::no_such_name);
}

TEST(Resolver, ItsTableIsBoundedAndGivenUpQuestionsLeaveIt) {
  NameServer server({});
  RealOptions options = asking(server);
  options.resolver_queries_max = 1;
  World world(1, options);
  world.run(fill_table(world));
}

Task<void> look_up_often(World& world, size_t loop, std::atomic<int>& left) {
  for (int i = 0; i < 100; ++i) {
    PH_MUST(const DnsAnswer answer,
            co_await look(world, "n" + std::to_string(i) + ".example", DnsType::a, loop));
    EXPECT_EQ(answer.kind, DnsAnswer::Kind::no_such_name);
    EXPECT_TRUE(world.loop(loop).is_current());
  }
  if (--left == 0) world.runtime().stop();
}

TEST(Resolver, AnswersTheLoopThatAsked) {
  NameServer server({});
  World world(3, asking(server));
  std::atomic<int> left = 6;
  for (size_t i = 0; i < 6; ++i) {
    world.scope(i % 3).spawn("lookups", look_up_often(world, i % 3, left));
  }
  EXPECT_TRUE(world.runtime().run().has_value());
  EXPECT_EQ(left, 0);
}

Task<void> without_anchor(World& world) {
  const auto failed = co_await look(world, "two.example", DnsType::a);
  EXPECT_TRUE(!failed.has_value() && failed.error().is(rt::kDnsServerFailure));
}

TEST(Resolver, AnAbsentTrustAnchorIsAFailureNotAnInsecureAnswer) {
  NameServer server({{"two.example", {0, {"\x7f\0\0\1"s}}}});
  RealOptions options = asking(server);
  options.trust_anchor_file = TemporaryFolder() / "absent";
  World world(1, options);
  world.run(without_anchor(world));
}

}  // namespace
}  // namespace ph::rt_real::detail
