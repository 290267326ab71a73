// The server's side of one SASL exchange: PLAIN (RFC 4616), LOGIN, SCRAM-SHA-256 (RFC 7677).
//
// start() or step() with the client's octets (decoded from base64 by the protocol) answers:
//   Challenge      send it and step() with the client's response
//   CheckPassword  look up the user's verifier (unknown: fake_verifier), run check_password() on
//   the
//                  blocking pool, then password_checked()
//   NeedVerifier   look up the user's verifier (unknown: fake_verifier), then supply()
//   Done           `user` is who proved himself; `acting_for` is whom he asked to act for ("" when
//                  himself): whether he may is the caller's decision
//   Failed         the reason is for the log; the client learns only that it failed
// The order of steps for an unknown user and for a wrong password is the same, and so is their
// cost.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/result.h"
#include "codec/sasl/verifier.h"

namespace ph::sasl {

struct Challenge {
  std::string bytes;
};
struct CheckPassword {
  std::string user;
  std::string password;
};
struct NeedVerifier {
  std::string user;
};
struct Done {
  std::string user;
  std::string acting_for;
};
struct Failed {
  std::string reason;
};
using Step = std::variant<Challenge, CheckPassword, NeedVerifier, Done, Failed>;

// Upper-case names this room implements, strongest first.
std::vector<std::string> server_mechanisms();

class Server {
 public:
  // `nonce` is at least 18 fresh random octets (used by SCRAM). Errors: kUnknownMechanism.
  static Result<Server> create(std::string_view mechanism, std::string_view nonce);

  ~Server();
  Server(Server&&) noexcept;
  Server& operator=(Server&&) noexcept;

  // The beginning; `initial` is the initial response if the client sent one.
  Step start(std::optional<std::string_view> initial);
  // The client's response to a Challenge, at most 12 KiB (longer fails).
  Step step(std::string_view response);
  Step password_checked(PasswordVerdict verdict);
  Step supply(const Verifier& verifier);

  class Mechanism;  // private: detail/mechanism.h

 private:
  explicit Server(std::unique_ptr<Mechanism> mechanism);
  std::unique_ptr<Mechanism> mechanism_;
};

}  // namespace ph::sasl
