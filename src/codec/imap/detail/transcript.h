// A driver of the engine for tests and fuzzers: feeds octets cut in any way, decides always the
// same, and keeps all that came out.
#pragma once

#include <algorithm>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "codec/imap/engine.h"

namespace ph::imap::detail {

struct Transcript {
  std::vector<Event> events;
  std::string output;
  Phase phase = Phase::between_commands;
  size_t consumed = 0;
  bool operator==(const Transcript&) const = default;
};

// Accepts every LOGIN, SELECT, IDLE and message, but those for the mailbox "refused"; challenges
// once in AUTHENTICATE.
class TranscriptDriver {
 public:
  explicit TranscriptDriver(const EngineOptions& options,
                            SessionState state = SessionState::not_authenticated)
      : engine_(options) {
    engine_.set_state(state);
  }

  ServerEngine& engine() { return engine_; }

  // `cut` says how many octets the next feed gets, at most as many as are left.
  Transcript run(std::string_view input, const std::function<size_t(size_t left)>& cut) {
    Transcript out;
    while (!input.empty()) {
      const size_t offered = std::clamp<size_t>(cut(input.size()), 1, input.size());
      const size_t consumed = engine_.feed(input.substr(0, offered));
      PH_CHECK(consumed <= offered);
      input.remove_prefix(consumed);
      out.consumed += consumed;
      bool went_on = consumed > 0;
      while (auto event = engine_.next()) {
        went_on = true;
        decide(*event);
        out.events.push_back(std::move(*event));
      }
      if (!went_on) break;  // closed
    }
    out.output = engine_.take_output();
    out.phase = engine_.phase();
    return out;
  }
  Transcript run(std::string_view input) {
    return run(input, [](size_t left) { return left; });
  }

 private:
  void decide(const Event& event) {
    if (const auto* begin = std::get_if<MessageBegin>(&event)) {
      if (begin->mailbox == "refused") {
        engine_.refuse_message();
      } else {
        engine_.accept_message();
      }
    }
    if (std::holds_alternative<SaslResponse>(event)) engine_.resume();
    const auto* command = std::get_if<CommandEvent>(&event);
    if (command == nullptr) return;
    const Command& c = command->command;
    if (std::holds_alternative<cmd::Login>(c)) engine_.set_state(SessionState::authenticated);
    if (std::holds_alternative<cmd::Select>(c)) engine_.set_state(SessionState::selected);
    if (std::holds_alternative<cmd::Close>(c)) engine_.set_state(SessionState::authenticated);
    if (std::holds_alternative<cmd::Starttls>(c)) engine_.resume();
    if (std::holds_alternative<cmd::Authenticate>(c)) engine_.challenge("go on");
    if (std::holds_alternative<cmd::Idle>(c)) engine_.idle();
  }

  ServerEngine engine_;
};

}  // namespace ph::imap::detail
