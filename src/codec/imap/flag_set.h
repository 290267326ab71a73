// The flags of a message: the system flags as bits, keywords as names.
//
// Names are compared without regard to ASCII case and kept as first written. At most kKeywordsMax
// keywords of kKeywordLengthMax octets; add() refuses what does not fit.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace ph::imap {

enum class SystemFlag : uint8_t {
  answered = 1,
  flagged = 2,
  deleted = 4,
  seen = 8,
  draft = 16,
  recent = 32,  // given by the server only (RFC 3501 section 2.3.2); never parsed from a client
};

// With the backslash, as on the wire.
std::string_view to_text(SystemFlag flag);
// The five flags a client may set; not \Recent.
std::optional<SystemFlag> system_flag_from(std::string_view name);

class FlagSet {
 public:
  static constexpr size_t kKeywordsMax = 128;
  static constexpr size_t kKeywordLengthMax = 256;

  FlagSet() = default;
  explicit FlagSet(uint8_t system_bits) : system_bits_(system_bits) {}

  void set(SystemFlag flag) { system_bits_ |= static_cast<uint8_t>(flag); }
  void clear(SystemFlag flag) { system_bits_ &= static_cast<uint8_t>(~static_cast<uint8_t>(flag)); }
  bool has(SystemFlag flag) const { return (system_bits_ & static_cast<uint8_t>(flag)) != 0; }
  // True also when it was there already; false at a cap or for an empty name.
  [[nodiscard]] bool add_keyword(std::string_view keyword);
  bool has_keyword(std::string_view keyword) const;

  uint8_t system_bits() const { return system_bits_; }
  const std::vector<std::string>& keywords() const { return keywords_; }
  bool empty() const { return system_bits_ == 0 && keywords_.empty(); }
  bool operator==(const FlagSet&) const = default;

 private:
  uint8_t system_bits_ = 0;
  std::vector<std::string> keywords_;
};

}  // namespace ph::imap
