#include "codec/sasl/server.h"

#include "base/check.h"
#include "codec/sasl/detail/mechanism.h"
#include "codec/sasl/errors.h"

namespace ph::sasl {
namespace {

constexpr size_t kResponseMax = 12 * 1024;
constexpr size_t kNonceMin = 18;

}  // namespace

std::vector<std::string> server_mechanisms() { return {"SCRAM-SHA-256", "PLAIN", "LOGIN"}; }

Result<Server> Server::create(std::string_view mechanism, std::string_view nonce) {
  if (mechanism == "PLAIN") return Server(detail::make_plain());
  if (mechanism == "LOGIN") return Server(detail::make_login());
  if (mechanism != "SCRAM-SHA-256") return fail(kUnknownMechanism, "not offered");
  PH_CHECK(nonce.size() >= kNonceMin);
  return Server(detail::make_scram(nonce));
}

Server::Server(std::unique_ptr<Mechanism> mechanism) : mechanism_(std::move(mechanism)) {}
Server::~Server() = default;
Server::Server(Server&&) noexcept = default;
Server& Server::operator=(Server&&) noexcept = default;

Step Server::start(std::optional<std::string_view> initial) {
  if (initial && initial->size() > kResponseMax) return Failed{"response too long"};
  return mechanism_->start(initial);
}

Step Server::step(std::string_view response) {
  if (response.size() > kResponseMax) return Failed{"response too long"};
  return mechanism_->step(response);
}

Step Server::password_checked(PasswordVerdict verdict) {
  return mechanism_->password_checked(verdict);
}

Step Server::supply(const Verifier& verifier) { return mechanism_->supply(verifier); }

}  // namespace ph::sasl
