#include <array>

#include "base/text.h"
#include "config/setting.h"

namespace ph::config {
namespace {

struct Unit {
  std::string_view name;
  uint64_t factor;
};

// Largest first, so that printing picks the largest unit that divides.
constexpr std::array<Unit, 4> kSizes = {
    {{"GiB", uint64_t{1} << 30}, {"MiB", uint64_t{1} << 20}, {"KiB", uint64_t{1} << 10}, {"B", 1}}};
constexpr std::array<Unit, 6> kDurations = {{{"d", 86'400'000'000},
                                             {"h", 3'600'000'000},
                                             {"min", 60'000'000},
                                             {"s", 1'000'000},
                                             {"ms", 1'000},
                                             {"us", 1}}};

template <size_t N>
std::optional<uint64_t> parse_part(std::string_view& text, const std::array<Unit, N>& units) {
  text = trim(text);
  const size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
  const std::optional<uint64_t> number = parse_u64(text.substr(0, digits));
  if (!number) return std::nullopt;
  text = trim(text.substr(digits));
  const size_t letters = std::min(text.find_first_of(" 0123456789"), text.size());
  const std::string_view name = text.substr(0, letters);
  text = trim(text.substr(letters));
  for (const Unit& unit : units) {
    uint64_t out = 0;
    if (!iequals(name, unit.name)) continue;
    if (__builtin_mul_overflow(*number, unit.factor, &out) || out > INT64_MAX) return std::nullopt;
    return out;
  }
  return std::nullopt;
}

template <size_t N>
std::optional<uint64_t> parse_parts(std::string_view text, const std::array<Unit, N>& units) {
  uint64_t sum = 0;
  do {
    const std::optional<uint64_t> part = parse_part(text, units);
    if (!part || __builtin_add_overflow(sum, *part, &sum) || sum > INT64_MAX) return std::nullopt;
  } while (!text.empty());
  return sum;
}

}  // namespace

Result<Duration> parse_duration(std::string_view text) {
  if (trim(text) == "0") return Duration();
  if (const auto us = parse_parts(text, kDurations)) {
    return Duration::microseconds(static_cast<int64_t>(*us));
  }
  return fail(kBadValue, "'" + printable(text, 64) +
                             "' is no duration; write 500 ms, 90 s, 5 min, 4 h or 2 d");
}

Result<ByteCount> parse_size(std::string_view text) {
  if (trim(text) == "0") return ByteCount{};
  if (const auto bytes = parse_parts(text, kSizes)) return ByteCount{*bytes};
  return fail(kBadValue,
              "'" + printable(text, 64) + "' is no size; write 512 B, 64 KiB, 50 MiB or 2 GiB");
}

std::string to_text(ByteCount size) {
  for (const Unit& unit : kSizes) {
    if (size.value >= unit.factor && size.value % unit.factor == 0) {
      return std::to_string(size.value / unit.factor) + " " + std::string(unit.name);
    }
  }
  return std::to_string(size.value) + " B";
}

}  // namespace ph::config
