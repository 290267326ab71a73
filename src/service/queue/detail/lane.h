// A lane: everything that goes to one next hop shares its connections, limits and health.
//
// In memory only, and never the place where a message is remembered: what waits here is a copy of
// rows that stand in the table, each under a lease of the window.
//
// How many connections it may have follows from what the hop does with them: it begins with
// queue.lane-start, gets one more for each round of successes, and half of them when the hop says
// that it has enough. Its health is a breaker: after some failed connections in a row the lane
// rests. While it rests, new mail is not tried, and rows whose time has come probe it, one
// connection at a time; what waited when a probe began shares its result, and what finds no room
// shares the last one.
#pragma once

#include <array>
#include <list>
#include <memory>
#include <optional>
#include <string>

#include "service/queue/detail/fair_queue.h"
#include "service/queue/detail/places.h"

namespace ph::queue {

// What the settings of this moment let a lane do; shares of one shard.
struct LaneRules {
  size_t connections = 1;
  size_t start = 1;
  size_t messages = 0;  // per connection; 0: as many as there are
  size_t recipients = 1;
  double per_second = 0;  // messages; 0: unlimited
};

// Messages saved up by the clock, a few seconds' worth at most, so that no minute sees many more
// than its number.
class RateBucket {
 public:
  bool take(double per_second, Instant now);
  // When there will be one; `now` if there is.
  Instant next(double per_second, Instant now);

 private:
  void fill(double per_second, Instant now);
  double tokens_ = 0;
  std::optional<Instant> filled_at_;
};

// One connection's activity. Its place is a lease: renewed by the activity alone, it has an end at
// any time, and what has passed it is destroyed with whatever hangs inside.
struct Worker {
  Instant began;
  Instant lease_until;
  Instant attempt_began;
  std::optional<model::Priority> carrying;
  bool done = false;
  bool is_probe = false;
  bool is_unwanted = false;     // a lane without any connection needs its place
  bool is_leaving = false;      // takes no more messages
  rt::Parking* idle = nullptr;  // while it waits for work
  Places::Token place;
  std::unique_ptr<rt::Scope> scope;  // last, so that what runs in it ends before the rest

  bool lives(Instant now) const { return !done && lease_until >= now; }
  bool is_running() const { return scope != nullptr && scope->active() > 0; }
};

// What is known of a hop that did not work, kept when the lane itself is forgotten.
struct Breaker {
  uint32_t failures = 0;  // connections in a row
  bool rests = false;
  Instant closed_until;  // for new mail
  model::QueueReason fault = model::QueueReason::connection_refused;
  model::ReplyRecord words;

  bool is_closed(Instant now) const { return rests && now < closed_until; }
};

// What happens to a row that shares the failure of its lane.
model::QueueHappening closed_by(const Breaker& breaker, const std::string& lane);

struct Lane {
  Lane(std::string lane_name, uint64_t lane_number)
      : name(std::move(lane_name)), hash(lane_hash(name)), number(lane_number) {}
  Lane(const Lane&) = delete;
  Lane& operator=(const Lane&) = delete;

  std::string name;
  uint32_t hash;
  uint64_t number;  // orders lanes wherever that must not depend on addresses
  HopKind kind = HopKind::smtp;
  // Shared with the attempts that run on it, while the lane may learn a newer route.
  std::shared_ptr<const NextHop> hop;
  Instant hop_since;
  FairQueue queue;              // rows that are due
  std::list<Item> granted;      // attempts that have begun: in the commit that accepted the message
  std::list<Instant> promised;  // until when a commit may still turn a promise into a grant

  LaneRules rules;
  uint64_t rules_epoch = 0;
  RateBucket bucket;

  Breaker breaker;
  bool is_known = false;  // by what its rows tell of it, at least
  Instant probed_at;
  bool probe_asked = false;  // somebody wants to know now
  size_t allowed = 0;        // connections, by what the hop did so far; 0: not known yet
  size_t successes = 0;      // since the last one more
  size_t ceiling = 0;        // where the hop had enough; beyond it the lane grows slowly
  Instant shrunk_at;

  // Rows of this lane that were told to look again later may go earlier now.
  bool may_have_more = false;
  Time room_at;        // when the next row that finds the lane full should look again
  uint64_t ended = 0;  // attempts, since measured_at
  double rate = 0;     // attempts ended a second
  uint32_t measures = 0;
  Instant measured_at;
  double seconds_each = 0;  // how long a message took of late; 0: not known
  Instant last_used;
  std::optional<Instant> agenda_at;                   // when the dispatcher looks at it
  std::optional<std::list<Lane*>::iterator> in_line;  // for a place
  std::list<Worker> workers;  // last, so that what they hold ends before the rest

  bool has_work() const { return !queue.empty() || !granted.empty(); }
  // Its rate means something.
  bool is_measured() const { return measures >= 3; }
  size_t live_workers(Instant now) const;
  size_t live_probes(Instant now) const;
  size_t staying_workers(Instant now) const;
  Worker* idle_worker();
  // Connections that it may have now.
  size_t connections_allowed() const;
  // What each class may use: three quarters of the connections while another one waits.
  FairQueue::Allowed classes_allowed(Instant now) const;

  void note_success(Instant now);
  // The hop has enough, as an attempt that began at `began` was told; what several attempts at once
  // were told counts once.
  void shrink(Instant began, Instant now);
  void measure(Instant now);
};

}  // namespace ph::queue
