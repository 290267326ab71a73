#include "front/imap/server.h"

#include <set>

#include "codec/sasl/client.h"
#include "front/imap/detail/test_world.h"

namespace ph::imap_server {
namespace {

using ServerTest = ImapTest;

TEST_F(ServerTest, NobodyLogsInWithoutTls) {
  Client& client = dial(kPlainPort);
  const std::string greeting = client.until("* OK");
  EXPECT_TRUE(has(greeting, "STARTTLS LOGINDISABLED")) << greeting;
  EXPECT_FALSE(has(greeting, "AUTH=")) << greeting;
  EXPECT_TRUE(has(client.ask("LOGIN ann@example.org x"), "NO [PRIVACYREQUIRED]"));
  EXPECT_TRUE(has(client.ask("AUTHENTICATE PLAIN"), "NO [PRIVACYREQUIRED]"));
  EXPECT_TRUE(has(client.ask("STARTTLS"), " OK "));
  client.start_tls();
  const std::string now = client.ask("CAPABILITY");
  EXPECT_TRUE(has(now, "AUTH=SCRAM-SHA-256")) << now;
  EXPECT_FALSE(has(now, "STARTTLS")) << now;
  EXPECT_TRUE(has(client.ask("STARTTLS"), "BAD"));
  const std::string answer = client.ask(std::string("LOGIN ann@example.org \"") + kPassword + '"');
  EXPECT_TRUE(has(answer, " OK [CAPABILITY IMAP4rev1 ")) << answer;
}

TEST_F(ServerTest, TextBeforeTheHandshakeIsNotTheClients) {
  Client& client = dial(kPlainPort);
  client.until("* OK");
  client.say("a STARTTLS\r\nb CAPABILITY\r\n");  // as a man in the middle would
  client.until("a OK");
  client.start_tls();
  const std::string answer = client.ask("NOOP");
  EXPECT_FALSE(has(answer, "b OK")) << answer;
}

TEST_F(ServerTest, PlainTextLoginsAreForThisMachineOnlyAndOnlyIfSet) {
  set("imap.login_without_tls", "on");
  Client& stranger = dial(kPlainPort);
  EXPECT_TRUE(has(stranger.until("* OK"), "LOGINDISABLED"));
  clients.push_back(std::make_unique<Client>(
      sim, server, rt::Endpoint{rt::Endpoint::Kind::ipv4, "127.0.0.1", kPlainPort}, *trust,
      Client::Security::none));
  Client& local = *clients.back();
  EXPECT_TRUE(has(local.until("* OK"), "STARTTLS AUTH="));
  const std::string answer = local.ask(std::string("LOGIN ann@example.org \"") + kPassword + '"');
  EXPECT_TRUE(has(answer, " OK ")) << answer;
}

TEST_F(ServerTest, AWrongPasswordIsRefusedSlowerAndSlowerAndNeverLogged) {
  Client& client = dial();
  client.until("* OK");
  const Instant before = sim.now();
  for (int i = 0; i < 6; ++i) {
    const std::string answer = client.ask("LOGIN ann@example.org hunter2hunter2");
    EXPECT_TRUE(has(answer, "NO [AUTHENTICATIONFAILED]")) << answer;
  }
  EXPECT_GT(sim.now() - before, Duration::seconds(3));
  EXPECT_TRUE(
      has(client.ask("LOGIN nobody@example.org hunter2hunter2"), "NO [AUTHENTICATIONFAILED]"));
  EXPECT_TRUE(has(client.ask(std::string("LOGIN ann@example.org \"") + kPassword + '"'), " OK "));
  EXPECT_TRUE(has(around.log.text, "imap.login_failed"));
  EXPECT_TRUE(has(around.log.text, "imap.login user=ann@example.org"));
  EXPECT_FALSE(has(around.log.text, "hunter2"));
  EXPECT_FALSE(has(around.log.text, kPassword));
}

TEST_F(ServerTest, PlainAndScramProveTheUser) {
  Client& plain = dial();
  plain.until("* OK");
  const std::string message = base64_encode(std::string("\0ann@example.org\0", 17) + kPassword);
  EXPECT_TRUE(has(plain.ask("AUTHENTICATE PLAIN " + message), " OK [CAPABILITY"));
  EXPECT_TRUE(has(plain.ask("AUTHENTICATE PLAIN " + message), "BAD"));

  Client& scram = dial();
  scram.until("* OK");
  sasl::ScramClient prover({"ann@example.org", kPassword, {}}, sim.random().bytes(24));
  scram.say("a AUTHENTICATE SCRAM-SHA-256\r\n");
  scram.until("+ ");
  scram.say(base64_encode(prover.first()) + "\r\n");
  const std::string challenge = scram.until("+ ");
  const auto final = prover.final(*base64_decode(trim(challenge).substr(2)));
  ASSERT_TRUE(final.has_value());
  scram.say(base64_encode(*final) + "\r\n");
  const std::string last = scram.until("+ ");
  EXPECT_TRUE(prover.check(*base64_decode(trim(last).substr(2))).has_value());
  scram.say("\r\n");
  EXPECT_TRUE(has(scram.until("a "), "a OK"));

  Client& other = dial();
  other.until("* OK");
  other.say("a AUTHENTICATE PLAIN\r\n");
  other.until("+ ");
  other.say("*\r\n");
  EXPECT_TRUE(has(other.until("a "), "a BAD"));
  EXPECT_TRUE(has(other.ask("AUTHENTICATE GSSAPI"), "NO [CANNOT]"));
  EXPECT_TRUE(has(other.ask("NOOP"), "OK"));
}

TEST_F(ServerTest, CommandsInTheWrongStateAreRefused) {
  Client& client = dial();
  client.until("* OK");
  EXPECT_TRUE(has(client.ask("SELECT INBOX"), "BAD"));
  EXPECT_TRUE(has(client.ask("FETCH 1 FLAGS"), "BAD"));
  EXPECT_TRUE(has(client.ask(std::string("LOGIN ann@example.org \"") + kPassword + '"'), " OK "));
  EXPECT_TRUE(has(client.ask(std::string("LOGIN ann@example.org \"") + kPassword + '"'), "BAD"));
  EXPECT_TRUE(has(client.ask("FETCH 1 FLAGS"), "BAD"));
  EXPECT_TRUE(has(client.ask("SELECT Nowhere"), "NO [NONEXISTENT]"));
  EXPECT_TRUE(has(client.ask("FETCH 1 FLAGS"), "BAD"));
  EXPECT_TRUE(has(client.ask("SELECT INBOX"), "OK [READ-WRITE]"));
  EXPECT_TRUE(has(client.ask("SELECT Nowhere"), "NO [NONEXISTENT]"));
  EXPECT_TRUE(has(client.ask("FETCH 1 FLAGS"), "BAD"));  // RFC 3501 section 6.3.1
  EXPECT_TRUE(has(client.ask("XYZZY"), "BAD"));
  EXPECT_TRUE(has(client.ask("ID (\"name\" \"test\")"), "* ID (\"name\" \"Posthorn\")"));
  EXPECT_TRUE(has(client.ask("LOGOUT"), "* BYE"));
  sim.run_until([&] { return client.ended(); }, Duration::minutes(1));
  EXPECT_TRUE(client.ended());
}

TEST_F(ServerTest, ASessionMovesToItsMailboxesLoop) {
  const auto home = [this](std::string_view user) {
    return program().mailboxes().home_of(program().mailbox_of(user)).index();
  };
  std::set<size_t> homes;
  for (const std::string& user : around.accounts) homes.insert(home(user));
  ASSERT_EQ(homes.size(), 2U) << "the test needs mailboxes on both loops";
  for (int i = 0; i < 4; ++i) {
    for (const std::string& user : around.accounts) {
      Client& client = log_in(user);
      EXPECT_TRUE(has(client.ask("SELECT INBOX"), "OK [READ-WRITE]"));
    }
  }
  EXPECT_GT(gauge("posthorn_imap_connections_moved"), 0);
  EXPECT_LT(gauge("posthorn_imap_connections_moved"), 12);
  EXPECT_EQ(gauge("posthorn_imap_connections"), 12);
  // What is sent right behind the login goes along.
  for (int i = 0; i < 8; ++i) {
    Client& client = dial();
    client.until("* OK");
    client.say(std::string("a LOGIN ann@example.org \"") + kPassword +
               "\"\r\nb SELECT INBOX\r\nc NOOP\r\nd STATUS INBOX (MESSAGES)\r\n");
    const std::string all = client.until("d ");
    EXPECT_TRUE(has(all, "a OK")) << all;
    EXPECT_TRUE(has(all, "b OK")) << all;
    EXPECT_TRUE(has(all, "* STATUS INBOX (MESSAGES 0)")) << all;
  }
}

TEST_F(ServerTest, SilentClientsAreClosed) {
  Client& never = dial();
  never.until("* OK");
  const Instant start = sim.now();
  EXPECT_TRUE(has(never.until("* BYE"), "Login took too long"));
  EXPECT_LE(sim.now() - start, Duration::seconds(61));
  Client& idle = log_in();
  idle.ask("SELECT INBOX");
  idle.say("i IDLE\r\n");
  idle.until("+ ");
  const Instant last = sim.now();
  EXPECT_TRUE(has(idle.until("* BYE", Duration::hours(1)), "silence"));
  EXPECT_GE(sim.now() - last, Duration::minutes(30) - Duration::seconds(1));
  EXPECT_LE(sim.now() - last, Duration::minutes(31));
  Client& half = log_in();
  half.say("x APPEND INBOX {100}\r\n");
  half.until("+ ");
  EXPECT_TRUE(has(half.until("* BYE"), "silence"));
  sim.run_for(Duration::minutes(1));
  EXPECT_EQ(gauge("posthorn_imap_connections"), 0);
  EXPECT_EQ(gauge("posthorn_imap_message_bytes"), 0);
}

TEST_F(ServerTest, TooManyConnectionsAreTurnedAway) {
  set("imap.connections_per_ip_max", "2");
  Client& one = log_in();
  Client& two = log_in();
  Client& three = dial(kPlainPort);
  EXPECT_TRUE(has(three.until("* "), "BYE [LIMIT]"));
  EXPECT_TRUE(has(one.ask("NOOP"), "OK"));
  two.hang_up();
  sim.run_for(Duration::seconds(5));
  Client& four = log_in();
  EXPECT_TRUE(has(four.ask("NOOP"), "OK"));
}

TEST_F(ServerTest, AClientThatTalksNonsenseIsClosed) {
  Client& client = dial();
  client.until("* OK");
  for (int i = 0; i < 60; ++i) client.say("x NONSENSE\r\n");
  EXPECT_TRUE(has(client.until("* BYE"), "[CLIENTBUG]"));
}

TEST_F(ServerTest, DrainingSaysByeToEveryoneAndEnds) {
  Client& idle = log_in();
  idle.ask("SELECT INBOX");
  idle.say("i IDLE\r\n");
  idle.until("+ ");
  Client& quiet = log_in("bob@example.org");
  Client& stranger = dial();
  stranger.until("* OK");
  for (size_t i = 0; i < program().servers(); ++i) {
    rt::Loop& loop = server.loop(i);
    const auto done = sim.await(loop, program().server(i).drain(loop.in(Duration::seconds(30))));
    EXPECT_TRUE(done.has_value() && done->has_value());
  }
  EXPECT_TRUE(has(idle.until("* BYE"), "[UNAVAILABLE]"));
  EXPECT_TRUE(has(quiet.until("* BYE"), "[UNAVAILABLE]"));
  EXPECT_TRUE(has(stranger.until("* BYE"), "[UNAVAILABLE]"));
}

TEST_F(ServerTest, WhatWasAnsweredIsThereAfterAPowerCut) {
  Client& client = log_in();
  EXPECT_TRUE(has(append(client, "INBOX", kMessage), "OK [APPENDUID "));
  client.say("x APPEND INBOX {100+}\r\nhalf");
  sim.run_for(Duration::seconds(1));
  around.disk.power_off();
  server.restart();
  wait_ready();
  clients.clear();
  Client& again = log_in();
  EXPECT_TRUE(has(again.ask("SELECT INBOX"), "* 1 EXISTS"));
}

}  // namespace
}  // namespace ph::imap_server
