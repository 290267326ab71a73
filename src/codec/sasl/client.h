// The client's side of SASL: for tests, and for relaying through a smart host.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace ph::sasl {

struct Credentials {
  std::string user;
  std::string password;
  std::string acting_for;  // "" when himself
};

// The one message of PLAIN.
std::string plain_message(const Credentials& credentials);

// SCRAM-SHA-256: send first(), then what final() makes of the server's first message, then check()
// the server's last one. final() runs PBKDF2. `nonce` is at least 18 fresh random octets.
class ScramClient {
 public:
  ScramClient(Credentials credentials, std::string_view nonce);

  std::string first();
  // Errors: kBadServerMessage (also an iteration count beyond kIterationsMax).
  Result<std::string> final(std::string_view server_first);
  // Whether the server knows the password too. Errors: kServerRefused, kBadServerMessage.
  Status check(std::string_view server_final) const;

 private:
  Credentials credentials_;
  std::string nonce_;
  std::string first_bare_;
  std::string server_signature_;
};

}  // namespace ph::sasl
