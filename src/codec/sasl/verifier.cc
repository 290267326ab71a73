#include "codec/sasl/verifier.h"

#include <algorithm>

#include "base/check.h"
#include "base/digest.h"
#include "base/text.h"
#include "codec/sasl/detail/scram.h"
#include "codec/sasl/errors.h"

namespace ph::sasl {
namespace {

constexpr size_t kTextMax = 1024;
constexpr size_t kSaltMin = 8;
constexpr size_t kSaltMax = 64;
constexpr std::string_view kScheme = "SCRAM-SHA-256$";

struct Keys {
  std::string stored;
  std::string server;
};

// StoredKey and ServerKey of RFC 5802 §3.
Keys keys_from(std::string_view password, std::string_view salt, uint32_t iterations) {
  std::string salted = detail::salted_password(password, salt, iterations);
  std::string client_key = detail::hmac_sha256(salted, "Client Key");
  Keys out{.stored = std::string(as_text(sha256(client_key))),
           .server = detail::hmac_sha256(salted, "Server Key")};
  detail::wipe(client_key);
  detail::wipe(salted);
  return out;
}

bool is_sane(const Verifier& verifier) {
  return verifier.salt.size() >= kSaltMin && verifier.salt.size() <= kSaltMax &&
         verifier.iterations >= kDefaultIterations && verifier.iterations <= kIterationsMax &&
         verifier.stored_key.size() == detail::kHashSize &&
         verifier.server_key.size() == detail::kHashSize;
}

}  // namespace

bool is_acceptable_text(std::string_view text) {
  if (text.empty() || text.size() > kTextMax || !is_valid_utf8(text)) return false;
  const auto control = [](char c) { return (is_ascii(c) && c < ' ') || c == '\x7f'; };
  return std::ranges::none_of(text, control);
}

Result<Verifier> derive_verifier(std::string_view password, const Salting& salting) {
  if (!is_acceptable_text(password)) {
    return fail(kBadPassword, "a password is 1 to 1024 octets of UTF-8 without control characters");
  }
  if (salting.salt.size() < kSaltMin || salting.salt.size() > kSaltMax ||
      salting.iterations < kDefaultIterations || salting.iterations > kIterationsMax) {
    return fail(kBadVerifier, "salt or iterations out of range");
  }
  Keys keys = keys_from(password, salting.salt, salting.iterations);
  return Verifier{.salt = salting.salt,
                  .iterations = salting.iterations,
                  .stored_key = std::move(keys.stored),
                  .server_key = std::move(keys.server)};
}

PasswordVerdict check_password(const Verifier& verifier, std::string_view password) {
  if (!is_sane(verifier) || password.size() > kTextMax) return PasswordVerdict::wrong;
  const Keys keys = keys_from(password, verifier.salt, verifier.iterations);
  const bool equal = detail::equal_in_constant_time(keys.stored, verifier.stored_key) &&
                     is_acceptable_text(password);
  return equal ? PasswordVerdict::right : PasswordVerdict::wrong;
}

Verifier fake_verifier(const Pretence& pretence, uint32_t iterations) {
  const auto part = [&](std::string_view label) {
    return detail::hmac_sha256(pretence.secret, std::string(label) + std::string(pretence.user));
  };
  return {.salt = part("salt:").substr(0, 16),
          .iterations = iterations,
          .stored_key = part("stored:"),
          .server_key = part("server:")};
}

std::string to_text(const Verifier& verifier) {
  return std::string(kScheme) + std::to_string(verifier.iterations) + ":" +
         base64_encode(verifier.salt) + "$" + base64_encode(verifier.stored_key) + ":" +
         base64_encode(verifier.server_key);
}

Result<Verifier> parse_verifier(std::string_view text) {
  const auto bad = [] { return fail(kBadVerifier, "not a SCRAM-SHA-256 verifier"); };
  if (!text.starts_with(kScheme)) return bad();
  const auto halves = split(text.substr(kScheme.size()), '$');
  if (halves.size() != 2) return bad();
  const auto salting = split(halves[0], ':');
  const auto keys = split(halves[1], ':');
  if (salting.size() != 2 || keys.size() != 2) return bad();
  const auto iterations = parse_u64(salting[0]);
  auto salt = base64_decode(salting[1]);
  auto stored = base64_decode(keys[0]);
  auto server = base64_decode(keys[1]);
  if (!iterations || *iterations > kIterationsMax || !salt || !stored || !server) return bad();
  Verifier out{.salt = std::move(*salt),
               .iterations = static_cast<uint32_t>(*iterations),
               .stored_key = std::move(*stored),
               .server_key = std::move(*server)};
  if (!is_sane(out)) return bad();
  return out;
}

}  // namespace ph::sasl
