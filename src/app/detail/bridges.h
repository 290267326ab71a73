// What one room needs of another, carried across: the adapters behind the rooms' ports.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "front/smtp_in/ports.h"
#include "front/smtp_out/carrier.h"
#include "service/deliver/deliver.h"
#include "service/pressure/monitor.h"
#include "service/queue/queue.h"
#include "service/route/router.h"
#include "state/directory/directory.h"
#include "state/store/mailboxes.h"
#include "state/store/ports.h"

namespace ph::app {

// smtp_in's Intake: strangers' mail into the queue, users' mail into their Outbox.
class IntakeBridge final : public smtp_in::Intake {
 public:
  struct Parts {
    queue::Queue& queue;
    store::Mailboxes& mailboxes;
    const directory::Directory& directory;
    std::function<config::Source&(const rt::Loop&)> settings;
    const pressure::Monitor& pressure;
  };
  explicit IntakeBridge(Parts parts) : parts_(std::move(parts)) {}
  rt::Task<Result<std::string>> accept(rt::Loop& loop, smtp_in::Incoming message,
                                       rt::Deadline deadline) override;
  rt::Task<Result<std::string>> submit(rt::Loop& loop, std::string login, smtp_in::Incoming message,
                                       rt::Deadline deadline) override;
  std::string refusal(smtp_in::Sender sender) const override;

 private:
  Parts parts_;
};

class AddressBridge final : public smtp_in::Addresses {
 public:
  explicit AddressBridge(const directory::Directory& directory) : directory_(directory) {}
  smtp_in::Standing standing(std::string_view address) const override;
  bool may_send_as(std::string_view login, std::string_view address) const override;

 private:
  const directory::Directory& directory_;
};

// The store's Transport: submissions into the queue. The queue is made after the store, hence set
// later.
class TransportBridge final : public store::Transport {
 public:
  explicit TransportBridge(kv::Store& store) : store_(store) {}
  void connect(queue::Queue* queue) { queue_ = queue; }
  rt::Task<Result<store::HandOverAnswer>> take(rt::Loop& home, store::HandOver handover,
                                               rt::Deadline deadline) override;
  rt::Task<Result<store::TransportProgress>> progress(rt::Loop& home, std::string handover_id,
                                                      rt::Deadline deadline) override;

 private:
  kv::Store& store_;
  queue::Queue* queue_ = nullptr;  // set before the loops serve anyone
};

// The queue's Carriers: mailboxes and next hops. How long each attempt takes is counted.
class CarrierBridge final : public queue::Carriers {
 public:
  CarrierBridge(deliver::Parts local, smtp_out::Parts remote);
  std::unique_ptr<queue::CarrierSession> open(rt::Loop& loop, const queue::NextHop& hop) override;

 private:
  deliver::Parts local_;
  smtp_out::Parts remote_;
  DurationHistogram& into_mailboxes_;
  DurationHistogram& to_hops_;
};

// The router's view of the directory.
std::function<route::Local(std::string_view)> find_local(const directory::Directory& directory);

}  // namespace ph::app
