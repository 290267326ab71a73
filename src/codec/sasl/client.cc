#include "codec/sasl/client.h"

#include "base/check.h"
#include "base/digest.h"
#include "base/text.h"
#include "codec/sasl/detail/scram.h"
#include "codec/sasl/errors.h"
#include "codec/sasl/verifier.h"

namespace ph::sasl {
namespace {

std::string gs2_header(const Credentials& credentials) {
  if (credentials.acting_for.empty()) return "n,,";
  return "n,a=" + detail::encode_name(credentials.acting_for) + ",";
}

Error bad(std::string_view why) { return fail(kBadServerMessage, std::string(why)); }

}  // namespace

std::string plain_message(const Credentials& credentials) {
  std::string out = credentials.acting_for;
  out += '\0';
  out += credentials.user;
  out += '\0';
  out += credentials.password;
  return out;
}

ScramClient::ScramClient(Credentials credentials, std::string_view nonce)
    : credentials_(std::move(credentials)), nonce_(base64_encode(nonce)) {
  PH_CHECK(nonce.size() >= 18);
}

std::string ScramClient::first() {
  first_bare_ = "n=" + detail::encode_name(credentials_.user) + ",r=" + nonce_;
  return gs2_header(credentials_) + first_bare_;
}

Result<std::string> ScramClient::final(std::string_view server_first) {
  std::string_view rest = server_first;
  const auto nonce = detail::take_attribute(rest, 'r');
  // Longer than ours, or the server added nothing and a replay would go unnoticed.
  if (!nonce || !nonce->starts_with(nonce_) || nonce->size() <= nonce_.size() ||
      !detail::is_nonce(*nonce)) {
    return bad("bad nonce");
  }
  const auto encoded_salt = detail::take_attribute(rest, 's');
  const auto salt = encoded_salt ? base64_decode(*encoded_salt) : std::nullopt;
  if (!salt || salt->empty()) return bad("bad salt");
  const auto count = detail::take_attribute(rest, 'i');
  const auto iterations = count ? parse_u64(*count) : std::nullopt;
  if (!iterations || *iterations == 0 || *iterations > kIterationsMax) return bad("bad iterations");

  std::string salted =
      detail::salted_password(credentials_.password, *salt, static_cast<uint32_t>(*iterations));
  const std::string client_key = detail::hmac_sha256(salted, "Client Key");
  const std::string without_proof =
      "c=" + base64_encode(gs2_header(credentials_)) + ",r=" + std::string(*nonce);
  const std::string signed_text =
      first_bare_ + "," + std::string(server_first) + "," + without_proof;
  const std::string signature = detail::hmac_sha256(as_text(sha256(client_key)), signed_text);
  const std::string server_key = detail::hmac_sha256(salted, "Server Key");
  server_signature_ = detail::hmac_sha256(server_key, signed_text);
  detail::wipe(salted);
  return without_proof + ",p=" + base64_encode(detail::exclusive_or(client_key, signature));
}

Status ScramClient::check(std::string_view server_final) const {
  std::string_view rest = server_final;
  if (const auto error = detail::take_attribute(rest, 'e')) {
    return fail(kServerRefused, printable(*error, 80));
  }
  const auto encoded = detail::take_attribute(rest, 'v');
  const auto signature = encoded ? base64_decode(*encoded) : std::nullopt;
  if (!signature || server_signature_.empty() ||
      !detail::equal_in_constant_time(*signature, server_signature_)) {
    return bad("the server does not know the password");
  }
  return {};
}

}  // namespace ph::sasl
