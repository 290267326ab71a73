// The queue's values as JSON, for its verbs.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "admin/verb.h"
#include "service/queue/message.h"

namespace ph::admin {

// One recipient with all that is known of it.
Json describe(const model::QueueRow& row);
// A message's way by time: `events` with `when`, `what`, `text`, and `recipient` where it is one's.
Json trace_of(const queue::Trace& trace);

}  // namespace ph::admin
