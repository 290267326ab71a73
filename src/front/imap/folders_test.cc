#include "front/imap/detail/test_world.h"

namespace ph::imap_server {
namespace {

using FoldersTest = ImapTest;

TEST_F(FoldersTest, ListShowsUsesAndChildren) {
  Client& client = log_in();
  const std::string all = client.ask("LIST \"\" *");
  EXPECT_TRUE(has(all, "* LIST (\\HasNoChildren) \"/\" INBOX\r\n")) << all;
  EXPECT_TRUE(has(all, "* LIST (\\HasNoChildren \\Sent) \"/\" Sent\r\n")) << all;
  EXPECT_TRUE(has(all, "* LIST (\\HasNoChildren \\Trash) \"/\" Trash\r\n")) << all;
  EXPECT_TRUE(has(all, "* LIST (\\HasNoChildren) \"/\" Outbox\r\n")) << all;
  EXPECT_TRUE(has(client.ask("LIST \"\" \"\""), "* LIST (\\Noselect) \"/\" \"\"\r\n"));
  EXPECT_TRUE(has(client.ask("CREATE Lists/cpp/"), "OK"));
  EXPECT_TRUE(has(client.ask("CREATE Lists/cpp"), "NO [ALREADYEXISTS]"));
  const std::string top = client.ask("LIST \"\" %");
  EXPECT_TRUE(has(top, "\\HasChildren) \"/\" Lists\r\n")) << top;
  EXPECT_FALSE(has(top, "Lists/cpp")) << top;
  EXPECT_TRUE(has(client.ask("LIST Lists/ %"), "\"/\" Lists/cpp\r\n"));
  EXPECT_TRUE(has(client.ask("LIST \"\" inbox"), "\"/\" INBOX\r\n"));
  const std::string uses = client.ask("LIST (SPECIAL-USE) \"\" *");
  EXPECT_TRUE(has(uses, "\\Drafts")) << uses;
  EXPECT_FALSE(has(uses, "INBOX")) << uses;
  EXPECT_TRUE(has(client.ask("NAMESPACE"), "* NAMESPACE ((\"\" \"/\")) NIL NIL\r\n"));
}

TEST_F(FoldersTest, SubscriptionsOutliveTheirFolders) {
  Client& client = log_in();
  EXPECT_TRUE(has(client.ask("CREATE a/b/c"), "OK"));
  EXPECT_TRUE(has(client.ask("SUBSCRIBE a/b/c"), "OK"));
  EXPECT_TRUE(has(client.ask("SUBSCRIBE x/y"), "OK"));
  const std::string lsub = client.ask("LSUB \"\" *");
  EXPECT_TRUE(has(lsub, "* LSUB () \"/\" a/b/c\r\n")) << lsub;
  EXPECT_TRUE(has(lsub, "* LSUB () \"/\" x/y\r\n")) << lsub;
  const std::string levels = client.ask("LSUB \"\" %");
  EXPECT_TRUE(has(levels, "* LSUB (\\Noselect) \"/\" a\r\n")) << levels;
  EXPECT_FALSE(has(levels, "a/b")) << levels;
  const std::string listed = client.ask("LIST (SUBSCRIBED) \"\" * RETURN (CHILDREN)");
  EXPECT_TRUE(has(listed, "(\\HasNoChildren \\Subscribed) \"/\" a/b/c\r\n")) << listed;
  EXPECT_TRUE(has(listed, "(\\NonExistent \\Subscribed) \"/\" x/y\r\n")) << listed;
  const std::string deep = client.ask("LIST (SUBSCRIBED RECURSIVEMATCH) \"\" %");
  EXPECT_TRUE(has(deep, "\"/\" a (\"CHILDINFO\" (\"SUBSCRIBED\"))\r\n")) << deep;
  EXPECT_TRUE(has(client.ask("UNSUBSCRIBE x/y"), "OK"));
  EXPECT_FALSE(has(client.ask("LSUB \"\" *"), "x/y"));
}

TEST_F(FoldersTest, FoldersAreMadeRenamedAndDeleted) {
  Client& client = log_in();
  EXPECT_TRUE(has(client.ask("CREATE One (USE (\\Flagged))"), "NO [USEATTR]"));
  EXPECT_TRUE(has(client.ask("CREATE Two (USE (\\Sent))"), "NO [USEATTR]"));
  EXPECT_TRUE(has(client.ask("CREATE \"a//b\""), "NO [CANNOT]"));
  EXPECT_TRUE(has(client.ask("CREATE Three"), "OK"));
  append(client, "Three", kMessage);
  EXPECT_TRUE(has(client.ask("RENAME Three Four"), "OK"));
  EXPECT_TRUE(has(client.ask("RENAME Three Four"), "NO [NONEXISTENT]"));
  EXPECT_TRUE(has(client.ask("RENAME Four INBOX"), "NO [ALREADYEXISTS]"));
  const std::string status =
      client.ask("STATUS Four (MESSAGES UIDNEXT UNSEEN SIZE UIDVALIDITY HIGHESTMODSEQ RECENT)");
  EXPECT_TRUE(has(status, "* STATUS Four (MESSAGES 1 RECENT 1 UIDNEXT 2 UIDVALIDITY ")) << status;
  EXPECT_TRUE(has(status, "UNSEEN 1 SIZE " + std::to_string(sizeof(kMessage) - 1))) << status;
  EXPECT_TRUE(has(client.ask("STATUS Three (MESSAGES)"), "NO [NONEXISTENT]"));
  EXPECT_TRUE(has(client.ask("DELETE Four"), "OK"));
  EXPECT_TRUE(has(client.ask("DELETE Four"), "NO [NONEXISTENT]"));
  EXPECT_TRUE(has(client.ask("DELETE INBOX"), "NO [CANNOT]"));
  EXPECT_TRUE(
      has(client.ask("LIST \"\" * RETURN (STATUS (MESSAGES))"), "* STATUS INBOX (MESSAGES 0)"));
  // Modified UTF-7 on the wire, RFC 3501 section 5.1.3.
  EXPECT_TRUE(has(client.ask("CREATE \"Entw&APw-rfe\""), "OK"));
  EXPECT_TRUE(has(client.ask("LIST \"\" Entw*"), "Entw&APw-rfe\r\n"));
}

TEST_F(FoldersTest, TheOutboxCanBeReadOnly) {
  Client& client = log_in();
  EXPECT_TRUE(has(client.ask("SELECT Outbox"), "OK [READ-ONLY]"));
  EXPECT_TRUE(has(append(client, "Outbox", kMessage), "NO [READ-ONLY]"));
  EXPECT_TRUE(has(client.ask("DELETE Outbox"), "NO [CANNOT]"));
  const store::MailboxId id = program().mailbox_of("ann@example.org");
  rt::Loop& home = program().mailboxes().home_of(id);
  store::NewSubmission submission;
  submission.bytes = std::make_shared<const std::string>(kMessage);
  submission.envelope.sender = "ann@example.org";
  submission.recipients.emplace_back();
  submission.recipients.back().address = "bob@example.org";
  const rt::Deadline soon = home.in(Duration::minutes(1));
  auto send = [&submission, soon](store::Mailbox& m) { return m.submit(submission, soon); };
  const auto sent = sim.await(home, program().mailboxes().with(home, id, "submit", send, soon));
  ASSERT_TRUE(sent.has_value() && sent->has_value());
  EXPECT_TRUE(has(client.ask("NOOP"), "* 1 EXISTS"));
  const std::string shown = client.ask("FETCH 1 (FLAGS BODY.PEEK[HEADER.FIELDS (SUBJECT)])");
  EXPECT_TRUE(has(shown, "$SubmitPending")) << shown;
  EXPECT_TRUE(has(shown, "Subject: Lunch")) << shown;
  EXPECT_TRUE(has(client.ask("STORE 1 +FLAGS (\\Deleted)"), "NO [READ-ONLY]"));
  EXPECT_TRUE(has(client.ask("MOVE 1 Trash"), "NO [READ-ONLY]"));
  EXPECT_TRUE(has(client.ask("EXPUNGE"), "NO [READ-ONLY]"));
  EXPECT_TRUE(has(client.ask("COPY 1 Archive"), "OK [COPYUID "));
}

TEST_F(FoldersTest, AFolderMayGoWhileItIsSelected) {
  Client& one = log_in();
  Client& two = log_in();
  one.ask("CREATE Gone");
  append(one, "Gone", kMessage);
  EXPECT_TRUE(has(two.ask("SELECT Gone"), "* 1 EXISTS"));
  EXPECT_TRUE(has(one.ask("DELETE Gone"), "OK"));
  EXPECT_TRUE(has(two.ask("NOOP"), "OK"));
  EXPECT_TRUE(has(two.ask("FETCH 1 FLAGS"), "NO [NONEXISTENT]"));
  EXPECT_TRUE(has(two.ask("CLOSE"), "OK"));
  EXPECT_TRUE(has(two.ask("SELECT INBOX"), "OK"));
}

TEST_F(FoldersTest, ManyOrLongPatternsAreRefused) {
  Client& client = log_in();
  EXPECT_TRUE(has(client.ask("LIST \"\" " + std::string(4'000, '*')), "NO [LIMIT]"));
  std::string many = "LIST \"\" (";
  for (int i = 0; i < 40; ++i) many += " *";
  many.erase(many.find("( ") + 1, 1);
  EXPECT_TRUE(has(client.ask(many + ")"), "NO [LIMIT]"));
}

}  // namespace
}  // namespace ph::imap_server
