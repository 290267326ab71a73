#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

#include "rt/errors.h"
#include "rt_real/detail/socket.h"

namespace ph::rt_real::detail {
namespace {

// What is wrong between here and the peer may be right later, so no failure to connect is
// permanent: a missing source address, a family without a route, a firewall's or a file mode's
// "no".
Error dial_error(int error, const rt::DialOptions& options) {
  Error out = system_error(error, "connect to " + to_text(options.to));
  switch (error) {
    case ENOENT: return fail(rt::kRefused, out.context());  // the server is not there yet
    case EADDRNOTAVAIL:
    case EAFNOSUPPORT:
    case EINVAL:
    case EACCES:
    case EPERM: return fail(rt::kUnreachable, out.context());
    default: return out;
  }
}

Result<Fd> open_socket(const Address& to, const rt::DialOptions& options) {
  Fd fd(::socket(to.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd) return dial_error(errno, options);
  const int on = 1;
  if (to.family() != AF_UNIX) {
    ::setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  }
  if (!options.from.has_value()) return fd;
  PH_TRY(const Address from, address_of(*options.from));
  if (from.family() != to.family()) {
    return fail(rt::kBadAddress, "the source address is of another family");
  }
  if (to.family() != AF_UNIX && options.from->port == 0) {
    // The port is chosen at connect, when only the pair of addresses must be unique.
    ::setsockopt(fd.get(), IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on));
  }
  if (::bind(fd.get(), &from.any, from.size) != 0) return dial_error(errno, options);
  return fd;
}

enum class Connect : uint8_t { done, in_progress, later };

// `later`: the backlog of a local socket is full, and the kernel will not tell when it no longer
// is.
Result<Connect> begin_connect(const Fd& fd, const Address& to, const rt::DialOptions& options) {
  if (::connect(fd.get(), &to.any, to.size) == 0) return Connect::done;
  // After EINTR the connection goes on being made, as with EINPROGRESS.
  if (errno == EINPROGRESS || errno == EINTR) return Connect::in_progress;
  if (errno == EAGAIN && to.family() == AF_UNIX) return Connect::later;
  return dial_error(errno, options);
}

}  // namespace

rt::Task<Result<std::unique_ptr<rt::Stream>>> dial(RealLoop& loop, rt::DialOptions options,
                                                   rt::Deadline deadline) {
  PH_CO_TRY(const Address to, address_of(options.to));
  PH_CO_TRY(Fd fd, open_socket(to, options));
  PH_CO_TRY(Connect state, begin_connect(fd, to, options));
  while (state == Connect::later) {
    const rt::Deadline pause = loop.in(Duration::milliseconds(5)).earlier(deadline);
    const rt::Woken woken = co_await rt::sleep(loop, pause, "room in a local socket's backlog");
    if (woken == rt::Woken::cancelled) co_return fail(rt::kCancelled, "connect");
    if (deadline.passed(loop.now())) {
      co_return fail(rt::kTimedOut, "connect to " + to_text(options.to));
    }
    PH_CO_TRY(state, begin_connect(fd, to, options));
  }
  const auto assume =
      state == Connect::done ? Descriptor::Assume::writable : Descriptor::Assume::nothing;
  auto stream = std::make_unique<SocketStream>(loop, std::move(fd), assume, endpoint_of(to));
  while (state == Connect::in_progress && !stream->connect_ended()) {
    const auto here = std::source_location::current();
    const rt::Woken woken = co_await stream->writable(deadline, here);
    if (woken != rt::Woken::hint) {
      co_return to_status(woken, "connect to " + to_text(options.to)).error();
    }
    if (stream->closed()) co_return fail(rt::kNoDescriptors, "connect");
  }
  if (state == Connect::in_progress) {
    PH_CO_TRY_STATUS(stream->connect_result());
  }
  co_return std::unique_ptr<rt::Stream>(std::move(stream));
}

}  // namespace ph::rt_real::detail
