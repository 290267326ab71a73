// The dispatcher keeps the lanes: it gives them work, starts and ends their workers, makes attempts
// durable before they begin, and hands results to the clerk.
#pragma once

#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/random.h"
#include "service/queue/detail/clerk.h"
#include "service/queue/detail/lane.h"

namespace ph::queue {

class Dispatcher {
 public:
  Dispatcher(Core& core, Clerk& clerk);
  ~Dispatcher();

  enum class Offer : uint8_t { taken, full, closed };
  // `item` is taken from the caller only when the answer is `taken`.
  Offer offer(const NextHop& hop, Item& item);
  // When a row that found the lane full should look again.
  Time room_at(const std::string& lane);
  const Lane* find(const std::string& lane) const;

  // Whether an attempt may begin in the commit that accepts a message.
  bool may_grant(const NextHop& hop);
  void grant(const NextHop& hop, Item item);
  // What happens to a row for a lane that rests: nullopt if it does not.
  std::optional<model::QueueHappening> closed_to(const NextHop& hop);
  model::QueueHappening begin_of(const NextHop& hop, uint64_t attempt);

  // Something says that the lane works, or somebody wants to know: forget its fault.
  void reopen(const std::string& lane);
  // Ends what hangs, wakes what has work, forgets what is empty. Called by the scheduler.
  void tend();
  // Lanes that could take rows which wait for them: hash and how many.
  std::unordered_map<uint32_t, size_t> wants();
  void nothing_more(uint32_t lane_hash);

  // Begins no more; true when no worker is left.
  bool drained();
  void cancel_workers();
  size_t workers() const;

 private:
  Lane& lane_for(const NextHop& hop);
  size_t queue_cap() const;
  size_t worker_cap(const Lane& lane) const;
  bool is_closed(const Lane& lane) const;
  void wake(Lane& lane);
  rt::Task<void> work(Lane& lane, Worker& self);
  rt::Task<std::vector<Item>> next_batch(Lane& lane);
  struct Held {
    Item item;
    MessageGuard guard;
  };
  rt::Task<std::vector<Held>> hold(Lane& lane, std::vector<Item> items);
  rt::Task<bool> refresh(Item& item);
  rt::Task<std::vector<Item>> begin(Lane& lane, std::vector<Item> items);
  rt::Task<bool> carry(Lane& lane, Worker& self, CarrierSession& session, Item item);
  void note_health(Lane& lane, const Item& item, const CarryResult& result);
  void note_failure(Lane& lane, model::QueueReason fault, const model::ReplyRecord& words);
  void close(Lane& lane);
  void hand_back(Item item, model::QueueHappening happening);
  rt::Task<void> finish(Item item, CarryResult result, uint64_t attempt);
  rt::Task<void> record(Item item, std::vector<RowChange> changes);

  Core& core_;
  Clerk& clerk_;
  std::unordered_map<std::string, std::unique_ptr<Lane>> lanes_;
  Instant last_tend_;
  Random random_;
  rt::Scope records_;  // results on their way into the ledger
};

}  // namespace ph::queue
