#include "app/data_folder.h"

#include <utility>

#include "app/options.h"
#include "rt/errors.h"
#include "state/auth/auth.h"
#include "state/directory/directory.h"
#include "state/settings/settings.h"

namespace ph::app {
namespace {

constexpr uint64_t kPemBytesMax = 1024 * 1024;
constexpr std::string_view kTrustBundle = "/etc/ssl/certs/ca-certificates.crt";
constexpr Duration kInitMax = Duration::minutes(2);

std::string host_of(const InitRequest& request) {
  return request.host_name.empty() ? "mail." + request.domain : request.host_name;
}

Status make_identity(rt::Runtime& runtime, rt::Loop& loop, const DataFolder& folder,
                     const InitRequest& request) {
  rt::Files& files = runtime.files();
  PH_TRY_STATUS(files.make_folder(folder.path, rt::FileAccess::owner_only));
  PH_TRY_STATUS(files.make_folder(folder.path + "/tls", rt::FileAccess::owner_only));
  const Time not_before = loop.wall() - Duration::hours(1);  // clients' clocks may be a little slow
  PH_TRY(const tls::SelfSigned made,
         tls::make_self_signed({host_of(request), request.domain}, not_before));
  PH_TRY_STATUS(files.replace(folder.key(), made.key_pem, rt::FileAccess::owner_only));
  return files.replace(folder.certificate(), made.certificate_pem, rt::FileAccess::world_readable);
}

}  // namespace

rt::Task<Status> init_folder(rt::Runtime& runtime, kv::Store& store, const config::Schema& schema,
                             DataFolder folder, InitRequest request) {
  rt::Loop& loop = *runtime.loops().front();
  const rt::Deadline deadline = loop.in(kInitMax);
  PH_CO_TRY(auto directory, co_await directory::Directory::open(store, loop));
  if (!directory->domains().empty()) {
    co_return fail(kFolderInUse, folder.path + " holds a server already");
  }
  const settings::SettingsPorts setting_ports{runtime, store, schema, obs::silent_log()};
  PH_CO_TRY(auto settings, co_await settings::Settings::open(setting_ports, loop, {}));
  const auth::AuthPorts auth_ports{runtime, store};
  PH_CO_TRY(auto auth, co_await auth::Auth::open(auth_ports, loop));
  if (!runtime.files().exists(folder.certificate())) {
    PH_CO_TRY_STATUS(make_identity(runtime, loop, folder, request));
  }
  request.settings.emplace_back(std::string(kHostName.name), host_of(request));
  for (auto& [name, value] : request.settings) {
    PH_CO_TRY_STATUS(co_await settings->set(name, value, "init", deadline));
  }
  request.accounts.insert(request.accounts.begin(),
                          {request.admin + "@" + request.domain, request.admin_password});
  // The domain comes last: a folder that has one is complete, and one that has none can be made
  // again.
  for (auto& [address, password] : request.accounts) {
    PH_CO_TRY_STATUS(co_await auth->set_password(address, password, deadline));
  }
  PH_CO_TRY_STATUS(co_await directory->add_domain(request.domain, deadline));
  for (auto& [address, password] : request.accounts) {
    PH_CO_TRY_STATUS(co_await directory->add_account(address, deadline));
  }
  co_return Status();
}

std::string dns_records(const InitRequest& request) {
  const std::string host = host_of(request);
  const std::string& domain = request.domain;
  std::string out;
  out += domain + ".  MX 10 " + host + ".\n";
  out += domain + ".  TXT \"v=spf1 mx -all\"\n";
  out += "_dmarc." + domain + ".  TXT \"v=DMARC1; p=quarantine\"\n";
  out += "_submission._tcp." + domain + ".  SRV 0 1 587 " + host + ".\n";
  out += "_submissions._tcp." + domain + ".  SRV 0 1 465 " + host + ".\n";
  out += "_imaps._tcp." + domain + ".  SRV 0 1 993 " + host + ".\n";
  return out;
}

Result<Identity> load_identity(rt::Files& files, const DataFolder& folder) {
  Identity identity;
  PH_TRY(const std::string certificate, files.read(folder.certificate(), kPemBytesMax));
  PH_TRY(const std::string key, files.read(folder.key(), kPemBytesMax));
  PH_TRY(tls::Context server, tls::Context::server({certificate, key}));
  identity.server = std::make_shared<const tls::Context>(std::move(server));
  const bool has_bundle = files.exists(kTrustBundle);
  PH_TRY(tls::Context trust,
         tls::Context::client({has_bundle ? std::string(kTrustBundle) : std::string(), {}}));
  identity.trust = std::make_shared<const tls::Context>(std::move(trust));
  return identity;
}

}  // namespace ph::app
