// The command line's side of the administration API: verbs that talk to a running server.
//
// add_commands() declares `account`, `alias`, `domain`, `set`, `get`, `queue`, `why`, `trace`,
// `tasks`, `metrics`, `doctor` on a CLI11 application; when one of them was given on the command
// line, its request is in `chosen` after parsing. run() then asks the server and prints the answer:
// text for people, or JSON with --json. Nothing here touches the data folder.
#pragma once

#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "admin/verb.h"
#include "base/result.h"
#include "rt/runtime.h"

namespace CLI {
class App;
}

namespace ph::cli {

using Json = admin::Json;
using Printer = std::string (*)(const Json& result);

class Link;
struct Chosen;
// What takes more than one request (flows.h).
using Flow = rt::Task<Result<Json>> (*)(Link& link, Chosen chosen);

struct Chosen {
  std::string verb;
  Json args;
  Printer print = nullptr;
  bool asks_password =
      false;            // `password` is read before the call, from password_file or the terminal
  Flow flow = nullptr;  // absent: one request
};

struct Options {
  std::string data_folder;
  std::string who;  // for the audit log
  bool json = false;
  std::string password_file;
};

class Commands {
 public:
  Commands(CLI::App& app, Options& options);
  ~Commands();
  std::optional<Chosen> chosen() const;

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

// Asks the server of options.data_folder; the process's exit status. On `loop`.
rt::Task<int> run(rt::Runtime& runtime, rt::Loop& loop, Options options, Chosen chosen);

// From `file` (its first line), or twice from the terminal without echo.
Result<std::string> read_password(rt::Files& files, const std::string& file);

std::string socket_path(const std::string& data_folder);

}  // namespace ph::cli
