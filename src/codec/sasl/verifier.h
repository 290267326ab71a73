// SCRAM-SHA-256 verifiers (RFC 5802 §3, RFC 7677): what is kept in place of a password.
//
// A verifier lets a server check a SCRAM proof or a plain password, and gives a thief neither. The
// functions named derive and check run PBKDF2 (milliseconds): call them on the blocking pool.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace ph::sasl {

inline constexpr uint32_t kDefaultIterations = 4096;  // RFC 7677 §4 asks for at least this
inline constexpr uint32_t kIterationsMax = 1'000'000;

struct Verifier {
  std::string salt;
  uint32_t iterations = 0;
  std::string stored_key;  // 32 octets
  std::string server_key;  // 32 octets

  bool operator==(const Verifier&) const = default;
};

// Names and passwords: valid UTF-8 without control characters, 1 to 1024 octets. (Not full
// SASLprep: what is not ASCII is taken as it is.)
bool is_acceptable_text(std::string_view text);

// `salt` is fresh random octets from the caller, 8 to 64 of them; iterations from 4096 to the
// maximum. Errors: kBadPassword, kBadVerifier.
struct Salting {
  std::string salt;
  uint32_t iterations = kDefaultIterations;
};
Result<Verifier> derive_verifier(std::string_view password, const Salting& salting);

enum class PasswordVerdict : uint8_t { wrong, right };
// In constant time as far as the result goes.
PasswordVerdict check_password(const Verifier& verifier, std::string_view password);

// For a user who does not exist: always the same for the same user, nothing matches it, and it
// costs what a real one costs. `secret` is the server's own, 32 random octets made once.
struct Pretence {
  std::string_view secret;
  std::string_view user;
};
Verifier fake_verifier(const Pretence& pretence, uint32_t iterations = kDefaultIterations);

// "SCRAM-SHA-256$4096:<salt>$<StoredKey>:<ServerKey>", base64 inside.
std::string to_text(const Verifier& verifier);
// Errors: kBadVerifier.
Result<Verifier> parse_verifier(std::string_view text);

}  // namespace ph::sasl
