// Socket addresses between rt::Endpoint and the kernel's form.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/result.h"
#include "rt/stream.h"

namespace ph::rt_real::detail {

struct Address {
  union {
    sockaddr any;
    sockaddr_in v4;
    sockaddr_in6 v6;
    sockaddr_un local;
  };
  socklen_t size = sizeof(sockaddr_un);

  Address();
  int family() const { return any.sa_family; }
};

// kBadAddress when the host is not numeric, of the other family, or the path does not fit.
Result<Address> address_of(const rt::Endpoint& endpoint);
// In normal form: an IPv4 address mapped into IPv6 is shown as IPv4.
rt::Endpoint endpoint_of(const Address& address);
// What getsockname says; an empty endpoint if it fails.
rt::Endpoint local_endpoint_of(int fd);

}  // namespace ph::rt_real::detail
