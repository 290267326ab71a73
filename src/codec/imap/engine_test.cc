#include "codec/imap/engine.h"

#include <gtest/gtest.h>

#include "base/random.h"
#include "codec/imap/detail/transcript.h"
#include "codec/imap/errors.h"

namespace ph::imap {
namespace {

using detail::Transcript;
using detail::TranscriptDriver;

constexpr SessionState kLoggedIn = SessionState::authenticated;

Transcript run(std::string_view input, const EngineOptions& options = {},
               SessionState state = kLoggedIn) {
  return TranscriptDriver(options, state).run(input);
}

EngineOptions small() {
  EngineOptions o;
  o.line_limit = o.line_limit_before_login = 100;
  o.literal_limit = o.literal_limit_before_login = 50;
  o.command_limit = o.command_limit_before_login = 150;
  o.message_limit = 1'000;
  o.discard_limit = 2'000;
  o.chunk_size = 16;
  return o;
}

Event rejected(Rejection reason, std::string tag, std::string_view text) {
  return Rejected{reason, std::move(tag), std::string(text)};
}
Event command(std::string tag, Command c) { return CommandEvent{std::move(tag), std::move(c)}; }

// The octets of all MessageData events.
std::string message_of(const Transcript& t) {
  std::string out;
  for (const Event& event : t.events) {
    if (const auto* data = std::get_if<MessageData>(&event)) out += data->octets;
  }
  return out;
}

TEST(Engine, OneCommandAtATime) {
  ServerEngine engine;
  const std::string_view input = "a NOOP\r\nb CAPABILITY\r\n";
  EXPECT_EQ(engine.phase(), Phase::between_commands);
  EXPECT_EQ(engine.feed(input), 8u);
  EXPECT_EQ(engine.feed(input.substr(8)), 0u);  // the event comes first
  EXPECT_EQ(engine.next(), command("a", cmd::Noop{}));
  EXPECT_EQ(engine.next(), std::nullopt);
  EXPECT_EQ(engine.feed(input.substr(8, 5)), 5u);
  EXPECT_EQ(engine.phase(), Phase::in_command);
  EXPECT_EQ(engine.feed(input.substr(13)), 9u);
  EXPECT_EQ(engine.next(), command("b", cmd::Capability{}));
  EXPECT_EQ(engine.take_output(), "");
}

TEST(Engine, AnswersBadWithTheTagIfThereIsOne) {
  EXPECT_EQ(run("a FOO\r\n").output, "a BAD Unknown command\r\n");
  EXPECT_EQ(run("a\r\n").output, "a BAD Unknown command\r\n");
  EXPECT_EQ(run("a \r\n").output, "a BAD Unknown command\r\n");
  EXPECT_EQ(run("\r\n").output, "* BAD Command must begin with a tag\r\n");
  EXPECT_EQ(run(" NOOP\r\n").output, "* BAD Command must begin with a tag\r\n");
  EXPECT_EQ(run("a+b NOOP\r\n").output, "* BAD Command must begin with a tag\r\n");
  EXPECT_EQ(run("* NOOP\r\n").output, "* BAD Command must begin with a tag\r\n");
  EXPECT_EQ(run(std::string(257, 't') + " NOOP\r\n").output,
            "* BAD Command must begin with a tag\r\n");
  EXPECT_EQ(run(std::string(256, 't') + " NOOP\r\n").output, "");
  EXPECT_EQ(run("GET / HTTP/1.1\r\n").output, "GET BAD Unknown command\r\n");
  EXPECT_EQ(run("a]! NOOP\r\n").events[0], command("a]!", cmd::Noop{}));
}

TEST(Engine, LinesEndWithCrLf) {
  const Transcript t = run("a NOOP\nb NOOP\r\n");
  ASSERT_EQ(t.events.size(), 2u);
  EXPECT_EQ(t.events[0], rejected(Rejection::syntax, "a", kLineEnd));
  EXPECT_EQ(t.events[1], command("b", cmd::Noop{}));
  EXPECT_EQ(run("a NOOP\r\r\n").output, "a BAD Unexpected text after the command\r\n");
  EXPECT_EQ(run(std::string_view("a NOOP\0\r\n", 9)).output,
            "a BAD Unexpected text after the command\r\n");
}

TEST(Engine, LiteralsAreAskedForUnlessTheyComeUnasked) {
  Transcript t = run("a RENAME {1}\r\nx {2+}\r\nyz\r\n");
  EXPECT_EQ(t.output, "+ OK\r\n");
  EXPECT_EQ(t.events[0], command("a", cmd::Rename{"x", "yz"}));
  t = run("a DELETE {0007}\r\nINBOX/x\r\n");
  EXPECT_EQ(t.events[0], command("a", cmd::Delete{"INBOX/x"}));
  // A literal may hold what would end a line or announce another.
  t = run("a SUBSCRIBE {8}\r\n\r\n{3+}\r\n\r\nb NOOP\r\n");
  EXPECT_EQ(t.events[0], rejected(Rejection::syntax, "a", kMailboxMalformed));
  EXPECT_EQ(t.events[1], command("b", cmd::Noop{}));
}

TEST(Engine, ARefusedCommandsLiteralIsNotWaitedFor) {
  // The client reads the tagged BAD instead of "+" and sends its next command.
  Transcript t = run("a FOO {5}\r\nb NOOP\r\n");
  EXPECT_EQ(t.output, "a BAD Unknown command\r\n");
  EXPECT_EQ(t.events[1], command("b", cmd::Noop{}));
  // An unasked literal comes nevertheless.
  t = run("a FOO {7+}\r\nx NOOP\n {3+}\r\nfoo bar\r\nb NOOP\r\n");
  ASSERT_EQ(t.events.size(), 2u);
  EXPECT_EQ(t.output, "a BAD Unknown command\r\n");
  EXPECT_EQ(t.events[1], command("b", cmd::Noop{}));
  t = run("a SELECT {1000}\r\nb NOOP\r\n", {}, SessionState::not_authenticated);
  EXPECT_EQ(t.events[0], rejected(Rejection::wrong_state, "a", kNeedsLogin));
  EXPECT_EQ(t.events[1], command("b", cmd::Noop{}));
}

TEST(Engine, LiteralLimits) {
  Transcript t = run("a DELETE {51}\r\nb NOOP\r\n", small());
  EXPECT_EQ(t.events[0], rejected(Rejection::literal_too_big, "a", kLiteralTooBig));
  EXPECT_EQ(t.events[1], command("b", cmd::Noop{}));
  t = run("a DELETE {51+}\r\n" + std::string(51, '\n') + "\r\nb NOOP\r\n", small());
  ASSERT_EQ(t.events.size(), 2u);
  EXPECT_EQ(t.events[1], command("b", cmd::Noop{}));
  // Each fits, together they do not.
  const std::string fifty = " {50+}\r\n" + std::string(50, 'x');
  t = run("a ID ({1+}\r\nx" + fifty + fifty + fifty + ")\r\nb NOOP\r\n", small());
  EXPECT_EQ(t.events[0], rejected(Rejection::literal_too_big, "a", kCommandTooLong));
  EXPECT_EQ(t.events[1], command("b", cmd::Noop{}));
  // Before login less is allowed.
  EXPECT_EQ(run("a LOGIN {9000}\r\n", {}, SessionState::not_authenticated).output,
            "a BAD Literal is too big\r\n");
}

TEST(Engine, WhatCannotBeDiscardedClosesTheConnection) {
  Transcript t = run("a DELETE {99999999999999999999999+}\r\nb NOOP\r\n", small());
  EXPECT_EQ(t.phase, Phase::closed);
  EXPECT_TRUE(t.output.ends_with("* BYE [TOOBIG] Too much data was sent unasked\r\n"));
  EXPECT_EQ(t.events.size(), 1u);
  EXPECT_EQ(t.consumed, 37u);  // nothing behind it
  // The sum over one command counts.
  const std::string part = "{1500+}\r\n" + std::string(1'500, 'x');
  t = run("a FOO " + part + part + "\r\n", small());
  EXPECT_EQ(t.phase, Phase::closed);
}

TEST(Engine, FormsOfLiterals) {
  EngineOptions options;
  options.literals = LiteralSupport::synchronising;
  Transcript t = run("a DELETE {1+}\r\nx\r\nb NOOP\r\n", options);
  EXPECT_EQ(t.events[0], rejected(Rejection::syntax, "a", kLiteralForm));
  EXPECT_EQ(t.events[1], command("b", cmd::Noop{}));
  options.literals = LiteralSupport::minus;
  t = run("a DELETE {4096+}\r\n" + std::string(4096, 'x') + "\r\n", options);
  EXPECT_EQ(t.events[0], command("a", cmd::Delete{std::string(4096, 'x')}));
  t = run("a DELETE {4097+}\r\n" + std::string(4097, 'x') + "\r\n", options);
  EXPECT_EQ(t.events[0], rejected(Rejection::syntax, "a", kLiteralForm));
  EXPECT_EQ(run("a DELETE ~{1}\r\nx\r\n").output,
            "+ OK\r\na BAD Unexpected text after the command\r\n");
}

TEST(Engine, LineLimits) {
  const std::string fits = "a DELETE " + std::string(89, 'x') + "\r\n";
  ASSERT_EQ(fits.size(), 100u);
  EXPECT_EQ(run(fits, small()).output, "");
  Transcript t = run("a DELETE " + std::string(90, 'x') + "\r\nb NOOP\r\n", small());
  EXPECT_EQ(t.events[0], rejected(Rejection::line_too_long, "a", kLineTooLong));
  EXPECT_EQ(t.events[1], command("b", cmd::Noop{}));
  t = run("a DELETE " + std::string(5'000, 'x') + " {3+}\r\nx\r\n y\r\nb NOOP\r\n", small());
  ASSERT_EQ(t.events.size(), 2u);
  EXPECT_EQ(t.events[1], command("b", cmd::Noop{}));
  t = run(std::string(5'000, 'x'), small());
  EXPECT_EQ(t.events[0], rejected(Rejection::line_too_long, "", kLineTooLong));
  EXPECT_EQ(t.phase, Phase::discarding);
  EXPECT_EQ(t.consumed, 5'000u);
}

TEST(Engine, AppendStreamsTheMessage) {
  const std::string body = "Subject: x\r\n\r\n{9+}\r\na LOGOUT\r\n.\r\n";
  const Transcript t = run("a APPEND Sent (\\Seen $X) \"17-Jul-1996 02:44:25 -0700\" {" +
                               std::to_string(body.size()) + "}\r\n" + body + "\r\nb NOOP\r\n",
                           small());
  ASSERT_EQ(t.events.size(), 6u);
  FlagSet flags;
  flags.set(SystemFlag::seen);
  ASSERT_TRUE(flags.add_keyword("$X"));
  EXPECT_EQ(t.events[0],
            Event(MessageBegin{.tag = "a",
                               .mailbox = "Sent",
                               .flags = flags,
                               .internal_date = *parse_date_time("17-Jul-1996 02:44:25 -0700"),
                               .size = body.size(),
                               .synchronising = true}));
  EXPECT_EQ(std::get<MessageData>(t.events[1]).octets.size(), 16u);
  EXPECT_EQ(message_of(t), body);
  EXPECT_EQ(t.events[4], Event(AppendEnd{"a"}));
  EXPECT_EQ(t.events[5], command("b", cmd::Noop{}));
  EXPECT_EQ(t.output, "+ OK\r\n");
}

TEST(Engine, AppendForms) {
  Transcript t = run("a append {4+}\r\nsent {2+}\r\nhi\r\n");
  EXPECT_EQ(t.events[0],
            Event(MessageBegin{.tag = "a", .mailbox = "sent", .flags = {}, .size = 2}));
  EXPECT_EQ(t.events[2], Event(AppendEnd{"a"}));
  EXPECT_EQ(t.output, "");
  t = run("a APPEND x () ~{0}\r\n\r\n");
  EXPECT_EQ(t.events[0],
            Event(MessageBegin{
                .tag = "a", .mailbox = "x", .flags = {}, .binary = true, .synchronising = true}));
  EXPECT_EQ(t.events[1], Event(AppendEnd{"a"}));
  t = run("a APPEND x UTF8 (~{2+}\r\nhi)\r\n");
  EXPECT_TRUE(std::get<MessageBegin>(t.events[0]).utf8);
  EXPECT_EQ(t.events[2], Event(AppendEnd{"a"}));
  EXPECT_EQ(run("a APPEND x UTF8 (~{2+}\r\nhi\r\n").output, "a BAD Parenthesis expected\r\n");
}

TEST(Engine, AppendRefusals) {
  EXPECT_EQ(run("a APPEND x\r\n").output, "a BAD Space expected\r\n");
  EXPECT_EQ(run("a APPEND x hello\r\n").output, "a BAD Literal is malformed\r\n");
  EXPECT_EQ(run("a APPEND x \"hello\"\r\n").output, "a BAD Date is malformed\r\n");
  EXPECT_EQ(run("a APPEND x (\\Foo) {5}\r\n").output,
            "a BAD Flag is malformed or may not be set\r\n");
  EXPECT_EQ(run("a APPEND a&b {5}\r\nb NOOP\r\n").output, "a BAD Mailbox name is malformed\r\n");
  EXPECT_EQ(run("a APPEND x {5}\r\n", {}, SessionState::not_authenticated).output,
            "a BAD Log in first\r\n");
  // Text behind the message spoils the command after its octets have come.
  Transcript t = run("a APPEND x {2+}\r\nhi there\r\nb NOOP\r\n");
  EXPECT_EQ(t.events[2], rejected(Rejection::syntax, "a", kTextAfterCommand));
  EXPECT_EQ(t.events[3], command("b", cmd::Noop{}));
  // The driver's own refusal: nothing is asked for, or what comes unasked goes nowhere.
  t = run("a APPEND refused {5}\r\nb NOOP\r\n");
  EXPECT_EQ(t.events[1], command("b", cmd::Noop{}));
  EXPECT_EQ(t.output, "");
  t = run("a APPEND refused {8+}\r\nx NOOP\r\n\r\nb NOOP\r\n");
  ASSERT_EQ(t.events.size(), 2u);
  EXPECT_EQ(t.events[1], command("b", cmd::Noop{}));
}

TEST(Engine, OversizedMessagesTakeNoMemory) {
  Transcript t = run("a APPEND x {1001}\r\nb NOOP\r\n", small());
  EXPECT_EQ(t.output, "a NO [TOOBIG] Message is too big\r\n");
  EXPECT_EQ(t.events[0], rejected(Rejection::message_too_big, "a", kMessageTooBig));
  EXPECT_EQ(t.events[1], command("b", cmd::Noop{}));
  t = run("a APPEND x {1001+}\r\n" + std::string(1001, '\n') + "\r\nb NOOP\r\n", small());
  ASSERT_EQ(t.events.size(), 2u);
  EXPECT_EQ(t.output, "a NO [TOOBIG] Message is too big\r\n");
  EXPECT_EQ(t.events[1], command("b", cmd::Noop{}));
  t = run("a APPEND x {2001+}\r\n", small());
  EXPECT_EQ(t.phase, Phase::closed);
  EXPECT_EQ(run("a APPEND x {1000}\r\n", small()).phase, Phase::in_message);
}

TEST(Engine, SeveralMessagesOnlyWhereAllowed) {
  const std::string_view input =
      "a APPEND x (\\Seen) {1+}\r\n1 \"17-Jul-1996 02:44:25 -0700\" "
      "{2}\r\n23\r\nb NOOP\r\n";
  Transcript t = run(input.substr(0, 64));
  EXPECT_EQ(t.events.back(), rejected(Rejection::syntax, "a", kOneMessageOnly));
  EngineOptions options;
  options.multi_append = MultiAppend::accepted;
  t = run(input, options);
  ASSERT_EQ(t.events.size(), 6u);
  const auto& second = std::get<MessageBegin>(t.events[2]);
  EXPECT_EQ(second.index, 1u);
  EXPECT_EQ(second.mailbox, "x");
  EXPECT_TRUE(second.flags.empty());
  EXPECT_TRUE(second.internal_date);
  EXPECT_EQ(message_of(t), "123");
  EXPECT_EQ(t.events[4], Event(AppendEnd{"a"}));
}

TEST(Engine, AuthenticateGoesToAndFro) {
  ServerEngine engine;
  const std::string_view first = "a AUTHENTICATE PLAIN\r\n";
  EXPECT_EQ(engine.feed(first), first.size());
  EXPECT_EQ(engine.next(), command("a", cmd::Authenticate{"PLAIN", std::nullopt}));
  EXPECT_EQ(engine.phase(), Phase::decision);
  EXPECT_EQ(engine.feed("AGEAYg==\r\n"), 0u);
  engine.challenge("");
  EXPECT_EQ(engine.take_output(), "+ \r\n");
  EXPECT_EQ(engine.phase(), Phase::sasl_response);
  EXPECT_EQ(engine.feed("AGEAYg==\r\nb NOOP\r\n"), 10u);
  EXPECT_EQ(engine.next(), Event(SaslResponse{false, std::string("\0a\0b", 4)}));
  engine.challenge("more");
  EXPECT_EQ(engine.take_output(), "+ bW9yZQ==\r\n");
  EXPECT_EQ(engine.feed("\r\n"), 2u);
  EXPECT_EQ(engine.next(), Event(SaslResponse{false, ""}));
  engine.resume();
  EXPECT_EQ(engine.phase(), Phase::between_commands);
  EXPECT_EQ(engine.feed("b NOOP\r\n"), 8u);
  EXPECT_EQ(engine.next(), command("b", cmd::Noop{}));
}

TEST(Engine, AuthenticateEndings) {
  const auto early = [](std::string_view input, const EngineOptions& options = {}) {
    return run(input, options, SessionState::not_authenticated);
  };
  EXPECT_EQ(early("a AUTHENTICATE X\r\n*\r\n").events[1], Event(SaslResponse{true, ""}));
  Transcript t = early("a AUTHENTICATE X\r\n!\r\nb NOOP\r\n");
  EXPECT_EQ(t.events[1], rejected(Rejection::sasl_malformed, "a", kSaslMalformed));
  EXPECT_EQ(t.events[2], command("b", cmd::Noop{}));
  EXPECT_TRUE(t.output.ends_with("a BAD Response is not valid base64\r\n"));
  t = early("a AUTHENTICATE X\r\n" + std::string(200, 'A') + "\r\nb NOOP\r\n", small());
  EXPECT_EQ(t.events[1], rejected(Rejection::line_too_long, "a", kSaslTooLong));
  EXPECT_EQ(t.events[2], command("b", cmd::Noop{}));
}

TEST(Engine, IdleLastsUntilDone) {
  Transcript t = run("a IDLE\r\ndOnE\r\nb NOOP\r\n");
  EXPECT_EQ(t.output, "+ idling\r\n");
  EXPECT_EQ(t.events[1], Event(IdleDone{"a"}));
  EXPECT_EQ(t.events[2], command("b", cmd::Noop{}));
  t = run("a IDLE\r\nb NOOP\r\nc NOOP\r\n");
  EXPECT_EQ(t.output, "+ idling\r\na BAD Expected DONE\r\n");
  EXPECT_EQ(t.events[1], rejected(Rejection::syntax, "a", kNotDone));
  EXPECT_EQ(t.events[2], command("c", cmd::Noop{}));
  EXPECT_EQ(run("a IDLE\r\n").phase, Phase::idle);
  EXPECT_EQ(run("DONE\r\n").output, "DONE BAD Unknown command\r\n");
}

TEST(Engine, NothingIsReadBetweenStarttlsAndTheHandshake) {
  ServerEngine engine;
  const std::string_view input = "a STARTTLS\r\nb LOGIN x y\r\n";
  EXPECT_EQ(engine.feed(input), 12u);
  EXPECT_EQ(engine.next(), command("a", cmd::Starttls{}));
  EXPECT_EQ(engine.feed(input.substr(12)), 0u);
  EXPECT_EQ(engine.phase(), Phase::decision);
  engine.resume();
  EXPECT_EQ(engine.phase(), Phase::between_commands);
}

TEST(Engine, TheDriversOutputKeepsItsPlace) {
  ServerEngine engine;
  EXPECT_EQ(engine.feed("a FOO\r\n"), 7u);
  EXPECT_TRUE(engine.next());
  engine.output() += "* 1 EXISTS\r\n";
  EXPECT_EQ(engine.feed("b FOO\r\n"), 7u);
  EXPECT_EQ(engine.take_output(),
            "a BAD Unknown command\r\n* 1 EXISTS\r\nb BAD Unknown command\r\n");
}

// Scripts that go through every mode, broken at random places, cut in every way.
TEST(Engine, CuttingTheInputChangesNothing) {
  constexpr std::string_view kScripts[] = {
      "a CAPABILITY\r\nb LOGIN {3}\r\njoe {4+}\r\npass\r\nc SELECT INBOX\r\nd UID FETCH 1:* "
      "(FLAGS BODY.PEEK[HEADER.FIELDS (From {2+}\r\nTo)])\r\ne SEARCH OR (NOT SEEN) TEXT "
      "{5}\r\nhello\r\nf LOGOUT\r\n",
      "a AUTHENTICATE PLAIN\r\nAGEAYg==\r\nb LOGIN a b\r\nc APPEND {4}\r\nSent (\\Seen) "
      "{40}\r\n0123456789012345678901234567890123456789\r\nd APPEND refused {20+}\r\nx "
      "NOOP\r\n...........\r\n\r\ne IDLE\r\nDONE\r\nf IDLE\r\ng NOOP\r\nh NOOP\r\n",
      "a FOO {10+}\r\n1234567\r\n. {3+}\r\nabc\r\nb FOO {10}\r\nc NOOP\nd NOOP\r\ne LOGIN a "
      "b\r\nf APPEND x {1001+}\r\ng APPEND x {1+}\r\n1 {2+}\r\n23 junk {3+}\r\nxyz\r\nh NOOP\r\n",
      "a STARTTLS\r\nb LOGIN a b\r\nc APPEND x UTF8 (~{20+}\r\n12345678901234567890)\r\nd DELETE "
      "{51+}\r\n......\r\n\r\ne DELETE xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
      "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx {4+}\r\nabcd\r\nf NOOP\r\n"};
  constexpr uint64_t kSeed = 20261121;
  Random random(kSeed);
  for (int round = 0; round < 400; ++round) {
    std::string input(kScripts[random.below(std::size(kScripts))]);
    for (uint64_t i = random.below(4); i > 0; --i) {
      constexpr std::string_view kOctets = "\r\n{}+\"\\ ()x0*";
      input[random.below(input.size())] = kOctets[random.below(kOctets.size())];
    }
    EngineOptions options = small();
    if (random.chance(50)) options.multi_append = MultiAppend::accepted;
    const auto cut_by = [&](const std::function<size_t(size_t)>& cut) {
      return TranscriptDriver(options).run(input, cut);
    };
    const Transcript whole = cut_by([](size_t left) { return left; });
    ASSERT_EQ(cut_by([](size_t) { return 1; }), whole) << kSeed << " " << round << "\n" << input;
    for (int i = 0; i < 5; ++i) {
      ASSERT_EQ(cut_by([&](size_t) { return random.below(40) + 1; }), whole)
          << kSeed << " " << round << "\n"
          << input;
    }
  }
}

}  // namespace
}  // namespace ph::imap
