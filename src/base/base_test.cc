#include <gtest/gtest.h>

#include "base/bounded.h"
#include "base/digest.h"
#include "base/ids.h"
#include "base/outcome.h"
#include "base/random.h"
#include "base/record.h"
#include "base/result.h"
#include "base/text.h"
#include "base/time.h"

namespace ph {
namespace {

constexpr ErrorKind kBroken{"test", "broken", Disposition::permanent};

Result<int> half(int n) {
  if (n % 2 != 0) return fail(kBroken, "odd");
  return n / 2;
}

Result<int> quarter(int n) {
  PH_TRY(const int h, half(n));
  PH_TRY(const int q, half(h));
  return q;
}

TEST(Result, TryPropagatesTheFirstError) {
  EXPECT_EQ(quarter(8).value(), 2);
  const Result<int> failed = quarter(6);
  ASSERT_FALSE(failed.has_value());
  EXPECT_TRUE(failed.error().is(kBroken));
  EXPECT_EQ(failed.error().to_text(), "test.broken: odd");
}

TEST(Time, SaturatesInsteadOfOverflowing) {
  EXPECT_EQ(Time::max() + Duration::days(1), Time::max());
  EXPECT_EQ(Duration::days(INT64_MAX), Duration::max());
}

TEST(Time, CivilRoundTripOverManyDays) {
  for (int64_t day = -200'000; day < 200'000; day += 37) {
    const Time t = Time::from_unix_s(day * 86'400 + 3'661);
    const CivilTime c = civil_from_time(t);
    EXPECT_EQ(time_from_civil(c), t);
    EXPECT_EQ(c.hour, 1);
  }
  EXPECT_EQ(to_iso8601(Time::from_unix_s(951'782'400)), "2000-02-29T00:00:00Z");
  EXPECT_EQ(to_rfc5322_date(Time::from_unix_s(0)), "Thu, 01 Jan 1970 00:00:00 +0000");
}

TEST(Text, Base64RoundTripAndRefusals) {
  Random random(1);
  for (size_t n = 0; n < 200; ++n) {
    const std::string bytes = random.bytes(n);
    EXPECT_EQ(base64_decode(base64_encode(bytes)), bytes);
    EXPECT_EQ(hex_decode(hex_encode(bytes)), bytes);
  }
  for (const char* bad : {"A", "AB=A", "A===", "AAA*", "AA A", "=AAA"}) {
    EXPECT_FALSE(base64_decode(bad).has_value()) << bad;
  }
}

TEST(Text, FindsWithoutRegardToCase) {
  EXPECT_EQ(ifind("xxAbABac", "ABAC"), 4U);
  EXPECT_EQ(ifind("abc", "abd"), std::string_view::npos);
}

TEST(Text, Utf8) {
  EXPECT_TRUE(is_valid_utf8("gr\xC3\xBC\xC3\x9F"));
  EXPECT_FALSE(is_valid_utf8("\xC0\xAF"));
  EXPECT_FALSE(is_valid_utf8("\xED\xA0\x80"));
  EXPECT_FALSE(is_valid_utf8("\xC3"));
}

TEST(Text, NumbersMustFit) {
  EXPECT_EQ(parse_u64("18446744073709551615"), UINT64_MAX);
  EXPECT_FALSE(parse_u64("18446744073709551616").has_value());
  EXPECT_FALSE(parse_u64("").has_value());
  EXPECT_FALSE(parse_u64("1 ").has_value());
}

TEST(Record, RoundTripAndEveryCutIsNoticed) {
  const std::string record =
      RecordWriter(3).u64(300).i64(-5).bytes("hello").time(Time::from_unix_s(7)).take();
  RecordReader reader(record);
  EXPECT_EQ(reader.version(), 3);
  EXPECT_EQ(reader.u64(), 300U);
  EXPECT_EQ(reader.i64(), -5);
  EXPECT_EQ(reader.bytes(), "hello");
  EXPECT_EQ(reader.time(), Time::from_unix_s(7));
  EXPECT_TRUE(reader.ok() && reader.at_end());
  for (size_t cut = 0; cut < record.size(); ++cut) {
    RecordReader shorter(std::string_view(record).substr(0, cut));
    shorter.u64();
    shorter.i64();
    shorter.bytes();
    shorter.time();
    EXPECT_FALSE(shorter.ok()) << cut;
  }
}

TEST(Record, KeysKeepTheOrderOfTheirParts) {
  const auto key = [](int64_t us) { return OrderedKey("t").time(Time::from_unix_us(us)).take(); };
  EXPECT_LT(key(-1), key(0));
  EXPECT_LT(key(255), key(256));
  EXPECT_EQ(key_time(key(-77), 1), Time::from_unix_us(-77));
  EXPECT_EQ(after_prefix(std::string("a\xFF", 2)), "b");
}

TEST(Digest, KnownAnswers) {
  EXPECT_EQ(hex_encode(as_text(sha256("abc"))),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(crc32c("123456789"), 0xE3069283U);
  EXPECT_EQ(crc32c("6789", crc32c("12345")), crc32c("123456789"));
  Sha256 pieces;
  pieces.add("a");
  pieces.add("bc");
  EXPECT_EQ(pieces.finish(), sha256("abc"));
}

TEST(Bounded, AFullQueueRefusesAndAFullCacheForgetsTheOldest) {
  BoundedQueue<int> queue(1);
  EXPECT_TRUE(queue.push(1));
  EXPECT_FALSE(queue.push(2));
  BoundedCache<int, int> cache(2);
  cache.put(1, 10);
  cache.put(2, 20);
  EXPECT_NE(cache.find(1), nullptr);
  cache.put(3, 30);
  EXPECT_EQ(cache.find(2), nullptr);
  EXPECT_NE(cache.find(1), nullptr);
}

TEST(Random, EqualSeedsGiveEqualSequences) {
  Random a(42);
  Random b(42);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(a.next(), b.next());
  for (int i = 0; i < 1000; ++i) {
    const Duration d = a.jitter(Duration::seconds(60), 10);
    EXPECT_GE(d, Duration::seconds(54));
    EXPECT_LE(d, Duration::seconds(66));
  }
}

}  // namespace
}  // namespace ph
