#include "codec/smtp/client.h"

#include <gtest/gtest.h>

#include <functional>

#include "base/random.h"
#include "base/text.h"
#include "codec/smtp/errors.h"

namespace ph::smtp {
namespace {

using namespace std::string_literals;

const std::string kOpening = "220 mx ESMTP\r\n";
const std::string kFull =
    "250-mx\r\n250-PIPELINING\r\n250-SIZE 1000\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250-DSN\r\n"
    "250-CHUNKING\r\n250-STARTTLS\r\n250-AUTH PLAIN SCRAM-SHA-256\r\n250 ENHANCEDSTATUSCODES\r\n";
const std::string kPlain = "250 mx\r\n";

Path path(std::string_view text) { return parse_mailbox(text).value(); }

Envelope to(const std::vector<std::string>& recipients) {
  Envelope out{.sender = path("s@x.org"), .parameters = {}, .recipients = {}};
  for (const auto& one : recipients)
    out.recipients.push_back({.path = path(one), .parameters = {}});
  return out;
}

// Says `replies` in pieces, writes down events and output, sends `content` when it is wanted.
struct Talk {
  explicit Talk(ClientOptions options = {.host = "me"}) : client(std::move(options)) {}

  void hear(std::string_view replies, const std::function<size_t()>& cut) {
    std::string unread;
    while (true) {
      const size_t used = client.feed(unread);
      unread.erase(0, used);
      bool any = false;
      while (auto event = client.next()) {
        any = true;
        std::visit([this](const auto& e) { on(e); }, *event);
      }
      output += client.take_output();
      if (used > 0 || any) continue;
      if (replies.empty()) return;
      const auto piece = replies.substr(0, cut());
      unread += piece;
      replies.remove_prefix(piece.size());
    }
  }
  void hear(std::string_view replies) {
    hear(replies, [] { return std::string_view::npos; });
  }
  void open(const std::string& hello) {
    hear(kOpening + hello);
    events.clear();
    output.clear();
  }

  Client client;
  std::string events;
  std::string output;
  std::string content = "hi\r\n.dot\r\n";
  std::vector<Envelope> queue;  // sent when idle
  std::optional<Lost> lost;

 private:
  void note(const std::string& line) { events += line + "\n"; }
  void send_next() {
    if (queue.empty() || client.phase() != Stage::idle) return;
    ASSERT_TRUE(client.send(queue.front()).has_value());
    queue.erase(queue.begin());
  }
  void on(const Ready& e) {
    note(e.capabilities.extended ? "ready" : "ready helo");
    send_next();
  }
  void on(const Refused& e) {
    note("refused " + std::string(to_text(e.stage)) + " " + to_text(e.reply));
  }
  void on(const TlsReady&) { note("tls"); }
  void on(const TlsRefused& e) { note("no tls " + to_text(e.reply)); }
  void on(const AuthChallenge& e) {
    note("challenge " + e.challenge);
    client.respond("answer");
  }
  void on(const AuthReply& e) { note("auth " + to_text(e.reply)); }
  void on(const SenderReply& e) { note("sender " + to_text(e.reply)); }
  void on(const RecipientReply& e) {
    note("recipient " + std::to_string(e.recipient) + " " + to_text(e.reply));
  }
  void on(const DataReply& e) { note("data " + to_text(e.reply)); }
  void on(const DataReady&) {
    note("ready for data");
    ASSERT_TRUE(client.content(content).has_value());
    ASSERT_TRUE(client.finish_content().has_value());
  }
  void on(const MessageReply& e) {
    note("message " + (e.recipient ? std::to_string(*e.recipient) + " " : "") + to_text(e.reply));
  }
  void on(const MessageDone&) {
    note("done");
    send_next();
  }
  void on(const Lost& e) {
    note("lost " + std::string(to_text(e.stage)) + (e.reply ? " " + to_text(*e.reply) : ""));
    lost = e;
  }
  void on(const Closed&) { note("closed"); }
};

TEST(SmtpClient, SendsOneByOneWithoutPipelining) {
  Talk talk;
  talk.open(kPlain);
  talk.queue = {to({"a@y.org", "b@y.org"})};
  ASSERT_TRUE(talk.client.send(talk.queue.front()).has_value());
  talk.queue.clear();
  talk.hear("250 2.1.0 ok\r\n");
  EXPECT_EQ(talk.output, "MAIL FROM:<s@x.org>\r\nRCPT TO:<a@y.org>\r\n");
  talk.hear("550-5.1.1 no\r\n550 5.1.1 such\r\n");
  talk.hear("250 ok\r\n");
  EXPECT_TRUE(talk.output.ends_with("RCPT TO:<b@y.org>\r\nDATA\r\n"));
  talk.hear("354 go\r\n");
  EXPECT_TRUE(talk.output.ends_with("DATA\r\nhi\r\n..dot\r\n.\r\n"));
  EXPECT_EQ(talk.client.phase(), Stage::final);
  talk.hear("250 2.0.0 queued\r\n");
  EXPECT_EQ(talk.events,
            "sender 250 2.1.0 ok\nrecipient 0 550 5.1.1 no such\nrecipient 1 250 ok\n"
            "ready for data\nmessage 250 2.0.0 queued\ndone\n");
  talk.client.quit();
  talk.hear("221 bye\r\n");
  EXPECT_TRUE(talk.events.ends_with("closed\n"));
  EXPECT_TRUE(talk.output.ends_with("QUIT\r\n"));
}

TEST(SmtpClient, PipelinesTheWholeEnvelope) {
  Talk talk;
  talk.queue = {to({"a@y.org", "b@y.org"}), to({"c@y.org"})};
  talk.hear(kOpening + kFull);
  EXPECT_EQ(talk.output,
            "EHLO me\r\nMAIL FROM:<s@x.org>\r\nRCPT TO:<a@y.org>\r\nRCPT TO:<b@y.org>\r\nDATA\r\n");
  talk.output.clear();
  talk.hear("250 ok\r\n250 ok\r\n452 later\r\n354 go\r\n");
  EXPECT_EQ(talk.output, "hi\r\n..dot\r\n.\r\n");
  talk.hear("250 queued\r\n");
  EXPECT_TRUE(talk.output.ends_with("MAIL FROM:<s@x.org>\r\nRCPT TO:<c@y.org>\r\nDATA\r\n"));
}

TEST(SmtpClient, ARefusedSenderSaysNothingAboutRecipients) {
  Talk talk;
  talk.queue = {to({"a@y.org"})};
  talk.hear(kOpening + kFull + "550 5.7.1 go away\r\n503 no mail\r\n503 no mail\r\n");
  EXPECT_EQ(talk.events, "ready\nsender 550 5.7.1 go away\ndone\n");
  EXPECT_EQ(talk.client.phase(), Stage::idle);

  Talk plain;
  plain.queue = {to({"a@y.org"})};
  plain.hear(kOpening + kPlain + "550 5.7.1 go away\r\n");
  EXPECT_EQ(plain.events, "ready\nsender 550 5.7.1 go away\ndone\n");
}

TEST(SmtpClient, SendsAnEmptyMessageWhenNobodyIsLeft) {
  Talk talk;
  talk.queue = {to({"a@y.org"})};
  talk.hear(kOpening + kFull + "250 ok\r\n550 no\r\n354 go\r\n");
  EXPECT_TRUE(talk.output.ends_with("DATA\r\n.\r\n"));
  EXPECT_NE(talk.client.phase(), Stage::final);
  talk.hear("554 no valid recipients\r\n");
  EXPECT_EQ(talk.events, "ready\nsender 250 ok\nrecipient 0 550 no\ndone\n");
}

TEST(SmtpClient, ResetsWhenNobodyIsLeftAndDataWasNotSaid) {
  Talk talk;
  talk.queue = {to({"a@y.org"})};
  talk.hear(kOpening + kPlain + "250 ok\r\n550 no\r\n");
  EXPECT_TRUE(talk.output.ends_with("RCPT TO:<a@y.org>\r\nRSET\r\n"));
  talk.hear("250 ok\r\n");
  EXPECT_TRUE(talk.events.ends_with("recipient 0 550 no\ndone\n"));
}

TEST(SmtpClient, KeepsTheAnswerToData) {
  Talk talk;
  talk.queue = {to({"a@y.org"})};
  talk.hear(kOpening + kFull + "250 ok\r\n250 ok\r\n451 4.3.0 not now\r\n");
  // The peer still has the sender: without RSET it would refuse the next MAIL.
  EXPECT_TRUE(talk.output.ends_with("DATA\r\nRSET\r\n"));
  talk.hear("250 ok\r\n");
  EXPECT_TRUE(talk.events.ends_with("data 451 4.3.0 not now\ndone\n"));
}

TEST(SmtpClient, SendsParametersThatAreOffered) {
  Envelope envelope = to({"a@y.org"});
  envelope.parameters = {.size = 10,
                         .body = BodyType::eight_bit,
                         .smtp_utf8 = false,
                         .dsn_return = DsnReturn::full,
                         .envelope_id = "id 1",
                         .submitter = ""};
  envelope.recipients[0].parameters = {
      .notify = {.never = false, .success = true, .failure = true, .delay = false},
      .original = OriginalRecipient{.type = "utf-8", .address = "\xC3\xA9+@z"}};
  Talk talk;
  talk.queue = {envelope};
  talk.hear(kOpening + kFull);
  EXPECT_EQ(talk.output,
            "EHLO me\r\n"
            "MAIL FROM:<s@x.org> SIZE=10 BODY=8BITMIME RET=FULL ENVID=id+201 AUTH=<>\r\n"
            "RCPT TO:<a@y.org> NOTIFY=SUCCESS,FAILURE ORCPT=utf-8;\\x{E9}\\x{2B}@z\r\nDATA\r\n");
  Talk plain;
  envelope.parameters.body = BodyType::unspecified;
  plain.queue = {envelope};
  plain.hear(kOpening + kPlain);
  EXPECT_EQ(plain.output, "EHLO me\r\nMAIL FROM:<s@x.org>\r\n");
}

TEST(SmtpClient, SaysBeforehandWhatCannotBeSent) {
  Talk talk;
  talk.open("250-mx\r\n250 SIZE 100\r\n");
  const auto refusal = [&](const std::function<void(Envelope&)>& change) {
    Envelope envelope = to({"a@y.org"});
    change(envelope);
    const auto status = talk.client.can_send(envelope);
    return status ? std::string("sent") : std::string(status.error().kind().name);
  };
  EXPECT_EQ(refusal([](Envelope&) {}), "sent");
  EXPECT_EQ(refusal([](Envelope& e) { e.parameters.size = 101; }), "too-big-for-peer");
  EXPECT_EQ(refusal([](Envelope& e) { e.parameters.body = BodyType::eight_bit; }),
            "peer-lacks-8bitmime");
  EXPECT_EQ(refusal([](Envelope& e) { e.parameters.smtp_utf8 = true; }), "peer-lacks-smtputf8");
  EXPECT_EQ(refusal([](Envelope& e) { e.sender.local = "\xC3\xA9"; }), "peer-lacks-smtputf8");
  EXPECT_EQ(refusal([](Envelope& e) { e.recipients.clear(); }), "no-recipients");
  EXPECT_EQ(refusal([](Envelope& e) { e.recipients.resize(1001, e.recipients[0]); }),
            "too-many-recipients");
  EXPECT_EQ(refusal([](Envelope& e) { e.recipients[0].path.local = "a\r\nDATA"; }), "bad-path");
  EXPECT_EQ(refusal([](Envelope& e) { e.sender.domain = "x>\r\nRSET"; }), "bad-path");
  EXPECT_EQ(refusal([](Envelope& e) { e.recipients[0].path = {}; }), "bad-path");
  EXPECT_EQ(refusal([](Envelope& e) {
              e.recipients[0].parameters.original = OriginalRecipient{"a\r\nb", "c"};
            }),
            "bad-path");
}

TEST(SmtpClient, ChunksWhenAskedAndOffered) {
  ClientOptions options{.host = "me"};
  options.content_way = ContentWay::chunk_if_offered;
  Talk talk(options);
  Envelope envelope = to({"a@y.org"});
  envelope.parameters.size = talk.content.size();
  talk.queue = {envelope};
  talk.hear(kOpening + kFull);
  EXPECT_TRUE(talk.output.ends_with("RCPT TO:<a@y.org>\r\n"));
  talk.hear("250 ok\r\n250 ok\r\n");
  EXPECT_TRUE(talk.output.ends_with("BDAT 10 LAST\r\nhi\r\n.dot\r\n"));
  talk.hear("250 queued\r\n");
  EXPECT_TRUE(talk.events.ends_with("ready for data\nmessage 250 queued\ndone\n"));

  for (const std::string_view content : {"too short\r", "this is too long for it\r\n"}) {
    Talk wrong(options);
    wrong.open(kFull);
    envelope.parameters.size = 11;
    ASSERT_TRUE(wrong.client.send(envelope).has_value());
    wrong.client.feed("250 ok\r\n");
    wrong.client.next();
    wrong.client.feed("250 ok\r\n");
    while (wrong.client.next()) {
    }
    auto status = wrong.client.content(content);
    if (status) status = wrong.client.finish_content();
    EXPECT_TRUE(status.error().is(kWrongSize));
    EXPECT_EQ(wrong.client.phase(), Stage::closed);
  }
}

TEST(SmtpClient, FallsBackToHelo) {
  Talk talk;
  talk.hear(kOpening + "502 what\r\n250 hi\r\n");
  EXPECT_EQ(talk.output, "EHLO me\r\nHELO me\r\n");
  EXPECT_EQ(talk.events, "ready helo\n");
}

TEST(SmtpClient, TellsWhoTurnedItAway) {
  Talk greeting;
  greeting.hear("554 5.7.1 not you\r\n221 bye\r\n");
  EXPECT_EQ(greeting.events, "refused greeting 554 5.7.1 not you\nclosed\n");
  EXPECT_EQ(greeting.output, "QUIT\r\n");
  Talk hello;
  hello.hear(kOpening + "451 busy\r\n");
  hello.client.lost("end of stream");
  hello.hear("");
  EXPECT_EQ(hello.events, "refused hello 451 busy\nclosed\n");
  Talk busy;
  busy.hear("421 4.3.2 closing\r\n");
  EXPECT_EQ(busy.events, "refused greeting 421 4.3.2 closing\n");
}

TEST(SmtpClient, StartsTlsAndForgets) {
  Talk talk;
  talk.open(kFull);
  talk.client.start_tls();
  talk.hear("220 go\r\n");
  EXPECT_EQ(talk.events, "tls\n");
  talk.client.tls_started();
  EXPECT_FALSE(talk.client.capabilities().starttls);
  talk.hear("250 mx\r\n");
  EXPECT_EQ(talk.output, "STARTTLS\r\nEHLO me\r\n");
  EXPECT_EQ(talk.events, "tls\nready\n");

  Talk refused;
  refused.open(kFull);
  refused.client.start_tls();
  refused.hear("454 not now\r\n");
  EXPECT_EQ(refused.events, "no tls 454 not now\n");
}

TEST(SmtpClient, RepliesInjectedBeforeTlsEndTheConnection) {
  for (const std::string_view injected : {"250 injected\r\n", "2"}) {
    Talk talk;
    talk.open(kFull);
    talk.client.start_tls();
    talk.hear("220 go\r\n" + std::string(injected));
    EXPECT_EQ(talk.events, "tls\nlost tls\n");
    EXPECT_EQ(talk.client.phase(), Stage::closed);
  }
}

TEST(SmtpClient, Authenticates) {
  Talk talk;
  talk.open(kFull);
  EXPECT_EQ(talk.client.capabilities().auth_mechanisms,
            (std::vector<std::string>{"PLAIN", "SCRAM-SHA-256"}));
  talk.client.authenticate("PLAIN", "\0u\0p"s);
  talk.hear("235 2.7.0 ok\r\n");
  talk.client.authenticate("X", std::nullopt);
  talk.hear("334 Y2hhbGxlbmdl\r\n535 5.7.8 no\r\n");
  talk.client.authenticate("Y", "");
  talk.hear("334 !!\r\n501 cancelled\r\n");
  EXPECT_EQ(talk.output, "AUTH PLAIN AHUAcA==\r\nAUTH X\r\nYW5zd2Vy\r\nAUTH Y =\r\n*\r\n");
  EXPECT_EQ(talk.events,
            "auth 235 2.7.0 ok\nchallenge challenge\nauth 535 5.7.8 no\nauth 501 cancelled\n");
}

TEST(SmtpClient, TellsTheStageOfALoss) {
  struct Case {
    std::string replies, stage;
  };
  const std::vector<Case> cases{
      {"", "greeting"},
      {kOpening, "hello"},
      {kOpening + kFull, "sender"},
      {kOpening + kFull + "250 ok\r\n", "recipients"},
      {kOpening + kFull + "250 ok\r\n250 ok\r\n", "data start"},
      {kOpening + kFull + "250 ok\r\n250 ok\r\n354 go\r\n", "final"},
      {kOpening + kFull + "250 ok\r\n250 ok\r\n354 go\r\n25", "final"},
      {kOpening + kFull + "250 ok\r\n250 ok\r\n354 go\r\n250 queued\r\n", "idle"},
  };
  for (const Case& one : cases) {
    Talk talk;
    talk.queue = {to({"a@y.org"})};
    talk.hear(one.replies);
    talk.client.lost("end of stream");
    talk.hear("");
    ASSERT_TRUE(talk.lost.has_value()) << one.stage;
    EXPECT_EQ(to_text(talk.lost->stage), one.stage);
    EXPECT_EQ(talk.lost->maybe_delivered(), one.stage == "final");
    EXPECT_EQ(talk.lost->reason, "end of stream");
    EXPECT_FALSE(talk.client.send(to({"a@y.org"})).has_value());
  }
}

TEST(SmtpClient, A421EndsTheConnectionAfterItsOwnEvent) {
  Talk talk;
  talk.queue = {to({"a@y.org", "b@y.org"})};
  talk.hear(kOpening + kFull + "250 ok\r\n421 4.3.2 down\r\n");
  EXPECT_EQ(talk.events,
            "ready\nsender 250 ok\nrecipient 0 421 4.3.2 down\nlost recipients 421 4.3.2 down\n");
  Talk idle;
  idle.open(kFull);
  idle.hear("421 4.4.2 idle\r\n");
  EXPECT_EQ(idle.events, "lost idle 421 4.4.2 idle\n");
}

TEST(SmtpClient, ARefusalInTheMiddleOfContentIsKept) {
  Talk talk;
  talk.open(kFull);
  ASSERT_TRUE(talk.client.send(to({"a@y.org"})).has_value());
  for (const std::string_view reply : {"250 ok\r\n", "250 ok\r\n", "354 go\r\n"}) {
    talk.client.feed(reply);
    talk.client.next();
  }
  ASSERT_EQ(talk.client.phase(), Stage::content);
  ASSERT_TRUE(talk.client.content("part\r\n").has_value());
  talk.client.take_output();
  talk.hear("552 5.3.4 enough\r\n");
  EXPECT_EQ(talk.events, "lost content 552 5.3.4 enough\n");
  EXPECT_FALSE(talk.lost->maybe_delivered());
  EXPECT_TRUE(talk.client.content("more").error().is(kConnectionLost));
  EXPECT_EQ(talk.client.take_output(), "");
}

TEST(SmtpClient, NeverSendsBareNewlines) {
  for (const std::string& bad : {"a\nb"s, "a\rb"s, "a\r"s, "\n.\n"s, "a\0b"s, "\r\n.\n"s}) {
    EXPECT_NE(content_fault("ok\r\n" + bad), ContentFault::none);
    for (const bool split_up : {false, true}) {
      ContentWriter writer;
      std::string out;
      Status status;
      for (size_t i = 0; i < bad.size() && status; i += split_up ? 1 : bad.size()) {
        status = writer.append(std::string_view(bad).substr(i, split_up ? 1 : bad.size()), out);
      }
      if (status) status = writer.finish(out);
      EXPECT_FALSE(status.has_value()) << hex_encode(bad);
      EXPECT_EQ(out.find('\n') == std::string::npos || out.find("\r\n") != std::string::npos, true);
    }
  }
  Talk talk;
  talk.open(kFull);
  ASSERT_TRUE(talk.client.send(to({"a@y.org"})).has_value());
  for (const std::string_view reply : {"250 ok\r\n", "250 ok\r\n", "354 go\r\n"}) {
    talk.client.feed(reply);
    talk.client.next();
  }
  talk.client.take_output();
  EXPECT_TRUE(talk.client.content("a\n.\n").error().is(kBareNewline));
  EXPECT_EQ(talk.client.phase(), Stage::closed);
  EXPECT_EQ(talk.client.take_output(), "");
}

TEST(SmtpClient, StuffsDotsHoweverCut) {
  Random random(9);
  for (int run = 0; run < 500; ++run) {
    std::string message;
    std::string expected;
    for (uint64_t lines = random.below(8); lines > 0; --lines) {
      std::string line;
      for (uint64_t n = random.below(5); n > 0; --n) line += random.chance(50) ? '.' : 'a';
      expected += (line.starts_with('.') ? "." : "") + line + "\r\n";
      message += line + "\r\n";
    }
    std::string out;
    ContentWriter writer;
    for (std::string_view rest = message; !rest.empty();) {
      const auto piece = rest.substr(0, 1 + random.below(4));
      ASSERT_TRUE(writer.append(piece, out).has_value());
      rest.remove_prefix(piece.size());
    }
    ASSERT_TRUE(writer.finish(out).has_value());
    EXPECT_EQ(out, expected + ".\r\n");
  }
  std::string out;
  ContentWriter writer;
  ASSERT_TRUE(writer.append("no end", out).has_value());
  ASSERT_TRUE(writer.finish(out).has_value());
  EXPECT_EQ(out, "no end\r\n.\r\n");
}

TEST(SmtpClient, LmtpKeepsOneReplyForEachAcceptedRecipient) {
  ClientOptions options{.host = "me"};
  options.protocol = Protocol::lmtp;
  Talk talk(options);
  talk.queue = {to({"a@y.org", "b@y.org", "c@y.org"})};
  talk.hear(kOpening + kFull + "250 ok\r\n250 ok\r\n550 no\r\n250 ok\r\n354 go\r\n");
  EXPECT_TRUE(talk.output.starts_with("LHLO me\r\n"));
  talk.hear("250 one\r\n452 4.2.2 full\r\n");
  EXPECT_TRUE(talk.events.ends_with("message 0 250 one\nmessage 2 452 4.2.2 full\ndone\n"));
}

TEST(SmtpClient, BoundsAHostileServer) {
  const auto lost_by = [](const std::string& said) {
    Talk talk;
    talk.hear(said);
    return talk.lost ? talk.lost->reason : "";
  };
  EXPECT_NE(lost_by(std::string(5000, '2')), "");
  EXPECT_NE(lost_by("220 ok\n"), "");
  EXPECT_NE(lost_by("hello\r\n"), "");
  EXPECT_NE(lost_by("220x\r\n"), "");
  EXPECT_NE(lost_by("100 ok\r\n"), "");
  EXPECT_NE(lost_by("600 ok\r\n"), "");
  EXPECT_NE(lost_by("220-a\r\n221 b\r\n"), "");
  EXPECT_NE(lost_by("220 a\rb\r\n"), "");
  EXPECT_NE(lost_by("220 a\0b\r\n"s), "");
  EXPECT_NE(lost_by("354 go\r\n"), "");
  EXPECT_NE(lost_by(kOpening + "250 mx\r\n250 again\r\n"), "");
  std::string endless;
  for (int i = 0; i < 10'000; ++i) endless += "220-" + std::string(100, 'x') + "\r\n";
  EXPECT_NE(lost_by(endless), "");
  std::string bulky = "250-mx\r\n";
  for (int i = 0; i < 120; ++i) bulky += "250-X" + std::string(400, 'x') + "\r\n";
  Talk talk;
  talk.hear(kOpening + bulky + "250 DSN\r\n");
  EXPECT_EQ(talk.events, "ready\n");
}

TEST(SmtpClient, RandomRepliesNeverDependOnTheCuts) {
  const std::vector<std::string> said{"220 ok\r\n",    "250 ok\r\n",
                                      "250-a\r\n",     "354 go\r\n",
                                      "421 down\r\n",  "550 5.1.1 no\r\n",
                                      "451 later\r\n", kFull,
                                      kPlain,          "334 YQ==\r\n",
                                      "221 bye\r\n",   "x",
                                      "\r\n",          "\n"};
  for (uint64_t seed = 1; seed <= 500; ++seed) {
    Random random(seed);
    std::string replies = random.chance(90) ? kOpening + (random.chance(70) ? kFull : kPlain) : "";
    for (uint64_t n = random.below(14); n > 0; --n) {
      replies += said[random.chance(60) ? random.below(4) : random.below(said.size())];
    }
    ClientOptions options{.host = "me"};
    if (random.chance(20)) options.protocol = Protocol::lmtp;
    if (random.chance(30)) options.content_way = ContentWay::chunk_if_offered;
    const auto run = [&](const std::function<size_t()>& cut) {
      Talk talk(options);
      Envelope envelope = to({"a@y.org", "b@y.org"});
      envelope.parameters.size = talk.content.size();
      talk.queue = {envelope, envelope, envelope};
      talk.hear(replies, cut);
      return talk.events + "|" + talk.output;
    };
    const std::string whole = run([] { return std::string_view::npos; });
    EXPECT_EQ(whole, run([] { return size_t{1}; })) << "seed " << seed;
    EXPECT_EQ(whole, run([&] { return 1 + random.below(12); })) << "seed " << seed;
  }
}

const std::string kTimely =
    "250-mx\r\n250-PIPELINING\r\n250-DSN\r\n250-MT-PRIORITY MIXER\r\n250 DELIVERBY 60\r\n";

// The MAIL line of a message with these parameters.
std::string mail_line(const std::string& hello, const MailParameters& parameters) {
  Talk talk;
  talk.open(hello);
  Envelope envelope = to({"a@x.org"});
  envelope.parameters = parameters;
  if (const Status sent = talk.client.send(envelope); !sent) return sent.error().to_text();
  const std::string out = talk.client.take_output();
  return out.substr(0, out.find("\r\n"));
}

TEST(SmtpClient, PassesPriorityAndTimeOnToWhoOffersThem) {
  using Mode = DeliverBy::Mode;
  MailParameters p;
  p.priority = -3;
  p.deliver_by = DeliverBy{Mode::notify, -5, true};
  EXPECT_EQ(mail_line(kTimely, p), "MAIL FROM:<s@x.org> MT-PRIORITY=-3 BY=-5;NT");
  EXPECT_EQ(mail_line(kFull, p), "MAIL FROM:<s@x.org>");
  EXPECT_EQ(mail_line(kPlain, p), "MAIL FROM:<s@x.org>");
  p.priority = 0;
  p.deliver_by = DeliverBy{Mode::return_it, 60, false};
  EXPECT_EQ(mail_line(kTimely, p), "MAIL FROM:<s@x.org> MT-PRIORITY=0 BY=60;R");
  // Who holds a message is its submission server alone.
  p.hold_for = 60;
  p.hold_until = Time::from_unix_s(5'000'000'000);
  EXPECT_EQ(mail_line(kTimely, p), "MAIL FROM:<s@x.org> MT-PRIORITY=0 BY=60;R");
  p.priority = 1000;
  p.deliver_by = DeliverBy{Mode::notify, INT64_MIN, false};
  EXPECT_EQ(mail_line(kTimely, p), "MAIL FROM:<s@x.org> MT-PRIORITY=9 BY=-999999999;N");
}

TEST(SmtpClient, WhatIsToComeBackInTimeGoesOnlyToWhoPromisesIt) {
  const auto can = [](const std::string& hello, int64_t seconds) {
    Talk talk;
    talk.open(hello);
    Envelope envelope = to({"a@x.org"});
    envelope.parameters.deliver_by = DeliverBy{DeliverBy::Mode::return_it, seconds, false};
    return talk.client.can_send(envelope);
  };
  EXPECT_TRUE(can(kTimely, 60).has_value());
  EXPECT_TRUE(can(kTimely, 59).error().is(kTooSoonForPeer));
  EXPECT_TRUE(can("250-mx\r\n250 DELIVERBY\r\n", 1).has_value());
  EXPECT_TRUE(can("250-mx\r\n250 DELIVERBY\r\n", 0).error().is(kTooSoonForPeer));
  EXPECT_TRUE(can(kFull, 60).error().is(kPeerLacksDeliverBy));
  EXPECT_TRUE(can("250-mx\r\n250 DELIVERBY 5,NEW=1\r\n", 4).error().is(kTooSoonForPeer));
  // Nonsense is no least time.
  EXPECT_TRUE(can("250-mx\r\n250 DELIVERBY 99999999999999999999\r\n", 1).has_value());
  EXPECT_TRUE(can("250-mx\r\n250 DELIVERBY -5\r\n", 1).has_value());
}

}  // namespace
}  // namespace ph::smtp
