#include "front/metrics/server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>

#include "obs/detail/exposition_problem.h"
#include "rt/errors.h"
#include "rt_sim/simulation.h"

namespace ph::metrics_server {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;

class KeptLog final : public obs::Log {
 public:
  bool enabled(obs::Level) const override { return true; }
  void write(obs::Level level, std::string_view event,
             std::initializer_list<obs::Field> fields) override {
    lines.push_back(obs::format_event(level, event, fields));
  }
  std::vector<std::string> lines;
};

// One connection of a client on the same machine.
class Peer {
 public:
  Peer(rt_sim::Simulation& sim, rt_sim::Host& host) : sim_(sim), host_(host) {
    const rt::DialOptions options{rt::endpoint_of("127.0.0.1", 9925).value()};
    auto dialed = sim.await(host.loop(), host.runtime().dial(host.loop(), options, soon()));
    if (dialed.has_value() && dialed->has_value()) wire_.emplace(std::move(**dialed));
  }
  bool connected() const { return wire_.has_value(); }
  bool send(std::string octets) {
    const auto sent = sim_.await(host_.loop(), wire_->send(std::move(octets), soon()));
    return sent.has_value() && sent->has_value();
  }
  // One answer with its body, by its Content-Length; what came until the end where there is none.
  std::string answer(std::string_view method = "GET") {
    std::string out;
    for (;;) {
      const size_t head = out.find("\r\n\r\n");
      if (head != std::string::npos) {
        const size_t at = out.find("Content-Length: ");
        const size_t length =
            method == "HEAD" ? 0 : std::stoul(out.substr(at + sizeof "Content-Length: " - 1));
        if (out.size() >= head + 4 + length) return out;
      }
      const auto filled = sim_.await(host_.loop(), wire_->fill(soon()), Duration::hours(2));
      if (!filled.has_value() || !filled->has_value()) return out + "<cut>";
      if (**filled == wire::Filled::end_of_stream) return out + "<end>";
      out += wire_->input();
      wire_->consume(wire_->input().size());
    }
  }
  std::string ask(std::string line) {
    EXPECT_TRUE(send(std::move(line) + "\r\nHost: localhost\r\n\r\n"));
    return answer();
  }

 private:
  rt::Deadline soon() { return host_.loop().in(Duration::hours(1)); }
  rt_sim::Simulation& sim_;
  rt_sim::Host& host_;
  std::optional<wire::Wire> wire_;
};

class MetricsServerTest : public ::testing::Test {
 protected:
  MetricsServerTest() : sim(9), host(sim.add_host({.name = "server"})) {
    metrics.describe("posthorn_rows", "Rows.");
    start();
  }
  ~MetricsServerTest() override {
    server.reset();
    EXPECT_EQ(sim.check(), rt_sim::Findings());
  }
  void start() {
    server.emplace(Parts{host.runtime(), host.loop(), metrics, log,
                         [this] { metrics.gauge("posthorn_rows").set(++refreshed); }});
    ASSERT_TRUE(server->listen(rt::endpoint_of("127.0.0.1", 9925).value()).has_value());
    sim.run_for(Duration::seconds(1));
  }
  Peer peer() { return {sim, host}; }

  rt_sim::Simulation sim;
  rt_sim::Host& host;
  obs::Metrics metrics;
  KeptLog log;
  int refreshed = 0;
  std::optional<Server> server;
};

TEST_F(MetricsServerTest, AnswersInTheTextFormatWithFreshFigures) {
  Peer client = peer();
  const std::string first = client.ask("GET /metrics HTTP/1.1");
  EXPECT_THAT(first, StartsWith("HTTP/1.1 200 OK\r\n"));
  EXPECT_THAT(first, HasSubstr("\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\n"));
  const std::string body = first.substr(first.find("\r\n\r\n") + 4);
  EXPECT_EQ(obs::exposition_problem(body), "");
  EXPECT_THAT(body, HasSubstr("# HELP posthorn_rows Rows.\n# TYPE posthorn_rows gauge\n"
                              "posthorn_rows 1\n"));
  EXPECT_THAT(client.ask("GET /metrics?x=y HTTP/1.1"), HasSubstr("\nposthorn_rows 2\n"));
  EXPECT_THAT(client.ask("GET http://localhost/metrics HTTP/1.1"), HasSubstr(" 200 OK"));
  EXPECT_EQ(refreshed, 3);
}

TEST_F(MetricsServerTest, HeadHasTheHeadAlone) {
  Peer client = peer();
  ASSERT_TRUE(client.send("HEAD /metrics HTTP/1.1\r\nHost: a\r\n\r\n"));
  const std::string answer = client.answer("HEAD");
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 200 OK\r\n"));
  EXPECT_THAT(answer, EndsWith("\r\n\r\n"));
  EXPECT_THAT(answer, Not(HasSubstr("Content-Length: 0")));
}

TEST_F(MetricsServerTest, AnythingElseIsAShortClearError) {
  Peer client = peer();
  EXPECT_THAT(client.ask("GET / HTTP/1.1"), HasSubstr("404 Not Found: there is only /metrics"));
  EXPECT_THAT(client.ask("GET /metrics/ HTTP/1.1"), HasSubstr("404 Not Found"));
  EXPECT_THAT(client.ask("OPTIONS * HTTP/1.1"), HasSubstr("404 Not Found"));
  EXPECT_THAT(client.ask("DELETE /metrics HTTP/1.1"), HasSubstr("\r\nAllow: GET, HEAD\r\n"));
  EXPECT_THAT(client.ask("get /metrics HTTP/1.1"), HasSubstr(" 405 Method Not Allowed\r\n"));
  EXPECT_THAT(client.ask("GET /metrics HTTP/3.0"), HasSubstr(" 505 "));
  EXPECT_THAT(client.answer(), EndsWith("<end>"));
  Peer folded = peer();
  EXPECT_THAT(folded.ask("GET /metrics HTTP/1.1\r\n folded"), HasSubstr(" 400 "));
  Peer large = peer();
  ASSERT_TRUE(large.send("GET /metrics HTTP/1.1\r\nA: " + std::string(20'000, 'a')));
  EXPECT_THAT(large.answer(), HasSubstr(" 431 "));
  Peer longer = peer();
  ASSERT_TRUE(longer.send("GET /" + std::string(20'000, 'a')));
  EXPECT_THAT(longer.answer(), HasSubstr(" 414 "));
  EXPECT_EQ(metrics.value("posthorn_metrics_requests_total"), 9);
  EXPECT_EQ(metrics.value("posthorn_metrics_requests_refused_total"), 9);
}

// The answer must arrive although the client's body is still on its way.
TEST_F(MetricsServerTest, ABodyIsNotReadButTheAnswerArrives) {
  Peer client = peer();
  ASSERT_TRUE(client.send("POST /metrics HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n" +
                          std::string(100'000, 'x')));
  EXPECT_THAT(client.answer(), HasSubstr(" 405 "));
  EXPECT_THAT(client.answer(), EndsWith("<end>"));
}

TEST_F(MetricsServerTest, OneRequestAtATimeHoweverManyAreSent) {
  Peer client = peer();
  const std::string request = "HEAD /metrics HTTP/1.1\r\nHost: a\r\n\r\n";
  std::string many;
  for (int i = 0; i < 20; ++i) many += request;
  ASSERT_TRUE(client.send(many + "GET / HTTP/1.0\r\n\r\n"));
  std::string all;
  while (!all.ends_with("<end>")) all += client.answer("HEAD");
  size_t answers = 0;
  for (size_t at = 0; (at = all.find("HTTP/1.1 200 OK", at)) != std::string::npos; ++at) ++answers;
  EXPECT_EQ(answers, 20U);
  EXPECT_THAT(all, HasSubstr("404 Not Found: there"));
}

TEST_F(MetricsServerTest, ASlowOrSilentClientIsLetGo) {
  Peer silent = peer();
  const Instant start = sim.now();
  EXPECT_THAT(silent.answer(), EndsWith("<end>"));
  EXPECT_LE(sim.now() - start, kHeadMax + Duration::seconds(1));
  Peer idle = peer();
  EXPECT_THAT(idle.ask("GET /metrics HTTP/1.1"), HasSubstr("200 OK"));
  const Instant answered = sim.now();
  EXPECT_THAT(idle.answer(), EndsWith("<end>"));
  EXPECT_GE(sim.now() - answered, kIdleMax - Duration::seconds(1));
  Peer dripping = peer();
  const Instant dripped = sim.now();
  const std::string request = "GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n";
  bool alive = true;
  for (size_t i = 0; alive && i < request.size(); ++i) {
    alive = dripping.send(request.substr(i, 1));
    sim.run_for(Duration::seconds(1));
  }
  EXPECT_LE(sim.now() - dripped, kHeadMax + Duration::seconds(5));
}

TEST_F(MetricsServerTest, AClientThatDoesNotReadIsLetGo) {
  for (int i = 0; i < 9000; ++i) {
    metrics.counter("posthorn_a_long_name_that_fills_the_window_of_the_connection_total",
                    obs::labels({{"n", std::to_string(i)}}));
  }
  Peer client = peer();
  ASSERT_TRUE(client.send("GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n"));
  sim.run_for(kAnswerMax + Duration::seconds(2));
  const std::string answer = client.answer();
  EXPECT_THAT(answer, testing::AnyOf(EndsWith("<end>"), EndsWith("<cut>")));
  Peer reader = peer();
  EXPECT_THAT(reader.ask("GET /metrics HTTP/1.1"), HasSubstr("{n=\"8999\"} 0\n"));
}

TEST_F(MetricsServerTest, ConnectionsAreBounded) {
  std::vector<Peer> held;
  for (size_t i = 0; i < kConnectionsMax; ++i) {
    held.push_back(peer());
    EXPECT_THAT(held.back().ask("GET / HTTP/1.1"), HasSubstr(" 404 "));
  }
  Peer more = peer();
  const std::string answer = more.connected() ? more.answer() : "<end>";
  EXPECT_THAT(answer, testing::AnyOf(EndsWith("<end>"), EndsWith("<cut>")));
  EXPECT_EQ(metrics.value("posthorn_metrics_connections_turned_away_total"), 1);
  held.pop_back();
  sim.run_for(Duration::seconds(1));
  Peer again = peer();
  EXPECT_THAT(again.ask("GET /metrics HTTP/1.1"), HasSubstr("200 OK"));
}

TEST_F(MetricsServerTest, APortThatIsTakenIsTriedAgain) {
  server.reset();
  sim.run_for(Duration::seconds(1));
  const rt::Endpoint at = rt::endpoint_of("127.0.0.1", 9925).value();
  auto other = host.runtime().listen(host.loop(), rt::ListenOptions{at});
  ASSERT_TRUE(other.has_value());
  start();
  EXPECT_THAT(server->endpoints(), IsEmpty());
  sim.run_for(Duration::minutes(10));
  ASSERT_EQ(log.lines.size(), 1U);
  EXPECT_THAT(log.lines[0], StartsWith("warning metrics.not_listening at=127.0.0.1:9925"));
  other->reset();
  sim.run_for(Duration::minutes(1));
  EXPECT_EQ(server->endpoints().size(), 1U);
  EXPECT_THAT(peer().ask("GET /metrics HTTP/1.1"), HasSubstr("200 OK"));
}

TEST_F(MetricsServerTest, OnlyLoopbackIsListenedAt) {
  for (const char* address : {"0.0.0.0", "192.0.2.1", "::", "2001:db8::1"}) {
    const Status listens = server->listen(rt::endpoint_of(address, 9926).value());
    ASSERT_FALSE(listens.has_value()) << address;
    EXPECT_TRUE(listens.error().is(kNotLoopback));
  }
  EXPECT_TRUE(server->listen(rt::endpoint_of("::1", 9926).value()).has_value());
}

}  // namespace
}  // namespace ph::metrics_server
