// Streams, listeners and the addresses they carry.
//
// A Stream is a connection as non-blocking primitives (try_read, try_write) plus two waits; read()
// and write() are the same for every kind of stream and are what nearly everyone calls. One
// activity reads and one writes at a time; home loop only. Dropping a Stream closes it.
#pragma once

#include <cstdint>
#include <memory>
#include <source_location>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"
#include "rt/deadline.h"
#include "rt/loop.h"
#include "rt/parking.h"
#include "rt/task.h"

namespace ph::rt {

// A numeric IP address with a port, or the path of a local socket (then port is 0).
struct Endpoint {
  enum class Kind : uint8_t { ipv4, ipv6, local };
  Kind kind = Kind::ipv4;
  std::string host;  // "127.0.0.1", "::1" or a path
  uint16_t port = 0;

  bool operator==(const Endpoint&) const = default;
};

// "127.0.0.1:25", "[::1]:25", or the path.
std::string to_text(const Endpoint& endpoint);
// From host (a numeric address of either family) and port; kBadAddress if it is not numeric.
Result<Endpoint> endpoint_of(std::string_view host, uint16_t port);
Endpoint local_endpoint(std::string_view path);
bool is_loopback(const Endpoint& endpoint);

class Stream {
 public:
  Stream() = default;
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;
  virtual ~Stream();

  virtual Loop& loop() const = 0;
  virtual Endpoint peer() const = 0;
  virtual Endpoint local() const = 0;

  // Up to into.size() octets that are there now; 0 is the end of the stream; kWouldBlock if none
  // are there yet. Other errors are final.
  virtual Result<size_t> try_read(std::span<char> into) = 0;
  // As much of `bytes` as fits now; kWouldBlock if nothing does.
  virtual Result<size_t> try_write(std::string_view bytes) = 0;
  virtual ParkAwaiter readable(Deadline deadline, std::source_location where) = 0;
  virtual ParkAwaiter writable(Deadline deadline, std::source_location where) = 0;
  // Wakes the activity that is parked in readable() with a hint, though nothing may have come: how
  // a session that waits for its peer learns that something else happened (IMAP IDLE). Remembered
  // like Parking::wake when nobody is parked.
  virtual void nudge_reader() = 0;
  // No more octets from us (the peer reads the end of the stream); reading goes on.
  virtual void shutdown_write() = 0;
  // Both directions end now; waits of this stream end with kClosed or a hint. Idempotent.
  virtual void close() = 0;
  // Moves the connection to another loop: this object is dead afterwards and the result belongs to
  // `target` (hand it over with target.post). Nothing may be parked on the stream.
  virtual Result<std::unique_ptr<Stream>> rehome(Loop& target) = 0;

  // At least one octet, or 0 at the end of the stream, or kTimedOut, kCancelled, kReset ...
  Task<Result<size_t>> read(std::span<char> into, Deadline deadline,
                            std::source_location where = std::source_location::current());
  // All of `bytes`, which must stay valid until then.
  Task<Status> write(std::string_view bytes, Deadline deadline,
                     std::source_location where = std::source_location::current());
};

class Listener {
 public:
  Listener() = default;
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;
  virtual ~Listener();

  virtual Loop& loop() const = 0;
  // With the port that was really bound (listen on port 0 to be given one).
  virtual Endpoint local() const = 0;
  // kWouldBlock if nobody waits; kNoDescriptors when the process has no descriptor left (the caller
  // backs off: the connection stays in the kernel's queue).
  virtual Result<std::unique_ptr<Stream>> try_accept() = 0;
  virtual ParkAwaiter acceptable(Deadline deadline, std::source_location where) = 0;
  virtual void close() = 0;

  Task<Result<std::unique_ptr<Stream>>> accept(
      Deadline deadline, std::source_location where = std::source_location::current());
};

}  // namespace ph::rt
