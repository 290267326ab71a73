// The administration API: verbs with JSON arguments and results, one table for all modules.
//
// The command line, and whatever comes later, speaks only this. A verb is "<noun>.<action>"; its
// handler runs on the control loop and reaches other loops by rt::call_on. Every change names who
// asked for it.
#pragma once

#include <functional>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

#include "base/result.h"
#include "rt/deadline.h"
#include "rt/task.h"

namespace ph::admin {

using Json = nlohmann::json;

inline constexpr ErrorKind kUnknownVerb{"admin", "unknown_verb", Disposition::permanent};
inline constexpr ErrorKind kBadArgument{"admin", "bad_argument", Disposition::permanent};

// One call. The arguments are an object; read them with the functions below.
struct Call {
  const Json& args;  // lives until the answer
  std::string who;
  rt::Deadline deadline;
};

// kBadArgument when the argument is missing or has another type.
Result<std::string> text_argument(const Call& call, std::string_view name);
// Absent (or null): `otherwise`.
Result<std::string> text_argument(const Call& call, std::string_view name,
                                  std::string_view otherwise);
Result<uint64_t> number_argument(const Call& call, std::string_view name, uint64_t otherwise);

using Handler = std::function<rt::Task<Result<Json>>(Call)>;

class Verbs {
 public:
  // The handler must be a plain function object that calls a coroutine, not a coroutine with
  // captures.
  void add(std::string name, Handler handler);
  const Handler* find(std::string_view name) const;

 private:
  std::map<std::string, Handler, std::less<>> handlers_;
};

}  // namespace ph::admin
