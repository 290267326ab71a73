#include "base/record.h"

namespace ph {

RecordWriter& RecordWriter::u64(uint64_t value) {
  while (value >= 0x80) {
    out_ += static_cast<char>(value | 0x80U);
    value >>= 7;
  }
  out_ += static_cast<char>(value);
  return *this;
}

RecordWriter& RecordWriter::i64(int64_t value) {
  const uint64_t sign = value < 0 ? ~uint64_t{0} : 0;
  return u64((static_cast<uint64_t>(value) << 1) ^ sign);
}

RecordWriter& RecordWriter::bytes(std::string_view value) {
  u64(value.size());
  out_ += value;
  return *this;
}

RecordReader::RecordReader(std::string_view record) : rest_(record) {
  if (record.empty()) {
    spoil();
    return;
  }
  version_ = static_cast<uint8_t>(record.front());
  rest_.remove_prefix(1);
}

uint64_t RecordReader::u64() {
  uint64_t value = 0;
  for (uint32_t shift = 0; shift < 64; shift += 7) {
    if (rest_.empty()) break;
    const auto octet = static_cast<unsigned char>(rest_.front());
    rest_.remove_prefix(1);
    if (shift == 63 && octet > 1) break;  // more than 64 bits
    value |= static_cast<uint64_t>(octet & 0x7FU) << shift;
    if ((octet & 0x80U) == 0) return value;
  }
  spoil();
  return 0;
}

int64_t RecordReader::i64() {
  const uint64_t coded = u64();
  return static_cast<int64_t>((coded >> 1) ^ (0 - (coded & 1)));
}

std::string_view RecordReader::bytes() {
  const uint64_t size = u64();
  return raw(size);
}

std::string_view RecordReader::raw(size_t size) {
  if (size > rest_.size()) {
    spoil();
    return {};
  }
  const std::string_view out = rest_.substr(0, size);
  rest_.remove_prefix(size);
  return out;
}

uint64_t RecordReader::count(uint64_t limit) {
  const uint64_t value = u64();
  if (value <= limit) return value;
  spoil();
  return 0;
}

OrderedKey& OrderedKey::u32(uint32_t value) {
  for (int shift = 24; shift >= 0; shift -= 8) out_ += static_cast<char>(value >> shift);
  return *this;
}

OrderedKey& OrderedKey::u64(uint64_t value) {
  for (int shift = 56; shift >= 0; shift -= 8) out_ += static_cast<char>(value >> shift);
  return *this;
}

OrderedKey& OrderedKey::time(Time t) {
  return u64(static_cast<uint64_t>(t.unix_us()) ^ (uint64_t{1} << 63));
}

OrderedKey& OrderedKey::text(std::string_view value) {
  out_ += value;
  return *this;
}

uint32_t key_u32(std::string_view key, size_t offset) {
  if (key.size() < 4 || offset > key.size() - 4) return 0;
  uint32_t value = 0;
  for (size_t i = 0; i < 4; ++i) value = value << 8 | static_cast<unsigned char>(key[offset + i]);
  return value;
}

uint64_t key_u64(std::string_view key, size_t offset) {
  if (key.size() < 8 || offset > key.size() - 8) return 0;
  return static_cast<uint64_t>(key_u32(key, offset)) << 32 | key_u32(key, offset + 4);
}

Time key_time(std::string_view key, size_t offset) {
  return Time::from_unix_us(static_cast<int64_t>(key_u64(key, offset) ^ (uint64_t{1} << 63)));
}

std::string after_prefix(std::string_view prefix) {
  std::string out(prefix);
  while (!out.empty() && static_cast<unsigned char>(out.back()) == 0xFF) out.pop_back();
  if (!out.empty()) out.back() = static_cast<char>(static_cast<unsigned char>(out.back()) + 1);
  return out;
}

}  // namespace ph
