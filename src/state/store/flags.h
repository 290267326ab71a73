// Flags of a message: system flags as bits, keywords as names.
//
// Keywords are compared without regard to ASCII case and keep the spelling they came with first.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace ph::store {

// Bits. The values are stored: never change one.
enum class Flag : uint16_t {
  answered = 1,
  flagged = 2,
  deleted = 4,
  seen = 8,
  draft = 16,
  submitted = 32,   // rests in the Outbox; set and cleared by submissions only
  associated = 64,  // not mail but a client's settings (reserved; such messages are not listed)
};

inline constexpr uint16_t kClientFlags = 1 | 2 | 4 | 8 | 16;

struct Flags {
  uint16_t bits = 0;
  std::vector<std::string> keywords;

  bool has(Flag f) const { return (bits & static_cast<uint16_t>(f)) != 0; }
  void set(Flag f) { bits = static_cast<uint16_t>(bits | static_cast<uint16_t>(f)); }
  void clear(Flag f) { bits = static_cast<uint16_t>(bits & ~static_cast<uint16_t>(f)); }
  bool has_keyword(std::string_view name) const;
};

inline constexpr size_t kKeywordsMax = 256;  // different ones in one mailbox, for good
inline constexpr size_t kKeywordBytesMax = 128;

// IMAP STORE: FLAGS, +FLAGS, -FLAGS. Bits outside kClientFlags are not touched.
struct FlagChange {
  enum class Kind : uint8_t { replace, add, remove } kind = Kind::replace;
  Flags flags;
};

}  // namespace ph::store
