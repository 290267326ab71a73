#include "rt/stream.h"

#include <arpa/inet.h>

#include <array>

#include "base/check.h"
#include "rt/errors.h"

namespace ph::rt {

std::string to_text(const Endpoint& endpoint) {
  switch (endpoint.kind) {
    case Endpoint::Kind::ipv4: return endpoint.host + ":" + std::to_string(endpoint.port);
    case Endpoint::Kind::ipv6: return "[" + endpoint.host + "]:" + std::to_string(endpoint.port);
    case Endpoint::Kind::local: return endpoint.host;
  }
  return endpoint.host;
}

Result<Endpoint> endpoint_of(std::string_view host, uint16_t port) {
  const std::string text(host);
  std::array<unsigned char, 16> binary{};
  std::array<char, INET6_ADDRSTRLEN> normal{};
  for (const int family : {AF_INET, AF_INET6}) {
    if (inet_pton(family, text.c_str(), binary.data()) != 1) continue;
    PH_CHECK(inet_ntop(family, binary.data(), normal.data(), normal.size()) != nullptr);
    const auto kind = family == AF_INET ? Endpoint::Kind::ipv4 : Endpoint::Kind::ipv6;
    return Endpoint{kind, normal.data(), port};
  }
  return fail(kBadAddress, text + " is not a numeric IP address");
}

Endpoint local_endpoint(std::string_view path) {
  return Endpoint{Endpoint::Kind::local, std::string(path), 0};
}

bool is_loopback(const Endpoint& endpoint) {
  if (endpoint.kind == Endpoint::Kind::local) return true;
  return endpoint.host == "::1" || endpoint.host.starts_with("127.");
}

Stream::~Stream() = default;
Listener::~Listener() = default;

// A wake-up is a hint and the clock is the truth: at its deadline each of these looks once more, so
// that a wake-up that got lost costs time but loses nothing.
Task<Result<size_t>> Stream::read(std::span<char> into, Deadline deadline,
                                  std::source_location where) {
  PH_CHECK(!into.empty());
  constexpr std::string_view kWhat = "reading from the peer";
  Woken woken = Woken::hint;
  for (;;) {
    Result<size_t> got = try_read(into);
    if (got.has_value() || !got.error().is(kWouldBlock)) co_return got;
    if (woken != Woken::hint) co_return to_status(woken, kWhat).error();
    woken = co_await readable(deadline, where);
    if (woken == Woken::cancelled) co_return to_status(woken, kWhat).error();
  }
}

Task<Status> Stream::write(std::string_view bytes, Deadline deadline, std::source_location where) {
  constexpr std::string_view kWhat = "writing to the peer";
  Woken woken = Woken::hint;
  while (!bytes.empty()) {
    const Result<size_t> put = try_write(bytes);
    if (put.has_value()) {
      bytes.remove_prefix(*put);
      continue;
    }
    if (!put.error().is(kWouldBlock)) co_return put.error();
    if (woken != Woken::hint) co_return to_status(woken, kWhat);
    woken = co_await writable(deadline, where);
    if (woken == Woken::cancelled) co_return to_status(woken, kWhat);
  }
  co_return Status();
}

Task<Result<std::unique_ptr<Stream>>> Listener::accept(Deadline deadline,
                                                       std::source_location where) {
  constexpr std::string_view kWhat = "waiting for a connection";
  Woken woken = Woken::hint;
  for (;;) {
    Result<std::unique_ptr<Stream>> got = try_accept();
    if (got.has_value() || !got.error().is(kWouldBlock)) co_return got;
    if (woken != Woken::hint) co_return to_status(woken, kWhat).error();
    woken = co_await acceptable(deadline, where);
    if (woken == Woken::cancelled) co_return to_status(woken, kWhat).error();
  }
}

}  // namespace ph::rt
