// The client engine. Replies come in the order of what was said (expected_), whether the commands
// went out one by one or as a pipelined group; each is handled by one on_...() function.

#include "codec/smtp/client.h"

#include <algorithm>
#include <array>

#include "base/check.h"
#include "base/text.h"
#include "codec/smtp/detail/capabilities.h"
#include "codec/smtp/detail/extensions.h"
#include "codec/smtp/detail/parameters.h"
#include "codec/smtp/errors.h"
#include "codec/smtp/xtext.h"

namespace ph::smtp {
namespace {

constexpr size_t kRecipientsMax = 1000;

// What a path prints as must be that path again, or it could carry commands of its own.
bool is_sendable(const Path& path, PathKind kind) {
  const std::string text = to_bracketed(path);
  const auto parsed = parse_path(text, kind);
  return parsed && parsed->path == path && parsed->rest.empty();
}

bool is_sendable(const OriginalRecipient& original) {
  return !original.type.empty() && std::ranges::all_of(original.type, [](char c) {
    return is_alpha(c) || is_digit(c) || c == '-';
  });
}

bool needs_utf8(const Envelope& envelope) {
  return envelope.parameters.smtp_utf8 || !envelope.sender.is_ascii() ||
         std::ranges::any_of(envelope.recipients,
                             [](const Recipient& r) { return !r.path.is_ascii(); });
}

Status check_paths(const Envelope& envelope) {
  if (!is_sendable(envelope.sender, PathKind::reverse)) {
    return fail(kBadPath, "sender " + printable(to_text(envelope.sender)));
  }
  for (const Recipient& recipient : envelope.recipients) {
    const auto& original = recipient.parameters.original;
    if (!is_sendable(recipient.path, PathKind::forward) || (original && !is_sendable(*original))) {
      return fail(kBadPath, "recipient " + printable(to_text(recipient.path)));
    }
  }
  return {};
}

// RFC 2852 §4.1.4.1: what is to go back in time only goes to who keeps that promise.
Status check_deliver_by(const MailParameters& parameters, const Capabilities& peer) {
  const auto& by = parameters.deliver_by;
  if (!by || by->mode != DeliverBy::Mode::return_it) return {};
  if (!peer.deliver_by) {
    return fail(kPeerLacksDeliverBy, "the peer does not offer DELIVERBY");
  }
  if (by->seconds < 1 || static_cast<uint64_t>(by->seconds) < peer.deliver_by_min_s) {
    return fail(kTooSoonForPeer, std::to_string(by->seconds) + " s are left, the peer needs " +
                                     std::to_string(peer.deliver_by_min_s) + " s");
  }
  return {};
}

}  // namespace

std::string_view to_text(Stage stage) {
  constexpr std::array<std::string_view, 12> kNames{
      "greeting",   "hello",      "tls",     "auth",  "idle", "sender",
      "recipients", "data start", "content", "final", "quit", "closed"};
  return kNames.at(static_cast<size_t>(stage));
}

Client::Client(ClientOptions options) : options_(std::move(options)), tls_(options_.tls_active) {
  PH_CHECK(!options_.host.empty());
  expected_.push_back({Expect::greeting});
}

size_t Client::feed(std::string_view bytes) {
  size_t used = 0;
  while (used < bytes.size() && events_.empty() && stage_ != Stage::closed) {
    if (handshake_) {
      give_up("plaintext behind the answer to STARTTLS");
      break;
    }
    const auto taken = parser_.feed(bytes.substr(used));
    if (!taken) {
      give_up(taken.error().context());
      break;
    }
    used += *taken;
    if (auto reply = parser_.next()) on_reply(std::move(*reply));
  }
  return stage_ == Stage::closed ? bytes.size() : used;
}

std::optional<ClientEvent> Client::next() {
  if (events_.empty()) return std::nullopt;
  std::optional<ClientEvent> out(std::move(events_.front()));
  events_.pop_front();
  return out;
}

std::string Client::take_output() {
  std::string out = std::move(output_);
  output_.clear();
  return out;
}

void Client::on_reply(Reply reply) {
  const bool closing = reply.code == 421;
  if (expected_.empty()) {
    const std::string reason = "unexpected reply: " + to_text(reply);
    if (reply.is_negative()) last_words_ = std::move(reply);
    return give_up(reason);
  }
  const Expected expected = expected_.front();
  expected_.pop_front();
  if (closing) last_words_ = reply;
  dispatch(expected, std::move(reply));
  if (closing && stage_ != Stage::quit) give_up("the peer closes the connection");
}

void Client::dispatch(Expected expected, Reply reply) {
  const bool wants_more = expected.what == Expect::data || expected.what == Expect::auth;
  if (reply.is_intermediate() && !wants_more) {
    return give_up("unexpected reply: " + to_text(reply));
  }
  switch (expected.what) {
    case Expect::greeting: return on_greeting(std::move(reply));
    case Expect::ehlo:
    case Expect::helo: return on_hello(expected.what, std::move(reply));
    case Expect::starttls: return on_starttls(std::move(reply));
    case Expect::auth: return on_auth(std::move(reply));
    case Expect::mail: return on_mail(std::move(reply));
    case Expect::rcpt: return on_rcpt(expected.recipient, std::move(reply));
    case Expect::data: return on_data(std::move(reply));
    case Expect::final: return on_final(expected.recipient, std::move(reply));
    case Expect::reset:
      if (reply.is_positive()) return end_transaction();
      return give_up("RSET was refused: " + to_text(reply));
    case Expect::quit: stage_ = Stage::closed; return raise(Closed{});
  }
}

void Client::say(std::string_view command, Expect what) {
  output_ += command;
  output_ += "\r\n";
  expected_.push_back({what});
}

void Client::say_hello() {
  stage_ = Stage::hello;
  say((options_.protocol == Protocol::lmtp ? "LHLO " : "EHLO ") + options_.host, Expect::ehlo);
}

void Client::on_greeting(Reply reply) {
  if (!reply.is_positive()) return refused(std::move(reply));
  say_hello();
}

void Client::on_hello(Expect what, Reply reply) {
  if (reply.is_positive()) {
    capabilities_ = what == Expect::ehlo ? detail::parse_capabilities(reply.text) : Capabilities();
    stage_ = Stage::idle;
    return raise(Ready{capabilities_});
  }
  // RFC 5321 §4.1.4: a server that does not know EHLO may know HELO.
  const bool older = what == Expect::ehlo && options_.protocol == Protocol::smtp;
  if (older && reply.is_permanent()) return say("HELO " + options_.host, Expect::helo);
  refused(std::move(reply));
}

void Client::refused(Reply reply) {
  raise(Refused{stage_, std::move(reply)});
  stage_ = Stage::quit;
  say("QUIT", Expect::quit);
}

void Client::start_tls() {
  PH_CHECK(stage_ == Stage::idle && !tls_);
  stage_ = Stage::tls;
  say("STARTTLS", Expect::starttls);
}

void Client::on_starttls(Reply reply) {
  if (reply.code == 220) {
    handshake_ = true;
    return raise(TlsReady{});
  }
  stage_ = Stage::idle;
  raise(TlsRefused{std::move(reply)});
}

void Client::tls_started() {
  PH_CHECK(handshake_);
  PH_CHECK(parser_.is_empty());
  handshake_ = false;
  tls_ = true;
  capabilities_ = {};  // RFC 3207 §4.2: what was said in the clear is forgotten
  say_hello();
}

void Client::authenticate(std::string_view mechanism, std::optional<std::string_view> initial) {
  PH_CHECK(stage_ == Stage::idle);
  stage_ = Stage::auth;
  std::string command = "AUTH " + std::string(mechanism);
  if (initial) command += " " + (initial->empty() ? std::string("=") : base64_encode(*initial));
  say(command, Expect::auth);
}

void Client::on_auth(Reply reply) {
  if (reply.code == 334) {
    auto challenge = base64_decode(reply.text);
    if (!challenge) return cancel_auth();
    return raise(AuthChallenge{std::move(*challenge)});
  }
  if (reply.is_intermediate()) return give_up("unexpected reply: " + to_text(reply));
  stage_ = Stage::idle;
  raise(AuthReply{std::move(reply)});
}

void Client::respond(std::string_view response) {
  PH_CHECK(stage_ == Stage::auth && expected_.empty());
  say(base64_encode(response), Expect::auth);
}

void Client::cancel_auth() {
  PH_CHECK(stage_ == Stage::auth && expected_.empty());
  say("*", Expect::auth);
}

void Client::quit() {
  PH_CHECK(stage_ == Stage::idle);
  stage_ = Stage::quit;
  say("QUIT", Expect::quit);
}

void Client::lost(std::string_view reason) {
  if (stage_ == Stage::closed) return;
  if (stage_ != Stage::quit) return give_up(reason);
  stage_ = Stage::closed;
  raise(Closed{});
}

void Client::give_up(std::string_view reason) {
  if (stage_ == Stage::closed) return;
  raise(Lost{.stage = stage_, .reason = std::string(reason), .reply = std::move(last_words_)});
  stage_ = Stage::closed;
  handshake_ = false;
  expected_.clear();
}

// ---- one message ----

Status Client::can_send(const Envelope& envelope) const {
  const MailParameters& parameters = envelope.parameters;
  if (envelope.recipients.empty()) return fail(kNoRecipients);
  if (envelope.recipients.size() > kRecipientsMax) return fail(kTooManyRecipients);
  PH_TRY_STATUS(check_paths(envelope));
  if (needs_utf8(envelope) && !capabilities_.smtp_utf8) {
    return fail(kPeerLacksUtf8, "the peer does not offer SMTPUTF8");
  }
  if (parameters.body == BodyType::eight_bit && !capabilities_.eight_bit_mime) {
    return fail(kPeerLacksEightBit, "the peer does not offer 8BITMIME");
  }
  PH_TRY_STATUS(check_deliver_by(parameters, capabilities_));
  const uint64_t limit = capabilities_.size_max;
  if (limit > 0 && parameters.size.value_or(0) > limit) {
    return fail(kTooBigForPeer, "the peer takes at most " + std::to_string(limit) + " octets");
  }
  return {};
}

bool Client::uses_chunking() const {
  return options_.content_way == ContentWay::chunk_if_offered && capabilities_.chunking &&
         envelope_.parameters.size.has_value();
}

Status Client::send(Envelope envelope) {
  if (stage_ == Stage::closed) return fail(kConnectionLost);
  PH_CHECK(stage_ == Stage::idle && expected_.empty());
  PH_TRY_STATUS(can_send(envelope));
  envelope_ = std::move(envelope);
  accepted_.clear();
  sender_ok_ = false;
  stage_ = Stage::sender;
  write_mail();
  if (!capabilities_.pipelining) return {};
  for (size_t i = 0; i < envelope_.recipients.size(); ++i) write_rcpt(i);
  if (!uses_chunking()) say("DATA", Expect::data);
  return {};
}

void Client::write_mail() {
  const MailParameters& parameters = envelope_.parameters;
  std::string line = "MAIL FROM:" + to_bracketed(envelope_.sender);
  if (capabilities_.size && parameters.size) line += " SIZE=" + std::to_string(*parameters.size);
  if (capabilities_.eight_bit_mime && parameters.body != BodyType::unspecified) {
    line += parameters.body == BodyType::eight_bit ? " BODY=8BITMIME" : " BODY=7BIT";
  }
  if (needs_utf8(envelope_)) line += " SMTPUTF8";
  if (capabilities_.dsn) line += detail::dsn_text(parameters);
  if (!capabilities_.auth_mechanisms.empty() && parameters.submitter) {
    const std::string& submitter = *parameters.submitter;
    line += " AUTH=" + (submitter.empty() ? std::string("<>") : xtext_encode(submitter));
  }
  if (capabilities_.mt_priority && parameters.priority) {
    const int priority = std::clamp(*parameters.priority, -kPriorityMax, kPriorityMax);
    line += " MT-PRIORITY=" + std::to_string(priority);
  }
  if (capabilities_.deliver_by && parameters.deliver_by) {
    line += detail::deliver_by_text(*parameters.deliver_by);
  }
  say(line, Expect::mail);
}

void Client::write_rcpt(size_t recipient) {
  const Recipient& to = envelope_.recipients[recipient];
  std::string line = "RCPT TO:" + to_bracketed(to.path);
  if (capabilities_.dsn) line += detail::dsn_text(to.parameters);
  say(line, Expect::rcpt);
  expected_.back().recipient = recipient;
}

void Client::on_mail(Reply reply) {
  sender_ok_ = reply.is_positive();
  raise(SenderReply{std::move(reply)});
  if (!sender_ok_ && !capabilities_.pipelining) return end_transaction();
  stage_ = Stage::recipients;
  if (!capabilities_.pipelining) write_rcpt(0);
}

// Where the sender was refused, the answers to a pipelined rest say nothing about the recipients.
void Client::on_rcpt(size_t recipient, Reply reply) {
  if (sender_ok_) {
    if (reply.is_positive()) accepted_.push_back(recipient);
    raise(RecipientReply{recipient, std::move(reply)});
  }
  const size_t following = recipient + 1;
  if (following == envelope_.recipients.size()) return after_envelope();
  if (!capabilities_.pipelining) write_rcpt(following);
}

void Client::after_envelope() {
  const bool data_said = capabilities_.pipelining && !uses_chunking();
  if (data_said) {
    stage_ = Stage::data_start;
  } else if (!accepted_.empty()) {
    stage_ = Stage::data_start;
    if (uses_chunking()) return begin_content();
    say("DATA", Expect::data);
  } else {
    leave_transaction();
  }
}

// Out of a transaction that has no message: the peer still has its sender, and would refuse the
// next MAIL or add to this one.
void Client::leave_transaction() {
  if (!sender_ok_) return end_transaction();
  say("RSET", Expect::reset);
}

void Client::on_data(Reply reply) {
  if (reply.is_positive()) return give_up("unexpected reply: " + to_text(reply));
  if (!accepted_.empty()) {
    if (reply.code == 354) return begin_content();
    raise(DataReply{std::move(reply)});
    return leave_transaction();
  }
  // RFC 2920 §3.1: a server may say 354 with no recipient left; it gets an empty message.
  if (reply.code != 354) return leave_transaction();
  output_ += ".\r\n";
  if (options_.protocol == Protocol::lmtp) return end_transaction();
  expected_.push_back({Expect::final});
}

void Client::begin_content() {
  stage_ = Stage::content;
  writer_ =
      ContentWriter(uses_chunking() ? ContentWriter::Form::plain : ContentWriter::Form::dotted);
  if (uses_chunking()) {
    chunk_left_ = *envelope_.parameters.size;
    output_ += "BDAT " + std::to_string(chunk_left_) + " LAST\r\n";
  }
  raise(DataReady{});
}

// A message that cannot be sent: the connection is of no further use, and without its end the peer
// does not have it.
Error Client::broken(Error error) {
  stage_ = Stage::closed;
  expected_.clear();
  output_.clear();
  return error;
}

Status Client::content(std::string_view piece) {
  if (stage_ == Stage::closed) return fail(kConnectionLost);
  PH_CHECK(stage_ == Stage::content);
  if (uses_chunking()) {
    if (piece.size() > chunk_left_) return broken(fail(kWrongSize, "more content than declared"));
    chunk_left_ -= piece.size();
  }
  auto appended = writer_.append(piece, output_);
  if (!appended) return broken(std::move(appended).error());
  return {};
}

Status Client::finish_content() {
  if (stage_ == Stage::closed) return fail(kConnectionLost);
  PH_CHECK(stage_ == Stage::content);
  if (uses_chunking() && chunk_left_ > 0) {
    return broken(fail(kWrongSize, "less content than declared"));
  }
  auto finished = writer_.finish(output_);
  if (!finished) return broken(std::move(finished).error());
  stage_ = Stage::final;
  if (options_.protocol == Protocol::smtp) {
    expected_.push_back({Expect::final});
  } else {
    for (const size_t recipient : accepted_) expected_.push_back({Expect::final, recipient});
  }
  return {};
}

void Client::on_final(size_t recipient, Reply reply) {
  if (!accepted_.empty()) {
    MessageReply event{.recipient = std::nullopt, .reply = std::move(reply)};
    if (options_.protocol == Protocol::lmtp) event.recipient = recipient;
    raise(std::move(event));
  }
  if (expected_.empty()) end_transaction();
}

void Client::end_transaction() {
  stage_ = Stage::idle;
  raise(MessageDone{});
}

}  // namespace ph::smtp
