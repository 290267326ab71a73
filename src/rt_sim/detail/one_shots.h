// Callbacks that run once at a virtual time, owned together: destroying the OneShots drops them.
#pragma once

#include <list>

#include "base/time.h"
#include "rt/loop.h"
#include "rt/timers.h"

namespace ph::rt_sim::detail {

class OneShots {
 public:
  explicit OneShots(rt::Timers& timers) : timers_(timers) {}

  void at(Instant when, rt::Callback callback);
  size_t size() const { return shots_.size(); }
  void clear() { shots_.clear(); }

 private:
  class Shot final : public rt::Timer {
   public:
    Shot(OneShots& owner, rt::Callback callback) : owner_(owner), callback_(std::move(callback)) {}

   private:
    friend class OneShots;
    void fired() override;

    OneShots& owner_;
    rt::Callback callback_;
    std::list<Shot>::iterator self_;
  };

  rt::Timers& timers_;
  std::list<Shot> shots_;
};

}  // namespace ph::rt_sim::detail
