// PLAIN (RFC 4616) and LOGIN (an expired draft, spoken by everybody): both end in a password.

#include "base/check.h"
#include "base/text.h"
#include "codec/sasl/detail/mechanism.h"

namespace ph::sasl::detail {
namespace {

class PasswordMechanism : public Server::Mechanism {
 public:
  Step password_checked(PasswordVerdict verdict) override {
    PH_CHECK(!user_.empty());
    if (verdict == PasswordVerdict::wrong) return Failed{"wrong user or password"};
    return Done{.user = user_, .acting_for = acting_for_};
  }
  Step supply(const Verifier&) override {
    PH_CHECK(false);  // never asked for
    return Failed{};
  }

 protected:
  Step check(std::string_view user, std::string_view password) {
    if (!is_acceptable_text(user) || !is_acceptable_text(password)) {
      return Failed{"user or password is not acceptable text"};
    }
    user_ = user;
    return CheckPassword{.user = user_, .password = std::string(password)};
  }

  std::string user_;
  std::string acting_for_;
};

class Plain final : public PasswordMechanism {
 public:
  Step start(std::optional<std::string_view> initial) override {
    if (!initial) return Challenge{};
    return step(*initial);
  }
  // [authzid] NUL authcid NUL passwd
  Step step(std::string_view message) override {
    const auto parts = split(message, '\0');
    if (parts.size() != 3) return Failed{"malformed PLAIN message"};
    if (!parts[0].empty() && !is_acceptable_text(parts[0])) return Failed{"bad identity"};
    acting_for_ = parts[0] == parts[1] ? std::string_view() : parts[0];
    return check(parts[1], parts[2]);
  }
};

class Login final : public PasswordMechanism {
 public:
  Step start(std::optional<std::string_view> initial) override {
    if (!initial) return Challenge{"Username:"};
    return step(*initial);
  }
  Step step(std::string_view response) override {
    if (has_name_) return check(name_, response);
    has_name_ = true;
    name_ = response;
    return Challenge{"Password:"};
  }

 private:
  std::string name_;
  bool has_name_ = false;
};

}  // namespace

std::unique_ptr<Server::Mechanism> make_plain() { return std::make_unique<Plain>(); }
std::unique_ptr<Server::Mechanism> make_login() { return std::make_unique<Login>(); }

}  // namespace ph::sasl::detail
