// The dispatcher keeps the lanes: it gives them work, starts and ends their workers, watches their
// health, and shares the connections of the shard among them.
//
// Fairness between lanes: a lane without any connection that finds none free stands in a line for
// the next one; a tenth of the connections is kept for such lanes, probes of hops that do not work
// get half of all at most, and a lane that has more than its share gives one up after its message
// while others stand in line; with more lanes than connections they take turns of some seconds. Of
// the window a lane gets what leaves it in half a minute, and no more than its part; the last
// quarter is for lanes that move.
//
// Lanes that need something stand in an agenda by time, so upkeep costs what there is to do and not
// the number of lanes. It has an activity of its own, and the scheduler calls tend() as well, so
// nothing depends on either. Home loop only.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "base/random.h"
#include "service/queue/detail/lane.h"
#include "service/queue/detail/results.h"

namespace ph::queue {

struct SlotFindings {
  uint64_t leaked = 0;  // places that nothing uses, and lanes that should have had one
};

class Dispatcher {
 public:
  Dispatcher(Core& core, Clerk& clerk);
  ~Dispatcher();

  // Begins the upkeep; ends when no more work is accepted.
  void start();

  enum class Offer : uint8_t { taken, full };
  // `item` is taken from the caller only when the answer is `taken`.
  Offer offer(const NextHop& hop, Item& item);
  // What happens to a row that found the lane full: when it should look again.
  model::QueueHappening full(const std::string& lane);
  // Recipients of one message that any lane may take at once.
  size_t recipients_most();

  // Whether an attempt may begin in the commit that accepts a message: a promise, kept for a while.
  bool may_grant(const NextHop& hop);
  void grant(const NextHop& hop, Item item);
  // What happens to a new row for a lane that rests: nullopt if it does not.
  std::optional<model::QueueHappening> closed_to(const NextHop& hop);
  model::QueueHappening begin_of(const NextHop& hop, uint64_t attempt);

  // Something says that the lane works, or somebody wants to know: it may be tried at once.
  void reopen(const std::string& lane);
  // In memory only: whoever calls has written it down. What waits in the lane goes back to the
  // table; attempts that run go on.
  void suspend(const Suspension& suspension);
  void resume(const std::string& lane);
  // Another shard found that the hop works.
  void works_elsewhere(const std::string& lane);

  // Ends what hangs, wakes what has work, forgets what is empty.
  void tend();
  // Lanes that could take rows which wait for them: hash and how many.
  std::unordered_map<uint32_t, size_t> wants();
  void nothing_more(uint32_t lane_hash);

  // Lanes in memory, suspended ones, and hops known not to work; by name.
  std::vector<LaneView> view() const;
  // Places that no living activity uses, and lanes without any: counted and mended.
  SlotFindings audit();
  // Destroys the activity of one living worker, as if it had crashed; only the clock knows.
  bool kill_worker(uint64_t pick);

  // Begins no more; true when no worker is left.
  bool drained();
  void cancel_workers();
  size_t workers() const;

  // ---- for the workers ----

  struct Work {
    std::vector<Item> begun;
    std::vector<Item> waiting;
  };
  // One of the two; at most `most` messages.
  Work take(Lane& lane, size_t most);
  bool may_go_on(const Lane& lane, const Worker& worker) const;
  void put_back(Lane& lane, Item item);
  // An attempt that has begun goes to another worker of the lane.
  void pass_on(Lane& lane, Item begun);
  void idle(Worker& worker, rt::Parking& parking);
  void busy_again(Worker& worker);
  // What happens to recipients about which nothing was said.
  model::QueueHappening note_result(Lane& lane, Worker& worker, const Item& item,
                                    const CarryResult& result);
  // A worker renewed its lease, perhaps by less than it had: its end is looked at in time.
  void lease_changed(Lane& lane, const Worker& worker);
  void ended(Lane& lane, Worker& worker);

 private:
  Lane& lane_for(const NextHop& hop);
  Lane* find(const std::string& lane);
  void follow_rules(Lane& lane);
  size_t queue_cap(const Lane& lane) const;
  bool is_tight() const;
  bool is_slow(Lane& lane) const;
  void note_full(Lane& lane);
  void note_work(Lane& lane);

  bool wake(Lane& lane);
  void wake_all(Lane& lane);
  bool start_worker(Lane& lane);
  bool has_place(const Lane& lane, Places::Kind kind) const;
  size_t share_of_places() const;
  void stand_in_line(Lane& lane);
  void leave_line(Lane& lane);
  void give_places();

  void note_success(Lane& lane, Worker& worker, const Item& item);
  void note_failure(Lane& lane, const CarryResult& result, Instant began);
  void rest(Lane& lane, Instant began);
  void learn_from(Lane& lane, const Item& item);
  void set_more(Lane& lane);
  void clear_more(Lane& lane);

  rt::Task<void> upkeep();
  void attend(Lane& lane, Instant when);
  Instant attention_of(Lane& lane);
  void tend_lane(Lane& lane);
  void end_lost_workers(Lane& lane);
  bool forget(Lane& lane);
  void tidy_kept();
  LaneView view_of(const Lane& lane) const;
  uint64_t audit_places();
  uint64_t audit_lane(Lane& lane);

  Core& core_;
  Random random_;
  Results results_;
  Places places_;
  std::unordered_map<std::string, std::unique_ptr<Lane>> lanes_;
  std::unordered_map<std::string, Breaker> kept_;  // of lanes that were forgotten; bounded
  uint64_t numbers_ = 0;
  std::map<std::string, LaneLimits, std::less<>> limits_;
  uint64_t limits_epoch_ = 0;
  uint64_t tended_epoch_ = 0;
  std::map<std::pair<Instant, uint64_t>, Lane*> agenda_;
  std::map<uint64_t, Lane*> active_;                     // with work or workers, by number
  std::map<std::pair<uint32_t, uint64_t>, Lane*> more_;  // whose rows may go earlier, by hash
  // By the hash of the lane, bounded: whose rows may go now, and who is wanted for one attempt.
  std::unordered_map<uint32_t, size_t> resumed_;
  std::unordered_set<uint32_t> called_;
  std::list<Lane*> line_;    // for a connection
  std::list<Worker*> idle_;  // the longest idle one first
  Instant next_tidy_;
  rt::Parking news_;  // for the upkeep
  Instant started_;
  Instant sleeps_until_;
  rt::Scope upkeep_;
};

}  // namespace ph::queue
