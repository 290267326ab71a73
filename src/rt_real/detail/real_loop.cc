#include "rt_real/detail/real_loop.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <ctime>
#include <utility>

#include "base/check.h"
#include "rt_real/detail/descriptor.h"

namespace ph::rt_real::detail {
namespace {

constexpr size_t kEventsPerTurn = 256;
// Resumptions between two looks at the descriptors and the clock.
constexpr size_t kResumesPerTurn = 256;
// An upper bound of one wait in the kernel; the clock is looked at again after it.
constexpr Duration kLongestSleep = Duration::hours(1);
constexpr uint64_t kBellToken = 0;  // no ticket has generation 0

thread_local const RealLoop* current = nullptr;

int64_t clock_us(clockid_t clock) {
  timespec t{};
  PH_CHECK(clock_gettime(clock, &t) == 0);
  return int64_t{t.tv_sec} * 1'000'000 + t.tv_nsec / 1'000;
}

uint64_t token_of(Ticket ticket) { return (uint64_t{ticket.generation} << 32) | ticket.slot; }

}  // namespace

Result<std::unique_ptr<RealLoop>> RealLoop::create(size_t index) {
  Fd epoll(::epoll_create1(EPOLL_CLOEXEC));
  if (!epoll) return system_error(errno, "epoll_create1");
  Fd bell(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!bell) return system_error(errno, "eventfd");
  epoll_event event{};
  event.events = EPOLLIN | EPOLLET;
  event.data.u64 = kBellToken;
  if (::epoll_ctl(epoll.get(), EPOLL_CTL_ADD, bell.get(), &event) != 0) {
    return system_error(errno, "epoll_ctl");
  }
  return std::unique_ptr<RealLoop>(new RealLoop(index, std::move(epoll), std::move(bell)));
}

RealLoop::RealLoop(size_t index, Fd epoll, Fd bell)
    : Loop(index), epoll_(std::move(epoll)), bell_(std::move(bell)) {}

RealLoop::~RealLoop() {
  discard();
  for (const Slot& slot : slots_) PH_CHECK(slot.descriptor == nullptr);
}

Instant RealLoop::now() const { return Instant::from_us(clock_us(CLOCK_MONOTONIC)); }
Time RealLoop::wall() const { return Time::from_unix_us(clock_us(CLOCK_REALTIME)); }

bool RealLoop::is_current() const {
  return current == this || !bound_.load(std::memory_order_relaxed);
}

void RealLoop::post(rt::Callback callback) {
  bool ring = false;
  {
    const std::lock_guard lock(mutex_);
    posted_.push_back(std::move(callback));
    ring = std::exchange(asleep_, false);
  }
  if (ring) wake();
}

void RealLoop::wake() noexcept {
  // A signal handler may be what calls this, so errno is put back. It cannot fail but by a full
  // counter, and then the bell has rung already.
  const int saved = errno;
  const uint64_t one = 1;
  while (::write(bell_.get(), &one, sizeof(one)) < 0 && errno == EINTR) {
  }
  errno = saved;
}

void RealLoop::run(const std::atomic<bool>& stop) {
  PH_CHECK(bound_.load());
  PH_CHECK(current == nullptr);
  current = this;
  while (!stop.load(std::memory_order_acquire)) take_turn();
  current = nullptr;
}

void RealLoop::take_turn() {
  ++turn_;
  run_posted();
  timers().fire_due(now());
  size_t resumed = 0;
  while (has_ready() && resumed < kResumesPerTurn) resumed += run_ready();
  poll();
}

void RealLoop::run_posted() {
  {
    const std::lock_guard lock(mutex_);
    asleep_ = false;
    batch_.swap(posted_);
  }
  for (rt::Callback& callback : batch_) {
    try {
      callback();
    } catch (...) {
      note_stray_exception();
    }
    callback = nullptr;  // what it owned goes now, not after the last of the batch
  }
  batch_.clear();
}

bool RealLoop::may_sleep() {
  if (has_ready() || !poked_.empty()) return false;
  const std::lock_guard lock(mutex_);
  asleep_ = posted_.empty();
  return asleep_;
}

void RealLoop::wait_for_events(Duration timeout) {
  std::array<epoll_event, kEventsPerTurn> events;
  constexpr int kRoom = kEventsPerTurn;
  int count = -1;
  if (precise_wait_) {
    const timespec limit{timeout.us() / 1'000'000, (timeout.us() % 1'000'000) * 1'000};
    count = ::epoll_pwait2(epoll_.get(), events.data(), kRoom, &limit, nullptr);
    // Old kernels and some sandboxes do not have it.
    if (count < 0 && (errno == ENOSYS || errno == EPERM)) precise_wait_ = false;
  }
  if (!precise_wait_) {
    const auto round_up = static_cast<int>((timeout.us() + 999) / 1'000);
    count = ::epoll_wait(epoll_.get(), events.data(), kRoom, round_up);
  }
  PH_CHECK(count >= 0 || errno == EINTR);
  for (int i = 0; i < count; ++i) {
    const epoll_event& event = events[static_cast<size_t>(i)];
    dispatch(event.data.u64, event.events);
  }
}

void RealLoop::poll() {
  Duration timeout;
  if (may_sleep()) {
    const Duration until_due = timers().next_due() - now();
    timeout = std::max(Duration(), std::min(until_due, kLongestSleep));
  }
  wait_for_events(timeout);
  for (const Ticket ticket : poked_) dispatch(token_of(ticket), 0);
  poked_.clear();
}

void RealLoop::dispatch(uint64_t token, uint32_t events) {
  if (token == kBellToken) return;  // it only ended the wait
  const Ticket ticket{static_cast<uint32_t>(token), static_cast<uint32_t>(token >> 32)};
  if (Descriptor* const descriptor = find(ticket)) descriptor->on_events(events);
}

Descriptor* RealLoop::find(Ticket ticket) {
  if (ticket.slot >= slots_.size()) return nullptr;
  const Slot& slot = slots_[ticket.slot];
  return slot.generation == ticket.generation ? slot.descriptor : nullptr;
}

Result<Ticket> RealLoop::enter(int fd, Descriptor& descriptor) {
  PH_CHECK(is_current());
  if (free_slots_.empty()) {
    free_slots_.push_back(static_cast<uint32_t>(slots_.size()));
    slots_.emplace_back();
  }
  Slot& slot = slots_[free_slots_.back()];
  const Ticket ticket{free_slots_.back(), slot.generation};
  epoll_event event{};
  event.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
  event.data.u64 = token_of(ticket);
  if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) != 0) {
    return system_error(errno, "epoll_ctl");
  }
  slot.descriptor = &descriptor;
  free_slots_.pop_back();
  return ticket;
}

void RealLoop::forget(Ticket ticket) {
  PH_CHECK(is_current());
  PH_CHECK(find(ticket) != nullptr);
  Slot& slot = slots_[ticket.slot];
  slot.descriptor = nullptr;
  if (++slot.generation == 0) slot.generation = 1;
  free_slots_.push_back(ticket.slot);
}

void RealLoop::leave(int fd, Ticket ticket) {
  forget(ticket);
  ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr);
}

void RealLoop::poke(Ticket ticket) { poked_.push_back(ticket); }

void RealLoop::discard() {
  PH_CHECK(!bound_.load());
  kill_guests();
  // What goes may post in turn (a result for someone who is gone); it ends because nothing runs.
  for (;;) {
    std::vector<rt::Callback> dropped;
    {
      const std::lock_guard lock(mutex_);
      dropped.swap(posted_);
    }
    if (dropped.empty()) return;
  }
}

}  // namespace ph::rt_real::detail
