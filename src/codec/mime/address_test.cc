#include "codec/mime/address.h"

#include <gtest/gtest.h>

#include "codec/mime/detail/render_for_test.h"

namespace ph::mime {
namespace {

std::string parsed(std::string_view text) { return render(parse_address_list(text)); }

TEST(Address, ReadsTheFormsOfTheRfc) {
  EXPECT_EQ(parsed("joe@example.org"), R"(((NIL NIL "joe" "example.org")))");
  EXPECT_EQ(parsed("Joe Q. Public <john.q.public@example.com>"),
            R"((("Joe Q. Public" NIL "john.q.public" "example.com")))");
  EXPECT_EQ(parsed("\"Joe \\\"Q\\\" Public\" <joe@x>, <a@b>"),
            R"((("Joe "Q" Public" NIL "joe" "x")(NIL NIL "a" "b")))");
  EXPECT_EQ(parsed("\"john doe\"@example.org"), R"(((NIL NIL "john doe" "example.org")))");
  EXPECT_EQ(parsed("joe@[192.0.2.1]"), R"(((NIL NIL "joe" "[192.0.2.1]")))");
  EXPECT_EQ(parsed("=?utf-8?Q?J=C3=B6rg?= <j@x>"), R"((("=?utf-8?Q?J=C3=B6rg?=" NIL "j" "x")))");
  EXPECT_EQ(parsed("Jörg <jörg@exämple.org>"), R"((("Jörg" NIL "jörg" "exämple.org")))");
}

TEST(Address, ReadsGroups) {
  EXPECT_EQ(
      parsed("A Group:Ed Jones <joe@where.test>,John <jdoe@one.test>;, x@y"),
      R"(((NIL NIL "A Group" NIL)("Ed Jones" NIL "joe" "where.test")("John" NIL "jdoe" "one.test"))"
      R"((NIL NIL NIL NIL)(NIL NIL "x" "y")))");
  EXPECT_EQ(parsed("undisclosed-recipients:;"),
            R"(((NIL NIL "undisclosed-recipients" NIL)(NIL NIL NIL NIL)))");
  EXPECT_EQ(parsed("open: a@b"), R"(((NIL NIL "open" NIL)(NIL NIL "a" "b")(NIL NIL NIL NIL)))");
}

TEST(Address, ReadsObsoleteForms) {
  EXPECT_EQ(parsed("Mary <@node.test,@b.test:mary@example.net>"),
            R"((("Mary" "@node.test,@b.test" "mary" "example.net")))");
  EXPECT_EQ(parsed("joe . bloggs @ example . org (Joe Bloggs)"),
            R"((("Joe Bloggs" NIL "joe.bloggs" "example.org")))");
  EXPECT_EQ(parsed("Pete(A nice \\) chap) <pete(his account)@silly.test(his host)>"),
            R"((("Pete" NIL "pete" "silly.test")))");
  EXPECT_EQ(parsed("a@b,\r\n , c@d"), R"(((NIL NIL "a" "b")(NIL NIL "c" "d")))");
}

TEST(Address, KeepsWhatIsNoAddress) {
  EXPECT_EQ(parsed("Joe Bloggs"), R"(((NIL NIL "Joe Bloggs" "")))");
  EXPECT_EQ(parsed("joe"), R"(((NIL NIL "joe" "")))");
  EXPECT_EQ(parsed("Mailer <>"), R"((("Mailer" NIL "" "")))");
  EXPECT_EQ(parsed("a@b@c"), R"(((NIL NIL "a@b" "c")))");
  EXPECT_EQ(parsed("x@y Joe"), R"((("Joe" NIL "x" "y")))");
  EXPECT_EQ(parsed("joe@x <joe@y>"), R"((("joe@x" NIL "joe" "y")))");
  EXPECT_EQ(parsed("<joe@x"), R"(((NIL NIL "joe" "x")))");
  EXPECT_EQ(parsed("a; b"), R"(((NIL NIL "a" "")(NIL NIL "b" "")))");
  EXPECT_EQ(parsed(""), "NIL");
  EXPECT_EQ(parsed(" , ,"), "NIL");
  EXPECT_EQ(parsed("(only a comment)"), "NIL");
}

TEST(Address, WritesTheSpecBack) {
  EXPECT_EQ(parse_address_list("Joe <joe.b@x.org>")[0].addr_spec(), "joe.b@x.org");
  EXPECT_EQ(parse_address_list("\"a \\\"b\"@x")[0].addr_spec(), "\"a \\\"b\"@x");
  EXPECT_EQ(parse_address_list("g:;")[0].addr_spec(), "");
}

TEST(Address, IsBoundedAndLinear) {
  std::string many;
  for (int i = 0; i < 30'000; ++i) many += "a@b,";
  EXPECT_EQ(parse_address_list(many).size(), kAddressesMax);
  EXPECT_EQ(parse_address_list("g:" + many, 10).size(), 11U);  // the group is closed
  EXPECT_TRUE(parse_address_list("g:" + many, 10).back().is_group_end());
  for (const std::string_view piece : {"<@,", "((", "\"", "[", "a@", "<", ":", "a b ", "\\"}) {
    std::string hostile;
    for (int i = 0; i < 200'000; ++i) hostile += piece;
    EXPECT_LE(parse_address_list(hostile).size(), kAddressesMax + 1);
  }
}

}  // namespace
}  // namespace ph::mime
