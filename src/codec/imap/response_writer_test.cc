#include "codec/imap/response_writer.h"

#include <gtest/gtest.h>

#include <functional>

namespace ph::imap {
namespace {

std::string written(const std::function<void(ResponseWriter&)>& write,
                    NameForm names = NameForm::modified_utf7) {
  std::string out;
  ResponseWriter writer(out, names);
  write(writer);
  return out;
}

std::string status(const StatusLine& line) {
  return written([&](ResponseWriter& w) { w.status(line); });
}

SequenceSet set(std::string_view text) { return *SequenceSet::parse(text); }

TEST(ResponseWriter, StatusLines) {
  EXPECT_EQ(status({.text = "hello"}), "* OK hello\r\n");
  EXPECT_EQ(status({.tag = "a1", .condition = Condition::no, .code = "TRYCREATE", .text = "None"}),
            "a1 NO [TRYCREATE] None\r\n");
  EXPECT_EQ(status({.tag = "a", .condition = Condition::bad, .text = "x"}), "a BAD x\r\n");
  EXPECT_EQ(status({.condition = Condition::bye, .text = "x"}), "* BYE x\r\n");
  EXPECT_EQ(status({.condition = Condition::preauth, .text = "x"}), "* PREAUTH x\r\n");
  EXPECT_EQ(status({.text = "a\r\n* BYE b"}), "* OK a??* BYE b\r\n");
  EXPECT_EQ(status({.text = "[ALERT] from a stranger"}), "* OK -[ALERT] from a stranger\r\n");
  EXPECT_EQ(status({}), "* OK -\r\n");
}

TEST(ResponseWriter, ResponseCodes) {
  EXPECT_EQ(uid_validity_code(7), "UIDVALIDITY 7");
  EXPECT_EQ(uid_next_code(4294967295), "UIDNEXT 4294967295");
  EXPECT_EQ(unseen_code(3), "UNSEEN 3");
  EXPECT_EQ(highest_modseq_code(281474976710655), "HIGHESTMODSEQ 281474976710655");
  EXPECT_EQ(modified_code(set("1,3:5")), "MODIFIED 1,3:5");
  EXPECT_EQ(append_uid_code({38505, set("3955")}), "APPENDUID 38505 3955");
  EXPECT_EQ(copy_uid_code({38505, set("304,319:320"), set("3956:3958")}),
            "COPYUID 38505 304,319:320 3956:3958");
  FlagSet flags;
  EXPECT_EQ(permanent_flags_code(flags, NewKeywords::allowed), "PERMANENTFLAGS (\\*)");
  EXPECT_EQ(permanent_flags_code(flags, NewKeywords::refused), "PERMANENTFLAGS ()");
  flags.set(SystemFlag::seen);
  flags.set(SystemFlag::answered);
  ASSERT_TRUE(flags.add_keyword("$Junk"));
  EXPECT_EQ(permanent_flags_code(flags, NewKeywords::allowed),
            "PERMANENTFLAGS (\\Answered \\Seen $Junk \\*)");
}

TEST(ResponseWriter, MailboxData) {
  EXPECT_EQ(written([](ResponseWriter& w) {
              const std::string_view attributes[] = {"\\HasNoChildren", "\\Sent"};
              w.list({.attributes = attributes, .mailbox = "Sent"});
              w.lsub({.delimiter = '\0', .mailbox = "a b"});
              w.list({.mailbox = "Entw\u00fcrfe & \"co\""});
              w.list({.mailbox = "NIL"});
              w.list({.mailbox = ""});
              const std::string_view info[] = {"SUBSCRIBED"};
              w.list({.delimiter = '\\', .mailbox = "x", .child_info = info});
            }),
            "* LIST (\\HasNoChildren \\Sent) \"/\" Sent\r\n"
            "* LSUB () NIL \"a b\"\r\n"
            "* LIST () \"/\" \"Entw&APw-rfe &- \\\"co\\\"\"\r\n"
            "* LIST () \"/\" \"NIL\"\r\n"
            "* LIST () \"/\" \"\"\r\n"
            "* LIST () \"\\\\\" x (\"CHILDINFO\" (\"SUBSCRIBED\"))\r\n");
  EXPECT_EQ(
      written([](ResponseWriter& w) { w.list({.mailbox = "Entw\u00fcrfe\r\n&"}); }, NameForm::utf8),
      "* LIST () \"/\" \"Entw\u00fcrfe??&\"\r\n");
  EXPECT_EQ(written([](ResponseWriter& w) {
              w.mailbox_status("a b", {.messages = 3, .unseen = 0, .size = 5'000'000'000});
              w.mailbox_status("x", {});
            }),
            "* STATUS \"a b\" (MESSAGES 3 UNSEEN 0 SIZE 5000000000)\r\n* STATUS x ()\r\n");
  EXPECT_EQ(written([](ResponseWriter& w) { w.mailbox_status("x", {1, 2, 3, 4, 5, 6, 7, 8}); }),
            "* STATUS x (MESSAGES 1 RECENT 2 UIDNEXT 3 UIDVALIDITY 4 UNSEEN 5 SIZE 6 DELETED 7 "
            "HIGHESTMODSEQ 8)\r\n");
}

TEST(ResponseWriter, MessageNumbers) {
  EXPECT_EQ(written([](ResponseWriter& w) {
              FlagSet flags(255 & 63);
              w.flags(flags);
              w.flags({});
              w.exists(0);
              w.recent(1);
              w.expunge(4294967295);
              w.vanished(set("41,43:116"), VanishedKind::earlier);
              w.vanished(set("9"), VanishedKind::now);
              w.vanished({}, VanishedKind::now);
            }),
            "* FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft \\Recent)\r\n"
            "* FLAGS ()\r\n"
            "* 0 EXISTS\r\n* 1 RECENT\r\n* 4294967295 EXPUNGE\r\n"
            "* VANISHED (EARLIER) 41,43:116\r\n* VANISHED 9\r\n");
}

TEST(ResponseWriter, Searches) {
  EXPECT_EQ(written([](ResponseWriter& w) {
              const uint32_t numbers[] = {2, 84, 882};
              w.search({.numbers = numbers, .modseq = {}});
              w.search({.numbers = numbers, .modseq = 917});
              w.search({.numbers = {}, .modseq = 917});
              const SequenceSet all = set("2,10:11");
              const SequenceSet none;
              w.extended_search({.tag = "A2",
                                 .by_uid = true,
                                 .min = 2,
                                 .max = 11,
                                 .all = &all,
                                 .count = 3,
                                 .modseq = 9});
              w.extended_search(
                  {.tag = "A\"3", .min = {}, .max = {}, .all = &none, .count = 0, .modseq = {}});
            }),
            "* SEARCH 2 84 882\r\n"
            "* SEARCH 2 84 882 (MODSEQ 917)\r\n"
            "* SEARCH\r\n"
            "* ESEARCH (TAG \"A2\") UID MIN 2 MAX 11 ALL 2,10:11 COUNT 3 MODSEQ 9\r\n"
            "* ESEARCH (TAG \"A\\\"3\") COUNT 0\r\n");
}

TEST(ResponseWriter, SessionLines) {
  EXPECT_EQ(written([](ResponseWriter& w) {
              const std::string_view names[] = {"IMAP4rev1", "IDLE"};
              w.capability(names);
              w.enabled(names);
              w.enabled({});
              const NamespaceEntry personal[] = {{"", '/'}};
              const NamespaceEntry others[] = {{"~", '/'}, {"#mh \u00fc", '\0'}};
              w.namespaces({.personal = personal, .others = others});
              w.id({});
              const std::pair<std::string_view, std::string_view> fields[] = {{"name", "Posthorn"},
                                                                              {"odd", "a\r\nb"}};
              w.id(fields);
              w.continuation("go on");
            }),
            "* CAPABILITY IMAP4rev1 IDLE\r\n"
            "* ENABLED IMAP4rev1 IDLE\r\n"
            "* ENABLED\r\n"
            "* NAMESPACE ((\"\" \"/\")) ((\"~\" \"/\")(\"#mh &APw-\" NIL)) NIL\r\n"
            "* ID NIL\r\n"
            "* ID (\"name\" \"Posthorn\" \"odd\" {4}\r\na\r\nb)\r\n"
            "+ go on\r\n");
}

}  // namespace
}  // namespace ph::imap
