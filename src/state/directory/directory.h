// The directory: which domains are ours, which addresses exist in them, and what they stand for.
//
// Durable in the partition "directory", and whole in memory (about 200 octets an address, at most
// kAddressesMax), so look-ups are immediate, from any loop, and never stale: a change is visible to
// every loop when it is answered. Addresses are compared without regard to case; "user+tag@domain"
// finds "user@domain". Changes are made on the home loop.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.h"
#include "base/result.h"
#include "kv/store.h"
#include "kv/turn.h"
#include "rt/runtime.h"

namespace ph::directory {

inline constexpr ErrorKind kExists{"directory", "exists", Disposition::permanent};
inline constexpr ErrorKind kNoSuchEntry{"directory", "no_such_entry", Disposition::permanent};
inline constexpr ErrorKind kBadName{"directory", "bad_name", Disposition::permanent};
inline constexpr ErrorKind kFull{"directory", "full", Disposition::permanent};

inline constexpr size_t kAddressesMax = 1'000'000;
inline constexpr size_t kAliasTargetsMax = 1'000;
inline constexpr size_t kDomainsMax = 10'000;

using AccountId = StrongId<struct AccountIdTag>;

struct Account {
  AccountId id;
  std::string address;  // as written when it was added; the login name
  Time created;
};

struct Alias {
  std::string address;
  std::vector<std::string> targets;  // local or foreign addresses
};

struct Lookup {
  enum class Kind : uint8_t {
    foreign_domain,
    no_such_address,
    account,
    alias
  } kind = Kind::foreign_domain;
  AccountId account;                 // account
  std::vector<std::string> targets;  // alias
};

class Directory {
 public:
  static rt::Task<Result<std::unique_ptr<Directory>>> open(kv::Store& store, rt::Loop& home);
  ~Directory();
  rt::Loop& home() const { return home_; }

  // From any loop. "postmaster" at a local domain, or alone, finds the first account when nothing
  // else has that name (RFC 5321 section 4.5.1).
  Lookup find(std::string_view address) const;
  bool is_local_domain(std::string_view domain) const;
  std::optional<Account> account(AccountId id) const;
  std::optional<Account> account_of(std::string_view login) const;
  std::vector<Account> accounts() const;
  std::vector<Alias> aliases() const;
  std::vector<std::string> domains() const;

  // Records that could not be read when it was opened; their addresses are not known here.
  size_t damaged_records() const;

  // On the home loop; durable when answered. kConflict while another change is on its way; after
  // kUncertain memory follows as soon as the disk has answered.
  rt::Task<Status> add_domain(std::string domain, rt::Deadline deadline);
  rt::Task<Result<Account>> add_account(std::string address, rt::Deadline deadline);
  rt::Task<Status> remove_account(std::string address, rt::Deadline deadline);
  rt::Task<Status> add_alias(Alias alias, rt::Deadline deadline);
  rt::Task<Status> remove_alias(std::string address, rt::Deadline deadline);

 private:
  struct Book;
  struct Shelf;  // the book and its lock
  using Draft = std::function<Status(kv::Batch&)>;
  using Apply = std::function<void(Book&)>;
  Directory(rt::Loop& home, std::unique_ptr<kv::Partition> partition);
  rt::Task<Status> load();
  Status check_new(std::string_view address) const;
  rt::Task<Status> change(Draft draft, Apply apply, rt::Deadline deadline);
  rt::Task<Status> catch_up(kv::Turns::Turn& turn, rt::Deadline deadline);
  rt::Task<void> repair();

  rt::Loop& home_;
  std::unique_ptr<kv::Partition> partition_;
  kv::Turns turns_;
  std::unique_ptr<Shelf> shelf_;
  rt::Scope repairs_;
};

// The form in which addresses are compared: ASCII lower case, "+tag" kept.
std::string address_key(std::string_view address);

}  // namespace ph::directory
