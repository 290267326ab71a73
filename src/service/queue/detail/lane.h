// A lane: everything that goes to one next hop shares its connections, limits and health.
//
// In memory only, and never the place where a message is remembered: what waits here is a copy of
// rows that stand in the table, each under a lease of the window. Its health is a breaker: after
// some failed connections in a row the lane rests until a moment, then one message probes it.
#pragma once

#include <deque>
#include <list>
#include <memory>
#include <string>
#include <vector>

#include "service/queue/detail/core.h"

namespace ph::queue {

struct Lane;

// One connection's activity. Its place is a lease: the scope is destroyed when `busy_until` has
// passed, and with it whatever hangs inside.
struct Worker {
  std::unique_ptr<rt::Scope> scope;
  Instant busy_until = Instant::max();
  bool done = false;
};

struct Lane {
  explicit Lane(std::string lane_name) : name(std::move(lane_name)), hash(lane_hash(name)) {}

  std::string name;
  uint32_t hash;
  // Shared with the attempts that run on it, while the lane may learn a newer route.
  std::shared_ptr<const NextHop> hop;
  std::deque<Item> queue;    // rows that are due
  std::deque<Item> granted;  // attempts begun in the commit that accepted the message
  std::vector<rt::Parking*> idle;

  uint32_t failures = 0;  // connections in a row
  Instant closed_until;
  bool was_closed = false;  // since the last success
  model::QueueReason fault = model::QueueReason::connection_refused;
  model::ReplyRecord fault_words;

  // Rows of this lane that were told to look again later may go earlier now.
  bool may_have_more = false;
  Time room_at;        // when the next row that finds the lane full should look again
  uint64_t ended = 0;  // attempts
  uint64_t ended_before = 0;
  double rate = 0;  // attempts ended a second
  Instant last_used;
  std::list<Worker> workers;  // last, so that what they hold ends before the rest

  size_t live_workers() const {
    size_t n = 0;
    for (const Worker& w : workers) n += w.done ? 0 : 1;
    return n;
  }
};

}  // namespace ph::queue
