// What a server mechanism is made of, behind sasl/server.h.
#pragma once

#include <memory>
#include <optional>
#include <string_view>

#include "codec/sasl/server.h"

namespace ph::sasl {

class Server::Mechanism {
 public:
  virtual ~Mechanism() = default;
  virtual Step start(std::optional<std::string_view> initial) = 0;
  virtual Step step(std::string_view response) = 0;
  virtual Step password_checked(PasswordVerdict verdict) = 0;
  virtual Step supply(const Verifier& verifier) = 0;
};

namespace detail {

std::unique_ptr<Server::Mechanism> make_plain();
std::unique_ptr<Server::Mechanism> make_login();
std::unique_ptr<Server::Mechanism> make_scram(std::string_view nonce);

}  // namespace detail
}  // namespace ph::sasl
