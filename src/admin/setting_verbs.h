// setting.list, setting.get, setting.set, setting.reset, setting.audit.
#pragma once

#include "admin/verb.h"
#include "state/settings/settings.h"

namespace ph::admin {

void add_setting_verbs(Verbs& verbs, settings::Settings& settings);

}  // namespace ph::admin
