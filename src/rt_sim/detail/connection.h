// One simulated connection: two ends and a pipe in each direction.
//
// The problem: a program must meet everything that TCP can do to it, in an order that the seed
// decides, and each of it must be traceable to a rule. The idea: a Pipe is the one place where
// octets, ends of stream and resets travel, in order, as segments with an arrival time. Every fault
// is a change to segments: a stall holds those behind an offset, a silent cut swallows what is put
// in, a partition delays the head, a reset is itself a segment. Only the head has a timer.
//
// Invariants: segments arrive in order; octets in flight, unread and lost never exceed the window;
// a Connection lives until neither end has a stream or a dial or a backlog that refers to it.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/time.h"
#include "rt/stream.h"
#include "rt/timers.h"
#include "rt_sim/faults.h"
#include "rt_sim/network.h"

namespace ph::rt_sim::detail {

class Connection;
class Net;
class SimStream;
struct Machine;

enum class Side : uint8_t { client, server };
constexpr Side other(Side side) { return side == Side::client ? Side::server : Side::client; }

// The receiving half of `reader` and the sending half of the other side.
class Pipe {
 public:
  Pipe(Connection& connection, Side reader, uint64_t window);
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;

  // For the sender.
  uint64_t room() const;
  void put(std::string_view bytes);  // at most room()
  void put_end();
  void put_reset();
  void want_room() { wanted_ = true; }

  // For the receiver.
  size_t unread() const { return inbox_.size() - taken_; }
  size_t take(std::span<char> into);
  bool at_end() const { return ended_; }
  bool drop_unread();  // whether there was anything

  // Faults.
  void set_cut(const Cut& cut);
  void set_stall(const Stall& stall);
  void go_silent();
  void heal();        // stalls end, silence no longer hides resets
  void tell_lost();   // a sender who has lost octets to a silent cut sees a reset
  void reschedule();  // partitions may have changed
  bool has_lost() const { return lost_ > 0; }
  bool ended_by_sender() const { return end_put_; }
  void strike_if_due();
  void swallow() { swallowed_ = true; }

 private:
  struct Segment {
    enum class Kind : uint8_t { octets, end, reset } kind = Kind::octets;
    bool held = false;  // by the stall
    Instant at;
    std::string bytes;
  };
  class Arrival final : public rt::Timer {
   public:
    explicit Arrival(Pipe& pipe) : pipe_(pipe) {}

   private:
    void fired() override { pipe_.arrived(); }
    Pipe& pipe_;
  };
  class RoomNews final : public rt::Timer {
   public:
    explicit RoomNews(Pipe& pipe) : pipe_(pipe) {}

   private:
    void fired() override;
    Pipe& pipe_;
  };

  void push(Segment::Kind kind, std::string_view bytes);
  void push_octets(std::string_view bytes);
  void strike();
  Instant due(const Segment& head) const;
  void arm_arrival();
  void arm_room_news();
  void arrived();
  void deliver(const Segment& segment);
  void deliver_octets(std::string_view bytes);

  Connection& connection_;
  Side reader_;
  uint64_t window_;
  std::deque<Segment> flight_;
  uint64_t flight_bytes_ = 0;
  std::string inbox_;
  size_t taken_ = 0;
  uint64_t carried_ = 0;  // octets put so far, up to a cut
  uint64_t lost_ = 0;     // octets that will never be acknowledged
  Instant last_at_;
  std::optional<Cut> cut_;  // offsets counted from the connection's start
  std::optional<Stall> stall_;
  Instant stalled_until_;
  bool silent_ = false;     // nothing passes, nothing is acknowledged
  bool swallowed_ = false;  // nothing passes, everything is acknowledged
  bool healed_ = false;
  bool told_ = false;
  bool end_put_ = false;
  bool ended_ = false;
  bool wanted_ = false;  // the sender waits for room
  std::optional<Instant> room_news_at_;
  Arrival arrival_{*this};
  RoomNews room_news_{*this};
};

class Connection {
 public:
  struct Making {
    uint64_t id = 0;
    Machine* client = nullptr;
    Machine* server = nullptr;
    rt::Endpoint client_endpoint;
    rt::Endpoint server_endpoint;
    LinkShape shape = {};
    Fault fault = {};
  };
  Connection(Net& net, Making making);
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // pending: its stream does not exist yet. closed: the program let go of it. dead: its host died.
  enum class State : uint8_t { pending, open, closed, dead };
  struct End {
    State state = State::pending;
    bool reset = false;  // a reset has arrived, or it was the one who sent it
    SimStream* stream = nullptr;
  };

  uint64_t id() const { return making_.id; }
  Net& net() { return net_; }
  const Making& making() const { return making_; }
  Machine& machine(Side side) const {
    return side == Side::client ? *making_.client : *making_.server;
  }
  const rt::Endpoint& endpoint(Side side) const {
    return side == Side::client ? making_.client_endpoint : making_.server_endpoint;
  }
  bool within_one_host() const { return making_.client == making_.server; }
  End& end(Side side) { return ends_[static_cast<size_t>(side)]; }
  const End& end(Side side) const { return ends_[static_cast<size_t>(side)]; }
  Pipe& pipe_to(Side reader) { return reader == Side::client ? to_client_ : to_server_; }

  void established();  // faults that strike before the first octet do so
  // The program lets go of this end; the connection may be gone afterwards.
  void close(Side side);
  void abort(Side side);  // the same, but the peer sees a reset
  // The host of this end died, having told its peer or not.
  enum class Farewell : uint8_t { reset, silence };
  void die(Side side, Farewell farewell);
  void reset_arrived(Side side);
  // Something arrived for an end that is not there any more.
  void answer_with_reset(Side side);
  void set_cut(const Cut& cut);
  void set_stall(const Stall& stall);
  void silence(Direction direction);
  void reset_both();
  void heal();
  void reschedule();
  Duration latency();
  void capture(Side sender, std::string_view bytes);
  void set_capture(Capture* capture) { capture_ = capture; }
  bool abandoned() const;  // nobody refers to it any more

 private:
  Net& net_;
  Making making_;
  std::array<End, 2> ends_;
  Pipe to_server_;
  Pipe to_client_;
  Capture* capture_ = nullptr;  // may be absent; owned by the Net, for its whole life
};

}  // namespace ph::rt_sim::detail
