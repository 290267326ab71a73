#include "admin/account_verbs.h"

#include <nlohmann/json.hpp>

#include "base/text.h"

namespace ph::admin {
namespace {

Json describe(const directory::Account& account, const auth::Auth& auth) {
  return {{"address", account.address},
          {"id", account.id.value},
          {"created", to_iso8601(account.created)},
          {"has_password", auth.has_password(account.address)}};
}

rt::Task<Result<Json>> account_add(AccountPorts ports, Call call) {
  PH_CO_TRY(const std::string address, text_argument(call, "address"));
  PH_CO_TRY(std::string password, text_argument(call, "password", ""));
  if (ports.directory.account_of(address).has_value()) {
    co_return fail(directory::kExists, address + " exists already");
  }
  // The password first: an account without one cannot be used, a verifier without an account
  // neither. One that an earlier account of this name left behind must not open the new one.
  if (!password.empty()) {
    PH_CO_TRY_STATUS(co_await ports.auth.set_password(address, std::move(password), call.deadline));
  } else if (ports.auth.has_password(address)) {
    PH_CO_TRY_STATUS(co_await ports.auth.forget(address, call.deadline));
  }
  const Result<directory::Account> account =
      co_await ports.directory.add_account(address, call.deadline);
  if (account.has_value()) co_return describe(*account, ports.auth);
  if (!ports.directory.account_of(address).has_value()) {
    const Status forgotten = co_await ports.auth.forget(address, call.deadline);
    static_cast<void>(forgotten);  // without an account it opens nothing
  }
  co_return account.error();
}

rt::Task<Result<Json>> account_list(AccountPorts ports, Call) {
  Json out = Json::array();
  for (const directory::Account& account : ports.directory.accounts()) {
    out.push_back(describe(account, ports.auth));
  }
  co_return out;
}

rt::Task<Result<Json>> account_passwd(AccountPorts ports, Call call) {
  PH_CO_TRY(const std::string address, text_argument(call, "address"));
  PH_CO_TRY(std::string password, text_argument(call, "password"));
  const std::optional<directory::Account> account = ports.directory.account_of(address);
  if (!account) co_return fail(directory::kNoSuchEntry, "there is no account " + address);
  PH_CO_TRY_STATUS(co_await ports.auth.set_password(address, std::move(password), call.deadline));
  co_return describe(*account, ports.auth);
}

// The login ends first: whatever fails behind it, nobody comes in any more and the verb can be
// repeated.
rt::Task<Result<Json>> account_remove(AccountPorts ports, Call call) {
  PH_CO_TRY(const std::string address, text_argument(call, "address"));
  if (!ports.directory.account_of(address).has_value()) {
    co_return fail(directory::kNoSuchEntry, "there is no account " + address);
  }
  PH_CO_TRY_STATUS(co_await ports.auth.forget(address, call.deadline));
  PH_CO_TRY_STATUS(co_await ports.directory.remove_account(address, call.deadline));
  co_return Json{{"removed", address}};
}

rt::Task<Result<Json>> alias_add(AccountPorts ports, Call call) {
  PH_CO_TRY(const std::string address, text_argument(call, "address"));
  PH_CO_TRY(const std::string targets, text_argument(call, "targets"));
  directory::Alias alias{address, {}};
  for (const std::string_view target : split(targets, ','))
    alias.targets.emplace_back(trim(target));
  Json out{{"address", alias.address}, {"targets", alias.targets}};
  PH_CO_TRY_STATUS(co_await ports.directory.add_alias(std::move(alias), call.deadline));
  co_return out;
}

rt::Task<Result<Json>> alias_list(AccountPorts ports, Call) {
  Json out = Json::array();
  for (const directory::Alias& alias : ports.directory.aliases()) {
    out.push_back({{"address", alias.address}, {"targets", alias.targets}});
  }
  co_return out;
}

rt::Task<Result<Json>> alias_remove(AccountPorts ports, Call call) {
  PH_CO_TRY(const std::string address, text_argument(call, "address"));
  PH_CO_TRY_STATUS(co_await ports.directory.remove_alias(address, call.deadline));
  co_return Json{{"removed", address}};
}

rt::Task<Result<Json>> domain_add(AccountPorts ports, Call call) {
  PH_CO_TRY(const std::string domain, text_argument(call, "domain"));
  PH_CO_TRY_STATUS(co_await ports.directory.add_domain(domain, call.deadline));
  co_return Json(ports.directory.domains());
}

rt::Task<Result<Json>> domain_list(AccountPorts ports, Call) {
  co_return Json(ports.directory.domains());
}

}  // namespace

void add_account_verbs(Verbs& verbs, AccountPorts ports) {
  using Function = rt::Task<Result<Json>> (*)(AccountPorts, Call);
  const auto add = [&verbs, ports](std::string name, Function function) {
    verbs.add(std::move(name),
              [ports, function](Call call) { return function(ports, std::move(call)); });
  };
  add("account.add", account_add);
  add("account.list", account_list);
  add("account.passwd", account_passwd);
  add("account.remove", account_remove);
  add("alias.add", alias_add);
  add("alias.list", alias_list);
  add("alias.remove", alias_remove);
  add("domain.add", domain_add);
  add("domain.list", domain_list);
}

}  // namespace ph::admin
