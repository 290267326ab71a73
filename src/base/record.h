// Durable records: a format version, then fields in a fixed order, little-endian.
//
// RecordWriter builds, RecordReader takes apart. A reader never throws and never reads past the
// end: the first short or malformed field makes ok() false for good and every later field empty, so
// a decoder reads all its fields and checks ok() once. A decoder accepts trailing octets only if
// the record's version is newer than its own. Numbers are varints (LEB128) unless the name says
// else. OrderedKey builds keys whose byte order is the order of their parts (big-endian numbers).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/time.h"

namespace ph {

class RecordWriter {
 public:
  explicit RecordWriter(uint8_t version) { out_ += static_cast<char>(version); }

  RecordWriter& u64(uint64_t value);
  RecordWriter& i64(int64_t value);  // zig-zag
  RecordWriter& boolean(bool value) { return u64(value ? 1 : 0); }
  RecordWriter& time(Time t) { return i64(t.unix_us()); }
  RecordWriter& bytes(std::string_view value);  // length, then octets
  RecordWriter& raw(std::string_view value) {   // no length: fixed-size fields
    out_ += value;
    return *this;
  }
  std::string take() { return std::move(out_); }

 private:
  std::string out_;
};

class RecordReader {
 public:
  explicit RecordReader(std::string_view record);

  uint8_t version() const { return version_; }
  uint64_t u64();
  int64_t i64();
  bool boolean() { return u64() != 0; }
  Time time() { return Time::from_unix_us(i64()); }
  std::string_view bytes();
  std::string_view raw(size_t size);
  // A count of items that follow: not ok() when more than `limit`, so that it can size a container.
  uint64_t count(uint64_t limit);

  bool ok() const { return ok_; }
  bool at_end() const { return rest_.empty(); }

 private:
  void spoil() {
    ok_ = false;
    rest_ = {};
  }

  std::string_view rest_;
  uint8_t version_ = 0;
  bool ok_ = true;
};

class OrderedKey {
 public:
  explicit OrderedKey(std::string_view prefix) : out_(prefix) {}
  OrderedKey& u32(uint32_t value);
  OrderedKey& u64(uint64_t value);
  OrderedKey& time(Time t);                  // sign bit flipped, so that order holds before 1970
  OrderedKey& text(std::string_view value);  // last part only: not terminated
  std::string take() { return std::move(out_); }

 private:
  std::string out_;
};

// The parts back again: read big-endian numbers from `key` at `offset` (in range, else 0).
uint32_t key_u32(std::string_view key, size_t offset);
uint64_t key_u64(std::string_view key, size_t offset);
Time key_time(std::string_view key, size_t offset);

// The first key after all keys that start with `prefix` ("" when there is none: scan to the end).
std::string after_prefix(std::string_view prefix);

}  // namespace ph
