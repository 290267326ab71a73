// tasks.list (the registry: who waits for what, until when), metrics.show, server.status.
#pragma once

#include "admin/verb.h"
#include "kv/store.h"
#include "obs/metrics.h"
#include "rt/runtime.h"

namespace ph::admin {

struct InspectParts {
  rt::Runtime& runtime;
  rt::Loop& loop;  // of the control socket
  kv::Store& store;
  obs::Metrics& metrics;
};

void add_inspect_verbs(Verbs& verbs, InspectParts parts);

}  // namespace ph::admin
