#include "model/queue_id.h"

#include <array>

#include "base/check.h"
#include "base/text.h"

namespace ph::model {
namespace {

constexpr std::string_view kAlphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
constexpr size_t kTextSize = 13;  // 13 * 5 bits hold 64
constexpr uint32_t kNumberBits = 54;

std::optional<uint64_t> digit_value(char c) {
  c = ascii_upper(c);
  if (c == 'I' || c == 'L') c = '1';
  if (c == 'O') c = '0';
  const size_t at = kAlphabet.find(c);
  if (at == std::string_view::npos) return std::nullopt;
  return at;
}

}  // namespace

QueueId make_queue_id(uint32_t shard, uint64_t number) {
  PH_CHECK(shard < kShardsMax);
  PH_CHECK(number > 0 && number <= kQueueNumberMax);
  return QueueId{(uint64_t{shard} << kNumberBits) | number};
}

uint32_t shard_of(QueueId id) { return static_cast<uint32_t>(id.value >> kNumberBits); }

uint64_t number_of(QueueId id) { return id.value & kQueueNumberMax; }

std::string to_text(QueueId id) {
  std::string out(kTextSize, '0');
  uint64_t rest = id.value;
  for (size_t at = kTextSize; at-- > 0; rest >>= 5) out[at] = kAlphabet[rest & 31];
  return out;
}

std::optional<QueueId> parse_queue_id(std::string_view text) {
  if (text.size() != kTextSize) return std::nullopt;
  uint64_t value = 0;
  for (size_t at = 0; at < kTextSize; ++at) {
    const auto digit = digit_value(text[at]);
    if (!digit) return std::nullopt;
    if (at == 0 && *digit > 15) return std::nullopt;  // beyond 64 bits
    value = (value << 5) | *digit;
  }
  const QueueId id{value};
  if (number_of(id) == 0) return std::nullopt;
  return id;
}

}  // namespace ph::model
