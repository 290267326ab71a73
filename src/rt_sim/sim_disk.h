// The health of one host's disk, as a test or scenario sets it.
//
// The simulated Files obey it. Other simulated storage of the host (a MemDisk) follows through
// on_change, which whoever builds the host connects: the disk does not know who listens.
#pragma once

#include <cstdint>
#include <functional>
#include <utility>

#include "base/time.h"

namespace ph::rt_sim {

class SimDisk {
 public:
  using Listener = std::function<void(const SimDisk&)>;

  enum class Room : uint8_t { plenty, none };
  void set_room(Room room) { changed(room_ = room); }
  // Synchronous files cannot wait: they only see full and failing. Listeners may stall.
  void stall_until(Instant when) { changed(stalled_until_ = when); }
  // The next `operations` writes fail with kIo.
  void fail_next(uint64_t operations) { changed(failures_ = operations); }
  void heal() {
    room_ = Room::plenty;
    stalled_until_ = Instant();
    read_failures_ = 0;
    changed(failures_ = 0);
  }
  // The next `operations` reads of files fail with kIo.
  void fail_next_reads(uint64_t operations) { read_failures_ = operations; }
  void on_change(Listener listener) { listener_ = std::move(listener); }

  Room room() const { return room_; }
  Instant stalled_until() const { return stalled_until_; }
  uint64_t failures_left() const { return failures_; }
  // One write is about to happen: whether it must fail (which uses up one failure).
  bool take_failure() {
    if (failures_ == 0) return false;
    --failures_;
    return true;
  }
  bool take_read_failure() {
    if (read_failures_ == 0) return false;
    --read_failures_;
    return true;
  }

 private:
  template <class T>
  void changed(const T&) {
    if (listener_) listener_(*this);
  }

  Room room_ = Room::plenty;
  Instant stalled_until_;
  uint64_t failures_ = 0;
  uint64_t read_failures_ = 0;
  Listener listener_;
};

}  // namespace ph::rt_sim
