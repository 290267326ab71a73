#include "state/auth/auth.h"

#include <algorithm>
#include <map>
#include <mutex>
#include <shared_mutex>
#include <utility>

#include "base/bounded.h"
#include "base/text.h"

namespace ph::auth {
namespace {

constexpr std::string_view kVerifierPrefix = "v/";
constexpr std::string_view kSecretKey = "secret";
constexpr size_t kSecretBytes = 32;
constexpr size_t kSaltBytes = 16;

std::string verifier_key(std::string_view login) {
  return std::string(kVerifierPrefix) + to_lower(login);
}

}  // namespace

// Mutexes are held for one look-up or change, never over a wait.
struct Auth::Book {
  mutable std::shared_mutex mutex;
  std::map<std::string, sasl::Verifier, std::less<>> verifiers;
  std::string secret;  // pretended verifiers are made from it
  mutable std::mutex places_mutex;
  mutable BoundedCache<std::string, uint32_t> failures{kPlacesMax};
};

Auth::Auth(AuthPorts ports, rt::Loop& home, std::unique_ptr<kv::Partition> partition)
    : ports_(ports),
      home_(home),
      partition_(std::move(partition)),
      book_(std::make_unique<Book>()) {}
Auth::~Auth() = default;

rt::Task<Result<std::unique_ptr<Auth>>> Auth::open(AuthPorts ports, rt::Loop& home) {
  PH_CO_TRY(auto partition, ports.store.open(home, "auth"));
  std::unique_ptr<Auth> self(new Auth(ports, home, std::move(partition)));
  PH_CO_TRY_STATUS(co_await self->load());
  co_return self;
}

rt::Task<Status> Auth::load() {
  std::optional<kv::Range> range = kv::Range{};
  while (range.has_value()) {
    PH_CO_TRY(const kv::Page page, co_await partition_->scan(*range));
    for (const kv::Entry& entry : page.entries) {
      if (entry.key == kSecretKey) book_->secret = entry.value;
      if (!entry.key.starts_with(kVerifierPrefix)) continue;
      const Result<sasl::Verifier> v = sasl::parse_verifier(entry.value);
      if (v.has_value()) book_->verifiers[entry.key.substr(kVerifierPrefix.size())] = *v;
    }
    range = page.rest;
  }
  if (!book_->secret.empty()) co_return Status();
  book_->secret = ports_.runtime.entropy().bytes(kSecretBytes);
  kv::Batch batch;
  batch.put(std::string(kSecretKey), book_->secret);
  const kv::CommitOptions options{std::nullopt, home_.in(Duration::seconds(30))};
  PH_CO_TRY_STATUS(co_await partition_->commit(std::move(batch), options));
  co_return Status();
}

sasl::Verifier Auth::verifier(std::string_view login) const {
  const std::string name = to_lower(login);
  const std::shared_lock lock(book_->mutex);
  if (const auto at = book_->verifiers.find(name); at != book_->verifiers.end()) return at->second;
  return sasl::fake_verifier({book_->secret, name});
}

bool Auth::has_password(std::string_view login) const {
  const std::shared_lock lock(book_->mutex);
  return book_->verifiers.contains(to_lower(login));
}

rt::Task<Result<sasl::PasswordVerdict>> Auth::check(rt::Loop& loop, std::string login,
                                                    std::string password, rt::Deadline deadline) {
  auto work = [v = verifier(login), password = std::move(password)] {
    return sasl::check_password(v, password);
  };
  co_return co_await rt::blocking(loop, ports_.runtime.pool(), "a password check", std::move(work),
                                  deadline);
}

Duration Auth::delay_for(std::string_view place) const {
  const std::lock_guard lock(book_->places_mutex);
  const uint32_t* failures = book_->failures.find(std::string(place));
  if (failures == nullptr || *failures <= kFailuresFree) return {};
  const uint32_t doublings = std::min(*failures - kFailuresFree - 1, 10U);
  return std::min(Duration::milliseconds(500) * (int64_t{1} << doublings), kDelayMax);
}

void Auth::note_failure(std::string_view place) {
  const std::lock_guard lock(book_->places_mutex);
  const std::string name(place);
  const uint32_t* failures = book_->failures.find(name);
  book_->failures.put(name, failures == nullptr ? 1 : std::min(*failures + 1, 1'000U));
}

void Auth::note_success(std::string_view place) {
  const std::lock_guard lock(book_->places_mutex);
  book_->failures.erase(std::string(place));
}

rt::Task<Status> Auth::set_password(std::string login, std::string password,
                                    rt::Deadline deadline) {
  if (password.size() < kPasswordBytesMin) {
    co_return fail(kBadPassword,
                   "a password has at least " + std::to_string(kPasswordBytesMin) + " characters");
  }
  if (!sasl::is_acceptable_text(password)) {
    co_return fail(kBadPassword, "a password is valid UTF-8 without control characters");
  }
  sasl::Salting salting{ports_.runtime.entropy().bytes(kSaltBytes)};
  auto work = [salting = std::move(salting), password = std::move(password)] {
    return sasl::derive_verifier(password, salting);
  };
  PH_CO_TRY(const sasl::Verifier made,
            co_await rt::blocking(home_, ports_.runtime.pool(), "a password's derivation",
                                  std::move(work), deadline));
  kv::Batch batch;
  batch.put(verifier_key(login), sasl::to_text(made));
  PH_CO_TRY_STATUS(co_await partition_->commit(std::move(batch), {std::nullopt, deadline}));
  const std::unique_lock lock(book_->mutex);
  book_->verifiers[to_lower(login)] = made;
  co_return Status();
}

rt::Task<Status> Auth::forget(std::string login, rt::Deadline deadline) {
  kv::Batch batch;
  batch.erase(verifier_key(login));
  PH_CO_TRY_STATUS(co_await partition_->commit(std::move(batch), {std::nullopt, deadline}));
  const std::unique_lock lock(book_->mutex);
  book_->verifiers.erase(to_lower(login));
  co_return Status();
}

}  // namespace ph::auth
