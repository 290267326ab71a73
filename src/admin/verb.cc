#include "admin/verb.h"

#include <nlohmann/json.hpp>

#include "base/check.h"

namespace ph::admin {
namespace {

const Json* argument(const Call& call, std::string_view name) {
  const auto at = call.args.find(name);
  return at == call.args.end() || at->is_null() ? nullptr : &*at;
}

Error bad(std::string_view name, std::string_view what) {
  return fail(kBadArgument, std::string(name) + " " + std::string(what));
}

}  // namespace

Result<std::string> text_argument(const Call& call, std::string_view name) {
  const Json* value = argument(call, name);
  if (value == nullptr) return bad(name, "is missing");
  if (!value->is_string()) return bad(name, "is not a text");
  return value->get<std::string>();
}

Result<std::string> text_argument(const Call& call, std::string_view name,
                                  std::string_view otherwise) {
  if (argument(call, name) == nullptr) return std::string(otherwise);
  return text_argument(call, name);
}

Result<uint64_t> number_argument(const Call& call, std::string_view name, uint64_t otherwise) {
  const Json* value = argument(call, name);
  if (value == nullptr) return otherwise;
  if (!value->is_number_unsigned()) return bad(name, "is not a whole number");
  return value->get<uint64_t>();
}

void Verbs::add(std::string name, Handler handler) {
  PH_CHECK(handlers_.emplace(std::move(name), std::move(handler)).second);
}

const Handler* Verbs::find(std::string_view name) const {
  const auto at = handlers_.find(name);
  return at == handlers_.end() ? nullptr : &at->second;
}

}  // namespace ph::admin
