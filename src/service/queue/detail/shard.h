// A shard: one partition of the table with everything that works on it. Home loop only, but for
// what queue.cc hands over.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <unordered_set>

#include "service/queue/detail/auditor.h"
#include "service/queue/detail/desk.h"

namespace ph::queue {

class Shard {
 public:
  Shard(QueuePorts ports, rt::Loop& home, std::unique_ptr<kv::Partition> partition, uint32_t number,
        uint64_t incarnation)
      : core_(std::move(ports), home, std::move(partition), number, incarnation),
        clerk_(core_),
        dispatcher_(core_, clerk_),
        scheduler_(core_, clerk_, dispatcher_),
        desk_(core_, clerk_, dispatcher_, scheduler_),
        auditor_(core_, clerk_, scheduler_),
        calls_(home, "calls from other loops") {}

  rt::Loop& home() const { return core_.home; }
  rt::Task<Status> load();
  void start();
  rt::Task<Status> stop(rt::Deadline deadline);

  rt::Task<Result<model::QueueId>> accept(NewMessage message, rt::Deadline deadline);
  // A hint: something may have to be done sooner than the scheduler thinks.
  void look() { scheduler_.hint(); }
  // Who hears of it when a hop that did not work does again. Before start().
  void tell_others(std::function<void(const std::string& lane)> tell) {
    core_.tell_others = std::move(tell);
  }
  Ledger& ledger() { return core_.ledger; }
  Desk& desk() { return desk_; }
  Auditor& auditor() { return auditor_; }
  Dispatcher& dispatcher() { return dispatcher_; }
  // For what other loops ask.
  rt::Scope& calls() { return calls_; }

 private:
  // Where a new message goes at once, when all its recipients go the same way and that is known.
  struct Way {
    NextHop hop;
    std::vector<uint64_t> mailboxes;
  };
  std::optional<Way> way_of(const NewMessage& message);
  rt::Task<Result<model::QueueId>> enrol(NewMessage message, rt::Deadline deadline);

  Core core_;
  Clerk clerk_;
  Dispatcher dispatcher_;
  Scheduler scheduler_;
  Desk desk_;
  Auditor auditor_;
  std::unordered_set<std::string> handovers_;  // being accepted at this moment
  rt::Scope calls_;                            // last: what runs in it uses all the others
};

}  // namespace ph::queue
