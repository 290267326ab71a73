#include "codec/imap/mailbox_name.h"

#include <gtest/gtest.h>

namespace ph::imap {
namespace {

constexpr NameForm k7 = NameForm::modified_utf7;
constexpr NameForm k8 = NameForm::utf8;

TEST(MailboxName, ReadsBothForms) {
  EXPECT_EQ(mailbox_from_wire("Entw&APw-rfe", k7), "Entw\u00fcrfe");
  EXPECT_EQ(mailbox_from_wire("A&-B", k7), "A&B");
  EXPECT_EQ(mailbox_from_wire("A&-B", k8), "A&-B");
  EXPECT_EQ(mailbox_from_wire("Entw\u00fcrfe", k8), "Entw\u00fcrfe");
  EXPECT_EQ(mailbox_from_wire("Entw\u00fcrfe", k7), "Entw\u00fcrfe");
  EXPECT_EQ(mailbox_from_wire("inBOX", k7), "INBOX");
  EXPECT_EQ(mailbox_from_wire("inbox/a", k7), "inbox/a");
}

TEST(MailboxName, RefusesMalformedNames) {
  EXPECT_FALSE(mailbox_from_wire("A&B", k7));
  EXPECT_FALSE(mailbox_from_wire("\xff", k7));
  EXPECT_FALSE(mailbox_from_wire("\xff", k8));
  EXPECT_FALSE(mailbox_from_wire("a\nb", k8));
  EXPECT_FALSE(mailbox_from_wire("a\x7f", k7));
}

TEST(MailboxName, WritesBothForms) {
  EXPECT_EQ(mailbox_to_wire("Entw\u00fcrfe & co", k7), "Entw&APw-rfe &- co");
  EXPECT_EQ(mailbox_to_wire("Entw\u00fcrfe & co", k8), "Entw\u00fcrfe & co");
}

TEST(MailboxName, MatchesPatterns) {
  EXPECT_TRUE(matches("a/b/c", {"*", '/'}));
  EXPECT_FALSE(matches("a/b", {"%", '/'}));
  EXPECT_TRUE(matches("a", {"%", '/'}));
  EXPECT_TRUE(matches("a/b", {"%/%", '/'}));
  EXPECT_TRUE(matches("a/b/c", {"a/*c", '/'}));
  EXPECT_TRUE(matches("abc", {"a%c", '/'}));
  EXPECT_TRUE(matches("ac", {"a%*c", '/'}));
  EXPECT_FALSE(matches("a/c", {"a%c", '/'}));
  EXPECT_TRUE(matches("a.b", {"a%b", '/'}));
  EXPECT_FALSE(matches("ab", {"a", '/'}));
  EXPECT_FALSE(matches("a", {"ab", '/'}));
  EXPECT_TRUE(matches("", {"", '/'}));
  EXPECT_FALSE(matches("Sent", {"sent", '/'}));
}

TEST(MailboxName, MatchesInboxInAnyCase) {
  EXPECT_TRUE(matches("INBOX", {"inbox", '/'}));
  EXPECT_TRUE(matches("INBOX", {"In%", '/'}));
  EXPECT_TRUE(matches("INBOX/Sub", {"inbox/Sub", '/'}));
  EXPECT_FALSE(matches("INBOX/Sub", {"inbox/sub", '/'}));
  EXPECT_FALSE(matches("INBOXES", {"inboxes", '/'}));
}

TEST(MailboxName, MatchingCannotExplode) {
  std::string stars;
  for (int i = 0; i < 500; ++i) stars += "*a";
  EXPECT_FALSE(matches(std::string(2000, 'a') + "b", {stars, '/'}));
}

}  // namespace
}  // namespace ph::imap
