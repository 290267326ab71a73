#include <algorithm>
#include <utility>

#include "base/check.h"
#include "rt_sim/detail/connection.h"
#include "rt_sim/detail/net.h"
#include "rt_sim/detail/sim_stream.h"
#include "rt_sim/detail/world.h"

namespace ph::rt_sim::detail {
namespace {

// An idle inbox gives back its taken octets once they are this many.
constexpr size_t kCompactBytes = 4096;

}  // namespace

Pipe::Pipe(Connection& connection, Side reader, uint64_t window)
    : connection_(connection), reader_(reader), window_(window) {}

uint64_t Pipe::room() const {
  const uint64_t used = flight_bytes_ + unread() + lost_;
  return used >= window_ ? 0 : window_ - used;
}

void Pipe::put(std::string_view bytes) {
  PH_CHECK(bytes.size() <= room());
  connection_.capture(other(reader_), bytes);
  if (silent_) {
    lost_ += bytes.size();
    if (healed_) tell_lost();
    return;
  }
  if (swallowed_) return;
  const uint64_t passing =
      cut_ ? std::min<uint64_t>(bytes.size(), cut_->after_bytes - carried_) : bytes.size();
  push_octets(bytes.substr(0, passing));
  strike_if_due();
  if (silent_) lost_ += bytes.size() - passing;
}

void Pipe::push_octets(std::string_view bytes) {
  while (!bytes.empty()) {
    size_t length = bytes.size();
    if (stall_ && carried_ < stall_->after_bytes) {
      length = std::min<uint64_t>(length, stall_->after_bytes - carried_);
    }
    push(Segment::Kind::octets, bytes.substr(0, length));
    carried_ += length;
    bytes.remove_prefix(length);
  }
}

void Pipe::push(Segment::Kind kind, std::string_view bytes) {
  const Instant now = connection_.net().world().now();
  const uint64_t rate = std::max<uint64_t>(connection_.making().shape.bytes_per_second, 1);
  const auto transfer = static_cast<int64_t>(bytes.size() * 1'000'000 / rate);
  last_at_ = std::max(last_at_, now + connection_.latency()) + Duration::microseconds(transfer);
  const bool held = stall_ && carried_ >= stall_->after_bytes;
  if (held && stalled_until_ == Instant()) stalled_until_ = now + stall_->length;
  flight_.push_back(Segment{kind, held, last_at_, std::string(bytes)});
  flight_bytes_ += bytes.size();
  if (flight_.size() == 1) arm_arrival();
}

void Pipe::put_end() {
  if (std::exchange(end_put_, true) || silent_ || swallowed_) return;
  push(Segment::Kind::end, {});
}

void Pipe::put_reset() {
  if ((silent_ && !healed_) || swallowed_) return;
  push(Segment::Kind::reset, {});
}

size_t Pipe::take(std::span<char> into) {
  const size_t count = std::min(into.size(), unread());
  std::copy_n(inbox_.data() + taken_, count, into.data());
  taken_ += count;
  if (taken_ == inbox_.size() || taken_ >= kCompactBytes) {
    inbox_.erase(0, taken_);
    taken_ = 0;
  }
  if (std::exchange(wanted_, false)) {
    room_news_at_ = connection_.net().world().now() + connection_.latency();
    arm_room_news();
  }
  return count;
}

bool Pipe::drop_unread() {
  const bool any = unread() > 0;
  inbox_.clear();
  taken_ = 0;
  return any;
}

void Pipe::set_cut(const Cut& cut) {
  cut_ = cut;
  cut_->after_bytes += carried_;
}

void Pipe::set_stall(const Stall& stall) {
  stall_ = stall;
  stall_->after_bytes += carried_;
  stalled_until_ = Instant();
}

void Pipe::strike_if_due() {
  if (cut_ && carried_ >= cut_->after_bytes) strike();
}

void Pipe::strike() {
  const Cut cut = *std::exchange(cut_, std::nullopt);
  switch (cut.kind) {
    case CutKind::reset: connection_.reset_both(); break;
    case CutKind::silence: connection_.silence(cut.direction); break;
    case CutKind::half_close:
      put_end();
      swallowed_ = true;
      break;
  }
}

void Pipe::go_silent() { silent_ = true; }

void Pipe::heal() {
  stall_.reset();
  for (Segment& segment : flight_) segment.held = false;
  healed_ = true;
  reschedule();
}

// Who sent into silence sends again, and whoever was in the middle no longer knows the connection.
void Pipe::tell_lost() {
  if (!silent_ || !has_lost() || std::exchange(told_, true)) return;
  connection_.pipe_to(other(reader_)).put_reset();
}

void Pipe::reschedule() {
  arm_arrival();
  arm_room_news();
}

Instant Pipe::due(const Segment& head) const {
  const auto& making = connection_.making();
  const Instant parted = connection_.net().parted_until(*making.client, *making.server);
  return std::max({head.at, parted, head.held ? stalled_until_ : Instant()});
}

void Pipe::arm_arrival() {
  rt::Timers& events = connection_.net().world().events();
  const Instant when = flight_.empty() ? Instant::max() : due(flight_.front());
  if (when == Instant::max()) {
    events.disarm(arrival_);
  } else {
    events.arm(arrival_, when);
  }
}

void Pipe::arm_room_news() {
  rt::Timers& events = connection_.net().world().events();
  if (!room_news_at_) return;
  const auto& making = connection_.making();
  const Instant parted = connection_.net().parted_until(*making.client, *making.server);
  const Instant when = std::max(*room_news_at_, parted);
  if (when == Instant::max()) {
    events.disarm(room_news_);
  } else {
    events.arm(room_news_, when);
  }
}

void Pipe::RoomNews::fired() {
  pipe_.room_news_at_.reset();
  SimStream* const sender = pipe_.connection_.end(other(pipe_.reader_)).stream;
  if (sender != nullptr) sender->wake_writer();
}

void Pipe::arrived() {
  const Instant now = connection_.net().world().now();
  while (!flight_.empty() && due(flight_.front()) <= now) {
    const Segment segment = std::move(flight_.front());
    flight_.pop_front();
    flight_bytes_ -= segment.bytes.size();
    deliver(segment);
  }
  arm_arrival();
}

void Pipe::deliver(const Segment& segment) {
  connection_.net().world().note(World::Event::arrival, connection_.id() * 2 +
                                                            static_cast<uint64_t>(reader_) +
                                                            (uint64_t{segment.bytes.size()} << 32));
  switch (segment.kind) {
    case Segment::Kind::octets: deliver_octets(segment.bytes); break;
    case Segment::Kind::reset: connection_.reset_arrived(reader_); break;
    case Segment::Kind::end: {
      ended_ = true;
      SimStream* const receiver = connection_.end(reader_).stream;
      if (receiver != nullptr) receiver->wake_reader();
      break;
    }
  }
}

void Pipe::deliver_octets(std::string_view bytes) {
  Connection::End& end = connection_.end(reader_);
  if (end.state == Connection::State::dead && !connection_.machine(reader_).up) {
    lost_ += bytes.size();
    return;
  }
  if (end.state == Connection::State::closed || end.state == Connection::State::dead) {
    connection_.answer_with_reset(reader_);
    return;
  }
  inbox_.append(bytes);
  const uint32_t lost_wakes = connection_.making().fault.lost_wakes_percent;
  if (lost_wakes != 0 && connection_.net().random().chance(lost_wakes)) return;
  if (end.stream != nullptr) end.stream->wake_reader();
}

}  // namespace ph::rt_sim::detail
