// TCP and local sockets as rt::Stream and rt::Listener, and how to connect.
#pragma once

#include <memory>
#include <string>

#include "rt/runtime.h"
#include "rt_real/detail/address.h"
#include "rt_real/detail/descriptor.h"

namespace ph::rt_real::detail {

class SocketStream final : public rt::Stream {
 public:
  SocketStream(RealLoop& loop, Fd fd, Descriptor::Assume assume, rt::Endpoint peer);

  rt::Loop& loop() const override { return socket_.loop(); }
  rt::Endpoint peer() const override { return peer_; }
  rt::Endpoint local() const override;
  Result<size_t> try_read(std::span<char> into) override;
  Result<size_t> try_write(std::string_view bytes) override;
  rt::ParkAwaiter readable(rt::Deadline deadline, std::source_location where) override;
  rt::ParkAwaiter writable(rt::Deadline deadline, std::source_location where) override;
  void nudge_reader() override { socket_.nudge(socket_.in()); }
  void shutdown_write() override;
  void close() override { socket_.close(); }
  Result<std::unique_ptr<rt::Stream>> rehome(rt::Loop& target) override;

  bool closed() const { return socket_.closed(); }
  // While connecting: whether the kernel has an answer, and which.
  bool connect_ended();
  Status connect_result();

 private:
  Result<size_t> end_of_stream();

  Descriptor socket_;
  rt::Endpoint peer_;
  // Final errors stay: the kernel tells each only once. They are kept per direction because what
  // the peer said before it reset the connection may still be read (a 421 with its reason).
  const ErrorKind* read_failed_ = nullptr;
  const ErrorKind* write_failed_ = nullptr;
};

class SocketListener final : public rt::Listener {
 public:
  static Result<std::unique_ptr<rt::Listener>> open(RealLoop& loop,
                                                    const rt::ListenOptions& options);
  ~SocketListener() override { close(); }

  rt::Loop& loop() const override { return socket_.loop(); }
  rt::Endpoint local() const override { return local_; }
  Result<std::unique_ptr<rt::Stream>> try_accept() override;
  rt::ParkAwaiter acceptable(rt::Deadline deadline, std::source_location where) override;
  void close() override;

 private:
  SocketListener(RealLoop& loop, Fd fd, rt::Endpoint local);

  RealLoop& loop_;
  Descriptor socket_;
  rt::Endpoint local_;
  uint64_t inode_ = 0;  // of a local socket's file: only that one is removed at the end
};

rt::Task<Result<std::unique_ptr<rt::Stream>>> dial(RealLoop& loop, rt::DialOptions options,
                                                   rt::Deadline deadline);

}  // namespace ph::rt_real::detail
