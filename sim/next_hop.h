// A next hop: another mail server, scripted. It takes mail on port 25 of its own host and does at
// each step of the conversation what the test or scenario tells it to.
//
// What it has taken is remembered by letter and recipient, from the moment at which a real server
// would have it on disk: before the answer to the final dot is sent, whether that answer arrives or
// not. All calls are made between two steps of the simulation.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/random.h"
#include "codec/smtp/reply.h"
#include "rt_sim/simulation.h"

namespace ph::sim {

inline constexpr uint16_t kSmtpPort = 25;

// tls: the peer said STARTTLS. handshake: it was told to go on (220) and begins to.
enum class HopStep : uint8_t { greeting, hello, tls, handshake, sender, recipient, data, final };
std::string_view to_text(HopStep step);
std::optional<HopStep> hop_step_named(std::string_view name);

// At `step`, `times` times: answer, say nothing any more, or drop the connection. At `final`, stall
// and drop come after the message was taken: its answer is lost. An answer at `handshake` is text
// in the clear where TLS should be.
struct HopRule {
  enum class Act : uint8_t { answer, stall, drop };
  HopStep step = HopStep::recipient;
  Act act = Act::answer;
  smtp::Reply reply;      // answer
  std::string recipient;  // at step recipient: only this one; "" is every
  uint64_t times = UINT64_MAX;
  uint32_t percent = 100;
};

enum class Door : uint8_t { open, closed };  // closed: connections are refused

// What it does with the next `count` messages, or (refuse) with the next dials: turns follow one
// another, over all connections; behind the last one the rules hold again.
struct HopTurn {
  enum class Kind : uint8_t { take, act, refuse } kind = Kind::take;
  uint64_t count = 1;
  HopRule rule;  // act; its step is one of a message's
};

struct HopConduct {
  std::vector<HopRule> rules;  // the first that fits acts
  std::deque<HopTurn> turns;
  Duration think;                            // before each answer
  std::optional<uint64_t> drop_after_bytes;  // of what the client sends in one connection
  // Offers STARTTLS, which it cannot do: without a rule it says 220 and then sends what is no
  // ServerHello.
  bool offers_tls = false;
};

class NextHop {
 public:
  using Say = std::function<void(const std::string&)>;
  NextHop(rt_sim::Host& host, uint64_t seed, Say say);
  ~NextHop();
  NextHop(const NextHop&) = delete;
  NextHop& operator=(const NextHop&) = delete;

  rt_sim::Host& host() { return host_; }
  const std::string& name() const { return host_.name(); }

  // From the next event of every session on. Closing the door resets the connections that live.
  void set_conduct(HopConduct conduct) { conduct_ = std::move(conduct); }
  HopConduct& conduct() { return conduct_; }
  void set_door(Door door);
  // Called when a message begins, in the middle of the simulation's step.
  void set_message_hook(std::function<void()> hook) { message_hook_ = std::move(hook); }
  void heal();  // the door open, no rules
  // Makes the next dials to it fail; set by who owns the network.
  void set_refusal(std::function<void(uint64_t)> refuse) { refuse_dials_ = std::move(refuse); }
  // Says 250 and forgets from now on: what tests of the tests need.
  void lose_messages() { loses_messages_ = true; }

  // How often it took this letter for this recipient; for "" over all recipients.
  size_t taken(std::string_view marker, std::string_view recipient) const;
  uint64_t taken_total() const { return taken_total_; }
  uint64_t connections() const { return connections_; }

 private:
  class Session;
  struct Program;
  std::shared_ptr<void> boot(rt::Runtime& runtime);
  rt::Task<void> accept_all(Program& program);
  rt::Task<void> serve(rt::Loop& loop, std::unique_ptr<rt::Stream> stream);
  std::optional<HopRule> next_turn();
  std::optional<HopRule> rule_for(HopStep step, std::string_view recipient);
  void take(const std::string& marker, const std::vector<std::string>& recipients);

  rt_sim::Host& host_;
  Random random_;
  Say say_;
  HopConduct conduct_;
  std::function<void()> message_hook_ = [] {};
  std::function<void(uint64_t)> refuse_dials_ = [](uint64_t) {};
  Door door_ = Door::open;
  bool loses_messages_ = false;
  std::map<std::pair<std::string, std::string>, size_t> taken_;  // marker, recipient
  uint64_t taken_total_ = 0;
  uint64_t connections_ = 0;
};

}  // namespace ph::sim
