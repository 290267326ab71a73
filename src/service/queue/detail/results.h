// What attempts came to, on its way into the ledger; and what lanes hand back to the table.
//
// A worker does not wait for the ledger: results are written by activities of their own, bounded in
// number. None of them is the only one to know of a message: without its result the clock ends the
// attempt's lease and the attempt is repeated. Home loop only.
#pragma once

#include <string>
#include <vector>

#include "service/queue/detail/clerk.h"

namespace ph::queue {

// An attempt that is over, for the rows of `item`.
struct Ended {
  Item item;
  uint64_t attempt = 0;
  CarryResult result;
  model::QueueHappening silence;  // for recipients about which nothing was said
};

class Results {
 public:
  Results(Core& core, Clerk& clerk);

  // Waits only when too many are on their way already.
  rt::Task<void> keep(Ended ended);
  // All rows of the item; if it has begun, as the result of its attempt.
  void hand_back(Item item, model::QueueHappening happening);
  void hand_back(Item item, uint64_t attempt, model::QueueHappening happening);
  size_t active() const { return scope_.active(); }

  // Of Defect::second_list: what failed for now waits in memory until the lane's next success; the
  // merge forgets every third.
  void merge_second_list(const std::string& lane);

 private:
  rt::Task<void> finish(Ended ended);
  rt::Task<void> record(Item item, std::vector<RowChange> changes);
  void keep_in_second_list(const std::string& lane, const std::vector<RowChange>& changes,
                           model::QueueId id);

  struct Second {
    std::string lane;
    Taken taken;
  };
  Core& core_;
  Clerk& clerk_;
  size_t merged_ = 0;                // of the second list
  std::vector<Second> second_list_;  // in tests only, and no longer than they are
  rt::Scope scope_;
};

}  // namespace ph::queue
