#include "admin/setting_verbs.h"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace ph::admin {
namespace {

constexpr uint64_t kAuditMax = 10'000;

std::string_view effect_text(config::Effect effect) {
  switch (effect) {
    case config::Effect::at_once: return "at once";
    case config::Effect::at_next_connection: return "for new connections";
    case config::Effect::at_start: return "at the next start";
  }
  return "at once";
}

Json describe(const config::Schema::Row& row, const config::Values& values) {
  const auto changed = values.changed().find(row.setting->name);
  const bool is_default = changed == values.changed().end();
  return {{"name", row.setting->name},
          {"value", is_default ? row.initial : changed->second},
          {"default", row.initial},
          {"is_default", is_default},
          {"kind", row.kind},
          {"bounds", row.bounds},
          {"effect", effect_text(row.setting->effect)},
          {"doc", row.setting->doc}};
}

Result<Json> describe_one(settings::Settings& settings, std::string_view name) {
  const config::Values& values = settings.source(settings.home()).current();
  for (const config::Schema::Row& row : settings.schema().rows()) {
    if (row.setting->name == name) return describe(row, values);
  }
  return fail(config::kUnknownSetting, "there is no setting '" + std::string(name) + "'");
}

rt::Task<Result<Json>> list(settings::Settings& settings, Call call) {
  PH_CO_TRY(const std::string prefix, text_argument(call, "prefix", ""));
  Json out = Json::array();
  const config::Values& values = settings.source(settings.home()).current();
  for (const config::Schema::Row& row : settings.schema().rows()) {
    if (row.setting->name.starts_with(prefix)) out.push_back(describe(row, values));
  }
  co_return out;
}

rt::Task<Result<Json>> get(settings::Settings& settings, Call call) {
  PH_CO_TRY(const std::string name, text_argument(call, "name"));
  co_return describe_one(settings, name);
}

// Answers the state read back, so that "it was set" is what was seen.
rt::Task<Result<Json>> set(settings::Settings& settings, Call call) {
  PH_CO_TRY(const std::string name, text_argument(call, "name"));
  PH_CO_TRY(const std::string value, text_argument(call, "value"));
  PH_CO_TRY_STATUS(co_await settings.set(name, value, call.who, call.deadline));
  co_return describe_one(settings, name);
}

rt::Task<Result<Json>> reset(settings::Settings& settings, Call call) {
  PH_CO_TRY(const std::string name, text_argument(call, "name"));
  PH_CO_TRY_STATUS(co_await settings.reset(name, call.who, call.deadline));
  co_return describe_one(settings, name);
}

rt::Task<Result<Json>> audit(settings::Settings& settings, Call call) {
  PH_CO_TRY(const uint64_t limit, number_argument(call, "limit", 100));
  PH_CO_TRY(const std::vector<settings::AuditEntry> entries,
            co_await settings.audit(std::clamp<uint64_t>(limit, 1, kAuditMax)));
  Json out = Json::array();
  for (const settings::AuditEntry& e : entries) {
    out.push_back(
        {{"when", to_iso8601(e.when)}, {"who", e.who}, {"name", e.name}, {"value", e.value}});
  }
  co_return out;
}

}  // namespace

void add_setting_verbs(Verbs& verbs, settings::Settings& settings) {
  verbs.add("setting.list", [&settings](Call call) { return list(settings, std::move(call)); });
  verbs.add("setting.get", [&settings](Call call) { return get(settings, std::move(call)); });
  verbs.add("setting.set", [&settings](Call call) { return set(settings, std::move(call)); });
  verbs.add("setting.reset", [&settings](Call call) { return reset(settings, std::move(call)); });
  verbs.add("setting.audit", [&settings](Call call) { return audit(settings, std::move(call)); });
}

}  // namespace ph::admin
