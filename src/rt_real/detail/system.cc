#include "rt_real/detail/system.h"

#include <unistd.h>

#include <cerrno>
#include <system_error>

#include "rt/errors.h"

namespace ph::rt_real::detail {

void Fd::reset() {
  // Never repeated on EINTR: Linux has released the number by then.
  if (fd_ >= 0) ::close(std::exchange(fd_, -1));
}

bool interrupted() { return errno == EINTR; }

const ErrorKind& kind_of(int error) {
  switch (error) {
    case EAGAIN: return rt::kWouldBlock;
    case ETIMEDOUT: return rt::kTimedOut;
    case ECONNREFUSED: return rt::kRefused;
    case ENETUNREACH:
    case EHOSTUNREACH:
    case ENETDOWN:
    case EHOSTDOWN: return rt::kUnreachable;
    case ECONNRESET:
    case ECONNABORTED:
    case ENETRESET:
    case EPIPE: return rt::kReset;
    case EADDRINUSE: return rt::kAddressInUse;
    case EADDRNOTAVAIL:
    case EAFNOSUPPORT:
    case ENAMETOOLONG: return rt::kBadAddress;
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOMEM: return rt::kNoDescriptors;
    case ENOSPC:
    case EDQUOT: return rt::kDiskFull;
    case ENOENT:
    case ENOTDIR: return rt::kNotFound;
    case EACCES:
    case EPERM:
    case EROFS: return rt::kPermission;
    default: return rt::kIo;
  }
}

Error system_error(int error, std::string_view what) {
  return fail(kind_of(error), std::string(what) + ": " + std::generic_category().message(error));
}

}  // namespace ph::rt_real::detail
