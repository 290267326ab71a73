#include "codec/text/mailbox_name.h"

#include <gtest/gtest.h>

#include "base/random.h"
#include "base/text.h"

namespace ph::text {
namespace {

TEST(MailboxName, WritesModifiedUtf7) {
  EXPECT_EQ(to_modified_utf7("~peter/mail/台北/日本語"), "~peter/mail/&U,BTFw-/&ZeVnLIqe-");
  EXPECT_EQ(to_modified_utf7("Entwürfe"), "Entw&APw-rfe");
  EXPECT_EQ(to_modified_utf7("A & B"), "A &- B");
  EXPECT_EQ(to_modified_utf7("\xF0\x9F\x98\x80"), "&2D3eAA-");
}

TEST(MailboxName, ReadsModifiedUtf7) {
  EXPECT_EQ(from_modified_utf7("~peter/mail/&U,BTFw-/&ZeVnLIqe-"), "~peter/mail/台北/日本語");
  EXPECT_EQ(from_modified_utf7("A &- B"), "A & B");
  EXPECT_EQ(from_modified_utf7("&2D3eAA-"), "\xF0\x9F\x98\x80");
  EXPECT_EQ(from_modified_utf7("INBOX"), "INBOX");
}

TEST(MailboxName, RefusesWhatIsNotTheOneForm) {
  for (const std::string_view bad : {"&", "&APw", "&AP-", "&AGE-", "&Jjo!", "&2D0-", "&3gA-",
                                     "caf\xC3\xA9", "&APw-&APw-", "a\tb", "&APx-", "&APwA-"}) {
    EXPECT_EQ(from_modified_utf7(bad), std::nullopt) << bad;
  }
}

TEST(MailboxName, ComesBackTheSame) {
  Random random(11);
  for (int round = 0; round < 300; ++round) {
    const std::string name = random.bytes(random.below(12));
    const std::string encoded = to_modified_utf7(name);
    const auto back = from_modified_utf7(encoded);
    ASSERT_TRUE(back.has_value()) << hex_encode(name);
    if (is_valid_utf8(name)) EXPECT_EQ(*back, name);
    EXPECT_EQ(to_modified_utf7(*back), encoded);
  }
}

}  // namespace
}  // namespace ph::text
