// What a complete line means: commands, literals, messages of APPEND, SASL, IDLE.
#include "base/text.h"
#include "codec/imap/detail/engine_core.h"
#include "codec/imap/errors.h"

namespace ph::imap {

namespace {

constexpr size_t kMinusLiteralMax = 4'096;  // RFC 7888 section 5

}  // namespace

ServerEngine::Core::Mode ServerEngine::Core::decision_for(detail::Follow follow) {
  switch (follow) {
    case detail::Follow::command: return Mode::line;
    case detail::Follow::handshake: return Mode::decide_handshake;
    case detail::Follow::sasl: return Mode::decide_sasl;
    case detail::Follow::idle: return Mode::decide_idle;
  }
  return Mode::line;
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

bool ServerEngine::Core::accepts_form(const detail::LiteralHead& head) const {
  if (head.synchronising || options_.literals == LiteralSupport::plus) return true;
  return options_.literals == LiteralSupport::minus && head.size <= kMinusLiteralMax;
}

void ServerEngine::Core::on_literal(const detail::LiteralHead& head) {
  detail::Opening opening = open();
  tag_ = opening.tag;
  if (!opening.problem.empty()) return give_up(opening.reason, opening.problem);
  if (!accepts_form(head)) return give_up(Rejection::syntax, kLiteralForm);
  if (opening.row->literals == detail::Literals::append) {
    detail::Cursor in = opening.arguments;
    detail::AppendHead append = detail::parse_append_head(in);
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
  const std::string tag = tag_;
  pending_ = CommandEvent{tag, std::move(command)};
  const detail::Follow follow = opening.row->follow;
  reset();
  if (follow == detail::Follow::command) return;
  tag_ = tag;
  mode_ = decision_for(follow);
}

void ServerEngine::Core::on_message(detail::AppendHead head, uint32_t index) {
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
  detail::Cursor in(line, names_);
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
  detail::AppendHead append = detail::parse_next_append(in);
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

}  // namespace ph::imap
