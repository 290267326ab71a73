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
#include "codec/imap/engine.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/text.h"
#include "codec/imap/detail/opening.h"
#include "codec/imap/detail/wire.h"
#include "codec/imap/errors.h"

namespace ph::imap {

using detail::AppendHead;
using detail::Cursor;
using detail::LiteralHead;

namespace {

constexpr size_t kMinusLiteralMax = 4'096;  // RFC 7888 section 5
constexpr size_t kTailSize = 40;            // holds any announcement of a literal, and CR LF
constexpr size_t kIdleCapacity = 4'096;     // of buffers kept between commands

std::string_view without_line_end(std::string_view line) {
  if (line.ends_with('\n')) line.remove_suffix(1);
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

}  // namespace

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
    decide_starttls,
    decide_sasl,
    decide_idle,
    decide_message,
    closed,
  };

  size_t step(std::string_view bytes);
  size_t take_line(std::string_view bytes);
  size_t take_literal(std::string_view bytes);
  size_t take_message(std::string_view bytes);
  size_t discard_octets(std::string_view bytes);
  size_t discard_line(std::string_view bytes);

  void on_line();
  void on_command_line(std::string_view line);
  void on_literal(const LiteralHead& head);
  void on_command();
  void on_message(AppendHead head, uint32_t index);
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
  bool accepts_form(const LiteralHead& head) const;
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
    case Mode::decide_starttls:
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
    case Mode::decide_starttls:
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

void ServerEngine::Core::on_line() {
  const std::string_view line = std::string_view(buffer_).substr(line_start_);
  if (!line.ends_with("\r\n")) return give_up(Rejection::syntax, kLineEnd);
  switch (mode_) {
    case Mode::after_message: return on_after_message(without_line_end(line));
    case Mode::sasl: return on_sasl(without_line_end(line));
    case Mode::idle: return on_idle(without_line_end(line));
    default: return on_command_line(without_line_end(line));
  }
}

void ServerEngine::Core::on_command_line(std::string_view line) {
  const auto head = detail::literal_at_end(line);
  if (head && !detail::ends_in_quotes(line)) {
    on_literal(*head);
  } else {
    on_command();
  }
}

detail::Opening ServerEngine::Core::open() const {
  return detail::open_command(text(),
                              {.names = names_, .state = state_, .tag_limit = options_.tag_limit});
}

bool ServerEngine::Core::accepts_form(const LiteralHead& head) const {
  if (head.synchronising || options_.literals == LiteralSupport::plus) return true;
  return options_.literals == LiteralSupport::minus && head.size <= kMinusLiteralMax;
}

void ServerEngine::Core::on_literal(const LiteralHead& head) {
  detail::Opening opening = open();
  tag_ = opening.tag;
  if (!opening.problem.empty()) return give_up(opening.reason, opening.problem);
  if (!accepts_form(head)) return give_up(Rejection::syntax, kLiteralForm);
  if (opening.row->literals == detail::Literals::append) {
    Cursor in = opening.arguments;
    AppendHead append = detail::parse_append_head(in);
    if (in.ok()) {
      mailbox_ = append.mailbox;
      return on_message(std::move(append), 0);
    }
    if (!in.wants_literal()) return give_up(Rejection::syntax, in.problem());
  }
  const size_t room =
      limit(options_.command_limit_before_login, options_.command_limit) - line_octets_;
  const size_t held = buffer_.size() - line_octets_;  // in earlier literals
  if (head.size > limit(options_.literal_limit_before_login, options_.literal_limit)) {
    return give_up(Rejection::literal_too_big, kLiteralTooBig);
  }
  if (head.size > room - std::min(room, held)) {
    return give_up(Rejection::literal_too_big, kCommandTooLong);
  }
  if (head.synchronising) output_ += "+ OK\r\n";
  left_ = head.size;
  mode_ = left_ == 0 ? Mode::line : Mode::literal;
  line_start_ = buffer_.size();
}

void ServerEngine::Core::on_command() {
  detail::Opening opening = open();
  tag_ = opening.tag;
  if (!opening.problem.empty()) {
    reject(opening.reason, opening.problem);
    return reset();
  }
  Command command = opening.row->parse(opening.arguments, *opening.row);
  opening.arguments.end();
  if (!opening.arguments.ok()) {
    reject(Rejection::syntax, opening.arguments.problem());
    return reset();
  }
  Mode mode = Mode::line;
  if (std::holds_alternative<cmd::Starttls>(command)) mode = Mode::decide_starttls;
  if (std::holds_alternative<cmd::Authenticate>(command)) mode = Mode::decide_sasl;
  if (std::holds_alternative<cmd::Idle>(command)) mode = Mode::decide_idle;
  pending_ = CommandEvent{tag_, std::move(command)};
  const std::string tag = tag_;
  reset();
  mode_ = mode;
  if (mode != Mode::line) tag_ = tag;
}

void ServerEngine::Core::on_message(AppendHead head, uint32_t index) {
  if (head.literal.size > options_.message_limit) {
    return give_up(Rejection::message_too_big, kMessageTooBig);
  }
  index_ = index;
  left_ = head.literal.size;
  utf8_ = head.utf8;
  synchronising_ = head.literal.synchronising;
  buffer_.clear();
  line_start_ = 0;
  mode_ = Mode::decide_message;
  pending_ = MessageBegin{.tag = tag_,
                          .mailbox = mailbox_,
                          .flags = std::move(head.flags),
                          .internal_date = head.internal_date,
                          .size = left_,
                          .index = index,
                          .binary = head.literal.binary,
                          .utf8 = utf8_,
                          .synchronising = synchronising_};
}

void ServerEngine::Core::on_after_message(std::string_view line) {
  Cursor in(line, names_);
  if (utf8_ && !in.skip(')')) return give_up(Rejection::syntax, kParenthesisExpected);
  const auto head = detail::literal_at_end(line);
  if (!head) {
    in.end();
    if (!in.ok()) return give_up(Rejection::syntax, in.problem());
    pending_ = AppendEnd{tag_};
    return reset();
  }
  if (options_.multi_append == MultiAppend::refused) {
    return give_up(Rejection::syntax, kOneMessageOnly);
  }
  if (!accepts_form(*head)) return give_up(Rejection::syntax, kLiteralForm);
  AppendHead append = detail::parse_next_append(in);
  if (!in.ok()) return give_up(Rejection::syntax, in.problem());
  on_message(std::move(append), index_ + 1);
}

void ServerEngine::Core::on_sasl(std::string_view line) {
  SaslResponse response;
  if (line == "*") {
    response.cancelled = true;
  } else {
    auto data = base64_decode(line);
    if (!data) {
      reject(Rejection::sasl_malformed, kSaslMalformed);
      return reset();
    }
    response.data = *std::move(data);
  }
  pending_ = std::move(response);
  buffer_.clear();
  line_octets_ = 0;
  mode_ = Mode::decide_sasl;
}

void ServerEngine::Core::on_idle(std::string_view line) {
  if (!iequals(line, "DONE")) return give_up(Rejection::syntax, kNotDone);
  pending_ = IdleDone{tag_};
  reset();
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

void ServerEngine::Core::resume() {
  PH_CHECK(mode_ == Mode::decide_starttls || mode_ == Mode::decide_sasl ||
           mode_ == Mode::decide_idle);
  PH_CHECK(!pending_);
  reset();
}

void ServerEngine::Core::challenge(std::string_view data) {
  PH_CHECK(mode_ == Mode::decide_sasl);
  PH_CHECK(!pending_);
  output_ += "+ ";
  output_ += base64_encode(data);
  output_ += "\r\n";
  mode_ = Mode::sasl;
}

void ServerEngine::Core::idle() {
  PH_CHECK(mode_ == Mode::decide_idle);
  PH_CHECK(!pending_);
  output_ += "+ idling\r\n";
  mode_ = Mode::idle;
}

void ServerEngine::Core::accept_message() {
  PH_CHECK(mode_ == Mode::decide_message);
  PH_CHECK(!pending_);
  if (synchronising_) output_ += "+ OK\r\n";
  mode_ = left_ == 0 ? Mode::after_message : Mode::message;
}

void ServerEngine::Core::refuse_message() {
  PH_CHECK(mode_ == Mode::decide_message);
  PH_CHECK(!pending_);
  if (synchronising_) {
    reset();
  } else {
    begin_discard(left_);
  }
}

ServerEngine::ServerEngine(const EngineOptions& options) : core_(new Core(options)) {
  PH_CHECK(options.chunk_size > 0);
  PH_CHECK(options.command_limit >= options.line_limit);
  PH_CHECK(options.command_limit_before_login >= options.line_limit_before_login);
}
ServerEngine::~ServerEngine() = default;
ServerEngine::ServerEngine(ServerEngine&&) noexcept = default;
ServerEngine& ServerEngine::operator=(ServerEngine&&) noexcept = default;

size_t ServerEngine::feed(std::string_view bytes) { return core_->feed(bytes); }
std::optional<Event> ServerEngine::next() { return core_->next(); }
Phase ServerEngine::phase() const { return core_->phase(); }
std::string& ServerEngine::output() { return core_->output_; }
std::string ServerEngine::take_output() { return std::exchange(core_->output_, {}); }
void ServerEngine::set_state(SessionState state) { core_->state_ = state; }
SessionState ServerEngine::state() const { return core_->state_; }
void ServerEngine::use_utf8_names() { core_->names_ = NameForm::utf8; }
void ServerEngine::resume() { core_->resume(); }
void ServerEngine::challenge(std::string_view data) { core_->challenge(data); }
void ServerEngine::idle() { core_->idle(); }
void ServerEngine::accept_message() { core_->accept_message(); }
void ServerEngine::refuse_message() { core_->refuse_message(); }

}  // namespace ph::imap
