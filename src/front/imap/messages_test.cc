// FETCH, STORE, COPY, MOVE, EXPUNGE, SEARCH, APPEND, IDLE: one client and several.
#include "base/random.h"
#include "front/imap/detail/test_world.h"

namespace ph::imap_server {
namespace {

class MessagesTest : public ImapTest {
 protected:
  // INBOX with so many messages, selected.
  Client& with_messages(size_t count) {
    Client& client = log_in();
    for (size_t i = 0; i < count; ++i) append(client, "INBOX", message(i + 1));
    client.ask("SELECT INBOX");
    return client;
  }
  static std::string message(size_t number) {
    return "Date: Mon, 2 Nov 2026 10:00:00 +0000\r\nFrom: ann@example.org\r\nSubject: number " +
           std::to_string(number) + "\r\n\r\nbody of " + std::to_string(number) + "\r\n";
  }
};

std::string literal(std::string_view octets) {
  return "{" + std::to_string(octets.size()) + "}\r\n" + std::string(octets);
}

TEST_F(MessagesTest, SelectTellsWhatThereIs) {
  Client& client = log_in();
  append(client, "INBOX", kMessage, "(\\Seen) ");
  append(client, "INBOX", kMessage);
  const std::string answer = client.ask("SELECT INBOX");
  EXPECT_TRUE(has(answer, "* FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft)\r\n")) << answer;
  EXPECT_TRUE(has(answer, "* 2 EXISTS\r\n* 2 RECENT\r\n")) << answer;
  EXPECT_TRUE(has(answer, "* OK [UNSEEN 2]")) << answer;
  EXPECT_TRUE(has(answer, "\\*)]")) << answer;
  EXPECT_TRUE(has(answer, "* OK [UIDVALIDITY ")) << answer;
  EXPECT_TRUE(has(answer, "* OK [UIDNEXT 3]")) << answer;
  EXPECT_TRUE(has(answer, "* OK [HIGHESTMODSEQ ")) << answer;
  EXPECT_TRUE(has(client.ask("FETCH 1:2 FLAGS"), "* 1 FETCH (FLAGS (\\Seen \\Recent))\r\n"));
  const std::string again = client.ask("EXAMINE INBOX");
  EXPECT_TRUE(has(again, "* 0 RECENT")) << again;
  EXPECT_TRUE(has(again, "[PERMANENTFLAGS ()]")) << again;
  EXPECT_TRUE(has(again, "OK [READ-ONLY]")) << again;
  EXPECT_TRUE(has(client.ask("STORE 1 FLAGS ()"), "NO [READ-ONLY]"));
  // EXAMINE changes nothing, also not by reading.
  EXPECT_TRUE(has(client.ask("FETCH 2 BODY[TEXT]"), "At noon?"));
  EXPECT_FALSE(has(client.ask("FETCH 2 FLAGS"), "\\Seen"));
}

TEST_F(MessagesTest, FetchAnswersEveryItem) {
  Client& client = log_in();
  const std::string all = kMessage;
  append(client, "INBOX", all, "(\\Flagged $Work) \"17-Jul-1996 02:44:25 -0700\" ");
  client.ask("SELECT INBOX");
  const std::string values =
      client.ask("FETCH 1 (UID FLAGS INTERNALDATE RFC822.SIZE ENVELOPE BODY BODYSTRUCTURE)");
  EXPECT_TRUE(has(values,
                  "* 1 FETCH (UID 1 FLAGS (\\Flagged \\Recent $Work) INTERNALDATE "
                  "\"17-Jul-1996 09:44:25 +0000\" RFC822.SIZE " +
                      std::to_string(all.size())))
      << values;
  EXPECT_TRUE(has(values,
                  "ENVELOPE (\"Sat, 21 Nov 2026 02:50:16 +0100\" \"Lunch\" ((\"Ann\" NIL "
                  "\"ann\" \"example.org\"))"))
      << values;
  EXPECT_TRUE(has(values, "BODY ((\"text\" \"plain\" (\"charset\" \"utf-8\") NIL NIL \"7bit\" 8 "))
      << values;
  EXPECT_TRUE(has(values, "BODYSTRUCTURE (((\"") || has(values, "BODYSTRUCTURE ((\"text\""))
      << values;
  const size_t header = all.find("\r\n\r\n") + 4;
  const std::string peeked = client.ask(
      "FETCH 1 (BODY.PEEK[] BODY.PEEK[HEADER] BODY.PEEK[TEXT] BODY.PEEK[1] BODY.PEEK[2.MIME] "
      "BODY.PEEK[HEADER.FIELDS (subject x-none)] BODY.PEEK[HEADER.FIELDS.NOT (subject)] "
      "BODY.PEEK[9] RFC822.HEADER BINARY.PEEK[2] BINARY.SIZE[2] BODY.PEEK[]<5.10> "
      "BODY.PEEK[2]<4.9999> BODY.PEEK[TEXT]<9999.5>)");
  EXPECT_TRUE(has(peeked, "BODY[] " + literal(all))) << peeked;
  EXPECT_TRUE(has(peeked, "BODY[HEADER] " + literal(all.substr(0, header)))) << peeked;
  EXPECT_TRUE(has(peeked, "BODY[TEXT] " + literal(all.substr(header)))) << peeked;
  EXPECT_TRUE(has(peeked, "BODY[1] " + literal("At noon?"))) << peeked;
  EXPECT_TRUE(has(peeked, "BODY[2.MIME] {")) << peeked;
  EXPECT_TRUE(has(peeked, literal("Subject: Lunch\r\n\r\n"))) << peeked;
  EXPECT_TRUE(has(peeked, "BODY[9] NIL")) << peeked;
  EXPECT_TRUE(has(peeked, "RFC822.HEADER " + literal(all.substr(0, header)))) << peeked;
  EXPECT_TRUE(has(peeked, "BINARY[2] ~" + literal("hello"))) << peeked;
  EXPECT_TRUE(has(peeked, "BINARY.SIZE[2] 5")) << peeked;
  EXPECT_TRUE(has(peeked, "BODY[]<5> " + literal(all.substr(5, 10)))) << peeked;
  EXPECT_TRUE(has(peeked, "BODY[2]<4> " + literal("bG8="))) << peeked;
  EXPECT_TRUE(has(peeked, "BODY[TEXT]<9999> " + literal(""))) << peeked;
  EXPECT_FALSE(has(client.ask("FETCH 1 FLAGS"), "\\Seen"));
  const std::string read = client.ask("UID FETCH 1 BODY[1]");
  EXPECT_TRUE(has(read, "* 1 FETCH (UID 1 FLAGS (\\Flagged \\Seen \\Recent $Work) BODY[1] "))
      << read;
  EXPECT_EQ(read.find("FETCH"), read.rfind("FETCH", read.rfind("\r\nt"))) << read;
}

TEST_F(MessagesTest, LargeMessagesAreStreamedAndTakenApart) {
  Client& client = log_in();
  std::string attachment;
  Random random(1);
  for (int i = 0; i < 20'000; ++i) attachment += base64_encode(random.bytes(54)) + "\r\n";
  const std::string head = "Subject: large\r\nX-Long: " + std::string(40'000, 'x') +
                           "\r\nContent-Type: multipart/mixed; boundary=q\r\n\r\n";
  const std::string all = head +
                          "--q\r\n\r\nfirst\r\n--q\r\nContent-Transfer-Encoding: "
                          "base64\r\n\r\n" +
                          attachment + "--q--\r\n";
  ASSERT_GT(all.size(), size_t{1'000'000});
  EXPECT_TRUE(has(append(client, "INBOX", all), "OK [APPENDUID "));
  append(client, "INBOX", kMessage);
  client.ask("SELECT INBOX");
  EXPECT_TRUE(has(client.ask("FETCH 1 BODY.PEEK[]"), literal(all) + ")\r\n"));
  EXPECT_TRUE(has(client.ask("FETCH 1 RFC822"), "RFC822 " + literal(all) + ")\r\n"));
  EXPECT_TRUE(has(client.ask("FETCH 1 BODY[HEADER]"), literal(head) + ")\r\n"));
  EXPECT_TRUE(has(client.ask("FETCH 1 BODY[TEXT]"), literal(all.substr(head.size()))));
  EXPECT_TRUE(
      has(client.ask("FETCH 1 BODY[]<500000.300000>"), literal(all.substr(500'000, 300'000))));
  EXPECT_TRUE(has(client.ask("FETCH 1 BODY[1]"), literal("first")));
  const std::string second = attachment.substr(0, attachment.size() - 2);
  EXPECT_TRUE(has(client.ask("FETCH 1 (BODY[2] UID)"), literal(second) + ")\r\n"));
  EXPECT_EQ(gauge("posthorn_imap_message_bytes"), 0);
  // Without memory for parts, the message as a whole still comes.
  set("imap.memory_max", "16 MiB");
  EXPECT_TRUE(has(client.ask("FETCH 1:2 BODY.PEEK[HEADER.FIELDS (SUBJECT)]"), "Subject: Lunch"));
}

TEST_F(MessagesTest, AnAppendThatDoesNotFitInMemoryIsRefused) {
  set("imap.memory_max", "16 MiB");
  Client& one = log_in();
  Client& two = log_in();
  one.say("a APPEND INBOX {12000000}\r\n");
  one.until("+ ");
  two.say("a APPEND INBOX {12000000}\r\n");
  EXPECT_TRUE(has(two.until("a "), "NO [LIMIT]"));
  EXPECT_TRUE(has(append(two, "INBOX", kMessage), "OK"));
  EXPECT_TRUE(has(append(two, "Nowhere", kMessage), "NO [TRYCREATE]"));
  EXPECT_TRUE(has(two.ask("APPEND INBOX {999999999}"), "NO [TOOBIG]"));
  one.hang_up();
  sim.run_for(Duration::seconds(10));
  EXPECT_EQ(gauge("posthorn_imap_message_bytes"), 0);
  EXPECT_TRUE(has(two.ask("STATUS INBOX (MESSAGES)"), "MESSAGES 1"));
  // Several messages of one command come together or not at all.
  EXPECT_TRUE(has(two.ask("APPEND INBOX {1+}\r\nx {1+}\r\ny"), "OK [APPENDUID "));
  EXPECT_TRUE(has(two.ask("STATUS INBOX (MESSAGES)"), "MESSAGES 3"));
}

TEST_F(MessagesTest, AFullDiskRefusesMessagesAndKeepsTheClient) {
  Client& client = with_messages(2);
  around.disk.set_space(kv_mem::Space::none);
  EXPECT_TRUE(has(append(client, "INBOX", kMessage), "NO [UNAVAILABLE]"));
  EXPECT_TRUE(has(client.ask("STORE 1 +FLAGS (\\Flagged)"), "NO [UNAVAILABLE]"));
  EXPECT_TRUE(has(client.ask("CREATE x"), "NO [UNAVAILABLE]"));
  // Reading goes on, though nothing can be marked as read.
  const std::string read = client.ask("FETCH 1:2 BODY[TEXT]");
  EXPECT_TRUE(has(read, "body of 2")) << read;
  EXPECT_TRUE(has(read, " OK ")) << read;
  around.disk.set_space(kv_mem::Space::plenty);
  EXPECT_TRUE(has(append(client, "INBOX", kMessage), "* 3 EXISTS"));
}

TEST_F(MessagesTest, StoreTellsWhatTheClientDoesNotKnow) {
  Client& one = with_messages(3);
  Client& two = log_in();
  two.ask("SELECT INBOX");
  EXPECT_TRUE(has(one.ask("STORE 1:2 +FLAGS (\\Flagged $A)"),
                  "* 2 FETCH (UID 2 FLAGS (\\Flagged \\Recent $A))\r\n"));
  EXPECT_FALSE(has(one.ask("STORE 1 -FLAGS.SILENT ($A)"), "FETCH"));
  const std::string seen = two.ask("NOOP");
  EXPECT_TRUE(has(seen, "* 1 FETCH (UID 1 FLAGS (\\Flagged))\r\n")) << seen;
  EXPECT_TRUE(has(seen, "* 2 FETCH (UID 2 FLAGS (\\Flagged $A))\r\n")) << seen;
  two.ask("STORE 3 FLAGS (\\Answered)");
  const std::string told = one.ask("UID STORE 3 +FLAGS.SILENT (\\Deleted)");
  EXPECT_TRUE(has(told, "* 3 FETCH (UID 3 FLAGS (\\Answered")) << told;
  EXPECT_FALSE(has(told, "\\Deleted")) << told;
  EXPECT_TRUE(has(one.ask("STORE 9 +FLAGS (\\Seen)"), "BAD"));
  EXPECT_TRUE(has(one.ask("UID STORE 999 +FLAGS (\\Seen)"), "OK"));
  std::string many = "STORE 1 +FLAGS (";
  for (int i = 0; i < 100; ++i) many += "k" + std::to_string(i) + " ";
  many.back() = ')';
  EXPECT_TRUE(has(one.ask(many), "OK"));
}

TEST_F(MessagesTest, CondstoreRefusesWhatChangedMeanwhile) {
  Client& one = with_messages(3);
  Client& two = log_in();
  EXPECT_TRUE(has(two.ask("ENABLE CONDSTORE X-OTHER"), "* ENABLED CONDSTORE\r\n"));
  two.ask("SELECT INBOX");
  const std::string first = two.ask("FETCH 1:3 (MODSEQ)");
  const size_t at = first.find("* 3 FETCH (MODSEQ (") + 19;
  const std::string modseq = first.substr(at, first.find(')', at) - at);
  one.ask("STORE 2 +FLAGS (\\Flagged)");
  const std::string stored =
      two.ask("STORE 1:3 (UNCHANGEDSINCE " + modseq + ") +FLAGS.SILENT (\\Seen)");
  EXPECT_TRUE(has(stored, "OK [MODIFIED 2]")) << stored;
  EXPECT_TRUE(has(stored, "* 1 FETCH (UID 1 FLAGS (\\Seen) MODSEQ (")) << stored;
  const std::string changed = two.ask("FETCH 1:3 FLAGS (CHANGEDSINCE " + modseq + ")");
  EXPECT_TRUE(has(changed, "* 2 FETCH (FLAGS (\\Flagged) MODSEQ (")) << changed;
  EXPECT_FALSE(has(two.ask("FETCH 1:3 FLAGS (CHANGEDSINCE 9999999)"), "FETCH (FLAGS"));
  const std::string found = two.ask("SEARCH MODSEQ " + modseq);
  EXPECT_TRUE(has(found, "* SEARCH 1 2 3 (MODSEQ ")) << found;
  EXPECT_TRUE(has(two.ask("UID FETCH 1:* FLAGS (CHANGEDSINCE 1 VANISHED)"), "BAD"));
  EXPECT_TRUE(has(two.ask("SELECT INBOX (QRESYNC (1 1))"), "BAD"));
}

TEST_F(MessagesTest, CopyMoveAndExpungeSayWhereThingsWent) {
  Client& client = with_messages(5);
  const std::string copied = client.ask("UID COPY 2,4 Archive");
  EXPECT_TRUE(has(copied, " 2,4 1:2] ")) << copied;
  EXPECT_TRUE(has(client.ask("COPY 1 Nowhere"), "NO [TRYCREATE]"));
  EXPECT_TRUE(has(client.ask("COPY 77 Archive"), "BAD"));
  const std::string moved = client.ask("MOVE 1:2 Archive");
  EXPECT_TRUE(has(moved, "* OK [COPYUID ")) << moved;
  EXPECT_LT(moved.find("[COPYUID"), moved.find("EXPUNGE")) << moved;
  EXPECT_TRUE(has(moved, "* 2 EXPUNGE\r\n* 1 EXPUNGE\r\n")) << moved;
  client.ask("STORE 1,3 +FLAGS.SILENT (\\Deleted)");
  EXPECT_TRUE(has(client.ask("UID EXPUNGE 5"), "* 3 EXPUNGE\r\n"));
  EXPECT_TRUE(has(client.ask("EXPUNGE"), "* 1 EXPUNGE\r\n"));
  EXPECT_TRUE(has(client.ask("UID SEARCH ALL"), "* SEARCH 4\r\n"));
  client.ask("STORE 1 +FLAGS.SILENT (\\Deleted)");
  EXPECT_FALSE(has(client.ask("CLOSE"), "EXPUNGE"));
  EXPECT_TRUE(has(client.ask("STATUS INBOX (MESSAGES)"), "MESSAGES 0"));
  EXPECT_TRUE(has(client.ask("STATUS Archive (MESSAGES)"), "MESSAGES 4"));
  EXPECT_TRUE(has(client.ask("SELECT INBOX"), "* 0 EXISTS"));
  EXPECT_TRUE(has(client.ask("FETCH 1:* FLAGS"), "OK"));
}

TEST_F(MessagesTest, ExpungesWaitWhileTheClientCounts) {
  Client& one = with_messages(4);
  Client& two = log_in();
  two.ask("SELECT INBOX");
  one.ask("STORE 2 +FLAGS.SILENT (\\Deleted)");
  one.ask("EXPUNGE");
  append(one, "INBOX", kMessage);
  const std::string fetched = two.ask("FETCH 4 (UID)");
  EXPECT_TRUE(has(fetched, "* 4 FETCH (UID 4)")) << fetched;
  EXPECT_FALSE(has(fetched, "EXPUNGE")) << fetched;
  EXPECT_TRUE(has(fetched, "* 5 EXISTS")) << fetched;
  const std::string gone = two.ask("FETCH 1:3 (UID BODY.PEEK[])");
  EXPECT_TRUE(has(gone, "NO [EXPUNGEISSUED]")) << gone;
  EXPECT_TRUE(has(gone, "* 3 FETCH (UID 3")) << gone;
  EXPECT_FALSE(has(two.ask("SEARCH ALL"), "EXPUNGE"));
  EXPECT_FALSE(has(two.ask("STORE 4 +FLAGS.SILENT (\\Seen)"), "EXPUNGE"));
  const std::string after = two.ask("UID FETCH 1:* (FLAGS)");
  EXPECT_TRUE(has(after, "* 2 EXPUNGE")) << after;
  EXPECT_TRUE(has(two.ask("FETCH 4 (UID)"), "* 4 FETCH (UID 5)"));
}

TEST_F(MessagesTest, IdleTellsSoon) {
  Client& one = log_in();
  Client& two = log_in();
  two.ask("SELECT INBOX");
  two.say("i IDLE\r\n");
  two.until("+ ");
  const Instant start = sim.now();
  append(one, "INBOX", kMessage);
  two.until("* 1 EXISTS");
  EXPECT_LT(sim.now() - start, Duration::seconds(2));
  one.ask("SELECT INBOX");
  one.ask("STORE 1 +FLAGS (\\Deleted)");
  EXPECT_TRUE(has(two.until("* 1 FETCH"), "\\Deleted"));
  one.ask("EXPUNGE");
  two.until("* 1 EXPUNGE");
  two.say("DONE\r\n");
  EXPECT_TRUE(has(two.until("i "), "i OK"));
  EXPECT_TRUE(has(two.ask("NOOP"), " OK "));
}

TEST_F(MessagesTest, SearchKnowsItsKeys) {
  Client& client = log_in();
  append(client, "INBOX", message(1), "(\\Seen) \"01-Nov-2026 00:00:00 +0000\" ");
  append(client, "INBOX", message(2), "(\\Flagged $Work) \"02-Nov-2026 12:00:00 +0000\" ");
  append(client, "INBOX", kMessage, "\"03-Nov-2026 12:00:00 +0000\" ");
  client.ask("SELECT INBOX");
  struct Row {
    const char* keys;
    const char* found;
  };
  const Row rows[] = {
      {"ALL", " 1 2 3"},
      {"SEEN", " 1"},
      {"UNSEEN", " 2 3"},
      {"KEYWORD $work", " 2"},
      {"UNKEYWORD $work", " 1 3"},
      {"NOT FLAGGED", " 1 3"},
      {"OR SEEN FLAGGED", " 1 2"},
      {"2:*", " 2 3"},
      {"UID 3", " 3"},
      {"UID 3:999 2", ""},
      {"9", ""},
      {"SUBJECT lunch", " 3"},
      {"HEADER Message-ID \"\"", " 3"},
      {"FROM ann", " 1 2 3"},
      {"TO bob", " 3"},
      {"BODY \"body of 2\"", " 2"},
      {"TEXT noon", " 3"},
      {"BEFORE 2-Nov-2026", " 1"},
      {"ON 2-Nov-2026", " 2"},
      {"SINCE 2-Nov-2026", " 2 3"},
      {"SENTON 2-Nov-2026", " 1 2"},
      {"SENTSINCE 3-Nov-2026", " 3"},
      {"SENTBEFORE 3-Nov-2026", " 1 2"},
      {"LARGER 300", " 3"},
      {"SMALLER 300", " 1 2"},
      {"YOUNGER 31536000", " 1 2 3"},
      {"OLDER 1500000", " 1 2 3"},  // it is the 21st
      {"OLDER 1590000", " 1 2"},
      {"RECENT", " 1 2 3"},
      {"NEW", " 2 3"},
      {"OLD", ""},
      {"CHARSET UTF-8 SUBJECT lunch", " 3"},
      {"CHARSET ISO-8859-1 SUBJECT number", " 1 2"},
      {"(SEEN) NOT (OR DELETED DRAFT)", " 1"},
  };
  for (const Row& row : rows) {
    const std::string answer = client.ask(std::string("SEARCH ") + row.keys);
    EXPECT_TRUE(answer.starts_with(std::string("* SEARCH") + row.found + "\r\n"))
        << row.keys << ": " << answer;
  }
  EXPECT_TRUE(has(client.ask("SEARCH CHARSET X-NONE SUBJECT x"), "NO [BADCHARSET"));
  EXPECT_TRUE(has(client.ask("SEARCH RETURN (MIN MAX COUNT) UNSEEN"), "MIN 2 MAX 3 COUNT 2\r\n"));
  EXPECT_TRUE(has(client.ask("UID SEARCH RETURN () 1:*"), "UID ALL 1:3\r\n"));
  EXPECT_TRUE(has(client.ask("SEARCH RETURN (COUNT) DELETED"), "COUNT 0\r\n"));
}

TEST_F(MessagesTest, AClientThatDoesNotReadDelaysNobody) {
  Client& deaf = log_in();
  const std::string large = "Subject: x\r\n\r\n" + std::string(3'000'000, 'y');
  append(deaf, "INBOX", large);
  deaf.ask("SELECT INBOX");
  deaf.stop_reading();
  deaf.say("a FETCH 1 BODY.PEEK[]\r\nb NOOP\r\n");
  sim.run_for(Duration::seconds(10));
  Client& other = log_in();
  const Instant start = sim.now();
  other.ask("SELECT INBOX");
  other.ask("STORE 1 +FLAGS (\\Flagged)");
  EXPECT_LT(sim.now() - start, Duration::seconds(2));
  deaf.go_on_reading();
  const std::string all = deaf.until("b ");
  EXPECT_TRUE(has(all, literal(large)));
  deaf.stop_reading();
  deaf.clear();
  deaf.say("a FETCH 1 BODY.PEEK[]\r\n");
  sim.run_for(Duration::minutes(6));
  EXPECT_EQ(gauge("posthorn_imap_connections"), 1);  // closed after the time of progress
}

TEST_F(MessagesTest, ADamagedMessageHurtsOnlyItself) {
  Client& client = with_messages(3);
  around.disk.damage_blob(kv::blob_id_of(message(2)));
  const std::string read = client.ask("FETCH 1:3 BODY.PEEK[TEXT]");
  EXPECT_TRUE(has(read, "body of 1")) << read;
  EXPECT_TRUE(has(read, "body of 3")) << read;
  EXPECT_FALSE(has(read, "* 2 FETCH")) << read;
  EXPECT_TRUE(has(read, "NO [CORRUPTION]")) << read;
  EXPECT_TRUE(has(client.ask("FETCH 1:3 FLAGS"), "* 2 FETCH"));
}

}  // namespace
}  // namespace ph::imap_server
