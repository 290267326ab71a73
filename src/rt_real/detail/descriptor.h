// Descriptor: a non-blocking file descriptor with what the kernel has said about it.
//
// Per direction: `open` means that a call may succeed. It starts as the caller knows it, is set by
// an event and cleared by the call that came back empty or short; so the fast path makes exactly
// one system call, and a call that would fail is not made. A direction that stays open is closed
// for the rest of a turn after its budget of calls: no peer can hold the loop by being fast.
#pragma once

#include <cstdint>
#include <source_location>

#include "rt/parking.h"
#include "rt_real/detail/real_loop.h"
#include "rt_real/detail/system.h"

namespace ph::rt_real::detail {

class Descriptor {
 public:
  enum class Assume : uint8_t { nothing, writable };

  Descriptor(RealLoop& loop, Fd fd, Assume assume, uint32_t calls_per_turn);
  ~Descriptor() { close(); }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;

  RealLoop& loop() const { return loop_; }
  int fd() const { return fd_.get(); }
  bool closed() const { return !fd_; }
  // Tells the kernel to report events. Done by the first use; earlier by those who want its error.
  Status enter();
  void close();
  // Takes the descriptor out of this loop. Nothing may be parked on it.
  Fd release();

  class Direction {
   public:
    // The last call came back empty or short: the kernel will tell when it is worth another.
    void exhausted() { open_ = false; }

   private:
    friend class Descriptor;
    explicit Direction(rt::Loop& loop) : parking_(loop) {}
    rt::Parking parking_;
    uint64_t turn_ = 0;
    uint32_t calls_ = 0;
    bool open_ = false;
  };
  Direction& in() { return in_; }
  Direction& out() { return out_; }

  // Whether a call is worth making now; counts it.
  bool may_try(Direction& direction);
  // Until may_try() is worth asking again.
  rt::ParkAwaiter wait(Direction& direction, rt::Deadline deadline, const char* what,
                       std::source_location where);
  // Wakes whoever waits on this side, or the next to do so, though nothing may have happened.
  void nudge(Direction& direction) { direction.parking_.wake(); }
  // The peer will send no more (or there was an error): reading never comes back empty again, so a
  // short read is no reason to wait.
  bool ended() const { return ended_; }

  void on_events(uint32_t events);  // for RealLoop

 private:
  bool spent(Direction& direction);
  static void wake_if_parked(Direction& direction);

  RealLoop& loop_;
  Fd fd_;
  Ticket ticket_;
  uint32_t calls_per_turn_;
  bool ended_ = false;
  Direction in_;
  Direction out_;
};

}  // namespace ph::rt_real::detail
