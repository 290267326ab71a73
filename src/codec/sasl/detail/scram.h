// The arithmetic and the message syntax of SCRAM-SHA-256 (RFC 5802 §3, §5, §7).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace ph::sasl::detail {

inline constexpr size_t kHashSize = 32;

std::string hmac_sha256(std::string_view key, std::string_view data);
// Hi() of RFC 5802 §2.2: PBKDF2 with HMAC-SHA-256, 32 octets.
std::string salted_password(std::string_view password, std::string_view salt, uint32_t iterations);
// Both of one length.
std::string exclusive_or(std::string_view a, std::string_view b);
// Without telling by its duration where they differ.
bool equal_in_constant_time(std::string_view a, std::string_view b);
// Overwrites a secret before it is dropped.
void wipe(std::string& secret);

// "x=value" at the start of `text` up to the next comma; takes both off. nullopt if it is not
// there.
std::optional<std::string_view> take_attribute(std::string_view& text, char name);
// saslname: "=2C" and "=3D" for comma and equals sign.
std::string encode_name(std::string_view name);
std::optional<std::string> decode_name(std::string_view text);
// A nonce: printable ASCII without comma.
bool is_nonce(std::string_view text);

}  // namespace ph::sasl::detail
