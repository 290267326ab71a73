#include "rt_real/detail/address.h"

#include <arpa/inet.h>

#include <array>
#include <cstddef>
#include <cstring>

#include "base/check.h"
#include "rt/errors.h"

namespace ph::rt_real::detail {
namespace {

Result<Address> local_address(const std::string& path) {
  Address out;
  if (path.empty() || path.find('\0') != std::string::npos ||
      path.size() >= sizeof(out.local.sun_path)) {
    return fail(rt::kBadAddress, "not a path for a socket: " + path);
  }
  out.local.sun_family = AF_UNIX;
  std::memcpy(out.local.sun_path, path.data(), path.size());
  out.size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size() + 1);
  return out;
}

rt::Endpoint ip_endpoint(int family, const void* binary, in_port_t port) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  PH_CHECK(inet_ntop(family, binary, text.data(), text.size()) != nullptr);
  const auto kind = family == AF_INET ? rt::Endpoint::Kind::ipv4 : rt::Endpoint::Kind::ipv6;
  return {kind, text.data(), ntohs(port)};
}

rt::Endpoint path_endpoint(const Address& address) {
  constexpr size_t kHead = offsetof(sockaddr_un, sun_path);
  const size_t room = address.size > kHead ? address.size - kHead : 0;
  return rt::local_endpoint({address.local.sun_path, strnlen(address.local.sun_path, room)});
}

}  // namespace

Address::Address() : local() {}

Result<Address> address_of(const rt::Endpoint& endpoint) {
  if (endpoint.kind == rt::Endpoint::Kind::local) return local_address(endpoint.host);
  Address out;
  if (endpoint.kind == rt::Endpoint::Kind::ipv4) {
    out.v4.sin_family = AF_INET;
    out.v4.sin_port = htons(endpoint.port);
    out.size = sizeof(out.v4);
    if (inet_pton(AF_INET, endpoint.host.c_str(), &out.v4.sin_addr) == 1) return out;
  } else {
    out.v6.sin6_family = AF_INET6;
    out.v6.sin6_port = htons(endpoint.port);
    out.size = sizeof(out.v6);
    if (inet_pton(AF_INET6, endpoint.host.c_str(), &out.v6.sin6_addr) == 1) return out;
  }
  return fail(rt::kBadAddress, endpoint.host + " is not an address of its kind");
}

rt::Endpoint endpoint_of(const Address& address) {
  switch (address.family()) {
    case AF_INET: return ip_endpoint(AF_INET, &address.v4.sin_addr, address.v4.sin_port);
    case AF_INET6: {
      const in6_addr& ip = address.v6.sin6_addr;
      if (!IN6_IS_ADDR_V4MAPPED(&ip)) return ip_endpoint(AF_INET6, &ip, address.v6.sin6_port);
      return ip_endpoint(AF_INET, &ip.s6_addr[12], address.v6.sin6_port);
    }
    default: return path_endpoint(address);
  }
}

rt::Endpoint local_endpoint_of(int fd) {
  Address address;
  if (::getsockname(fd, &address.any, &address.size) != 0) return {};
  return endpoint_of(address);
}

}  // namespace ph::rt_real::detail
