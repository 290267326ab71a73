#include "state/directory/directory.h"

#include <algorithm>
#include <mutex>
#include <set>
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
  return local.front() != '.' && local.back() != '.';
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

// The whole directory in memory. The mutex is held for one look-up or one change, never over a
// wait.
struct Directory::Book {
  mutable std::shared_mutex mutex;
  std::set<std::string, std::less<>> domains;
  std::map<std::string, Account, std::less<>> accounts;
  std::map<AccountId, std::string> by_id;
  std::map<std::string, Alias, std::less<>> aliases;
  uint64_t next_id = 1;
  kv::Version version;  // home loop only

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
  Lookup find(std::string_view address) const {
    const std::string wanted = address_key(address);
    const Split parts = split_address(wanted);
    if (parts.domain.empty() && parts.local != "postmaster") return {};
    if (!parts.domain.empty() && !domains.contains(parts.domain)) return {};
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
    return Lookup{Lookup::Kind::no_such_address, {}, {}};
  }
};

Directory::Directory(rt::Loop& home, std::unique_ptr<kv::Partition> partition)
    : home_(home), partition_(std::move(partition)), book_(std::make_unique<Book>()) {}
Directory::~Directory() = default;

rt::Task<Result<std::unique_ptr<Directory>>> Directory::open(kv::Store& store, rt::Loop& home) {
  PH_CO_TRY(auto partition, store.open(home, "directory"));
  std::unique_ptr<Directory> self(new Directory(home, std::move(partition)));
  PH_CO_TRY_STATUS(co_await self->load());
  co_return self;
}

rt::Task<Status> Directory::load() {
  std::optional<kv::Range> range = kv::Range{};
  while (range.has_value()) {
    PH_CO_TRY(const kv::Page page, co_await partition_->scan(*range));
    const std::unique_lock lock(book_->mutex);
    for (const kv::Entry& entry : page.entries) {
      const std::string_view name = std::string_view(entry.key);
      if (name.starts_with(kDomainPrefix)) {
        book_->domains.emplace(name.substr(kDomainPrefix.size()));
      } else if (name.starts_with(kAccountPrefix)) {
        if (std::optional<Account> a = decode_account(entry.value)) book_->put(std::move(*a));
      } else if (name.starts_with(kAliasPrefix)) {
        std::optional<Alias> alias = decode_alias(entry.value);
        if (alias) book_->aliases[address_key(alias->address)] = std::move(*alias);
      } else if (name == kNextId) {
        book_->next_id = std::max(book_->next_id, key_u64(entry.value, 0));
      }
    }
    range = page.rest;
  }
  book_->version = partition_->version();
  co_return Status();
}

Lookup Directory::find(std::string_view address) const {
  const std::shared_lock lock(book_->mutex);
  return book_->find(address);
}

bool Directory::is_local_domain(std::string_view domain) const {
  const std::shared_lock lock(book_->mutex);
  return book_->domains.contains(address_key(domain));
}

std::optional<Account> Directory::account(AccountId id) const {
  const std::shared_lock lock(book_->mutex);
  const auto at = book_->by_id.find(id);
  if (at == book_->by_id.end()) return std::nullopt;
  return book_->accounts.at(at->second);
}

std::optional<Account> Directory::account_of(std::string_view login) const {
  const std::shared_lock lock(book_->mutex);
  const auto at = book_->accounts.find(address_key(login));
  if (at == book_->accounts.end()) return std::nullopt;
  return at->second;
}

std::vector<Account> Directory::accounts() const {
  const std::shared_lock lock(book_->mutex);
  std::vector<Account> out;
  for (const auto& [name, account] : book_->accounts) out.push_back(account);
  return out;
}

std::vector<Alias> Directory::aliases() const {
  const std::shared_lock lock(book_->mutex);
  std::vector<Alias> out;
  for (const auto& [name, alias] : book_->aliases) out.push_back(alias);
  return out;
}

std::vector<std::string> Directory::domains() const {
  const std::shared_lock lock(book_->mutex);
  return {book_->domains.begin(), book_->domains.end()};
}

Status Directory::check_new(std::string_view address) const {
  const Split parts = split_address(address);
  if (!is_local_part(parts.local) || !is_domain(parts.domain)) {
    return fail(kBadName,
                "'" + printable(address, 128) + "' is not a plain address like user@example.org");
  }
  const std::shared_lock lock(book_->mutex);
  if (!book_->domains.contains(address_key(parts.domain))) {
    return fail(kNoSuchEntry, printable(parts.domain) + " is not a local domain");
  }
  if (book_->find_exactly(address_key(address)).has_value()) {
    return fail(kExists, printable(address) + " exists already");
  }
  if (book_->accounts.size() + book_->aliases.size() >= kAddressesMax) {
    return fail(kFull, "the directory holds its maximum of addresses");
  }
  return {};
}

rt::Task<Status> Directory::commit(kv::Batch batch, rt::Deadline deadline) {
  // The book in memory is what was checked, so the commit must follow the book's version: a change
  // that is still on its way makes this one a conflict, which the caller may repeat.
  PH_CO_TRY(book_->version,
            co_await partition_->commit(std::move(batch), {book_->version, deadline}));
  co_return Status();
}

rt::Task<Status> Directory::add_domain(std::string domain, rt::Deadline deadline) {
  if (!is_domain(domain))
    co_return fail(kBadName, "'" + printable(domain, 128) + "' is no domain name");
  if (is_local_domain(domain)) co_return fail(kExists, domain + " exists already");
  kv::Batch batch;
  batch.put(key(kDomainPrefix, domain), RecordWriter(kFormat).bytes(domain).take());
  PH_CO_TRY_STATUS(co_await commit(std::move(batch), deadline));
  const std::unique_lock lock(book_->mutex);
  book_->domains.insert(address_key(domain));
  co_return Status();
}

rt::Task<Result<Account>> Directory::add_account(std::string address, rt::Deadline deadline) {
  PH_CO_TRY_STATUS(check_new(address));
  Account account{AccountId{book_->next_id}, std::move(address), home_.wall()};
  kv::Batch batch;
  batch.put(key(kAccountPrefix, account.address), encode(account));
  // Kept apart from the accounts, so that the id of a removed account is never given out again.
  batch.put(std::string(kNextId), OrderedKey("").u64(account.id.value + 1).take());
  PH_CO_TRY_STATUS(co_await commit(std::move(batch), deadline));
  const std::unique_lock lock(book_->mutex);
  book_->put(account);
  co_return account;
}

rt::Task<Status> Directory::remove_account(std::string address, rt::Deadline deadline) {
  const std::optional<Account> account = account_of(address);
  if (!account) co_return fail(kNoSuchEntry, "there is no account " + printable(address));
  kv::Batch batch;
  batch.erase(key(kAccountPrefix, address));
  PH_CO_TRY_STATUS(co_await commit(std::move(batch), deadline));
  const std::unique_lock lock(book_->mutex);
  book_->accounts.erase(address_key(address));
  book_->by_id.erase(account->id);
  co_return Status();
}

rt::Task<Status> Directory::add_alias(Alias alias, rt::Deadline deadline) {
  PH_CO_TRY_STATUS(check_new(alias.address));
  if (alias.targets.empty() || alias.targets.size() > kAliasTargetsMax) {
    co_return fail(kBadName, "an alias has 1 to " + std::to_string(kAliasTargetsMax) + " targets");
  }
  for (const std::string& target : alias.targets) {
    const Split parts = split_address(target);
    if (!is_local_part(parts.local) || !is_domain(parts.domain)) {
      co_return fail(kBadName, "'" + printable(target, 128) + "' is not a plain address");
    }
  }
  kv::Batch batch;
  batch.put(key(kAliasPrefix, alias.address), encode(alias));
  PH_CO_TRY_STATUS(co_await commit(std::move(batch), deadline));
  const std::unique_lock lock(book_->mutex);
  book_->aliases[address_key(alias.address)] = std::move(alias);
  co_return Status();
}

rt::Task<Status> Directory::remove_alias(std::string address, rt::Deadline deadline) {
  const Lookup::Kind kind = find(address).kind;
  if (kind != Lookup::Kind::alias) {
    co_return fail(kNoSuchEntry, "there is no alias " + printable(address));
  }
  kv::Batch batch;
  batch.erase(key(kAliasPrefix, address));
  PH_CO_TRY_STATUS(co_await commit(std::move(batch), deadline));
  const std::unique_lock lock(book_->mutex);
  book_->aliases.erase(address_key(address));
  co_return Status();
}

}  // namespace ph::directory
