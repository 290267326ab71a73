#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "rt/errors.h"
#include "rt_real/detail/socket.h"

namespace ph::rt_real::detail {
namespace {

constexpr uint32_t kAcceptsPerTurn = 64;
constexpr int kFailedPeersSkipped = 16;

Result<Fd> open_socket(int family) {
  Fd fd(::socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd) return system_error(errno, "socket");
  return fd;
}

uint64_t inode_of(const std::string& path) {
  struct stat info{};
  return ::lstat(path.c_str(), &info) == 0 && S_ISSOCK(info.st_mode) ? info.st_ino : 0;
}

// Removes the file of a socket on which nobody answers any more; anything else is left alone.
Status clear_stale(const Address& at, const std::string& path) {
  struct stat info{};
  if (::lstat(path.c_str(), &info) != 0) return {};
  if (!S_ISSOCK(info.st_mode)) return fail(rt::kAddressInUse, path + " is not a socket");
  PH_TRY(const Fd probe, open_socket(AF_UNIX));
  if (::connect(probe.get(), &at.any, at.size) == 0 || errno == EAGAIN) {
    return fail(rt::kAddressInUse, path + " is answered by a living server");
  }
  if (errno == ENOENT) return {};
  if (errno != ECONNREFUSED) return system_error(errno, "probe of " + path);
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) return system_error(errno, "unlink " + path);
  return {};
}

Status prepare_local(const Fd& fd, const Address& at, const rt::ListenOptions& options) {
  if (options.sharing != rt::ListenOptions::Sharing::alone) {
    return fail(rt::kBadAddress, "a local socket cannot be shared: " + options.at.host);
  }
  PH_TRY_STATUS(clear_stale(at, options.at.host));
  // Before bind, so that the file never exists with a wider mode (Linux takes it from here).
  if (::fchmod(fd.get(), 0600) != 0) return system_error(errno, "fchmod");
  return {};
}

Status set_on(const Fd& fd, int level, int option) {
  const int on = 1;
  if (::setsockopt(fd.get(), level, option, &on, sizeof(on)) == 0) return {};
  return system_error(errno, "setsockopt");
}

Status prepare_tcp(const Fd& fd, const Address& at, const rt::ListenOptions& options) {
  PH_TRY_STATUS(set_on(fd, SOL_SOCKET, SO_REUSEADDR));
  PH_TRY_STATUS(set_on(fd, IPPROTO_TCP, TCP_NODELAY));  // accepted sockets inherit it
  if (options.sharing == rt::ListenOptions::Sharing::with_other_loops) {
    PH_TRY_STATUS(set_on(fd, SOL_SOCKET, SO_REUSEPORT));
  }
  const int off = 0;
  if (at.family() == AF_INET6 &&
      ::setsockopt(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off)) != 0) {
    return system_error(errno, "setsockopt");
  }
  return {};
}

}  // namespace

SocketListener::SocketListener(RealLoop& loop, Fd fd, rt::Endpoint local)
    : loop_(loop),
      socket_(loop, std::move(fd), Descriptor::Assume::nothing, kAcceptsPerTurn),
      local_(std::move(local)) {}

Result<std::unique_ptr<rt::Listener>> SocketListener::open(RealLoop& loop,
                                                           const rt::ListenOptions& options) {
  PH_TRY(const Address at, address_of(options.at));
  PH_TRY(Fd fd, open_socket(at.family()));
  const bool is_local = at.family() == AF_UNIX;
  PH_TRY_STATUS(is_local ? prepare_local(fd, at, options) : prepare_tcp(fd, at, options));
  if (::bind(fd.get(), &at.any, at.size) != 0) {
    return system_error(errno, "bind " + to_text(options.at));
  }
  if (::listen(fd.get(), options.backlog) != 0) {
    return system_error(errno, "listen on " + to_text(options.at));
  }
  rt::Endpoint local = is_local ? options.at : local_endpoint_of(fd.get());
  std::unique_ptr<SocketListener> listener(
      new SocketListener(loop, std::move(fd), std::move(local)));
  if (is_local) listener->inode_ = inode_of(options.at.host);
  PH_TRY_STATUS(listener->socket_.enter());
  return listener;
}

Result<std::unique_ptr<rt::Stream>> SocketListener::try_accept() {
  if (socket_.closed()) return fail(rt::kClosed);
  if (!socket_.may_try(socket_.in())) return fail(rt::kWouldBlock);
  for (int skipped = 0; skipped < kFailedPeersSkipped; ++skipped) {
    Address from;
    Fd fd(uninterrupted([&] {
      from.size = sizeof(from.local);
      return ::accept4(socket_.fd(), &from.any, &from.size, SOCK_NONBLOCK | SOCK_CLOEXEC);
    }));
    if (fd) {
      const bool is_local = local_.kind == rt::Endpoint::Kind::local;
      return std::make_unique<SocketStream>(loop_, std::move(fd), Descriptor::Assume::writable,
                                            is_local ? local_ : endpoint_of(from));
    }
    Error error = system_error(errno, "accept");
    if (error.is(rt::kWouldBlock)) socket_.in().exhausted();
    // These two are about us and final for now; the rest is a peer that is already gone again
    // (accept4 hands out its pending error), and the next in the queue may be well.
    if (error.is(rt::kWouldBlock) || error.is(rt::kNoDescriptors)) return error;
  }
  return fail(rt::kIo, "accept fails again and again");
}

rt::ParkAwaiter SocketListener::acceptable(rt::Deadline deadline, std::source_location where) {
  return socket_.wait(socket_.in(), deadline, "a connection", where);
}

void SocketListener::close() {
  if (socket_.closed()) return;
  if (inode_ != 0 && inode_of(local_.host) == inode_) ::unlink(local_.host.c_str());
  socket_.close();
}

}  // namespace ph::rt_real::detail
