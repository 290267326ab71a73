#include "state/directory/directory.h"

#include <algorithm>
#include <map>
#include <mutex>
#include <set>
#include <shared_mutex>
#include <utility>

#include "base/check.h"
#include "base/record.h"
#include "base/text.h"

namespace ph::directory {
namespace {

constexpr uint8_t kFormat = 1;
constexpr std::string_view kDomainPrefix = "d/";
constexpr std::string_view kAccountPrefix = "a/";
constexpr std::string_view kAliasPrefix = "l/";
constexpr std::string_view kNextId = "next";
constexpr std::string_view kPostmasterAt = "postmaster@";
constexpr Duration kRepairStep = Duration::seconds(30);

struct Split {
  std::string_view local;
  std::string_view domain;  // empty: none
};

Split split_address(std::string_view address) {
  const size_t at = address.rfind('@');
  if (at == std::string_view::npos) return {address, {}};
  return {address.substr(0, at), address.substr(at + 1)};
}

bool is_name_octet(char c) {
  return is_alpha(c) || is_digit(c) || c == '-' || c == '_' || c == '.' || !is_ascii(c);
}

bool is_domain(std::string_view domain) {
  if (domain.empty() || domain.size() > 255) return false;
  for (const std::string_view label : split(domain, '.')) {
    if (label.empty() || label.size() > 63) return false;
  }
  return domain.find_first_of("@ ") == std::string_view::npos && is_valid_utf8(domain) &&
         std::ranges::all_of(domain, is_name_octet);
}

// What an administrator may give out: no quoting needed, no control characters.
bool is_local_part(std::string_view local) {
  if (local.empty() || local.size() > 64 || !is_valid_utf8(local)) return false;
  constexpr std::string_view kSpecials = "\"(),:;<>@[\\] ";
  for (const char c : local) {
    if (static_cast<unsigned char>(c) < 0x21 || c == 0x7F) return false;
    if (kSpecials.find(c) != std::string_view::npos) return false;
  }
  return local.front() != '.' && local.back() != '.' && local.find("..") == std::string_view::npos;
}

bool is_plain_address(const Split& parts) {
  return is_local_part(parts.local) && is_domain(parts.domain);
}

std::string encode(const Account& a) {
  return RecordWriter(kFormat).u64(a.id.value).bytes(a.address).time(a.created).take();
}

std::optional<Account> decode_account(std::string_view record) {
  RecordReader in(record);
  Account a;
  a.id.value = in.u64();
  a.address = in.bytes();
  a.created = in.time();
  if (!in.ok()) return std::nullopt;
  return a;
}

std::string encode(const Alias& alias) {
  RecordWriter out(kFormat);
  out.bytes(alias.address).u64(alias.targets.size());
  for (const std::string& target : alias.targets) out.bytes(target);
  return out.take();
}

std::optional<Alias> decode_alias(std::string_view record) {
  RecordReader in(record);
  Alias alias;
  alias.address = in.bytes();
  const uint64_t count = in.count(kAliasTargetsMax);
  for (uint64_t i = 0; i < count; ++i) alias.targets.emplace_back(in.bytes());
  if (!in.ok()) return std::nullopt;
  return alias;
}

std::string key(std::string_view prefix, std::string_view name) {
  return std::string(prefix) + address_key(name);
}

}  // namespace

std::string address_key(std::string_view address) { return to_lower(address); }

// What is in the directory. A lock is held for one look-up or one change, never over a wait.
struct Directory::Book {
  std::set<std::string, std::less<>> domains;
  std::map<std::string, Account, std::less<>> accounts;
  std::map<AccountId, std::string> by_id;
  std::map<std::string, Alias, std::less<>> aliases;
  uint64_t next_id = 1;
  size_t damaged = 0;

  void take_in(const kv::Entry& entry);
  void put(Account account) {
    by_id[account.id] = address_key(account.address);
    next_id = std::max(next_id, account.id.value + 1);
    accounts[address_key(account.address)] = std::move(account);
  }
  std::optional<Lookup> find_exactly(const std::string& address) const {
    if (const auto at = accounts.find(address); at != accounts.end()) {
      return Lookup{Lookup::Kind::account, at->second.id, {}};
    }
    if (const auto at = aliases.find(address); at != aliases.end()) {
      return Lookup{Lookup::Kind::alias, {}, at->second.targets};
    }
    return std::nullopt;
  }
  std::optional<Lookup> find_postmaster() const;
  Lookup find(std::string_view address) const;
};

struct Directory::Shelf {
  mutable std::shared_mutex mutex;
  Book book;
};

void Directory::Book::take_in(const kv::Entry& entry) {
  const std::string_view name = std::string_view(entry.key);
  if (name.starts_with(kDomainPrefix)) {
    domains.emplace(name.substr(kDomainPrefix.size()));
  } else if (name.starts_with(kAccountPrefix)) {
    std::optional<Account> account = decode_account(entry.value);
    if (account) put(std::move(*account));
    if (!account) ++damaged;
  } else if (name.starts_with(kAliasPrefix)) {
    std::optional<Alias> alias = decode_alias(entry.value);
    if (!alias) ++damaged;
    if (alias) aliases[address_key(alias->address)] = std::move(*alias);
  } else if (name == kNextId) {
    next_id = std::max(next_id, key_u64(entry.value, 0));
  }
}

// RCPT TO:<postmaster> without a domain: whoever is postmaster of any domain, else the first
// account.
std::optional<Lookup> Directory::Book::find_postmaster() const {
  const auto account = accounts.lower_bound(kPostmasterAt);
  if (account != accounts.end() && account->first.starts_with(kPostmasterAt)) {
    return find_exactly(account->first);
  }
  const auto alias = aliases.lower_bound(kPostmasterAt);
  if (alias != aliases.end() && alias->first.starts_with(kPostmasterAt)) {
    return find_exactly(alias->first);
  }
  if (by_id.empty()) return std::nullopt;
  return Lookup{Lookup::Kind::account, by_id.begin()->first, {}};
}

Lookup Directory::Book::find(std::string_view address) const {
  const std::string wanted = address_key(address);
  const Split parts = split_address(wanted);
  constexpr Lookup::Kind kNone = Lookup::Kind::no_such_address;
  if (parts.domain.empty()) {
    if (parts.local != "postmaster") return {};
    return find_postmaster().value_or(Lookup{kNone, {}, {}});
  }
  if (!domains.contains(parts.domain)) return {};
  if (std::optional<Lookup> hit = find_exactly(wanted)) return *hit;
  const size_t plus = parts.local.find('+');
  if (plus != std::string_view::npos && plus > 0) {
    const std::string base =
        std::string(parts.local.substr(0, plus)) + "@" + std::string(parts.domain);
    if (std::optional<Lookup> hit = find_exactly(base)) return *hit;
  }
  if (parts.local == "postmaster" && !by_id.empty()) {
    return Lookup{Lookup::Kind::account, by_id.begin()->first, {}};
  }
  return Lookup{kNone, {}, {}};
}

Directory::Directory(rt::Loop& home, std::unique_ptr<kv::Partition> partition)
    : home_(home),
      partition_(std::move(partition)),
      shelf_(std::make_unique<Shelf>()),
      repairs_(home, "directory repairs") {}
Directory::~Directory() = default;

rt::Task<Result<std::unique_ptr<Directory>>> Directory::open(kv::Store& store, rt::Loop& home) {
  PH_CO_TRY(auto partition, store.open(home, "directory"));
  std::unique_ptr<Directory> self(new Directory(home, std::move(partition)));
  PH_CO_TRY_STATUS(co_await self->load());
  co_return self;
}

rt::Task<Status> Directory::load() {
  Book book;
  std::optional<kv::Range> range = kv::Range{};
  while (range.has_value()) {
    PH_CO_TRY(const kv::Page page, co_await partition_->scan(*range));
    for (const kv::Entry& entry : page.entries) book.take_in(entry);
    range = page.rest;
  }
  const std::unique_lock lock(shelf_->mutex);
  shelf_->book = std::move(book);
  co_return Status();
}

Lookup Directory::find(std::string_view address) const {
  const std::shared_lock lock(shelf_->mutex);
  return shelf_->book.find(address);
}

bool Directory::is_local_domain(std::string_view domain) const {
  const std::shared_lock lock(shelf_->mutex);
  return shelf_->book.domains.contains(address_key(domain));
}

std::optional<Account> Directory::account(AccountId id) const {
  const std::shared_lock lock(shelf_->mutex);
  const auto at = shelf_->book.by_id.find(id);
  if (at == shelf_->book.by_id.end()) return std::nullopt;
  return shelf_->book.accounts.at(at->second);
}

std::optional<Account> Directory::account_of(std::string_view login) const {
  const std::shared_lock lock(shelf_->mutex);
  const auto at = shelf_->book.accounts.find(address_key(login));
  if (at == shelf_->book.accounts.end()) return std::nullopt;
  return at->second;
}

std::vector<Account> Directory::accounts() const {
  const std::shared_lock lock(shelf_->mutex);
  std::vector<Account> out;
  for (const auto& [name, account] : shelf_->book.accounts) out.push_back(account);
  return out;
}

std::vector<Alias> Directory::aliases() const {
  const std::shared_lock lock(shelf_->mutex);
  std::vector<Alias> out;
  for (const auto& [name, alias] : shelf_->book.aliases) out.push_back(alias);
  return out;
}

std::vector<std::string> Directory::domains() const {
  const std::shared_lock lock(shelf_->mutex);
  return {shelf_->book.domains.begin(), shelf_->book.domains.end()};
}

size_t Directory::damaged_records() const {
  const std::shared_lock lock(shelf_->mutex);
  return shelf_->book.damaged;
}

Status Directory::check_new(std::string_view address) const {
  const Split parts = split_address(address);
  if (!is_plain_address(parts)) {
    return fail(kBadName,
                "'" + printable(address, 128) + "' is not a plain address like user@example.org");
  }
  const std::shared_lock lock(shelf_->mutex);
  const Book& book = shelf_->book;
  if (!book.domains.contains(address_key(parts.domain))) {
    return fail(kNoSuchEntry, printable(parts.domain) + " is not a local domain");
  }
  if (book.find_exactly(address_key(address)).has_value()) {
    return fail(kExists, printable(address) + " exists already");
  }
  if (book.accounts.size() + book.aliases.size() >= kAddressesMax) {
    return fail(kFull, "the directory holds its maximum of addresses");
  }
  return {};
}

// One change: memory is as on the disk when `draft` checks it and writes the batch, and `apply`
// changes memory once the batch is durable. Both outlive the change in the caller's frame.
rt::Task<Status> Directory::change(Draft draft, Apply apply, rt::Deadline deadline) {
  PH_CO_TRY(kv::Turns::Turn turn, turns_.take());
  if (turns_.unsure()) PH_CO_TRY_STATUS(co_await catch_up(turn, deadline));
  kv::Batch batch;
  PH_CO_TRY_STATUS(draft(batch));
  const auto answer = co_await turn.commit(*partition_, std::move(batch), deadline);
  if (turns_.unsure()) repairs_.spawn("directory repair", repair());
  if (!answer.has_value()) co_return answer.error();
  const std::unique_lock lock(shelf_->mutex);
  apply(shelf_->book);
  co_return Status();
}

// Memory follows the disk again.
rt::Task<Status> Directory::catch_up(kv::Turns::Turn& turn, rt::Deadline deadline) {
  PH_CO_TRY_STATUS(co_await turn.settle(*partition_, deadline));
  PH_CO_TRY_STATUS(co_await load());
  turn.sure();
  co_return Status();
}

rt::Task<void> Directory::repair() {
  while (turns_.unsure()) {
    if (auto turn = turns_.take(); turn.has_value()) {
      const Status caught_up = co_await catch_up(*turn, home_.in(kRepairStep));
      if (caught_up.has_value()) co_return;
    }
    const rt::Woken woken =
        co_await rt::sleep(home_, home_.in(Duration::seconds(1)), "another look at the directory");
    if (woken == rt::Woken::cancelled) co_return;
  }
}

rt::Task<Status> Directory::add_domain(std::string domain, rt::Deadline deadline) {
  const Draft draft = [this, &domain](kv::Batch& batch) -> Status {
    if (!is_domain(domain)) {
      return fail(kBadName, "'" + printable(domain, 128) + "' is no domain name");
    }
    if (is_local_domain(domain)) return fail(kExists, domain + " exists already");
    if (domains().size() >= kDomainsMax) {
      return fail(kFull, "the directory holds its maximum of domains");
    }
    batch.put(key(kDomainPrefix, domain), RecordWriter(kFormat).bytes(domain).take());
    return {};
  };
  const Apply apply = [&domain](Book& book) { book.domains.insert(address_key(domain)); };
  co_return co_await change(draft, apply, deadline);
}

rt::Task<Result<Account>> Directory::add_account(std::string address, rt::Deadline deadline) {
  Account account;
  account.address = std::move(address);
  const Draft draft = [this, &account](kv::Batch& batch) -> Status {
    PH_TRY_STATUS(check_new(account.address));
    account.id = AccountId{shelf_->book.next_id};  // only the home loop writes it
    account.created = home_.wall();
    batch.put(key(kAccountPrefix, account.address), encode(account));
    // Kept apart from the accounts, so that the id of a removed account is never given out again.
    batch.put(std::string(kNextId), OrderedKey("").u64(account.id.value + 1).take());
    return {};
  };
  const Apply apply = [&account](Book& book) { book.put(account); };
  PH_CO_TRY_STATUS(co_await change(draft, apply, deadline));
  co_return account;
}

rt::Task<Status> Directory::remove_account(std::string address, rt::Deadline deadline) {
  std::optional<Account> account;
  const Draft draft = [this, &account, &address](kv::Batch& batch) -> Status {
    account = account_of(address);
    if (!account) return fail(kNoSuchEntry, "there is no account " + printable(address));
    batch.erase(key(kAccountPrefix, address));
    return {};
  };
  const Apply apply = [&account, &address](Book& book) {
    book.accounts.erase(address_key(address));
    book.by_id.erase(account->id);
  };
  co_return co_await change(draft, apply, deadline);
}

rt::Task<Status> Directory::add_alias(Alias alias, rt::Deadline deadline) {
  const Draft draft = [this, &alias](kv::Batch& batch) -> Status {
    PH_TRY_STATUS(check_new(alias.address));
    if (alias.targets.empty() || alias.targets.size() > kAliasTargetsMax) {
      return fail(kBadName, "an alias has 1 to " + std::to_string(kAliasTargetsMax) + " targets");
    }
    for (const std::string& target : alias.targets) {
      if (!is_plain_address(split_address(target))) {
        return fail(kBadName, "'" + printable(target, 128) + "' is not a plain address");
      }
    }
    batch.put(key(kAliasPrefix, alias.address), encode(alias));
    return {};
  };
  const Apply apply = [&alias](Book& book) { book.aliases[address_key(alias.address)] = alias; };
  co_return co_await change(draft, apply, deadline);
}

rt::Task<Status> Directory::remove_alias(std::string address, rt::Deadline deadline) {
  const Draft draft = [this, &address](kv::Batch& batch) -> Status {
    const std::shared_lock lock(shelf_->mutex);
    if (!shelf_->book.aliases.contains(address_key(address))) {
      return fail(kNoSuchEntry, "there is no alias " + printable(address));
    }
    batch.erase(key(kAliasPrefix, address));
    return {};
  };
  const Apply apply = [&address](Book& book) { book.aliases.erase(address_key(address)); };
  co_return co_await change(draft, apply, deadline);
}

}  // namespace ph::directory
