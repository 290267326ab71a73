// What can go wrong between two simulated hosts, as values that a test or scenario sets.
//
// A Fault is the fate of one connection. It comes from the newest rule whose Link matches it, else
// it is drawn from the FaultProfile (by the simulation's seed), else there is none.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/time.h"

namespace ph::rt_sim {

// Which connections are meant. Host names as given to Simulation::add_host; empty means any.
struct Link {
  std::string from = {};              // the host that dials
  std::string to = {};                // the host that listens
  std::optional<uint16_t> port = {};  // the listener's port
  std::string path = {};              // the listener's local socket (then port is not looked at)
};

// As seen from the one who dialed.
enum class Direction : uint8_t { to_server, to_client, both };

// What the one who dials sees: kRefused, kUnreachable, or (silence) its own deadline.
enum class DialFault : uint8_t { none, refuse, unreachable, silence };

// reset: both ends see kReset. silence: nothing passes any more in this direction and nobody is
// told; only deadlines end it. half_close: the receiver of this direction sees the end of the
// stream; what the sender still sends vanishes.
enum class CutKind : uint8_t { reset, silence, half_close };

struct Cut {
  CutKind kind = CutKind::reset;
  Direction direction = Direction::both;  // both: whichever has carried so many octets first
  uint64_t after_bytes = 0;               // octets that still pass
};

// Octets behind the first `after_bytes` wait for `length` (for ever by default, or until heal) and
// then go on in order.
struct Stall {
  Direction direction = Direction::both;
  uint64_t after_bytes = 0;
  Duration length = Duration::max();
};

struct Fault {
  DialFault dial = DialFault::none;
  Duration delay = {};  // added to every one-way latency
  std::optional<Cut> cut = {};
  std::optional<Stall> stall = {};
  // This share of arrivals does not wake the reader, who then finds the octets at its next look.
  // Outside what a kernel does; proves that deadlines alone end every wait. Never drawn at random.
  uint32_t lost_wakes_percent = 0;
};

// How a healthy connection behaves. Every range is drawn from once per use, ends included.
struct LinkShape {
  Duration latency_min = Duration::microseconds(200);
  Duration latency_max = Duration::milliseconds(20);
  uint64_t bytes_per_second = 50'000'000;
  // Octets on their way or unread in one direction; drawn once per connection. Small windows make
  // writers wait.
  uint64_t window_min = 1024;
  uint64_t window_max = 256 * 1024;
  // This share of reads and writes takes only a random part of what it could.
  uint32_t fragment_percent = 30;
  // This share of waits is woken though nothing has come.
  uint32_t idle_wake_percent = 1;
};

// Percentages of connections that meet each fault (at most one each; they add up to <= 100).
// Connections within one host are spared: only rules touch them.
struct FaultProfile {
  uint32_t refuse = 0;
  uint32_t unreachable = 0;
  uint32_t dial_silence = 0;
  uint32_t slow = 0;         // delay up to `delay_max`
  uint32_t stall = 0;        // for up to `stall_max`
  uint32_t stall_ever = 0;   // for ever
  uint32_t cut_reset = 0;    // after up to `cut_bytes_max` octets
  uint32_t cut_silence = 0;  // likewise
  uint32_t half_close = 0;   // likewise
  Duration delay_max = Duration::seconds(2);
  Duration stall_max = Duration::minutes(3);
  uint64_t cut_bytes_max = 8192;

  static FaultProfile calm() { return {}; }
  // About a third of all connections meet something.
  static FaultProfile rough() {
    return {.refuse = 5,
            .unreachable = 2,
            .dial_silence = 3,
            .slow = 6,
            .stall = 4,
            .stall_ever = 2,
            .cut_reset = 6,
            .cut_silence = 3,
            .half_close = 3};
  }
};

}  // namespace ph::rt_sim
