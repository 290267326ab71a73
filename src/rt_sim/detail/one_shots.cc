#include "rt_sim/detail/one_shots.h"

#include <utility>

namespace ph::rt_sim::detail {

void OneShots::at(Instant when, rt::Callback callback) {
  Shot& shot = shots_.emplace_back(*this, std::move(callback));
  shot.self_ = std::prev(shots_.end());
  timers_.arm(shot, when);
}

void OneShots::Shot::fired() {
  rt::Callback callback = std::move(callback_);
  owner_.shots_.erase(self_);  // this object ends here; the callback may even end the owner
  callback();
}

}  // namespace ph::rt_sim::detail
