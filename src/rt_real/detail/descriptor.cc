#include "rt_real/detail/descriptor.h"

#include <sys/epoll.h>

#include "base/check.h"
#include "rt/errors.h"

namespace ph::rt_real::detail {

Descriptor::Descriptor(RealLoop& loop, Fd fd, Assume assume, uint32_t calls_per_turn)
    : loop_(loop), fd_(std::move(fd)), calls_per_turn_(calls_per_turn), in_(loop), out_(loop) {
  out_.open_ = assume == Assume::writable;
}

Status Descriptor::enter() {
  if (ticket_.is_set() || closed()) return {};
  PH_TRY(ticket_, loop_.enter(fd_.get(), *this));
  return {};
}

void Descriptor::close() {
  if (closed()) return;
  if (ticket_.is_set()) loop_.forget(ticket_);
  ticket_ = {};
  fd_.reset();
  wake_if_parked(in_);
  wake_if_parked(out_);
}

Fd Descriptor::release() {
  PH_CHECK(!in_.parking_.occupied());
  PH_CHECK(!out_.parking_.occupied());
  if (ticket_.is_set()) loop_.leave(fd_.get(), ticket_);
  ticket_ = {};
  return std::move(fd_);
}

bool Descriptor::spent(Direction& direction) {
  if (direction.turn_ != loop_.turn()) {
    direction.turn_ = loop_.turn();
    direction.calls_ = 0;
  }
  return direction.calls_ >= calls_per_turn_;
}

bool Descriptor::may_try(Direction& direction) {
  if (!direction.open_ || spent(direction)) return false;
  ++direction.calls_;
  return true;
}

rt::ParkAwaiter Descriptor::wait(Direction& direction, rt::Deadline deadline, const char* what,
                                 std::source_location where) {
  if (!closed() && !ticket_.is_set() && !enter().has_value()) close();  // its user finds it closed
  if (closed()) {
    direction.parking_.wake();
  } else if (direction.open_) {
    if (spent(direction)) {
      loop_.poke(ticket_);
    } else {
      direction.parking_.wake();
    }
  }
  return direction.parking_.park(deadline, what, where);
}

void Descriptor::wake_if_parked(Direction& direction) {
  if (direction.parking_.occupied()) direction.parking_.wake();
}

void Descriptor::on_events(uint32_t events) {
  constexpr uint32_t kEnd = EPOLLHUP | EPOLLERR;
  if ((events & (EPOLLIN | EPOLLRDHUP | kEnd)) != 0) in_.open_ = true;
  if ((events & (EPOLLOUT | kEnd)) != 0) out_.open_ = true;
  if ((events & (EPOLLRDHUP | kEnd)) != 0) ended_ = true;
  if (in_.open_) wake_if_parked(in_);
  if (out_.open_) wake_if_parked(out_);
}

}  // namespace ph::rt_real::detail
