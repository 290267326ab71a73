// Scope: owns the activities spawned in it (structured concurrency).
//
// cancel() asks them to end: each sees kCancelled at its present or next wait and returns. join()
// waits for that. The destructor kills what is left where it is suspended, freeing every frame; it
// is what a crash in the simulator does, and nothing durable may depend on it not happening. Home
// loop only. A Scope must not be destroyed from inside one of its own activities.
#pragma once

#include <source_location>
#include <string>

#include "base/result.h"
#include "rt/deadline.h"
#include "rt/loop.h"
#include "rt/parking.h"
#include "rt/task.h"

namespace ph::rt {

class Scope {
 public:
  Scope(Loop& loop, std::string name);
  ~Scope();
  Scope(const Scope&) = delete;
  Scope& operator=(const Scope&) = delete;

  // Starts `task` as an activity of its own; it first runs from the ready queue, not inside spawn.
  // In a cancelled scope it starts cancelled. `name` is what the registry shows.
  void spawn(std::string name, Task<void> task);
  void cancel();
  size_t active() const { return active_; }
  // Until all activities have ended; kTimedOut if some have not.
  Task<Status> join(Deadline deadline);

  Loop& loop() const { return loop_; }
  const std::string& name() const { return name_; }

 private:
  friend class Loop;
  friend class Activity;
  struct Root;
  static Root run(Activity* self, Task<void> task);
  void ended(Activity& activity);

  Loop& loop_;
  std::string name_;
  Parking changed_;
  Activity* first_ = nullptr;
  Activity* last_ = nullptr;
  size_t active_ = 0;
  bool cancelled_ = false;
};

}  // namespace ph::rt
