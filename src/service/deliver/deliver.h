// Delivery into local mailboxes: the queue's carrier for hops of kind mailbox.
//
// Exactly once: the hand-over id "<queue id>/<recipient>" is recorded by the mailbox in the commit
// that holds the message, so an attempt that is repeated after a crash finds it there. The
// message's octets are not copied: the mailbox refers to the queue's blob, with Return-Path and
// Delivered-To in front.
#pragma once

#include <memory>

#include "obs/log.h"
#include "rt/runtime.h"
#include "service/queue/ports.h"
#include "state/directory/directory.h"
#include "state/store/mailboxes.h"

namespace ph::deliver {

struct Parts {
  store::Mailboxes& mailboxes;
  const directory::Directory& directory;
  obs::Log& log;
};

std::unique_ptr<queue::CarrierSession> open_session(const Parts& parts, rt::Loop& loop);

// "<queue id>/<index>"
std::string handover_id(model::QueueId id, uint32_t index);

}  // namespace ph::deliver
