// Turns: for a room that keeps a partition whole in memory and answers from there.
//
// One change at a time checks what is in memory, commits, and changes memory. If a change learns no
// certain answer (kUncertain, cancelled, killed while it waited), memory may differ from the disk:
// unsure() holds until the room has read the partition again behind settle(). So no change is ever
// built on something that is no longer so, and none is refused for ever. Home loop only.
#pragma once

#include <memory>

#include "base/result.h"
#include "kv/store.h"
#include "rt/deadline.h"
#include "rt/task.h"

namespace ph::kv {

class Turns {
  struct State {
    bool taken = false;
    bool unsure = false;
  };

 public:
  // The right to change; given back when it goes out of scope.
  class Turn {
   public:
    Turn(Turn&&) noexcept = default;
    Turn& operator=(Turn&&) = delete;
    ~Turn();

    // Nobody knows what is on the disk until the answer comes: unsure meanwhile.
    rt::Task<Result<Version>> commit(Partition& partition, Batch batch, rt::Deadline deadline);
    // Answered when every earlier commit is durable or never will be; then read, then call sure().
    rt::Task<Status> settle(Partition& partition, rt::Deadline deadline);
    void sure() { state_->unsure = false; }

   private:
    friend class Turns;
    explicit Turn(std::shared_ptr<State> state) : state_(std::move(state)) {}
    std::shared_ptr<State> state_;
  };

  // kConflict while another change is on its way.
  Result<Turn> take();
  bool unsure() const { return state_->unsure; }

 private:
  // Shared with turns, which a killed loop may free after the room.
  std::shared_ptr<State> state_ = std::make_shared<State>();
};

}  // namespace ph::kv
