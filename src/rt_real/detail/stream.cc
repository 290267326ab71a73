#include <sys/socket.h>

#include <cerrno>

#include "base/check.h"
#include "rt/errors.h"
#include "rt_real/detail/socket.h"

namespace ph::rt_real::detail {
namespace {

// Of one turn of the loop: 16 reads of 64 KiB take well under a millisecond.
constexpr uint32_t kCallsPerTurn = 16;

}  // namespace

SocketStream::SocketStream(RealLoop& loop, Fd fd, Descriptor::Assume assume, rt::Endpoint peer)
    : socket_(loop, std::move(fd), assume, kCallsPerTurn), peer_(std::move(peer)) {}

rt::Endpoint SocketStream::local() const {
  return socket_.closed() ? rt::Endpoint{} : local_endpoint_of(socket_.fd());
}

Result<size_t> SocketStream::try_read(std::span<char> into) {
  if (socket_.closed()) return fail(rt::kClosed);
  if (read_failed_ != nullptr) return fail(*read_failed_);
  PH_CHECK(!into.empty());
  if (!socket_.may_try(socket_.in())) return fail(rt::kWouldBlock);
  const ssize_t got =
      uninterrupted([&] { return ::recv(socket_.fd(), into.data(), into.size(), 0); });
  if (got == 0) return end_of_stream();
  if (got > 0) {
    const auto count = static_cast<size_t>(got);
    if (count < into.size() && !socket_.ended()) socket_.in().exhausted();
    return count;
  }
  Error error = system_error(errno, "read");
  if (error.is(rt::kWouldBlock)) {
    socket_.in().exhausted();
  } else {
    read_failed_ = &error.kind();
  }
  return error;
}

Result<size_t> SocketStream::end_of_stream() {
  // A write that met the reset took the error away from the reader: still no proper end.
  if (write_failed_ == &rt::kReset) {
    read_failed_ = &rt::kReset;
    return fail(rt::kReset, "read: after a failed write");
  }
  return size_t{0};
}

Result<size_t> SocketStream::try_write(std::string_view bytes) {
  if (socket_.closed()) return fail(rt::kClosed);
  if (write_failed_ != nullptr) return fail(*write_failed_);
  if (bytes.empty()) return size_t{0};
  if (!socket_.may_try(socket_.out())) return fail(rt::kWouldBlock);
  const ssize_t put =
      uninterrupted([&] { return ::send(socket_.fd(), bytes.data(), bytes.size(), MSG_NOSIGNAL); });
  if (put >= 0) {
    const auto count = static_cast<size_t>(put);
    if (count < bytes.size()) socket_.out().exhausted();
    return count;
  }
  Error error = system_error(errno, "write");
  if (error.is(rt::kWouldBlock)) {
    socket_.out().exhausted();
  } else {
    write_failed_ = &error.kind();
  }
  return error;
}

rt::ParkAwaiter SocketStream::readable(rt::Deadline deadline, std::source_location where) {
  return socket_.wait(socket_.in(), deadline, "data from the peer", where);
}

rt::ParkAwaiter SocketStream::writable(rt::Deadline deadline, std::source_location where) {
  return socket_.wait(socket_.out(), deadline, "room to write to the peer", where);
}

void SocketStream::shutdown_write() {
  if (socket_.closed()) return;
  ::shutdown(socket_.fd(), SHUT_WR);
  if (write_failed_ == nullptr) write_failed_ = &rt::kClosed;
}

Result<std::unique_ptr<rt::Stream>> SocketStream::rehome(rt::Loop& target) {
  if (socket_.closed()) return fail(rt::kClosed);
  auto moved = std::make_unique<SocketStream>(static_cast<RealLoop&>(target), socket_.release(),
                                              Descriptor::Assume::writable, std::move(peer_));
  moved->read_failed_ = read_failed_;
  moved->write_failed_ = write_failed_;
  return moved;
}

bool SocketStream::connect_ended() { return socket_.may_try(socket_.out()); }

Status SocketStream::connect_result() {
  int error = 0;
  socklen_t size = sizeof(error);
  if (::getsockopt(socket_.fd(), SOL_SOCKET, SO_ERROR, &error, &size) != 0) error = errno;
  if (error != 0) return system_error(error, "connect to " + to_text(peer_));
  return {};
}

}  // namespace ph::rt_real::detail
