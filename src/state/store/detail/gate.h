// Several activities of one loop that wait for one event.
#pragma once

#include <algorithm>
#include <vector>

#include "base/result.h"
#include "rt/deadline.h"
#include "rt/loop.h"
#include "rt/parking.h"
#include "rt/task.h"

namespace ph::store {

class Gate {
 public:
  explicit Gate(rt::Loop& loop) : loop_(loop) {}
  Gate(const Gate&) = delete;
  Gate& operator=(const Gate&) = delete;

  // Until the next open(); a hint, as always.
  rt::Task<rt::Woken> wait(rt::Deadline deadline, const char* what) {
    rt::Parking parking(loop_);
    struct Attachment {
      std::vector<rt::Parking*>& waiting;
      rt::Parking* self;
      ~Attachment() { std::erase(waiting, self); }
    };
    waiting_.push_back(&parking);
    const Attachment attachment{waiting_, &parking};
    co_return co_await parking.park(deadline, what);
  }
  void open() {
    for (rt::Parking* parking : waiting_) parking->wake();
  }

 private:
  rt::Loop& loop_;
  std::vector<rt::Parking*> waiting_;
};

}  // namespace ph::store
