#include "codec/http/server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/random.h"
#include "codec/http/detail/transcript.h"

namespace ph::http {
namespace {

using detail::Transcript;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

constexpr Time kNow = Time::from_unix_s(1'795'219'200);

Transcript whole(std::string_view input, ServerOptions options = {}) {
  return detail::run(Server(options), input, [](size_t left) { return left; });
}

// The status of the only event; 0 for a request.
uint16_t verdict(std::string_view input, ServerOptions options = {}) {
  const Transcript t = whole(input, options);
  if (t.events.size() != 1) return 999;
  const auto* fault = std::get_if<Fault>(&t.events[0]);
  return fault == nullptr ? uint16_t{0} : fault->response.status;
}

std::string get(std::string_view line, std::string_view more = "") {
  return std::string(line) + "\r\nHost: here\r\n" + std::string(more) + "\r\n";
}

TEST(HttpServer, ReadsARequestAndWritesItsAnswer) {
  Server engine;
  EXPECT_EQ(engine.phase(), ServerPhase::idle);
  const std::string input = get("GET /metrics?x=1 HTTP/1.1", "Accept:\t text/plain \r\n");
  EXPECT_EQ(engine.feed(input.substr(0, 3)), 3U);
  EXPECT_EQ(engine.phase(), ServerPhase::head);
  EXPECT_EQ(engine.feed(input.substr(3)), input.size() - 3);
  EXPECT_EQ(engine.phase(), ServerPhase::answer);
  const auto event = engine.next();
  ASSERT_TRUE(event.has_value());
  const auto& request = std::get<Request>(*event);
  EXPECT_EQ(request.method, "GET");
  EXPECT_EQ(request.path(), "/metrics");
  EXPECT_EQ(*request.find("ACCEPT"), "text/plain");
  EXPECT_EQ(request.find("Cookie"), nullptr);
  EXPECT_EQ(engine.feed("GET"), 0U);  // one at a time
  engine.answer({200, "text/plain", "hello\n", {{"X-A", "b"}}}, kNow);
  EXPECT_EQ(engine.take_output(),
            "HTTP/1.1 200 OK\r\nDate: Sat, 21 Nov 2026 00:00:00 GMT\r\n"
            "Content-Type: text/plain\r\nContent-Length: 6\r\nX-A: b\r\n\r\nhello\n");
  EXPECT_EQ(engine.phase(), ServerPhase::idle);
}

TEST(HttpServer, HeadIsAnsweredWithoutItsBody) {
  const Transcript t = whole(get("HEAD /abc HTTP/1.1") + get("GET /abc HTTP/1.1"));
  ASSERT_EQ(t.events.size(), 2U);
  const size_t second = t.output.find("HTTP/1.1", 1);
  EXPECT_EQ(t.output.substr(0, second) + "/abc", t.output.substr(second));
}

TEST(HttpServer, TellsWhetherTheConnectionGoesOn) {
  const auto phase = [](std::string_view input) { return whole(input).phase; };
  EXPECT_EQ(phase(get("GET / HTTP/1.1")), ServerPhase::idle);
  EXPECT_EQ(phase(get("GET / HTTP/1.1", "Connection: x, Close\r\n")), ServerPhase::closed);
  EXPECT_EQ(phase("GET / HTTP/1.0\r\n\r\n"), ServerPhase::closed);
  EXPECT_EQ(phase("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"), ServerPhase::idle);
  EXPECT_EQ(phase(get("POST / HTTP/1.1", "Content-Length: 5\r\n")), ServerPhase::closed);
  EXPECT_EQ(phase(get("POST / HTTP/1.1", "Content-Length: 0\r\n")), ServerPhase::idle);
  EXPECT_EQ(phase(get("POST / HTTP/1.1", "Transfer-Encoding: chunked\r\n")), ServerPhase::closed);
  EXPECT_THAT(whole("GET / HTTP/1.0\r\n\r\n").output, HasSubstr("\r\nConnection: close\r\n"));
}

TEST(HttpServer, EndsWhenAsked) {
  Server quiet;
  quiet.end();
  EXPECT_EQ(quiet.phase(), ServerPhase::closed);
  Server busy;
  busy.feed("GET / HT");
  busy.end();
  EXPECT_EQ(busy.phase(), ServerPhase::head);
  busy.feed("TP/1.1\r\nHost: a\r\n\r\n");
  ASSERT_TRUE(busy.next().has_value());
  busy.answer({200, "", "", {}}, kNow);
  EXPECT_EQ(busy.phase(), ServerPhase::closed);
  EXPECT_THAT(busy.take_output(), HasSubstr("Connection: close"));
}

TEST(HttpServer, TakesEveryFormOfATarget) {
  const auto path = [](std::string target) {
    Request request;
    request.target = std::move(target);
    return std::string(request.path());
  };
  EXPECT_EQ(path("/metrics"), "/metrics");
  EXPECT_EQ(path("/?a=/b"), "/");
  EXPECT_EQ(path("http://here:9925/metrics?x"), "/metrics");
  EXPECT_EQ(path("HTTP://here"), "/");
  EXPECT_EQ(path("http://here?x=/y"), "/");
  EXPECT_EQ(path("*"), "");
  EXPECT_EQ(path("here:443"), "");
}

TEST(HttpServer, RefusesWhatIsNotARequest) {
  EXPECT_EQ(verdict(get("GET / HTTP/1.1")), 0);
  EXPECT_EQ(verdict("\r\n" + get("GET / HTTP/1.1")), 0);
  for (const char* line : {"GET /", "GET  / HTTP/1.1", "GET / HTTP/1.1 ", " GET / HTTP/1.1",
                           "G(T / HTTP/1.1", "GET /\x01 HTTP/1.1", "GET /\xC3\xA4 HTTP/1.1",
                           "GET / http/1.1", "GET / HTTP/1.10", "GET / HTTP/1", "EHLO here",
                           "GET /a\rb HTTP/1.1", "GET / HTTP/1.1\r", "GET\t/\tHTTP/1.1"}) {
    EXPECT_EQ(verdict(get(line)), 400) << line;
  }
  EXPECT_EQ(verdict("GET / HTTP/1.1\nHost: here\n\n"), 400);
  EXPECT_EQ(verdict("\n"), 400);
  EXPECT_EQ(verdict("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), 505);
  EXPECT_EQ(verdict(get("GET / HTTP/0.9")), 505);
  EXPECT_EQ(verdict(get("GET / HTTP/1.7")), 0);
}

TEST(HttpServer, RefusesWhatOthersCouldReadInAnotherWay) {
  for (const char* field :
       {"Accept : x\r\n", " folded\r\n", "\tfolded\r\n", "no colon\r\n", ": x\r\n", "a b: x\r\n",
        "A: a\x01\r\n", "A: a\rb\r\n", "A: a\x7F\r\n", "Host: again\r\n", "A: x\n",
        "Content-Length: 5\r\nContent-Length: 5\r\n", "Content-Length: 5, 5\r\n",
        "Content-Length: -1\r\n", "Content-Length: 99999999999999999999\r\n",
        "Content-Length: +5\r\n", "Content-Length:\r\n",
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"}) {
    EXPECT_EQ(verdict(get("POST / HTTP/1.1", field)), 400) << field;
  }
  EXPECT_EQ(verdict("GET / HTTP/1.1\r\n\r\n"), 400);  // no Host
  EXPECT_EQ(verdict("GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"), 400);
  EXPECT_EQ(verdict(get("POST / HTTP/1.1", "Transfer-Encoding: gzip, chunked\r\n")), 501);
  EXPECT_EQ(verdict(get("GET / HTTP/1.1", "A: \xC3\xA4\r\nB:\r\n")), 0);
  const std::string zero("A: a\0b\r\n", 8);
  EXPECT_EQ(verdict(get("GET / HTTP/1.1", zero)), 400);
}

TEST(HttpServer, BoundsTheHead) {
  const ServerOptions small{.head_bytes_max = 100, .fields_max = 3};
  EXPECT_EQ(verdict("GET /" + std::string(200, 'a'), small), 414);
  EXPECT_EQ(verdict(get("GET / HTTP/1.1", "A: " + std::string(200, 'a')), small), 431);
  EXPECT_EQ(verdict(get("GET / HTTP/1.1", "A: 1\r\nB: 2\r\n"), small), 0);
  EXPECT_EQ(verdict(get("GET / HTTP/1.1", "A: 1\r\nB: 2\r\nC: 3\r\n"), small), 431);
  // Empty lines count as well, or they could go on for ever.
  std::string empty;
  for (int i = 0; i < 51; ++i) empty += "\r\n";
  EXPECT_EQ(verdict(empty, small), 414);
  // Each request has the whole room.
  const std::string request = get("GET /aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa HTTP/1.1");
  EXPECT_EQ(whole(request + request + request, small).events.size(), 3U);
  EXPECT_EQ(whole("GET / HTTP/1.1\r\nA: " + std::string(10'000, 'a')).phase, ServerPhase::closed);
}

TEST(HttpServer, NothingBehindAFaultIsRead) {
  const std::string bad = "GET / HTTP/1.1\r\nA b\r\n";
  const Transcript t = whole(bad + get("GET / HTTP/1.1"));
  EXPECT_EQ(t.events.size(), 1U);
  EXPECT_EQ(t.consumed, bad.size());
  EXPECT_THAT(t.output, StartsWith("HTTP/1.1 400 Bad Request\r\n"));
  EXPECT_THAT(t.output, HasSubstr("\r\nConnection: close\r\n"));
  EXPECT_THAT(t.output, EndsWith("\r\n\r\n400 Bad Request: a field without a name, or folded\n"));
}

// Three ways of feeding: whole, octet by octet, in random pieces.
TEST(HttpServer, ComesToTheSameHoweverItsInputIsCut) {
  const std::vector<std::string> parts = {
      get("GET /metrics HTTP/1.1"),
      get("HEAD / HTTP/1.1", "Connection: keep-alive\r\n"),
      "\r\n",
      get("GET / HTTP/1.0"),
      get("POST /x HTTP/1.1", "Content-Length: 5\r\n"),
      "hello",
      "GET / HTTP/1.1\nHost: a\n\n",
      "nonsense\r\n",
      "GET /" + std::string(300, 'x'),
      "\r",
      "\n",
      get("GET / HTTP/1.1", "A: " + std::string(250, 'x') + "\r\n"),
      "PRI * HTTP/2.0\r\n"};
  Random random(20261121);
  for (int round = 0; round < 2000; ++round) {
    std::string input;
    for (uint64_t n = random.below(6) + 1; n > 0; --n) input += parts[random.below(parts.size())];
    if (random.chance(30)) input[random.below(input.size())] = static_cast<char>(random.below(256));
    const ServerOptions options{.head_bytes_max = 200, .fields_max = 4};
    const auto run = [&](const std::function<size_t(size_t)>& cut) {
      return detail::run(Server(options), input, cut);
    };
    const Transcript expected = run([](size_t left) { return left; });
    EXPECT_EQ(expected, run([](size_t) { return size_t{1}; })) << input;
    EXPECT_EQ(expected, run([&](size_t left) { return random.below(left) + 1; })) << input;
  }
}

}  // namespace
}  // namespace ph::http
