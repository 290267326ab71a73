#include "rt_sim/detail/connection.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "rt_sim/detail/net.h"
#include "rt_sim/detail/sim_stream.h"
#include "rt_sim/detail/world.h"

namespace ph::rt_sim::detail {
namespace {

constexpr uint64_t kLocalWindow = 64 * 1024;

uint64_t draw_window(Random& random, const Connection::Making& making) {
  if (making.client == making.server) return kLocalWindow;
  const uint64_t low = std::max<uint64_t>(making.shape.window_min, 1);
  const uint64_t high = std::max(making.shape.window_max, low);
  return low + random.below(high - low + 1);
}

bool covers(Direction direction, Side reader) {
  if (direction == Direction::both) return true;
  return (direction == Direction::to_server) == (reader == Side::server);
}

}  // namespace

Connection::Connection(Net& net, Making making)
    : net_(net),
      making_(std::move(making)),
      to_server_(*this, Side::server, draw_window(net.random(), making_)),
      to_client_(*this, Side::client, draw_window(net.random(), making_)) {
  if (making_.fault.cut) set_cut(*making_.fault.cut);
  if (making_.fault.stall) set_stall(*making_.fault.stall);
}

void Connection::set_cut(const Cut& cut) {
  for (const Side reader : {Side::server, Side::client}) {
    if (covers(cut.direction, reader)) pipe_to(reader).set_cut(cut);
  }
}

void Connection::set_stall(const Stall& stall) {
  for (const Side reader : {Side::server, Side::client}) {
    if (covers(stall.direction, reader)) pipe_to(reader).set_stall(stall);
  }
}

void Connection::established() {
  to_server_.strike_if_due();
  to_client_.strike_if_due();
}

void Connection::close(Side side) {
  End& mine = end(side);
  if (mine.state == State::closed || mine.state == State::dead) return;
  mine.state = State::closed;
  mine.stream = nullptr;
  Pipe& out = pipe_to(other(side));
  const bool unread = pipe_to(side).drop_unread();
  if (!mine.reset && unread) {
    answer_with_reset(side);  // RFC 1122 section 4.2.2.13: the peer must learn that data was lost
  } else if (!mine.reset && !out.ended_by_sender()) {
    out.put_end();
  }
  net_.sweep(*this);
}

void Connection::abort(Side side) {
  End& mine = end(side);
  if (mine.state == State::closed || mine.state == State::dead) return;
  answer_with_reset(side);
  mine.state = State::closed;
  mine.stream = nullptr;
  net_.sweep(*this);
}

void Connection::die(Side side, Farewell farewell) {
  End& mine = end(side);
  if (mine.stream != nullptr) mine.stream->orphan();
  mine.stream = nullptr;
  if (mine.state == State::closed || mine.state == State::dead) return;
  mine.state = State::dead;
  pipe_to(side).drop_unread();
  if (farewell == Farewell::reset) answer_with_reset(side);
}

void Connection::answer_with_reset(Side side) {
  if (std::exchange(end(side).reset, true)) return;
  pipe_to(other(side)).put_reset();
}

void Connection::reset_arrived(Side side) {
  End& mine = end(side);
  if (mine.state == State::closed || mine.state == State::dead) return;
  mine.reset = true;
  net_.world().note(World::Event::reset, id() * 2 + static_cast<uint64_t>(side));
  if (net_.random().chance(50)) pipe_to(side).drop_unread();
  if (mine.stream == nullptr) return;
  mine.stream->wake_reader();
  mine.stream->wake_writer();
}

void Connection::silence(Direction direction) {
  for (const Side reader : {Side::server, Side::client}) {
    if (covers(direction, reader)) pipe_to(reader).go_silent();
  }
}

void Connection::reset_both() {
  for (const Side reader : {Side::server, Side::client}) {
    pipe_to(reader).put_reset();
    pipe_to(reader).swallow();
  }
}

void Connection::heal() {
  to_server_.heal();
  to_client_.heal();
  to_server_.tell_lost();
  to_client_.tell_lost();
}

void Connection::reschedule() {
  to_server_.reschedule();
  to_client_.reschedule();
}

Duration Connection::latency() {
  return net_.latency(*making_.client, *making_.server, making_.fault);
}

void Connection::capture(Side sender, std::string_view bytes) {
  if (capture_ == nullptr) return;
  (sender == Side::client ? capture_->to_server : capture_->to_client).append(bytes);
}

bool Connection::abandoned() const {
  return std::ranges::all_of(
      ends_, [](const End& e) { return e.state == State::closed || e.state == State::dead; });
}

}  // namespace ph::rt_sim::detail
