// The flow of the server engine: octets into lines and content, answers into replies. What each
// command does is in server_commands.cc.
//
// One event is out at a time. feed() goes on until an event stands, an answer is due, or too much
// output waits; so input that is not consumed stays with the driver, and nothing here grows with
// what a client sends in advance.

#include "codec/smtp/server.h"

#include <algorithm>

#include "base/check.h"
#include "base/text.h"
#include "codec/smtp/errors.h"

namespace ph::smtp {
namespace {

constexpr size_t kOutputCap = 64 * 1024;
constexpr uint64_t kSkippedLineMax = 1024 * 1024;  // an overlong line beyond this ends the session
constexpr uint64_t kSwallowSlack = 1024 * 1024;

const FixedReply& fault_reply(ContentFault fault) {
  switch (fault) {
    case ContentFault::bare_newline: return replies::kContentBareNewline;
    case ContentFault::nul: return replies::kContentNul;
    case ContentFault::line_too_long: return replies::kContentLongLine;
    case ContentFault::too_big: return replies::kTooBig;
    case ContentFault::none: break;
  }
  return replies::kMessageOk;
}

}  // namespace

Server::Server(ServerOptions options) : options_(std::move(options)), tls_(options_.tls_active) {
  PH_CHECK(!options_.host.empty());
  PH_CHECK(options_.auth_line_max >= options_.command_line_max);
  PH_CHECK(options_.size_max.value < (uint64_t{1} << 60));
  raise(Connected{}, Waiting::greeting);
}

size_t Server::feed(std::string_view bytes) {
  size_t used = 0;
  while (true) {
    if (mode_ == Mode::closed) return bytes.size();
    if (event_ || waiting_ != Waiting::nothing || output_.size() >= kOutputCap) return used;
    if (is_chunk_over()) {
      end_chunk();
      continue;
    }
    if (used == bytes.size()) return used;
    const std::string_view rest = bytes.substr(used);
    switch (mode_) {
      case Mode::command:
      case Mode::auth: used += feed_line(rest); break;
      case Mode::data: used += feed_data(rest); break;
      case Mode::chunk: used += feed_chunk(rest); break;
      case Mode::handshake:  // plaintext behind STARTTLS: never to be run (RFC 3207 §5)
        mode_ = Mode::closed;
        raise(ProtocolError{replies::kPlaintextAfterTls.to_reply()});
        break;
      case Mode::closed: break;
    }
  }
}

std::optional<ServerEvent> Server::next() {
  if (!event_ && waiting_ == Waiting::nothing && is_chunk_over()) end_chunk();
  std::optional<ServerEvent> out = std::move(event_);
  event_.reset();
  return out;
}

std::string Server::take_output() {
  std::string out = std::move(output_);
  output_.clear();
  return out;
}

ServerPhase Server::phase() const {
  if (mode_ == Mode::closed) return ServerPhase::closed;
  if (event_ || waiting_ != Waiting::nothing) return ServerPhase::answer;
  switch (mode_) {
    case Mode::auth: return ServerPhase::auth;
    case Mode::data:
    case Mode::chunk: return ServerPhase::data;
    case Mode::handshake: return ServerPhase::handshake;
    case Mode::command:
    case Mode::closed: break;
  }
  return ServerPhase::command;
}

size_t Server::line_limit() const {
  const bool auth = mode_ == Mode::auth || istarts_with(line_, "AUTH ");
  return auth ? options_.auth_line_max : options_.command_line_max;
}

// A line is judged when its LF is there, so how it was cut does not matter.
size_t Server::feed_line(std::string_view bytes) {
  const size_t lf = bytes.find('\n');
  const bool complete = lf != std::string_view::npos;
  std::string_view segment = complete ? bytes.substr(0, lf + 1) : bytes;
  if (line_overlong_) return skip_line(segment);
  if (complete && line_.empty() && segment.size() <= options_.command_line_max) {
    run_line(segment);
    return segment.size();
  }
  segment = segment.substr(0, options_.auth_line_max + 1 - line_.size());
  line_.append(segment);
  if (line_.size() > line_limit()) {
    line_overlong_ = true;
    received_ = line_.size();
    judge_skipped();
    return segment.size();
  }
  if (!line_.ends_with('\n')) return segment.size();
  const std::string line = std::move(line_);
  line_.clear();
  run_line(line);
  return segment.size();
}

// The rest of an overlong line.
size_t Server::skip_line(std::string_view segment) {
  segment = segment.substr(0, kSkippedLineMax + 1 - received_);
  received_ += segment.size();
  line_.append(segment.substr(segment.size() - std::min<size_t>(segment.size(), 2)));
  judge_skipped();
  return segment.size();
}

// Of an overlong line, line_ keeps only the last octet, to know a CR before the LF.
void Server::judge_skipped() {
  if (!line_.ends_with('\n')) {
    line_.erase(0, line_.size() - 1);
    if (received_ > kSkippedLineMax) shut(replies::kLineTooLong);
    return;
  }
  const bool crlf = line_.ends_with("\r\n");
  line_.clear();
  line_overlong_ = false;
  const bool auth = mode_ == Mode::auth;
  if (auth) mode_ = Mode::command;
  if (!crlf) return shut(replies::kBareNewline);
  refuse(auth ? replies::kAuthLineTooLong : replies::kLineTooLong);
}

uint64_t Server::swallow_limit() const { return options_.size_max.value * 2 + kSwallowSlack; }

size_t Server::feed_data(std::string_view bytes) {
  if (received_ >= swallow_limit()) {
    shut(replies::kTooBigClosing);
    return 0;
  }
  const auto piece = content_.read_dotted(bytes.substr(0, swallow_limit() - received_));
  received_ += piece.consumed;
  if (!piece.content.empty()) raise(DataChunk{piece.content});
  if (piece.ended) {
    mode_ = Mode::command;
    raise(DataEnd{content_.fault(), content_.size()}, Waiting::data_end);
  }
  return piece.consumed;
}

size_t Server::feed_chunk(std::string_view bytes) {
  const std::string_view wanted = bytes.substr(0, chunk_.left);
  if (chunk_.swallow) {
    chunk_.left -= wanted.size();
    return wanted.size();
  }
  const auto piece = content_.read_plain(wanted);
  chunk_.left -= piece.consumed;
  if (!piece.content.empty()) raise(DataChunk{piece.content});
  return piece.consumed;
}

void Server::end_chunk() {
  mode_ = Mode::command;
  if (chunk_.swallow) {
    if (chunk_.last) {
      end_transaction();
    } else if (transaction_ != Transaction::none) {
      transaction_ = Transaction::failed;
    }
    if (chunk_.fault != nullptr) return refuse(*chunk_.fault);
    return append_reply(output_, chunk_.refusal);
  }
  if (chunk_.last) content_.finish_plain();
  if (chunk_.last || content_.fault() != ContentFault::none) {
    return raise(DataEnd{content_.fault(), content_.size()}, Waiting::data_end);
  }
  append_reply(output_, replies::kChunkOk);
}

void Server::raise(ServerEvent event, Waiting waiting) {
  PH_CHECK(!event_);
  event_ = std::move(event);
  waiting_ = waiting;
}

// The engine's own refusal; one too many ends the session.
void Server::refuse(const FixedReply& reply) {
  if (++errors_ > options_.errors_max) return shut(replies::kTooManyErrors);
  append_reply(output_, reply);
  raise(ProtocolError{reply.to_reply()});
}

void Server::shut(const FixedReply& reply) {
  append_reply(output_, reply);
  mode_ = Mode::closed;
  raise(ProtocolError{reply.to_reply()});
}

void Server::close(const FixedReply& reply) {
  if (mode_ != Mode::closed && mode_ != Mode::handshake) append_reply(output_, reply);
  mode_ = Mode::closed;
  waiting_ = Waiting::nothing;
  event_.reset();
}

void Server::end_transaction() {
  transaction_ = Transaction::none;
  utf8_ = false;
  recipients_ = 0;
  recipients_tried_ = 0;
}

void Server::accept() {
  switch (waiting_) {
    case Waiting::greeting:
    case Waiting::hello:
    case Waiting::data_start:
    case Waiting::chunk_start: return settle(replies::kOk);
    case Waiting::mail: return settle(replies::kSenderOk);
    case Waiting::rcpt: return settle(replies::kRecipientOk);
    case Waiting::data_end: return settle(replies::kMessageOk);
    case Waiting::auth: return settle(replies::kAuthOk);
    case Waiting::starttls: return settle(replies::kStartTls);
    case Waiting::nothing: break;
  }
  PH_CHECK(waiting_ != Waiting::nothing);
}

void Server::answer(const Reply& reply) { settle(reply); }
void Server::answer(const FixedReply& reply) { settle(reply); }

void Server::answer_recipients(std::span<const Reply> answers) {
  PH_CHECK(waiting_ == Waiting::data_end && !event_);
  PH_CHECK(options_.protocol == Protocol::lmtp && answers.size() == recipients_);
  if (replies_due() != answers.size() || content_.fault() != ContentFault::none) {
    return settle(fault_reply(content_.fault()));
  }
  for (const Reply& reply : answers) append_reply(output_, reply);
  finish_data_end();
}

void Server::challenge(std::string_view bytes) {
  PH_CHECK(waiting_ == Waiting::auth && !event_);
  output_ += "334 ";
  output_ += base64_encode(bytes);
  output_ += "\r\n";
  mode_ = Mode::auth;
  waiting_ = Waiting::nothing;
}

// RFC 3207 §4.2: nothing said before TLS counts, except who has connected.
void Server::tls_started() {
  PH_CHECK(mode_ == Mode::handshake);
  tls_ = true;
  mode_ = Mode::command;
  greeted_ = extended_ = authenticated_ = false;
  end_transaction();
}

template <class AnyReply>
void Server::settle(const AnyReply& reply) {
  PH_CHECK(waiting_ != Waiting::nothing && !event_);
  const Waiting what = waiting_;
  const int kind = reply.code / 100;
  PH_CHECK(kind >= 2 && kind <= 5);
  if (what == Waiting::data_end) {
    const bool replaced = kind < 4 && content_.fault() != ContentFault::none;
    return settle_data_end(replaced ? fault_reply(content_.fault()).to_reply()
                                    : Reply{reply.code, reply.enhanced, std::string(reply.text)});
  }
  waiting_ = Waiting::nothing;
  if (kind >= 4) return settle_negative(what, reply);
  switch (what) {
    case Waiting::greeting: return settle_greeting();
    case Waiting::hello: return settle_hello();
    case Waiting::data_start:
      append_reply(output_, replies::kSendData);
      return begin_content(Mode::data);
    case Waiting::chunk_start: return begin_content(Mode::chunk);
    default: break;
  }
  append_reply(output_, reply);
  settle_positive(what);
}

void Server::settle_positive(Waiting what) {
  switch (what) {
    case Waiting::mail: transaction_ = Transaction::sender; break;
    case Waiting::rcpt: ++recipients_; break;
    case Waiting::auth:
      authenticated_ = true;
      mode_ = Mode::command;
      break;
    case Waiting::starttls: mode_ = Mode::handshake; break;
    default: PH_CHECK(false);
  }
}

template <class AnyReply>
void Server::settle_negative(Waiting what, const AnyReply& reply) {
  if (mode_ == Mode::auth) mode_ = Mode::command;
  const bool guess = what == Waiting::auth;
  if (guess ? ++errors_ > options_.errors_max : ++rejections_ > options_.rejections_max) {
    append_reply(output_, replies::kTooManyErrors);
    mode_ = Mode::closed;
    return;
  }
  if (what == Waiting::chunk_start && reply.code != 421) {
    chunk_.swallow = true;
    chunk_.refusal = Reply{reply.code, reply.enhanced, std::string(reply.text)};
    mode_ = Mode::chunk;
    return;
  }
  if (what == Waiting::data_start) end_transaction();
  if (what == Waiting::greeting) turned_away_ = true;
  append_reply(output_, reply);
  if (reply.code == 421) mode_ = Mode::closed;
}

void Server::settle_greeting() {
  std::string text = options_.host;
  text += options_.protocol == Protocol::lmtp ? " LMTP" : " ESMTP";
  if (!options_.banner.empty()) text += ' ' + options_.banner;
  append_reply(output_, Reply{220, {}, std::move(text)});
}

void Server::settle_hello() {
  greeted_ = true;
  extended_ = hello_extended_;
  if (!extended_) return append_reply(output_, Reply{250, {}, options_.host});
  std::string text = options_.host;
  text += "\nPIPELINING\nSIZE " + std::to_string(options_.size_max.value);
  text += "\n8BITMIME\nSMTPUTF8\nCHUNKING\nDSN" + extensions_text();
  if (options_.offer_starttls && !tls_) text += "\nSTARTTLS";
  const bool allowed =
      options_.auth == AuthOffer::always || (options_.auth == AuthOffer::over_tls && tls_);
  if (allowed && !options_.mechanisms.empty()) {
    text += "\nAUTH";
    for (const std::string& mechanism : options_.mechanisms) text += ' ' + mechanism;
  }
  text += "\nENHANCEDSTATUSCODES";
  append_reply(output_, Reply{250, {}, std::move(text)});
}

std::string Server::extensions_text() const {
  const MailExtensions& mail = options_.mail;
  std::string text;
  if (mail.mt_priority) {
    text += "\nMT-PRIORITY";
    if (!mail.priority_profile.empty()) text += ' ' + mail.priority_profile;
  }
  if (mail.deliver_by) {
    text += "\nDELIVERBY";
    if (mail.deliver_by_min_s > 0) text += ' ' + std::to_string(mail.deliver_by_min_s);
  }
  if (mail.hold_max_s > 0) {
    text += "\nFUTURERELEASE " + std::to_string(mail.hold_max_s) + ' ' + mail.hold_until_max;
  }
  return text;
}

void Server::begin_content(Mode mode) {
  mode_ = mode;
  received_ = 0;
  content_.start({.size = options_.size_max.value, .line = options_.data_line_max});
  if (mode == Mode::chunk) transaction_ = Transaction::chunking;
}

// RFC 2033 §4.2: one for each accepted recipient in LMTP, once the whole message was sent.
size_t Server::replies_due() const {
  const bool whole = transaction_ != Transaction::chunking || chunk_.last;
  return options_.protocol == Protocol::lmtp && whole ? recipients_ : 1;
}

void Server::settle_data_end(const Reply& reply) {
  const size_t due = reply.code == 421 ? 1 : replies_due();
  for (size_t i = 0; i < due; ++i) append_reply(output_, reply);
  finish_data_end();
  if (reply.code == 421) mode_ = Mode::closed;
}

void Server::finish_data_end() {
  waiting_ = Waiting::nothing;
  if (transaction_ == Transaction::chunking && !chunk_.last) {
    transaction_ = Transaction::failed;
  } else {
    end_transaction();
  }
}

}  // namespace ph::smtp
