#include "codec/text/parameter.h"

#include <gtest/gtest.h>

namespace ph::text {
namespace {

TEST(Parameter, ReadsPlainForms) {
  const Parameters expected = {
      {"charset", "us-ascii"}, {"name", "a \"b\" c.txt"}, {"format", "flowed"}};
  EXPECT_EQ(
      parse_parameters("; Charset=us-ascii (Plain text); name=\"a \\\"b\\\" c.txt\";format=flowed"),
      expected);
}

TEST(Parameter, IsTolerant) {
  EXPECT_EQ(parse_parameters("name=report (1).pdf"), (Parameters{{"name", "report (1).pdf"}}));
  EXPECT_EQ(parse_parameters(";; a = b ;; c ; =d; e=\"f\" g=h"),
            (Parameters{{"a", "b"}, {"e", "f"}, {"g", "h"}}));
  EXPECT_EQ(parse_parameters("a=\"open; b=c"), (Parameters{{"a", "open; b=c"}}));
  EXPECT_EQ(parse_parameters("(note) a=(x) b"), (Parameters{{"a", "b"}}));
  EXPECT_TRUE(parse_parameters("(((").empty());
  EXPECT_EQ(parse_parameters("a=1;b=2;c=3", 2).size(), 2U);
}

TEST(Parameter, JoinsContinuations) {  // RFC 2231 section 4.1
  const Parameters all = parse_parameters(
      "; title*0*=us-ascii'en'This%20is%20even%20more%20"
      "; title*1*=%2A%2A%2Afun%2A%2A%2A%20; title*2=\"isn't it!\"");
  EXPECT_EQ(parameter(all, "Title"), "This is even more ***fun*** isn't it!");
  EXPECT_EQ(parameter(parse_parameters("b*1=2;b*0=1;b*0=x;b*3=4"), "b"), "12");
  EXPECT_EQ(parameter(parse_parameters("f*1=2"), "f"), std::nullopt);
}

TEST(Parameter, DecodesCharsets) {
  EXPECT_EQ(parameter(parse_parameters("f*=iso-8859-1''%A3%20rates; f=plain"), "f"), "£ rates");
  EXPECT_EQ(parameter(parse_parameters("f*=utf-8''%e2%82%ac%2"), "f"), "€%2");
  EXPECT_EQ(parameter(parse_parameters("f=\"=?utf-8?Q?gr=C3=BC?=\""), "f"), "grü");
  EXPECT_EQ(parameter(parse_parameters("f=gr\xFC"), "f"), "grü");
  EXPECT_EQ(parameter(parse_parameters("g=x"), "f"), std::nullopt);
}

}  // namespace
}  // namespace ph::text
