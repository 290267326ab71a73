// How the engine works.
//
// buffer_ holds one command as it came, its literals in place, until it is whole; then it is parsed
// in one go. What must be decided earlier is decided at the end of a line that announces a literal:
// whether the command is known and allowed (or the client would send the literal for nothing),
// whether the literal fits, and whether it is a message of APPEND, which is streamed past buffer_.
// Each octet passes through one mode, and each mode ends at a place that is given by the octets
// alone, never by how they arrive: that is why feeding in pieces gives the same events.
//
// A refused command is answered at once. What of it is still to come is discarded: the rest of the
// line, and non-synchronising literals, which the client sends unasked; a synchronising one is
// never sent after a tagged answer, so the command ends there.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "codec/imap/detail/opening.h"
#include "codec/imap/engine.h"

namespace ph::imap {

inline std::string_view without_line_end(std::string_view line) {
  if (line.ends_with('\n')) line.remove_suffix(1);
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

class ServerEngine::Core {
 public:
  explicit Core(const EngineOptions& options) : options_(options) {}

  size_t feed(std::string_view bytes);
  std::optional<Event> next() { return std::exchange(pending_, std::nullopt); }
  Phase phase() const;

  void resume();
  void challenge(std::string_view data);
  void idle();
  void accept_message();
  void refuse_message();

  std::string output_;
  SessionState state_ = SessionState::not_authenticated;
  NameForm names_ = NameForm::modified_utf7;

 private:
  enum class Mode : uint8_t {
    line,           // of a command
    literal,        // of a command
    message,        // octets of APPEND
    after_message,  // the line behind them
    sasl,
    idle,
    discard_octets,
    discard_line,
    decide_handshake,
    decide_sasl,
    decide_idle,
    decide_message,
    closed,
  };

  static Mode decision_for(detail::Follow follow);
  size_t step(std::string_view bytes);
  size_t take_line(std::string_view bytes);
  size_t take_literal(std::string_view bytes);
  size_t take_message(std::string_view bytes);
  size_t discard_octets(std::string_view bytes);
  size_t discard_line(std::string_view bytes);

  void on_line();
  void on_command_line(std::string_view line);
  void on_literal(const detail::LiteralHead& head);
  void on_command();
  void on_message(detail::AppendHead head, uint32_t index);
  void on_after_message(std::string_view line);
  void on_sasl(std::string_view line);
  void on_idle(std::string_view line);

  void reject(Rejection reason, std::string_view text);
  void give_up(Rejection reason, std::string_view text);
  void skip_behind(std::string_view line);
  void begin_discard(uint64_t octets);
  void close(std::string_view text);
  void reset();
  std::string_view text() const { return without_line_end(buffer_); }
  detail::Opening open() const;
  bool accepts_form(const detail::LiteralHead& head) const;
  size_t limit(size_t before_login, size_t after_login) const {
    return state_ == SessionState::not_authenticated ? before_login : after_login;
  }

  EngineOptions options_;
  Mode mode_ = Mode::line;
  std::optional<Event> pending_;

  std::string tag_;         // known once the first line is read
  std::string buffer_;      // the command so far; after a message, the line behind it
  size_t line_start_ = 0;   // of the current line in buffer_
  size_t line_octets_ = 0;  // of the command so far, without literals
  uint64_t left_ = 0;       // octets of a literal, a message or a discard still to come
  uint64_t discarded_ = 0;  // octets of this command that were or will be discarded
  std::string tail_;        // the end of a line that is discarded

  std::string mailbox_;  // APPEND
  std::string chunk_;
  uint32_t index_ = 0;
  bool utf8_ = false;
  bool synchronising_ = false;
};

}  // namespace ph::imap
