#include "base/random.h"

#include <bit>

#include "base/check.h"

namespace ph {
namespace {

uint64_t split_mix(uint64_t& x) {
  x += 0x9E3779B97F4A7C15ULL;
  uint64_t z = x;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
  return z ^ (z >> 31);
}

}  // namespace

Random::Random(uint64_t seed) {
  for (uint64_t& word : state_) word = split_mix(seed);
}

uint64_t Random::next() {
  const uint64_t result = std::rotl(state_[1] * 5, 7) * 9;
  const uint64_t t = state_[1] << 17;
  state_[2] ^= state_[0];
  state_[3] ^= state_[1];
  state_[1] ^= state_[2];
  state_[0] ^= state_[3];
  state_[2] ^= t;
  state_[3] = std::rotl(state_[3], 45);
  return result;
}

uint64_t Random::below(uint64_t bound) {
  PH_CHECK(bound > 0);
  const uint64_t unfair = (0 - bound) % bound;  // the values that would favour small results
  uint64_t x = next();
  while (x < unfair) x = next();
  return x % bound;
}

int64_t Random::between(int64_t low, int64_t high) {
  PH_CHECK(low <= high);
  const uint64_t span = static_cast<uint64_t>(high) - static_cast<uint64_t>(low) + 1;
  const uint64_t offset = span == 0 ? next() : below(span);
  return static_cast<int64_t>(static_cast<uint64_t>(low) + offset);
}

bool Random::chance(uint32_t percent) { return below(100) < percent; }

Duration Random::between(Duration low, Duration high) {
  return Duration::microseconds(between(low.us(), high.us()));
}

Duration Random::jitter(Duration d, uint32_t percent) {
  const int64_t span = d.us() / 100 * static_cast<int64_t>(percent);
  if (span <= 0) return d;
  return d + Duration::microseconds(between(-span, span));
}

std::string Random::bytes(size_t count) {
  std::string out(count, '\0');
  for (char& c : out) c = static_cast<char>(next() >> 56);
  return out;
}

Random Random::fork() { return Random(next()); }

}  // namespace ph
