// tasks.list (the registry: who waits for what, until when), metrics.show.
#pragma once

#include <functional>

#include "admin/verb.h"
#include "obs/metrics.h"
#include "rt/runtime.h"

namespace ph::admin {

struct InspectParts {
  rt::Runtime& runtime;
  rt::Loop& loop;  // of the control socket
  obs::Metrics& metrics;
  // Looks up the figures that are only looked up when somebody asks; before metrics.show answers.
  std::function<void()> refresh;
};

void add_inspect_verbs(Verbs& verbs, InspectParts parts);

}  // namespace ph::admin
