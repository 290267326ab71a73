// SCRAM-SHA-256 on the server's side (RFC 5802 §5 and §7, RFC 7677). No channel binding yet: a
// client that demands it is refused, one that only mentions that it could ("y") is served.

#include <algorithm>

#include "base/check.h"
#include "base/digest.h"
#include "base/text.h"
#include "codec/sasl/detail/mechanism.h"
#include "codec/sasl/detail/scram.h"

namespace ph::sasl::detail {
namespace {

class Scram final : public Server::Mechanism {
 public:
  explicit Scram(std::string_view nonce) : server_nonce_(base64_encode(nonce)) {}

  Step start(std::optional<std::string_view> initial) override {
    if (!initial) return Challenge{};
    return step(*initial);
  }
  Step step(std::string_view response) override {
    switch (at_) {
      case At::client_first: return client_first(response);
      case At::client_final: return client_final(response);
      case At::proven:
        // The client has seen our signature and has nothing to add.
        if (!response.empty()) return Failed{"text behind the end of SCRAM"};
        return Done{.user = user_, .acting_for = acting_for_};
      case At::verifier: break;
    }
    PH_CHECK(at_ != At::verifier);
    return Failed{};
  }
  Step password_checked(PasswordVerdict) override {
    PH_CHECK(false);  // never asked for
    return Failed{};
  }
  Step supply(const Verifier& verifier) override;

 private:
  enum class At : uint8_t { client_first, verifier, client_final, proven };

  Step client_first(std::string_view message);
  Step client_final(std::string_view message);

  At at_ = At::client_first;
  std::string server_nonce_;
  std::string nonce_;  // the client's and ours
  std::string user_;
  std::string acting_for_;
  std::string gs2_header_;
  std::string client_first_bare_;
  std::string server_first_;
  Verifier verifier_;
};

// gs2-header = ("n" / "y") "," ["a=" saslname] ","; then n=user,r=nonce[,extensions]
Step Scram::client_first(std::string_view message) {
  if (message.starts_with("p=")) return Failed{"channel binding is not offered"};
  if (!message.starts_with("n,") && !message.starts_with("y,")) return Failed{"bad GS2 header"};
  std::string_view rest = message.substr(2);
  if (const auto identity = take_attribute(rest, 'a')) {
    const auto name = decode_name(*identity);
    if (!name || !is_acceptable_text(*name)) return Failed{"bad identity"};
    acting_for_ = *name;
  } else if (rest.starts_with(',')) {
    rest.remove_prefix(1);
  } else {
    return Failed{"bad GS2 header"};
  }
  gs2_header_ = message.substr(0, message.size() - rest.size());
  client_first_bare_ = rest;
  // "m=" is reserved for extensions that must be understood (RFC 5802 §5.1): refused by being here.
  const auto encoded = take_attribute(rest, 'n');
  const auto name = encoded ? decode_name(*encoded) : std::nullopt;
  if (!name || !is_acceptable_text(*name)) return Failed{"bad user name"};
  const auto nonce = take_attribute(rest, 'r');
  if (!nonce || !is_nonce(*nonce)) return Failed{"bad nonce"};
  user_ = *name;
  if (acting_for_ == user_) acting_for_.clear();
  nonce_ = std::string(*nonce) + server_nonce_;
  at_ = At::verifier;
  return NeedVerifier{user_};
}

Step Scram::supply(const Verifier& verifier) {
  PH_CHECK(at_ == At::verifier);
  if (verifier.stored_key.size() != kHashSize || verifier.server_key.size() != kHashSize) {
    return Failed{"the stored verifier is damaged"};
  }
  verifier_ = verifier;
  server_first_ = "r=" + nonce_ + ",s=" + base64_encode(verifier.salt) +
                  ",i=" + std::to_string(verifier.iterations);
  at_ = At::client_final;
  return Challenge{server_first_};
}

// c=base64(gs2-header),r=nonce[,extensions],p=base64(proof)
Step Scram::client_final(std::string_view message) {
  std::string_view rest = message;
  const auto binding = take_attribute(rest, 'c');
  if (!binding || *binding != base64_encode(gs2_header_)) return Failed{"bad channel binding"};
  const auto nonce = take_attribute(rest, 'r');
  if (!nonce || *nonce != nonce_) return Failed{"the nonce differs"};
  const size_t proof_at = message.rfind(",p=");
  if (proof_at == std::string_view::npos) return Failed{"no proof"};
  const auto proof = base64_decode(message.substr(proof_at + 3));
  if (!proof || proof->size() != kHashSize) return Failed{"malformed proof"};
  const std::string signed_text =
      client_first_bare_ + "," + server_first_ + "," + std::string(message.substr(0, proof_at));
  const std::string signature = hmac_sha256(verifier_.stored_key, signed_text);
  std::string client_key = exclusive_or(*proof, signature);
  const bool proven = equal_in_constant_time(as_text(sha256(client_key)), verifier_.stored_key);
  wipe(client_key);
  if (!proven) return Failed{"wrong user or password"};
  at_ = At::proven;
  return Challenge{"v=" + base64_encode(hmac_sha256(verifier_.server_key, signed_text))};
}

}  // namespace

std::unique_ptr<Server::Mechanism> make_scram(std::string_view nonce) {
  return std::make_unique<Scram>(nonce);
}

}  // namespace ph::sasl::detail
