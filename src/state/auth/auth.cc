#include "state/auth/auth.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
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
constexpr Duration kRepairStep = Duration::seconds(30);
constexpr size_t kNetworkBytes = 8;  // of an IPv6 address

std::string verifier_key(std::string_view login) {
  return std::string(kVerifierPrefix) + to_lower(login);
}

// What failures are counted by: an IPv4 address, an IPv6 network, any other text as it is.
std::string place_key(std::string_view place) {
  const std::string text(place);
  std::array<char, 16> octets{};
  if (inet_pton(AF_INET6, text.c_str(), octets.data()) != 1) return text;
  return std::string(octets.data(), kNetworkBytes);
}

}  // namespace

// Mutexes are held for one look-up or change, never over a wait.
struct Auth::Book {
  mutable std::shared_mutex mutex;
  std::map<std::string, sasl::Verifier, std::less<>> verifiers;
  std::string secret;  // pretended verifiers are made from it
  size_t damaged = 0;
  mutable std::mutex places_mutex;
  mutable BoundedCache<std::string, uint32_t> failures{kPlacesMax};
};

Auth::Auth(AuthPorts ports, rt::Loop& home, std::unique_ptr<kv::Partition> partition)
    : ports_(ports),
      home_(home),
      partition_(std::move(partition)),
      book_(std::make_unique<Book>()),
      repairs_(home, "auth repairs") {}
Auth::~Auth() = default;

rt::Task<Result<std::unique_ptr<Auth>>> Auth::open(AuthPorts ports, rt::Loop& home) {
  PH_CO_TRY(auto partition, ports.store.open(home, "auth"));
  std::unique_ptr<Auth> self(new Auth(ports, home, std::move(partition)));
  PH_CO_TRY_STATUS(co_await self->load());
  co_return self;
}

rt::Task<Status> Auth::load() {
  std::map<std::string, sasl::Verifier, std::less<>> verifiers;
  std::string secret;
  size_t damaged = 0;
  std::optional<kv::Range> range = kv::Range{};
  while (range.has_value()) {
    PH_CO_TRY(const kv::Page page, co_await partition_->scan(*range));
    for (const kv::Entry& entry : page.entries) {
      if (entry.key == kSecretKey) secret = entry.value;
      if (!entry.key.starts_with(kVerifierPrefix)) continue;
      const Result<sasl::Verifier> v = sasl::parse_verifier(entry.value);
      if (v.has_value()) verifiers[entry.key.substr(kVerifierPrefix.size())] = *v;
      if (!v.has_value()) ++damaged;
    }
    range = page.rest;
  }
  if (secret.empty()) {
    secret = ports_.runtime.entropy().bytes(kSecretBytes);
    kv::Batch batch;
    batch.put(std::string(kSecretKey), secret);
    const kv::CommitOptions options{std::nullopt, home_.in(kRepairStep)};
    PH_CO_TRY_STATUS(co_await partition_->commit(std::move(batch), options));
  }
  const std::unique_lock lock(book_->mutex);
  book_->verifiers = std::move(verifiers);
  book_->secret = std::move(secret);
  book_->damaged = damaged;
  co_return Status();
}

size_t Auth::damaged_records() const {
  const std::shared_lock lock(book_->mutex);
  return book_->damaged;
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
  const uint32_t* failures = book_->failures.find(place_key(place));
  if (failures == nullptr || *failures <= kFailuresFree) return {};
  const uint32_t doublings = std::min(*failures - kFailuresFree - 1, 10U);
  return std::min(Duration::milliseconds(500) * (int64_t{1} << doublings), kDelayMax);
}

void Auth::note_failure(std::string_view place) {
  const std::lock_guard lock(book_->places_mutex);
  const std::string name = place_key(place);
  const uint32_t* failures = book_->failures.find(name);
  book_->failures.put(name, failures == nullptr ? 1 : std::min(*failures + 1, 1'000U));
}

void Auth::note_success(std::string_view place) {
  const std::lock_guard lock(book_->places_mutex);
  book_->failures.erase(place_key(place));
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
  co_return co_await change(std::move(login), made, deadline);
}

rt::Task<Status> Auth::forget(std::string login, rt::Deadline deadline) {
  co_return co_await change(std::move(login), std::nullopt, deadline);
}

// Two accounts have nothing to do with each other, so their changes wait for one another.
rt::Task<Result<kv::Turns::Turn>> Auth::take_turn(rt::Deadline deadline) {
  for (;;) {
    auto taken = turns_.take();
    if (taken.has_value() || deadline.passed(home_.now())) co_return taken;
    const rt::Woken woken =
        co_await rt::sleep(home_, home_.in(Duration::milliseconds(5)), "another login's change");
    if (woken == rt::Woken::cancelled) co_return fail(rt::kCancelled, "a login's change");
  }
}

rt::Task<Status> Auth::change(std::string login, std::optional<sasl::Verifier> verifier,
                              rt::Deadline deadline) {
  PH_CO_TRY(kv::Turns::Turn turn, co_await take_turn(deadline));
  if (turns_.unsure()) PH_CO_TRY_STATUS(co_await catch_up(turn, deadline));
  kv::Batch batch;
  if (verifier.has_value()) {
    batch.put(verifier_key(login), sasl::to_text(*verifier));
  } else {
    batch.erase(verifier_key(login));
  }
  const auto answer = co_await turn.commit(*partition_, std::move(batch), deadline);
  if (turns_.unsure()) repairs_.spawn("auth repair", repair());
  if (!answer.has_value()) co_return answer.error();
  const std::unique_lock lock(book_->mutex);
  if (verifier.has_value()) {
    book_->verifiers[to_lower(login)] = std::move(*verifier);
  } else {
    book_->verifiers.erase(to_lower(login));
  }
  co_return Status();
}

// Memory follows the disk again.
rt::Task<Status> Auth::catch_up(kv::Turns::Turn& turn, rt::Deadline deadline) {
  PH_CO_TRY_STATUS(co_await turn.settle(*partition_, deadline));
  PH_CO_TRY_STATUS(co_await load());
  turn.sure();
  co_return Status();
}

rt::Task<void> Auth::repair() {
  while (turns_.unsure()) {
    if (auto turn = turns_.take(); turn.has_value()) {
      const Status caught_up = co_await catch_up(*turn, home_.in(kRepairStep));
      if (caught_up.has_value()) co_return;
    }
    const rt::Woken woken =
        co_await rt::sleep(home_, home_.in(Duration::seconds(1)), "another look at the logins");
    if (woken == rt::Woken::cancelled) co_return;
  }
}

}  // namespace ph::auth
