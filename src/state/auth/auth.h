// Who may log in: one SCRAM-SHA-256 verifier an account, in the partition "auth"; no password is
// kept.
//
// Verifiers are whole in memory beside the directory; looking one up is immediate, from any loop.
// Checking a plain password costs milliseconds and runs on the pool. After kFailuresFree wrong
// passwords from one place each further one is answered later and later (up to kDelayMax), so
// guessing is slow; the table of such places is bounded and forgets the oldest. A place is an IPv4
// address or an IPv6 /64, of which one client has all. Changes are made on the home loop.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "codec/sasl/verifier.h"
#include "kv/store.h"
#include "kv/turn.h"
#include "rt/runtime.h"

namespace ph::auth {

inline constexpr ErrorKind kBadPassword{"auth", "bad_password", Disposition::permanent};

inline constexpr size_t kPasswordBytesMin = 8;
inline constexpr uint32_t kFailuresFree = 3;
inline constexpr Duration kDelayMax = Duration::seconds(20);
inline constexpr size_t kPlacesMax = 10'000;

struct AuthPorts {
  rt::Runtime& runtime;
  kv::Store& store;
};

class Auth {
 public:
  static rt::Task<Result<std::unique_ptr<Auth>>> open(AuthPorts ports, rt::Loop& home);
  ~Auth();
  rt::Loop& home() const { return home_; }

  // The verifier of a login name; for an unknown one a pretended verifier that nothing matches, the
  // same each time, so that a stranger cannot tell the two apart.
  sasl::Verifier verifier(std::string_view login) const;
  bool has_password(std::string_view login) const;
  // Runs PBKDF2 on the pool. Errors are the pool's; a wrong password is a verdict.
  rt::Task<Result<sasl::PasswordVerdict>> check(rt::Loop& loop, std::string login,
                                                std::string password, rt::Deadline deadline);

  // How long to wait before answering the next attempt from `place` (a client's address).
  Duration delay_for(std::string_view place) const;
  void note_failure(std::string_view place);
  void note_success(std::string_view place);

  // Records that could not be read when it was opened; their accounts cannot log in.
  size_t damaged_records() const;

  // kBadPassword names the rule that the password breaks. After kUncertain memory follows as soon
  // as the disk has answered.
  rt::Task<Status> set_password(std::string login, std::string password, rt::Deadline deadline);
  rt::Task<Status> forget(std::string login, rt::Deadline deadline);

 private:
  struct Book;
  Auth(AuthPorts ports, rt::Loop& home, std::unique_ptr<kv::Partition> partition);
  rt::Task<Status> load();
  rt::Task<Result<kv::Turns::Turn>> take_turn(rt::Deadline deadline);
  rt::Task<Status> change(std::string login, std::optional<sasl::Verifier> verifier,
                          rt::Deadline deadline);
  rt::Task<Status> catch_up(kv::Turns::Turn& turn, rt::Deadline deadline);
  rt::Task<void> repair();

  AuthPorts ports_;
  rt::Loop& home_;
  std::unique_ptr<kv::Partition> partition_;
  kv::Turns turns_;
  std::unique_ptr<Book> book_;
  rt::Scope repairs_;
};

}  // namespace ph::auth
