// What a program holds of the simulated network: streams, listeners and dials on their way.
#pragma once

#include <deque>
#include <memory>
#include <source_location>

#include "rt/parking.h"
#include "rt/runtime.h"
#include "rt/stream.h"
#include "rt_sim/detail/connection.h"
#include "rt_sim/detail/net.h"

namespace ph::rt_sim::detail {

class SimStream final : public rt::Stream {
 public:
  SimStream(rt::Loop& loop, Connection& connection, Side side);
  ~SimStream() override;

  rt::Loop& loop() const override { return loop_; }
  rt::Endpoint peer() const override { return peer_; }
  rt::Endpoint local() const override { return local_; }
  Result<size_t> try_read(std::span<char> into) override;
  Result<size_t> try_write(std::string_view bytes) override;
  rt::ParkAwaiter readable(rt::Deadline deadline, std::source_location where) override;
  rt::ParkAwaiter writable(rt::Deadline deadline, std::source_location where) override;
  void nudge_reader() override { reading_.wake(); }
  void shutdown_write() override;
  void close() override;
  Result<std::unique_ptr<rt::Stream>> rehome(rt::Loop& target) override;

  // From the connection.
  void wake_reader() { reading_.wake(); }
  void wake_writer() { writing_.wake(); }
  void orphan() { connection_ = nullptr; }  // its host died: the network no longer knows it

 private:
  bool can_read();
  bool can_write();
  size_t piece_of(size_t size);

  rt::Loop& loop_;
  Connection* connection_;  // null once closed
  Side side_;
  rt::Endpoint peer_;
  rt::Endpoint local_;
  bool write_ended_ = false;
  rt::Parking reading_;
  rt::Parking writing_;
};

class SimListener final : public rt::Listener {
 public:
  SimListener(rt::Loop& loop, Net& net, Machine& machine, ListenPlace place);
  ~SimListener() override;

  rt::Loop& loop() const override { return loop_; }
  rt::Endpoint local() const override { return place_.at; }
  Result<std::unique_ptr<rt::Stream>> try_accept() override;
  rt::ParkAwaiter acceptable(rt::Deadline deadline, std::source_location where) override;
  void close() override;

  const ListenPlace& place() const { return place_; }
  bool full() const { return backlog_.size() >= place_.backlog; }
  void offer(Connection& connection);
  void orphan() { machine_ = nullptr; }  // its host died

 private:
  rt::Loop& loop_;
  Net& net_;
  Machine* machine_;  // null once closed
  ListenPlace place_;
  std::deque<uint64_t> backlog_;  // ids of connections
  rt::Parking accepting_;
};

// One dial: its SYN on the way, retried while nobody answers, then the connection it made.
class Dial final : private rt::Timer {
 public:
  Dial(Net& net, Machine& from, rt::Loop& loop);
  ~Dial() override;

  Status start(const rt::DialOptions& options);
  bool done() const { return outcome_.has_value(); }
  rt::ParkAwaiter wait(rt::Deadline deadline, std::source_location where) {
    return changed_.park(deadline, "a connection to be made", where);
  }
  Result<std::unique_ptr<rt::Stream>> take();

 private:
  enum class Phase : uint8_t { asking, failing, answered };
  void fired() override;
  void arrive();
  void fail_after(const ErrorKind& kind, Duration delay);
  void retry();
  Status choose_local(const rt::DialOptions& options);

  Net& net_;
  Machine& from_;
  rt::Loop& loop_;
  rt::Parking changed_;
  Phase phase_ = Phase::asking;
  rt::Endpoint to_;
  rt::Endpoint local_;
  Machine* target_ = nullptr;
  Fault fault_;
  const ErrorKind* failure_ = nullptr;
  uint64_t connection_ = 0;  // none until answered, and again once taken
  std::optional<Status> outcome_;
};

}  // namespace ph::rt_sim::detail
