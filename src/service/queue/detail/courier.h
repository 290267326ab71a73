// One connection's activity: takes what waits in its lane, makes the attempts durable, carries them
// and tells what they came to, until there is nothing left or its place is wanted elsewhere.
//
// It may be killed at any suspension: what it held is freed with its frame, its place ends with its
// lease, and its attempts end by the clock. It renews its lease before each wait, for as long as
// that wait may take.
#pragma once

#include <memory>
#include <vector>

#include "service/queue/detail/dispatcher.h"

namespace ph::queue {

class Courier {
 public:
  static rt::Task<void> serve(Core& core, Dispatcher& dispatcher, Results& results, Lane& lane,
                              Worker& self);

 private:
  Courier(Core& core, Dispatcher& dispatcher, Results& results, Lane& lane, Worker& self)
      : core_(core), dispatcher_(dispatcher), results_(results), lane_(lane), self_(self) {}

  struct Held {
    Item item;
    MessageGuard guard;
  };
  rt::Task<void> run();
  bool may_go_on();
  void renew(Duration length) { renew_until(core_.home.now() + length); }
  void renew_until(Instant until) {
    self_.lease_until = until;
    dispatcher_.lease_changed(lane_, self_);
  }
  rt::Task<std::vector<Item>> next_batch();
  rt::Task<rt::Woken> wait_for_work(Instant until);
  rt::Task<std::vector<Held>> hold(std::vector<Item> items);
  rt::Task<bool> refresh(Item& item);
  rt::Task<std::vector<Item>> begin(std::vector<Item> items);
  rt::Task<bool> carry_all(std::vector<Item> batch);
  rt::Task<bool> carry(Item item);
  rt::Task<bool> carry_part(Item item, uint64_t attempt, rt::Deadline deadline);
  void leave(Item item);

  Core& core_;
  Dispatcher& dispatcher_;
  Results& results_;
  Lane& lane_;
  Worker& self_;
  std::unique_ptr<CarrierSession> session_;
  uint64_t carried_ = 0;  // messages over this connection
};

}  // namespace ph::queue
