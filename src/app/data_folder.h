// The data folder: what lies where in it, and how a new one is made.
//
//   store/       the storage engine's files
//   tls/         cert.pem, key.pem (replace them with your own; read at start)
//   control.sock the administration API while a server runs
#pragma once

#include <string>

#include "app/server.h"
#include "base/result.h"
#include "config/setting.h"
#include "kv/store.h"
#include "obs/log.h"
#include "rt/runtime.h"

namespace ph::app {

inline constexpr ErrorKind kFolderInUse{"app", "folder_in_use", Disposition::permanent};
inline constexpr ErrorKind kNoFolder{"app", "no_such_folder", Disposition::permanent};

struct DataFolder {
  std::string path;

  std::string store() const { return path + "/store"; }
  std::string certificate() const { return path + "/tls/cert.pem"; }
  std::string key() const { return path + "/tls/key.pem"; }
  std::string control_socket() const { return path + "/control.sock"; }
};

struct InitRequest {
  std::string domain;
  std::string host_name;  // "" for mail.<domain>
  std::string admin;      // local part of the first account
  std::string admin_password;
  // Settings to begin with, "name" to "value"; for the demo.
  std::vector<std::pair<std::string, std::string>> settings;
  // Further accounts: address to password; for the demo.
  std::vector<std::pair<std::string, std::string>> accounts;
};

// Makes folder, certificate and key, domain and accounts. kFolderInUse if there is something
// already: nothing is changed then. On the first loop.
rt::Task<Status> init_folder(rt::Runtime& runtime, kv::Store& store, const config::Schema& schema,
                             DataFolder folder, InitRequest request);

// The DNS records that a domain's owner publishes, as zone file lines.
std::string dns_records(const InitRequest& request);

// The certificates in the folder, and the machine's trust store.
Result<Identity> load_identity(rt::Files& files, const DataFolder& folder);

}  // namespace ph::app
