// The transport queue's verbs: queue.list, queue.why, queue.trace, queue.counts; queue.hold,
// queue.release, queue.retry, queue.remove, queue.redirect for one message, and with `all` for
// everything that fits a filter; queue.flush; queue.lanes, queue.suspend, queue.resume;
// queue.audit; doctor.run.
//
// A verb that works on many messages answers after a bounded time; `next` in its answer is where to
// go on (give it as `from`), "" at the end.
#pragma once

#include "admin/verb.h"
#include "config/setting.h"
#include "service/pressure/monitor.h"
#include "service/queue/queue.h"

namespace ph::admin {

struct QueueParts {
  queue::Queue& queue;
  rt::Loop& loop;  // of the control socket
  // As seen from `loop`: for doctor.run, which says what in them contradicts itself.
  const config::Source* settings = nullptr;
  // For doctor.run as well: of which resource there is not enough.
  const pressure::Monitor* pressure = nullptr;
};

void add_queue_verbs(Verbs& verbs, QueueParts parts);

// The same that `posthorn why` prints, for scenarios.
Json explain(const queue::Explanation& explanation);

}  // namespace ph::admin
