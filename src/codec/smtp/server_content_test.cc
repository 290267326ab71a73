// The end of data and nothing else ends data: smuggling attempts, faults, BDAT.

#include <gtest/gtest.h>

#include "codec/smtp/detail/content_reader.h"
#include "codec/smtp/detail/test_session.h"

namespace ph::smtp {
namespace {

using namespace std::string_literals;

// What a session gives, and the same however its input is cut.
Transcript said(const ServerOptions& options, std::string_view input, uint64_t seed = 1) {
  const AllWays all = run_all_ways(options, input, seed);
  EXPECT_EQ(all.differences, "") << "seed " << seed;
  return all.whole;
}

const std::string kOpening = "EHLO c\r\nMAIL FROM:<a@b.c>\r\nRCPT TO:<b@b.c>\r\n";

struct Outcome {
  std::string events;   // after DATA
  std::string replies;  // after the 354
  std::string content;
};

Outcome data(const std::string& content, const ServerOptions& options = test_options()) {
  const Transcript t = said(options, kOpening + "DATA\r\n" + content);
  const size_t events = t.events.find("\ndata\n");
  const size_t replies = t.output.find("354 ");
  EXPECT_NE(events, std::string::npos);
  EXPECT_NE(replies, std::string::npos);
  return {.events = t.events.substr(events + 6),
          .replies = t.output.substr(t.output.find('\n', replies) + 1),
          .content = t.content};
}

std::string fault_line(ContentFault fault, size_t size) {
  return "end fault=" + std::to_string(static_cast<int>(fault)) + " size=" + std::to_string(size) +
         "\n";
}

TEST(SmtpContent, UnstuffsDots) {
  EXPECT_EQ(data(".\r\n").content, "");
  EXPECT_EQ(data("..\r\n.\r\n").content, ".\r\n");
  EXPECT_EQ(data("...\r\n.\r\n").content, "..\r\n");
  EXPECT_EQ(data(".a\r\n.\r\n").content, "a\r\n");  // RFC 5321 §4.5.2: the first dot goes
  EXPECT_EQ(data("a.\r\n.\r\n").content, "a.\r\n");
  EXPECT_EQ(data("\r\n..\r\n..b\r\n\r\n.\r\n").content, "\r\n.\r\n.b\r\n\r\n");
  EXPECT_EQ(data("a\r\n.\r\nNOOP\r\n").replies, "250 2.0.0 Queued\r\n250 2.0.0 OK\r\n");
}

// Each would be the end of data for some server, with the rest run as commands there.
TEST(SmtpContent, OnlyCrlfDotCrlfEndsData) {
  const std::string rest = "MAIL FROM:<evil@b.c>\r\nRCPT TO:<victim@b.c>\r\nDATA\r\nsmuggled\r\n";
  for (const std::string& wrong : {"\n.\n"s, "\n.\r\n"s, "\r\n.\n"s, "\r.\r"s, "\r\n.\r"s,
                                   "\r.\r\n"s, "\n.\r"s, "\r.\n"s, "\r\n.\r\r\n"s, "\r\n\0.\r\n"s,
                                   "\r\n.\0\r\n"s, "\r\r\n.\n"s, "\n\r\n.\n"s, "\r\n.\n.\r"s}) {
    SCOPED_TRACE(hex_encode(wrong));
    const Outcome out = data("hello" + wrong + rest + ".\r\nNOOP\r\n");
    const bool nul = wrong.find('\0') != std::string::npos;
    EXPECT_TRUE(out.events.starts_with(nul ? "end fault=2" : "end fault=1")) << out.events;
    EXPECT_EQ(std::ranges::count(out.events, '\n'), 1);
    EXPECT_EQ(out.replies, nul ? "554 5.6.0 Message has a NUL octet\r\n250 2.0.0 OK\r\n"
                               : "554 5.6.0 Message has a bare CR or LF\r\n250 2.0.0 OK\r\n");
  }
}

TEST(SmtpContent, ABareCrBeforeTheRightEndDoesNotHideIt) {
  EXPECT_EQ(data("a\r\r\n.\r\nNOOP\r\n").replies,
            "554 5.6.0 Message has a bare CR or LF\r\n250 2.0.0 OK\r\n");
}

TEST(SmtpContent, NulIsRefused) {
  const Outcome out = data("ab\0cd\r\n.\r\nNOOP\r\n"s);
  EXPECT_EQ(out.events, fault_line(ContentFault::nul, 2));
  EXPECT_EQ(out.content, "ab");
  EXPECT_EQ(out.replies, "554 5.6.0 Message has a NUL octet\r\n250 2.0.0 OK\r\n");
}

TEST(SmtpContent, LongLinesAreTakenUpToTheLimit) {
  const std::string longest = std::string(65'534, 'x') + "\r\n";
  EXPECT_EQ(data(longest + "." + longest + ".\r\n").replies, "250 2.0.0 Queued\r\n");
  const Outcome out = data("x" + longest + ".\r\n");
  EXPECT_EQ(out.events, fault_line(ContentFault::line_too_long, 65'536));
  EXPECT_EQ(out.replies, "554 5.6.0 Message has a line that is too long\r\n");
}

TEST(SmtpContent, TheSizeLimitHoldsWhileStreaming) {
  ServerOptions options = test_options();
  options.size_max = {10};
  EXPECT_EQ(data("12345678\r\n.\r\n", options).replies, "250 2.0.0 Queued\r\n");
  EXPECT_EQ(data("..2345678\r\n.\r\n", options).replies, "250 2.0.0 Queued\r\n");
  const Outcome out = data("123456789\r\n.\r\nNOOP\r\n", options);
  EXPECT_EQ(out.events, fault_line(ContentFault::too_big, 10));
  EXPECT_EQ(out.replies, "552 5.3.4 Message too big\r\n250 2.0.0 OK\r\n");
}

TEST(SmtpContent, AnEndlessMessageEndsTheSession) {
  ServerOptions options = test_options();
  options.size_max = {1000};
  Session session(options);
  session.run(kOpening + "DATA\r\n");
  std::string line = std::string(998, 'x') + "\r\n";
  for (int i = 0; i < 1100; ++i) session.run(line);
  EXPECT_EQ(session.server.phase(), ServerPhase::closed);
  EXPECT_TRUE(session.log.output.ends_with("552 5.3.4 Message far too big; closing\r\n"));
}

TEST(SmtpContent, TheEarliestFaultWinsHoweverCut) {
  Random random(11);
  const std::string_view alphabet("a.\r\n\0", 5);
  for (int run = 0; run < 3000; ++run) {
    std::string in;
    for (uint64_t n = random.below(24); n > 0; --n) {
      if (random.chance(30)) {
        in += "\r\n";
      } else {
        in += alphabet[random.below(alphabet.size())];
      }
    }
    const detail::ContentReader::Limits limits{.size = 3 + random.below(20),
                                               .line = 2 + random.below(8)};
    const auto read = [&](bool dotted, const std::function<size_t()>& cut) {
      detail::ContentReader reader;
      reader.start(limits);
      std::string out;
      bool ended = false;
      for (std::string_view rest = in; !rest.empty() && !ended;) {
        const std::string_view piece = rest.substr(0, cut());
        const auto got = dotted ? reader.read_dotted(piece) : reader.read_plain(piece);
        out += got.content;
        ended = got.ended;
        rest.remove_prefix(got.consumed);
      }
      if (!dotted) reader.finish_plain();
      return out + "|" + std::to_string(static_cast<int>(reader.fault())) + (ended ? "e" : "");
    };
    for (const bool dotted : {true, false}) {
      const std::string whole = read(dotted, [] { return std::string_view::npos; });
      EXPECT_EQ(whole, read(dotted, [] { return size_t{1}; })) << hex_encode(in);
      EXPECT_EQ(whole, read(dotted, [&] { return 1 + random.below(4); })) << hex_encode(in);
    }
  }
}

TEST(SmtpContent, HostileLineEndsTakeLinearTime) {
  for (const std::string& unit : {"\r"s, "\n"s, "\r\n.x"s, ".\r"s}) {
    std::string in;
    while (in.size() < 4'000'000) in += unit;
    detail::ContentReader reader;
    reader.start({.size = in.size(), .line = in.size()});
    size_t calls = 0;
    for (std::string_view rest = in; !rest.empty(); ++calls) {
      rest.remove_prefix(reader.read_dotted(rest).consumed);
    }
    EXPECT_LE(calls, in.size() / 3);
  }
}

std::string chunked(const std::string& input, const ServerOptions& options = test_options()) {
  const Transcript t = said(options, kOpening + input);
  return t.output.substr(t.output.find("250 2.1.5 Recipient OK\r\n") + 24);
}

TEST(SmtpChunking, TakesChunks) {
  const Transcript t = said(test_options(), kOpening +
                                                "BDAT 7\r\n.\r\n..x\r"
                                                "BDAT 4\r\n\nyzw"
                                                "BDAT 2 LAST\r\n\r\nNOOP\r\n");
  EXPECT_EQ(t.content, ".\r\n..x\r\nyzw\r\n");
  EXPECT_TRUE(
      t.output.ends_with("250 2.0.0 Chunk received\r\n250 2.0.0 Chunk received\r\n"
                         "250 2.0.0 Queued\r\n250 2.0.0 OK\r\n"));
  EXPECT_TRUE(t.events.ends_with("data\nend fault=0 size=13\n"));
  EXPECT_EQ(chunked("BDAT 0 LAST\r\nNOOP\r\n"), "250 2.0.0 Queued\r\n250 2.0.0 OK\r\n");
  EXPECT_EQ(chunked("BDAT 3\r\nx\r\nBDAT 0 last\r\n"),
            "250 2.0.0 Chunk received\r\n250 2.0.0 Queued\r\n");
}

TEST(SmtpChunking, SwallowsWhatItRefuses) {
  const std::string refused = "503 5.5.1 MAIL is needed first\r\n";
  const Transcript t = said(test_options(), "EHLO c\r\nBDAT 6 LAST\r\nQUIT\r\nNOOP\r\n");
  EXPECT_TRUE(t.output.ends_with(refused + "250 2.0.0 OK\r\n"));
  EXPECT_EQ(t.events, "connected\nehlo c\nerror 503\n");
  // A recipient for whom DataStart is rejected: the whole chunk goes, RSET is needed.
  EXPECT_EQ(chunked("RCPT TO:<nodata@b.c>\r\nBDAT 6\r\nQUIT\r\nBDAT 1\r\nxMAIL FROM:<>\r\n"
                    "RSET\r\nMAIL FROM:<>\r\n"),
            "250 2.1.5 Recipient OK\r\n452 4.3.1 Disk full\r\n"
            "503 5.5.1 Transaction failed, RSET is needed\r\n"
            "503 5.5.1 Transaction failed, RSET is needed\r\n250 2.0.0 OK\r\n"
            "250 2.1.0 Sender OK\r\n");
  EXPECT_EQ(chunked("RCPT TO:<nodata@b.c>\r\nBDAT 6 LAST\r\nQUIT\r\nMAIL FROM:<>\r\n"),
            "250 2.1.5 Recipient OK\r\n452 4.3.1 Disk full\r\n250 2.1.0 Sender OK\r\n");
}

TEST(SmtpChunking, RefusesMixingAndBadSizes) {
  EXPECT_EQ(chunked("BDAT 1\r\nxDATA\r\nRCPT TO:<c@b.c>\r\nMAIL FROM:<>\r\n"),
            "250 2.0.0 Chunk received\r\n503 5.5.1 BDAT is under way\r\n"
            "503 5.5.1 BDAT is under way\r\n503 5.5.1 A transaction is already open\r\n");
  for (const std::string& line : {"BDAT\r\n"s, "BDAT x\r\n"s, "BDAT 1 FIRST\r\n"s, "BDAT -1\r\n"s,
                                  "BDAT 99999999999999999999\r\n"s, "BDAT 1  LAST\r\n"s}) {
    EXPECT_EQ(chunked(line + "NOOP\r\n"), "501 5.5.4 Bad BDAT size; closing\r\n") << line;
  }
  EXPECT_EQ(chunked("BDAT 9999999999999 LAST\r\n"), "552 5.3.4 Message far too big; closing\r\n");
}

TEST(SmtpChunking, ChecksContentLikeData) {
  EXPECT_EQ(chunked("BDAT 5\r\na\nb\r\nBDAT 1 LAST\r\nxNOOP\r\n"),
            "554 5.6.0 Message has a bare CR or LF\r\n"
            "503 5.5.1 Transaction failed, RSET is needed\r\n250 2.0.0 OK\r\n");
  EXPECT_EQ(chunked("BDAT 2 LAST\r\na\rNOOP\r\n"),
            "554 5.6.0 Message has a bare CR or LF\r\n250 2.0.0 OK\r\n");
  EXPECT_EQ(chunked("BDAT 1 LAST\r\n\0NOOP\r\n"s),
            "554 5.6.0 Message has a NUL octet\r\n250 2.0.0 OK\r\n");
  ServerOptions options = test_options();
  options.size_max = {4};
  EXPECT_EQ(chunked("BDAT 3\r\nabcBDAT 3\r\ndef", options),
            "250 2.0.0 Chunk received\r\n552 5.3.4 Message too big\r\n");
}

TEST(SmtpChunking, LmtpAnswersForEachRecipientAtTheEnd) {
  ServerOptions options = test_options();
  options.protocol = Protocol::lmtp;
  const Transcript t = said(options,
                            "LHLO c\r\nMAIL FROM:<>\r\nRCPT TO:<a@b.c>\r\nRCPT TO:<b@b.c>"
                            "\r\nBDAT 3\r\nx\r\nBDAT 0 LAST\r\n");
  EXPECT_TRUE(
      t.output.ends_with("250 2.0.0 Chunk received\r\n250 2.0.0 first\r\n"
                         "451 4.2.0 second\r\n"));
}

}  // namespace
}  // namespace ph::smtp
