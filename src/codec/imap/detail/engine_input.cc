// Octets in: which mode takes them, where each ends, and what is discarded.
#include "base/check.h"
#include "codec/imap/detail/engine_core.h"
#include "codec/imap/errors.h"

namespace ph::imap {

namespace {

constexpr size_t kTailSize = 40;         // holds any announcement of a literal, and CR LF
constexpr size_t kIdleCapacity = 4'096;  // of buffers kept between commands

}  // namespace

Phase ServerEngine::Core::phase() const {
  switch (mode_) {
    case Mode::line: return buffer_.empty() ? Phase::between_commands : Phase::in_command;
    case Mode::literal:
    case Mode::after_message: return Phase::in_command;
    case Mode::message: return Phase::in_message;
    case Mode::sasl: return Phase::sasl_response;
    case Mode::idle: return Phase::idle;
    case Mode::discard_octets:
    case Mode::discard_line: return Phase::discarding;
    case Mode::decide_handshake:
    case Mode::decide_sasl:
    case Mode::decide_idle:
    case Mode::decide_message: return Phase::decision;
    case Mode::closed: return Phase::closed;
  }
  return Phase::closed;
}

size_t ServerEngine::Core::feed(std::string_view bytes) {
  size_t at = 0;
  while (!pending_ && at < bytes.size()) {
    const size_t consumed = step(bytes.substr(at));
    if (consumed == 0) break;
    at += consumed;
  }
  return at;
}

size_t ServerEngine::Core::step(std::string_view bytes) {
  switch (mode_) {
    case Mode::line:
    case Mode::after_message:
    case Mode::sasl:
    case Mode::idle: return take_line(bytes);
    case Mode::literal: return take_literal(bytes);
    case Mode::message: return take_message(bytes);
    case Mode::discard_octets: return discard_octets(bytes);
    case Mode::discard_line: return discard_line(bytes);
    case Mode::decide_handshake:
    case Mode::decide_sasl:
    case Mode::decide_idle:
    case Mode::decide_message:
    case Mode::closed: return 0;
  }
  return 0;
}

size_t ServerEngine::Core::take_line(std::string_view bytes) {
  const size_t limit_now = limit(options_.line_limit_before_login, options_.line_limit);
  PH_CHECK(line_octets_ <= limit_now);
  const std::string_view window = bytes.substr(0, limit_now + 1 - line_octets_);
  const size_t line_feed = window.find('\n');
  const size_t count = line_feed == std::string_view::npos ? window.size() : line_feed + 1;
  buffer_.append(window.substr(0, count));
  line_octets_ += count;
  if (line_octets_ > limit_now) {
    give_up(Rejection::line_too_long, mode_ == Mode::sasl ? kSaslTooLong : kLineTooLong);
  } else if (line_feed != std::string_view::npos) {
    on_line();
  }
  return count;
}

size_t ServerEngine::Core::take_literal(std::string_view bytes) {
  const size_t count = static_cast<size_t>(std::min<uint64_t>(left_, bytes.size()));
  buffer_.append(bytes.substr(0, count));
  left_ -= count;
  if (left_ == 0) {
    line_start_ = buffer_.size();
    mode_ = Mode::line;
  }
  return count;
}

size_t ServerEngine::Core::take_message(std::string_view bytes) {
  const uint64_t room = std::min<uint64_t>(left_, options_.chunk_size - chunk_.size());
  const size_t count = static_cast<size_t>(std::min<uint64_t>(room, bytes.size()));
  if (chunk_.empty()) chunk_.reserve(static_cast<size_t>(room));
  chunk_.append(bytes.substr(0, count));
  left_ -= count;
  if (left_ == 0 || chunk_.size() == options_.chunk_size) {
    pending_ = MessageData{std::exchange(chunk_, {})};
  }
  if (left_ == 0) mode_ = Mode::after_message;
  return count;
}

size_t ServerEngine::Core::discard_octets(std::string_view bytes) {
  const size_t count = static_cast<size_t>(std::min<uint64_t>(left_, bytes.size()));
  left_ -= count;
  if (left_ == 0) mode_ = Mode::discard_line;
  return count;
}

size_t ServerEngine::Core::discard_line(std::string_view bytes) {
  const size_t line_feed = bytes.find('\n');
  const size_t count = line_feed == std::string_view::npos ? bytes.size() : line_feed + 1;
  const std::string_view piece = bytes.substr(0, count);
  tail_.append(piece.substr(piece.size() - std::min(piece.size(), kTailSize)));
  if (tail_.size() > kTailSize) tail_.erase(0, tail_.size() - kTailSize);
  if (line_feed != std::string_view::npos) {
    const std::string line = std::exchange(tail_, {});
    skip_behind(without_line_end(line));
  }
  return count;
}

void ServerEngine::Core::reject(Rejection reason, std::string_view text) {
  output_ += tag_.empty() ? std::string_view("*") : std::string_view(tag_);
  output_ += reason == Rejection::message_too_big ? " NO [TOOBIG] " : " BAD ";
  output_ += text;
  output_ += "\r\n";
  pending_ = Rejected{reason, tag_, std::string(text)};
}

// Refuses the command at the line that stands last in buffer_, whole or not.
void ServerEngine::Core::give_up(Rejection reason, std::string_view text) {
  // A tag that fills the line so far may go on.
  const bool tag_is_whole = buffer_.ends_with('\n') || buffer_.contains(' ');
  if (tag_.empty() && tag_is_whole) tag_ = open().tag;
  reject(reason, text);
  const std::string line = buffer_.substr(line_start_);
  if (line.ends_with('\n')) return skip_behind(without_line_end(line));
  tail_ = line.substr(line.size() - std::min(line.size(), kTailSize));
  mode_ = Mode::discard_line;
  buffer_ = {};
  line_start_ = 0;
}

// After a line of a refused command: what the client sends on unasked is skipped.
void ServerEngine::Core::skip_behind(std::string_view line) {
  const auto head = detail::literal_at_end(line);
  if (head && !head->synchronising) return begin_discard(head->size);
  reset();
}

void ServerEngine::Core::begin_discard(uint64_t octets) {
  if (octets > options_.discard_limit - std::min(options_.discard_limit, discarded_)) {
    return close(kDiscardTooBig);
  }
  discarded_ += octets;
  left_ = octets;
  buffer_ = {};
  line_start_ = 0;
  tail_.clear();
  mode_ = octets == 0 ? Mode::discard_line : Mode::discard_octets;
}

void ServerEngine::Core::close(std::string_view text) {
  output_ += "* BYE [TOOBIG] ";
  output_ += text;
  output_ += "\r\n";
  if (!pending_) pending_ = Rejected{Rejection::literal_too_big, tag_, std::string(text)};
  reset();
  mode_ = Mode::closed;
}

// Ready for the next command.
void ServerEngine::Core::reset() {
  mode_ = Mode::line;
  buffer_.clear();
  if (buffer_.capacity() > kIdleCapacity) buffer_.shrink_to_fit();
  tag_.clear();
  mailbox_.clear();
  line_start_ = 0;
  line_octets_ = 0;
  discarded_ = 0;
}

}  // namespace ph::imap
