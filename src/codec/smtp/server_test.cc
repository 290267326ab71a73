#include "codec/smtp/server.h"

#include <gtest/gtest.h>

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

// The replies after the greeting and the EHLO reply, for input after "EHLO c\r\n".
std::string replies_to(const std::string& input, const ServerOptions& options = test_options()) {
  std::string out = said(options, "EHLO c\r\n" + input).output;
  const size_t at = out.find("250 ENHANCEDSTATUSCODES\r\n");
  EXPECT_NE(at, std::string::npos);
  return out.substr(at + 25);
}

TEST(SmtpServer, TakesAMessage) {
  const Transcript t = said(
      test_options(),
      "EHLO client.example.com\r\nMAIL FROM:<a@example.com> SIZE=20\r\nRCPT TO:<b@example.org>\r\n"
      "DATA\r\nSubject: x\r\n\r\n..dot\r\n.\r\nQUIT\r\n");
  EXPECT_EQ(t.events,
            "connected\nehlo client.example.com\nmail <a@example.com> size=20\n"
            "rcpt <b@example.org>\ndata\nend fault=0 size=20\nquit\n");
  EXPECT_EQ(t.content, "Subject: x\r\n\r\n.dot\r\n");
  EXPECT_EQ(t.output, kGreeting + kEhloReply +
                          "250 2.1.0 Sender OK\r\n250 2.1.5 Recipient OK\r\n"
                          "354 Send the message, end with <CRLF>.<CRLF>\r\n"
                          "250 2.0.0 Queued\r\n221 2.0.0 Goodbye\r\n");
}

TEST(SmtpServer, AnswersAPipelinedGroupInOneWrite) {
  Session session(test_options());
  session.run("EHLO c\r\n");
  const size_t before = session.log.writes;
  session.run(
      "MAIL FROM:<a@b.c>\r\nRCPT TO:<x@b.c>\r\nRCPT TO:<unknown@b.c>\r\nRCPT TO:<y@b.c>\r\n"
      "DATA\r\n");
  EXPECT_EQ(session.log.writes, before + 1);
  EXPECT_EQ(session.server.phase(), ServerPhase::data);
  session.run("hello\r\n.\r\nMAIL FROM:<a@b.c>\r\nRSET\r\nNOOP\r\nQUIT\r\n");
  EXPECT_EQ(session.log.writes, before + 2);
  EXPECT_EQ(session.server.phase(), ServerPhase::closed);
}

TEST(SmtpServer, HoldsPipelinedCommandsUntilTheAnswer) {
  Server server(test_options());
  EXPECT_EQ(server.feed("EHLO c\r\n"), 0U);  // the greeting is due first
  EXPECT_TRUE(std::holds_alternative<Connected>(*server.next()));
  EXPECT_EQ(server.feed("EHLO c\r\n"), 0U);
  EXPECT_EQ(server.phase(), ServerPhase::answer);
  server.accept();
  EXPECT_EQ(server.phase(), ServerPhase::command);
  const std::string_view group = "EHLO c\r\nMAIL FROM:<>\r\n";
  EXPECT_EQ(server.feed(group), 8U);
  EXPECT_TRUE(std::holds_alternative<Hello>(*server.next()));
  EXPECT_EQ(server.feed(group.substr(8)), 0U);
  server.accept();
  EXPECT_EQ(server.feed(group.substr(8)), group.size() - 8);
}

TEST(SmtpServer, ChunksAreViewsOfTheInput) {
  Server server(test_options());
  server.next();
  server.accept();
  std::string input = "HELO c\r\nMAIL FROM:<a@b.c>\r\nRCPT TO:<a@b.c>\r\nDATA\r\n";
  for (std::string_view rest = input; !rest.empty();) {
    rest.remove_prefix(server.feed(rest));
    if (server.next()) server.accept();
  }
  std::string body;
  for (int i = 0; i < 1000; ++i) body += "a line of text without a dot in front\r\n";
  const std::string message = body + ".\r\n";
  const size_t used = server.feed(message);
  const auto event = server.next();
  const auto* chunk = std::get_if<DataChunk>(&*event);
  ASSERT_NE(chunk, nullptr);
  EXPECT_EQ(chunk->content.data(), message.data());
  EXPECT_EQ(chunk->content.size(), body.size());
  server.feed(std::string_view(message).substr(used));
  EXPECT_TRUE(std::holds_alternative<DataEnd>(*server.next()));
}

TEST(SmtpServer, RefusesWrongOrder) {
  const auto first_reply = [](const std::string& input) {
    return said(test_options(), input).output.substr(kGreeting.size());
  };
  EXPECT_EQ(first_reply("MAIL FROM:<a@b.c>\r\n"), "503 5.5.1 Say hello first\r\n");
  EXPECT_EQ(first_reply("RCPT TO:<a@b.c>\r\n"), "503 5.5.1 MAIL is needed first\r\n");
  EXPECT_EQ(replies_to("DATA\r\n"), "503 5.5.1 MAIL is needed first\r\n");
  EXPECT_EQ(replies_to("MAIL FROM:<>\r\nDATA\r\n"),
            "250 2.1.0 Sender OK\r\n503 5.5.1 RCPT is needed first\r\n");
  EXPECT_EQ(replies_to("MAIL FROM:<>\r\nMAIL FROM:<>\r\n"),
            "250 2.1.0 Sender OK\r\n503 5.5.1 A transaction is already open\r\n");
  EXPECT_EQ(replies_to("MAIL FROM:<>\r\nRCPT TO:<unknown@b.c>\r\nDATA\r\n"),
            "250 2.1.0 Sender OK\r\n550 5.1.1 No such user\r\n554 5.5.1 No valid recipients\r\n");
  EXPECT_EQ(replies_to("MAIL FROM:<defer@b.c>\r\nRCPT TO:<a@b.c>\r\n"),
            "451 4.3.0 Temporary failure, try again later\r\n503 5.5.1 MAIL is needed first\r\n");
  // A second EHLO and RSET end the transaction.
  EXPECT_EQ(replies_to("MAIL FROM:<>\r\nRSET\r\nRCPT TO:<a@b.c>\r\n"),
            "250 2.1.0 Sender OK\r\n250 2.0.0 OK\r\n503 5.5.1 MAIL is needed first\r\n");
  EXPECT_TRUE(replies_to("MAIL FROM:<>\r\nEHLO d\r\nRCPT TO:<a@b.c>\r\n")
                  .ends_with("503 5.5.1 MAIL is needed first\r\n"));
}

TEST(SmtpServer, RefusesBadSyntaxWithTheRightCodes) {
  const std::vector<std::pair<std::string, std::string>> cases{
      {"FOO\r\n", "500 5.5.1"},
      {"\r\n", "500 5.5.1"},
      {" NOOP\r\n", "500 5.5.1"},
      {"LHLO c\r\n", "500 5.5.1"},
      {"EHLO\r\n", "501 5.5.4"},
      {"EHLO a b\r\n", "501 5.5.4"},
      {"EHLO [1.2.3.400]\r\n", "501 5.5.4"},
      {"NOOP \0\r\n"s, "500 5.5.2"},
      {"NOOP \x01\r\n", "500 5.5.2"},
      {"NOOP \xff\r\n", "500 5.5.2"},
      {"EXPN list\r\n", "502 5.5.1"},
      {"VRFY\r\n", "501 5.5.4"},
      {"VRFY a@b.c\r\n", "252 2.5.0"},
      {"HELP\r\n", "214 2.0.0"},
      {"noop anything\r\n", "250 2.0.0"},
      {"STARTTLS\r\n", "502 5.5.1"},
      {"AUTH PLAIN\r\n", "502 5.5.1"},
      {"DATA now\r\n", "501 5.5.4"},
      {"RSET now\r\n", "501 5.5.4"},
      {"MAIL\r\n", "501 5.5.4"},
      {"MAIL TO:<a@b.c>\r\n", "501 5.5.4"},
      {"MAIL FROM:a@b.c\r\n", "501 5.1.7"},
      {"MAIL FROM:<a@>\r\n", "501 5.1.7"},
      {"MAIL FROM:<a@b.c\r\n", "501 5.1.7"},
      {"MAIL FROM:<postmaster>\r\n", "501 5.1.7"},
      {"MAIL FROM:<a@b.c>SIZE=1\r\n", "501 5.5.4"},
      {"MAIL FROM:<a@b.c> SIZE\r\n", "501 5.5.4"},
      {"MAIL FROM:<a@b.c> SIZE=\r\n", "501 5.5.4"},
      {"MAIL FROM:<a@b.c> SIZE=1x\r\n", "501 5.5.4"},
      {"MAIL FROM:<a@b.c> SIZE=1 SIZE=1\r\n", "501 5.5.4"},
      {"MAIL FROM:<a@b.c> SIZE=99999999999\r\n", "552 5.3.4"},
      {"MAIL FROM:<a@b.c> BODY=BINARYMIME\r\n", "501 5.5.4"},
      {"MAIL FROM:<a@b.c> SMTPUTF8=1\r\n", "501 5.5.4"},
      {"MAIL FROM:<a@b.c> RET=SOME\r\n", "501 5.5.4"},
      {"MAIL FROM:<a@b.c> ENVID=a+0Ab\r\n", "501 5.5.4"},
      {"MAIL FROM:<a@b.c> ENVID=a+0ab\r\n", "501 5.5.4"},
      {"MAIL FROM:<a@b.c> ENVID=" + std::string(101, 'a') + "\r\n", "501 5.5.4"},
      {"MAIL FROM:<a@b.c> NOTIFY=NEVER\r\n", "555 5.5.4"},
      {"MAIL FROM:<a@b.c> =x\r\n", "501 5.5.4"},
      {"MAIL FROM:<\xC3\xA9@b.c>\r\n", "553 5.6.7"},
  };
  for (const auto& [input, code] : cases) {
    EXPECT_EQ(replies_to(input).substr(0, 9), code) << input;
  }
  const std::vector<std::pair<std::string, std::string>> recipients{
      {"RCPT FROM:<a@b.c>\r\n", "501 5.5.4"},
      {"RCPT TO:<>\r\n", "501 5.1.3"},
      {"RCPT TO:<a b@c.d>\r\n", "501 5.1.3"},
      {"RCPT TO:<a@b.c> NOTIFY=NEVER,DELAY\r\n", "501 5.5.4"},
      {"RCPT TO:<a@b.c> NOTIFY=DELAY,DELAY\r\n", "501 5.5.4"},
      {"RCPT TO:<a@b.c> ORCPT=rfc822\r\n", "501 5.5.4"},
      {"RCPT TO:<a@b.c> ORCPT=;a@b.c\r\n", "501 5.5.4"},
      {"RCPT TO:<a@b.c> ORCPT=rfc822;a+0D@b.c\r\n", "501 5.5.4"},
      {"RCPT TO:<a@b.c> ORCPT=utf-8;\\x{D800}@b.c\r\n", "501 5.5.4"},
      {"RCPT TO:<a@b.c> ORCPT=rfc822;" + std::string(500, 'a') + "\r\n", "501 5.5.4"},
      {"RCPT TO:<a@b.c> SIZE=1\r\n", "555 5.5.4"},
      {"RCPT TO:<\xC3\xA9@b.c>\r\n", "553 5.6.7"},
  };
  for (const auto& [input, code] : recipients) {
    const std::string replies = replies_to("MAIL FROM:<>\r\n" + input);
    EXPECT_EQ(replies.substr(21, 9), code) << input;
  }
}

TEST(SmtpServer, CarriesParameters) {
  const Transcript t = said(
      test_options(),
      "EHLO c\r\n"
      "MAIL FROM:<\xC3\xA9@b.c> body=8bitmime SMTPUTF8 RET=HDRS ENVID=QQ+2B314 AUTH=<> SIZE=5  \r\n"
      "RCPT TO: <\"a b\"@[IPv6:::1]> NOTIFY=SUCCESS,DELAY ORCPT=RFC822;Bob+40x@y.z\r\n"
      "RCPT TO:<@x.y,@z.w:c@d.e> NOTIFY=NEVER ORCPT=utf-8;\\x{E9}\\x{5B57}@b.c\r\n"
      "RCPT TO:<Postmaster>\r\n");
  EXPECT_EQ(t.events,
            "connected\nehlo c\n"
            "mail <\xC3\xA9@b.c> size=5 8bit utf8 hdrs envid=QQ+314 auth=\n"
            "rcpt <\"a b\"@[IPv6:::1]> success delay rfc822;Bob@x@y.z\n"
            "rcpt <c@d.e> never utf-8;\xC3\xA9\xE5\xAD\x97@b.c\n"
            "rcpt <Postmaster>\n");
}

TEST(SmtpServer, BoundsLines) {
  const std::string longest = "NOOP " + std::string(2041, 'x') + "\r\n";
  ASSERT_EQ(longest.size(), 2048U);
  EXPECT_EQ(replies_to(longest + "NOOP\r\n"), "250 2.0.0 OK\r\n250 2.0.0 OK\r\n");
  EXPECT_EQ(replies_to("X" + longest + "NOOP\r\n"), "500 5.5.2 Line too long\r\n250 2.0.0 OK\r\n");
  EXPECT_EQ(replies_to(std::string(100'000, 'x') + "\r\nNOOP\r\n"),
            "500 5.5.2 Line too long\r\n250 2.0.0 OK\r\n");
  Session session(test_options());
  for (int i = 0; i < 40; ++i) session.run(std::string(50'000, 'x'));
  EXPECT_EQ(session.server.phase(), ServerPhase::closed);
  EXPECT_TRUE(session.log.output.ends_with("500 5.5.2 Line too long\r\n"));
}

TEST(SmtpServer, ClosesOnBareNewlinesInCommands) {
  for (const std::string& input :
       {"NOOP\nQUIT\r\n"s, "NO\rOP\r\nQUIT\r\n"s, "NOOP\r\r\nQUIT\r\n"s, "\nQUIT\r\n"s,
        "MAIL FROM:<a@b.c>\nRCPT TO:<a@b.c>\r\n"s, std::string(3000, 'x') + "\nQUIT\r\n"s}) {
    EXPECT_EQ(replies_to(input), "500 5.5.2 Lines must end with CRLF; closing\r\n") << input;
  }
}

TEST(SmtpServer, EndsAfterTooManyErrors) {
  std::string input;
  for (int i = 0; i < 30; ++i) input += "FOO\r\n";
  const std::string replies = replies_to(input + "QUIT\r\n");
  EXPECT_TRUE(replies.ends_with("421 4.7.0 Too many errors; closing\r\n"));
  EXPECT_EQ(std::ranges::count(replies, '\n'), 21);

  ServerOptions options = test_options();
  options.rejections_max = 3;
  std::string guesses = "MAIL FROM:<>\r\n";
  for (int i = 0; i < 5; ++i) guesses += "RCPT TO:<unknown@b.c>\r\n";
  EXPECT_TRUE(replies_to(guesses, options).ends_with("421 4.7.0 Too many errors; closing\r\n"));
}

TEST(SmtpServer, CapsRecipients) {
  ServerOptions options = test_options();
  options.recipients_max = 2;
  EXPECT_EQ(replies_to("MAIL FROM:<>\r\nRCPT TO:<a@b.c>\r\nRCPT TO:<unknown@b.c>\r\n"
                       "RCPT TO:<b@b.c>\r\nRCPT TO:<c@b.c>\r\n",
                       options),
            "250 2.1.0 Sender OK\r\n250 2.1.5 Recipient OK\r\n550 5.1.1 No such user\r\n"
            "250 2.1.5 Recipient OK\r\n452 4.5.3 Too many recipients\r\n");
}

TEST(SmtpServer, BoundsItsOutput) {
  Session session(test_options());
  std::string flood;
  for (int i = 0; i < 100'000; ++i) flood += "NOOP\r\n";
  session.run("EHLO c\r\n");
  Server& server = session.server;
  const size_t used = server.feed(flood);
  EXPECT_LT(used, flood.size());
  EXPECT_LT(server.take_output().size(), 70'000U);
  EXPECT_GT(server.feed(std::string_view(flood).substr(used)), 0U);
}

TEST(SmtpServer, StartTlsForgetsAndOffersAnew) {
  ServerOptions options = test_options();
  options.offer_starttls = true;
  options.auth = AuthOffer::over_tls;
  options.mechanisms = {"SCRAM-SHA-256", "PLAIN"};
  options.before_mail = BeforeMail::authentication;
  Session session(options);
  session.run("EHLO c\r\nAUTH PLAIN Z29vZA==\r\nMAIL FROM:<>\r\nSTARTTLS\r\n");
  EXPECT_NE(session.log.output.find("250-STARTTLS\r\n"), std::string::npos);
  EXPECT_EQ(session.log.output.find("AUTH"), std::string::npos);
  EXPECT_TRUE(session.log.output.ends_with(
      "538 5.7.11 Encryption is needed to authenticate\r\n"
      "530 5.7.0 Authentication is needed first\r\n220 2.0.0 Ready to start TLS\r\n"));
  EXPECT_EQ(session.server.phase(), ServerPhase::handshake);
  session.server.tls_started();
  session.log = {};
  session.run("MAIL FROM:<>\r\nEHLO c\r\nSTARTTLS\r\nAUTH PLAIN Z29vZA==\r\nMAIL FROM:<>\r\n");
  EXPECT_EQ(session.log.output.substr(0, 27), "503 5.5.1 Say hello first\r\n");
  EXPECT_EQ(session.log.output.find("250-STARTTLS"), std::string::npos);
  EXPECT_NE(session.log.output.find("250-AUTH SCRAM-SHA-256 PLAIN\r\n"), std::string::npos);
  EXPECT_TRUE(
      session.log.output.ends_with("503 5.5.1 TLS is already active\r\n"
                                   "235 2.7.0 Authenticated\r\n250 2.1.0 Sender OK\r\n"));
}

TEST(SmtpServer, NeverRunsPlaintextBehindStartTls) {
  ServerOptions options = test_options();
  options.offer_starttls = true;
  const Transcript t = said(options, "EHLO c\r\nSTARTTLS\r\nMAIL FROM:<evil@b.c>\r\nQUIT\r\n");
  EXPECT_EQ(t.events, "connected\nehlo c\nstarttls\nerror 501\n");
  EXPECT_TRUE(t.output.ends_with("220 2.0.0 Ready to start TLS\r\n"));
}

TEST(SmtpServer, Authenticates) {
  ServerOptions options = test_options();
  options.auth = AuthOffer::always;
  options.mechanisms = {"PLAIN", "LOGIN"};
  const std::string ok = "235 2.7.0 Authenticated\r\n";
  const auto replies = [&](const std::string& input) { return replies_to(input, options); };
  EXPECT_EQ(replies("auth plain Z29vZA==\r\nAUTH PLAIN Z29vZA==\r\n"),
            ok + "503 5.5.1 Already authenticated\r\n");
  EXPECT_EQ(replies("AUTH LOGIN\r\nZ29vZA==\r\n"), "334 bW9yZT8=\r\n" + ok);
  EXPECT_EQ(replies("AUTH PLAIN =\r\n"), "535 5.7.8 Authentication failed\r\n");
  EXPECT_EQ(replies("AUTH LOGIN\r\n*\r\nNOOP\r\n"),
            "334 bW9yZT8=\r\n501 5.7.0 Authentication cancelled\r\n250 2.0.0 OK\r\n");
  EXPECT_EQ(replies("AUTH LOGIN\r\n!!\r\nNOOP\r\n"),
            "334 bW9yZT8=\r\n501 5.5.2 Bad base64\r\n250 2.0.0 OK\r\n");
  EXPECT_EQ(replies("AUTH PLAIN a\r\n"), "501 5.5.2 Bad base64\r\n");
  EXPECT_EQ(replies("AUTH CRAM-MD5\r\n"), "504 5.5.4 Mechanism not recognized\r\n");
  EXPECT_EQ(replies("MAIL FROM:<>\r\nAUTH PLAIN\r\n"),
            "250 2.1.0 Sender OK\r\n503 5.5.1 Not inside a transaction\r\n");
  const std::string bulky = base64_encode(std::string(8000, 'x'));
  EXPECT_EQ(replies("AUTH PLAIN " + bulky + "\r\nNOOP\r\n"),
            "535 5.7.8 Authentication failed\r\n250 2.0.0 OK\r\n");
  EXPECT_EQ(replies("AUTH LOGIN\r\n" + std::string(12'400, 'A') + "\r\nNOOP\r\n"),
            "334 bW9yZT8=\r\n500 5.5.6 Authentication line too long\r\n250 2.0.0 OK\r\n");
}

TEST(SmtpServer, GuessingEnds) {
  ServerOptions options = test_options();
  options.auth = AuthOffer::always;
  options.mechanisms = {"PLAIN"};
  options.errors_max = 3;
  std::string input;
  for (int i = 0; i < 5; ++i) input += "AUTH PLAIN YmFk\r\n";
  EXPECT_TRUE(replies_to(input, options).ends_with("421 4.7.0 Too many errors; closing\r\n"));
}

TEST(SmtpServer, TlsFirstWhereDemanded) {
  ServerOptions options = test_options();
  options.before_mail = BeforeMail::tls;
  EXPECT_EQ(replies_to("MAIL FROM:<>\r\n", options), "530 5.7.0 STARTTLS is needed first\r\n");
  options.tls_active = true;
  EXPECT_EQ(replies_to("MAIL FROM:<>\r\n", options), "250 2.1.0 Sender OK\r\n");
}

TEST(SmtpServer, WhoIsTurnedAwayMayOnlyQuit) {
  Server server(test_options());
  server.next();
  server.answer(Reply{554, {}, "No service"});
  server.feed("EHLO c\r\n");
  EXPECT_TRUE(std::holds_alternative<ProtocolError>(*server.next()));
  server.feed("QUIT\r\n");
  EXPECT_TRUE(std::holds_alternative<Quit>(*server.next()));
  EXPECT_EQ(server.take_output(),
            "554 No service\r\n503 5.5.1 No service here, QUIT is expected\r\n"
            "221 2.0.0 Goodbye\r\n");
}

TEST(SmtpServer, ClosesOnDemandAndOn421) {
  Server server(test_options());
  server.close(replies::kShuttingDown);
  EXPECT_EQ(server.take_output(), "421 4.3.2 Shutting down, try again later\r\n");
  EXPECT_EQ(server.phase(), ServerPhase::closed);
  EXPECT_FALSE(server.next().has_value());
  EXPECT_EQ(server.feed("QUIT\r\n"), 6U);

  Server other(test_options());
  other.next();
  other.answer(replies::kShuttingDown);
  EXPECT_EQ(other.phase(), ServerPhase::closed);
}

TEST(SmtpServer, LmtpAnswersForEachRecipient) {
  ServerOptions options = test_options();
  options.protocol = Protocol::lmtp;
  const Transcript t = said(
      options,
      "EHLO c\r\nLHLO c\r\nMAIL FROM:<>\r\nRCPT TO:<a@b.c>\r\nRCPT TO:<unknown@b.c>\r\n"
      "RCPT TO:<b@b.c>\r\nDATA\r\nx\r\n.\r\nMAIL FROM:<>\r\nRCPT TO:<unknown@b.c>\r\nDATA\r\n");
  EXPECT_TRUE(t.output.starts_with("220 mx.example.org LMTP\r\n500 5.5.1 "));
  EXPECT_TRUE(
      t.output.ends_with("<CRLF>.<CRLF>\r\n250 2.0.0 first\r\n451 4.2.0 second\r\n"
                         "250 2.1.0 Sender OK\r\n550 5.1.1 No such user\r\n"
                         "503 5.5.1 RCPT is needed first\r\n"));
}

TEST(SmtpServer, RandomSessionsDoNotDependOnTheCuts) {
  const std::vector<std::string> words{"EHLO c\r\n",
                                       "HELO c\r\n",
                                       "MAIL FROM:<a@b.c>\r\n",
                                       "RCPT TO:<a@b.c>\r\n",
                                       "RCPT TO:<unknown@b.c>\r\n",
                                       "RCPT TO:<nodata@b.c>\r\n",
                                       "DATA\r\n",
                                       "BDAT 5\r\n",
                                       "a\r\nb\r",
                                       "BDAT 0 LAST\r\n",
                                       "BDAT 3 LAST\r\n",
                                       "x\r\n",
                                       ".\r\n",
                                       "..\r\n",
                                       "\r\n",
                                       "\r",
                                       "\n",
                                       ".",
                                       "RSET\r\n",
                                       "NOOP\r\n",
                                       "AUTH PLAIN Z29vZA==\r\n",
                                       "AUTH LOGIN\r\n",
                                       "*\r\n",
                                       "FOO\r\n",
                                       "VRFY a\r\n",
                                       "text"s,
                                       "\0"s,
                                       "Z29vZA==\r\n"};
  for (uint64_t seed = 1; seed <= 400; ++seed) {
    Random random(seed);
    ServerOptions options = test_options();
    options.auth = AuthOffer::always;
    options.mechanisms = {"PLAIN", "LOGIN"};
    options.size_max = {30};
    options.data_line_max = 12;
    options.errors_max = 50;
    if (random.chance(30)) options.protocol = Protocol::lmtp;
    std::string input = options.protocol == Protocol::lmtp ? "LHLO c\r\n" : "EHLO c\r\n";
    if (random.chance(60)) input += "MAIL FROM:<a@b.c>\r\nRCPT TO:<a@b.c>\r\n";
    if (random.chance(40)) input += "DATA\r\n";
    for (uint64_t n = random.below(40); n > 0; --n) input += words[random.below(words.size())];
    said(options, input, seed);
    ASSERT_FALSE(HasFailure()) << "seed " << seed;
  }
}

}  // namespace
}  // namespace ph::smtp
