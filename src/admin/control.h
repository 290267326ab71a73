// The control socket: the administration API for the machine's own administrator.
//
// A local socket (mode 0600) in the data folder; each line is a request {"verb": ..., "args":
// {...}, "who": ...}, each answer a line {"ok": true, "result": ...} or {"ok": false, "error":
// {"kind": ..., "text": ...}}. Lines are bounded, connections are bounded, a silent one is closed.
#pragma once

#include <memory>
#include <string>

#include "admin/verb.h"
#include "base/result.h"
#include "obs/log.h"
#include "rt/runtime.h"

namespace ph::admin {

inline constexpr size_t kRequestBytesMax = 1024 * 1024;
inline constexpr size_t kConnectionsMax = 64;
inline constexpr Duration kIdleMax = Duration::minutes(5);
inline constexpr Duration kCallMax = Duration::seconds(60);

struct ControlPorts {
  rt::Runtime& runtime;
  rt::Loop& loop;
  const Verbs& verbs;
  obs::Log& log;
};

class Control {
 public:
  explicit Control(ControlPorts ports);
  ~Control();
  // Listens and serves from now on until destroyed; kAddressInUse when a server runs there already.
  Status start(const std::string& socket_path);

 private:
  rt::Task<void> accept_all();
  rt::Task<void> serve(std::unique_ptr<rt::Stream> stream);

  ControlPorts ports_;
  std::unique_ptr<rt::Listener> listener_;
  rt::Scope scope_;
};

// One request line to one answer line, without line ends: what serve() does with each.
rt::Task<std::string> answer_line(const Verbs& verbs, rt::Loop& loop, std::string line);

// The client's side: sends one request and returns its result; the server's error as kRemote with
// its text, or what the connection did.
inline constexpr ErrorKind kRemote{"admin", "refused", Disposition::permanent};
inline constexpr ErrorKind kNotRunning{"admin", "not_running", Disposition::transient};
struct Request {
  std::string socket_path;
  std::string verb;
  std::string who;
};
rt::Task<Result<Json>> call(rt::Runtime& runtime, rt::Loop& loop, Request request, const Json& args,
                            rt::Deadline deadline);

}  // namespace ph::admin
