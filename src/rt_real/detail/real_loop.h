// RealLoop: epoll, edge-triggered, one loop on one thread.
//
// A turn: what was posted, what is due, what is ready, then one epoll_wait (which does not wait if
// something is ready). Events only set readiness and wake; nothing runs while they are read, so no
// event can meet a descriptor destroyed by an earlier one. Events carry a Ticket (slot and
// generation), not a pointer: one that arrives for a descriptor already gone is recognised.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "base/result.h"
#include "rt/loop.h"
#include "rt_real/detail/system.h"

namespace ph::rt_real::detail {

class Descriptor;

struct Ticket {
  uint32_t slot = 0;
  uint32_t generation = 0;  // 0: not registered
  bool is_set() const { return generation != 0; }
};

class RealLoop final : public rt::Loop {
 public:
  static Result<std::unique_ptr<RealLoop>> create(size_t index);
  ~RealLoop() override;

  Instant now() const override;
  Time wall() const override;
  void post(rt::Callback callback) override;
  // A loop without a thread is current to whoever holds the runtime.
  bool is_current() const override;

  // All loops are bound before the first of them runs, and unbound after the last has ended: in
  // between each is current to its own thread only.
  void bind() { bound_.store(true); }
  void unbind() { bound_.store(false); }
  // Turns on the calling thread until `stop` is set and wake() was called.
  void run(const std::atomic<bool>& stop);
  // Ends a wait of the driver. From any thread or a signal handler.
  void wake() noexcept;
  // Kills guests and destroys what was posted, before the loops' destructors. No thread runs.
  void discard();

  // For Descriptor, on this loop. The kernel forgets a closed descriptor by itself; one that stays
  // open (rehome) is taken out with leave().
  Result<Ticket> enter(int fd, Descriptor& descriptor);
  void forget(Ticket ticket);
  void leave(int fd, Ticket ticket);
  // Wakes what waits on the descriptor and may go on, after the present turn's ready activities.
  void poke(Ticket ticket);
  // Counts turns: the budget of a descriptor is per turn.
  uint64_t turn() const { return turn_; }

 private:
  struct Slot {
    Descriptor* descriptor = nullptr;
    uint32_t generation = 1;
  };

  RealLoop(size_t index, Fd epoll, Fd bell);
  void take_turn();
  void run_posted();
  void poll();
  bool may_sleep();
  void wait_for_events(Duration timeout);
  void dispatch(uint64_t token, uint32_t events);
  Descriptor* find(Ticket ticket);

  Fd epoll_;
  Fd bell_;  // eventfd, edge-triggered and therefore never read
  uint64_t turn_ = 0;
  bool precise_wait_ = true;  // epoll_pwait2 works here
  std::atomic<bool> bound_ = false;

  std::vector<Slot> slots_;
  std::vector<uint32_t> free_slots_;
  std::vector<Ticket> poked_;

  std::mutex mutex_;
  std::vector<rt::Callback> posted_;  // under mutex_
  bool asleep_ = false;               // under mutex_: the next post must ring the bell
  std::vector<rt::Callback> batch_;   // keeps its capacity
};

}  // namespace ph::rt_real::detail
