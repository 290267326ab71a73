// The suspender keeps the suspensions of lanes: durable, each with an owner and an end.
//
// What rests for a suspended lane is put to held, lane_suspended, with the suspension's end as its
// clock; so the end comes by itself even if nobody thinks of it. An activity brings the table in
// line with the suspensions after each change and after a start: a lane that was resumed lets its
// rows go, and only then its record is erased, so a crash between the two loses nothing. Home loop
// only.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "service/queue/detail/dispatcher.h"
#include "service/queue/detail/search.h"

namespace ph::queue {

inline constexpr size_t kSuspensionsMax = 10'000;
inline constexpr size_t kLaneNameMax = 300;

class Suspender {
 public:
  Suspender(Core& core, Clerk& clerk, Dispatcher& dispatcher);

  void start();
  void stop() { scope_.cancel(); }

  rt::Task<Status> suspend(Suspension suspension, rt::Deadline deadline);
  rt::Task<Status> resume(std::string lane, rt::Deadline deadline);
  // Those that are in force.
  std::vector<Suspension> in_force() const;

 private:
  rt::Task<void> run();
  rt::Task<bool> follow(std::string lane);
  rt::Task<void> tidy();
  Instant next_look() const;

  Core& core_;
  Clerk& clerk_;
  Dispatcher& dispatcher_;
  EndedFront front_;
  std::set<std::string> to_follow_;  // lanes whose rows may not be in line yet
  rt::Parking hint_;
  rt::Scope scope_;
};

}  // namespace ph::queue
