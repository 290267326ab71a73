// queue.list, queue.why, queue.counts, queue.hold, queue.release, queue.retry, queue.remove,
// doctor.run.
#pragma once

#include "admin/verb.h"
#include "service/queue/queue.h"

namespace ph::admin {

struct QueueParts {
  queue::Queue& queue;
  rt::Loop& loop;  // of the control socket
};

void add_queue_verbs(Verbs& verbs, QueueParts parts);

// The same that `posthorn why` prints, for scenarios.
Json explain(const queue::Explanation& explanation);

}  // namespace ph::admin
