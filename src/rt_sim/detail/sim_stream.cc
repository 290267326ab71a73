#include "rt_sim/detail/sim_stream.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "rt/errors.h"
#include "rt_sim/detail/world.h"

namespace ph::rt_sim::detail {

SimStream::SimStream(rt::Loop& loop, Connection& connection, Side side)
    : loop_(loop),
      connection_(&connection),
      side_(side),
      peer_(connection.endpoint(other(side))),
      local_(connection.endpoint(side)),
      reading_(loop),
      writing_(loop) {
  connection.end(side).stream = this;
  connection.end(side).state = Connection::State::open;
}

SimStream::~SimStream() { close(); }

size_t SimStream::piece_of(size_t size) {
  Random& random = connection_->net().random();
  if (size <= 1 || !random.chance(connection_->making().shape.fragment_percent)) return size;
  return 1 + random.below(size);
}

Result<size_t> SimStream::try_read(std::span<char> into) {
  if (connection_ == nullptr) return fail(rt::kClosed, "reading");
  Pipe& in = connection_->pipe_to(side_);
  if (in.unread() > 0) return in.take(into.first(piece_of(std::min(into.size(), in.unread()))));
  if (connection_->end(side_).reset) return fail(rt::kReset, to_text(peer_));
  if (in.at_end()) return size_t{0};
  return fail(rt::kWouldBlock);
}

Result<size_t> SimStream::try_write(std::string_view bytes) {
  if (connection_ == nullptr || write_ended_) return fail(rt::kClosed, "writing");
  if (connection_->end(side_).reset) return fail(rt::kReset, to_text(peer_));
  Pipe& out = connection_->pipe_to(other(side_));
  const size_t room = std::min<uint64_t>(bytes.size(), out.room());
  if (room == 0 && !bytes.empty()) return fail(rt::kWouldBlock);
  const size_t count = piece_of(room);
  out.put(bytes.substr(0, count));
  return count;
}

bool SimStream::can_read() {
  if (connection_ == nullptr) return true;
  const Pipe& in = connection_->pipe_to(side_);
  return in.unread() > 0 || in.at_end() || connection_->end(side_).reset;
}

bool SimStream::can_write() {
  if (connection_ == nullptr || write_ended_ || connection_->end(side_).reset) return true;
  return connection_->pipe_to(other(side_)).room() > 0;
}

rt::ParkAwaiter SimStream::readable(rt::Deadline deadline, std::source_location where) {
  if (can_read() ||
      connection_->net().random().chance(connection_->making().shape.idle_wake_percent)) {
    reading_.wake();
  }
  return reading_.park(deadline, "octets from the peer", where);
}

rt::ParkAwaiter SimStream::writable(rt::Deadline deadline, std::source_location where) {
  if (can_write()) {
    writing_.wake();
  } else {
    connection_->pipe_to(other(side_)).want_room();
  }
  return writing_.park(deadline, "room to write to the peer", where);
}

void SimStream::shutdown_write() {
  if (connection_ == nullptr || std::exchange(write_ended_, true)) return;
  if (!connection_->end(side_).reset) connection_->pipe_to(other(side_)).put_end();
}

void SimStream::close() {
  if (connection_ == nullptr) return;
  std::exchange(connection_, nullptr)->close(side_);
  reading_.wake();
  writing_.wake();
}

Result<std::unique_ptr<rt::Stream>> SimStream::rehome(rt::Loop& target) {
  PH_CHECK(!reading_.occupied());
  PH_CHECK(!writing_.occupied());
  if (connection_ == nullptr) return fail(rt::kClosed, "moving to another loop");
  auto moved = std::make_unique<SimStream>(target, *std::exchange(connection_, nullptr), side_);
  moved->write_ended_ = write_ended_;
  return std::unique_ptr<rt::Stream>(std::move(moved));
}

SimListener::SimListener(rt::Loop& loop, Net& net, Machine& machine, ListenPlace place)
    : loop_(loop), net_(net), machine_(&machine), place_(std::move(place)), accepting_(loop) {
  machine.listeners.push_back(this);
}

SimListener::~SimListener() { close(); }

void SimListener::offer(Connection& connection) {
  backlog_.push_back(connection.id());
  accepting_.wake();
}

Result<std::unique_ptr<rt::Stream>> SimListener::try_accept() {
  if (machine_ == nullptr) return fail(rt::kClosed, "accepting");
  if (backlog_.empty()) return fail(rt::kWouldBlock);
  if (!machine_->descriptors_left) return fail(rt::kNoDescriptors, to_text(place_.at));
  Connection* const connection = net_.connection(backlog_.front());
  PH_CHECK(connection != nullptr);  // it lives while its server end is pending
  backlog_.pop_front();
  return std::unique_ptr<rt::Stream>(std::make_unique<SimStream>(loop_, *connection, Side::server));
}

rt::ParkAwaiter SimListener::acceptable(rt::Deadline deadline, std::source_location where) {
  if (machine_ == nullptr || !backlog_.empty()) accepting_.wake();
  return accepting_.park(deadline, "a connection to accept", where);
}

void SimListener::close() {
  if (machine_ == nullptr) return;
  std::erase(std::exchange(machine_, nullptr)->listeners, this);
  for (const uint64_t id : std::exchange(backlog_, {})) {
    if (Connection* const connection = net_.connection(id)) connection->abort(Side::server);
  }
  accepting_.wake();
}

}  // namespace ph::rt_sim::detail
