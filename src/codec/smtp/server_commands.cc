// The commands of the server engine, one handler each. See server.cc for the flow around them.

#include <algorithm>
#include <array>

#include "base/text.h"
#include "codec/smtp/detail/parameters.h"
#include "codec/smtp/errors.h"
#include "codec/smtp/server.h"

namespace ph::smtp {
namespace {

bool has_control(std::string_view line) {
  return std::ranges::any_of(
      line, [](char c) { return (is_ascii(c) && c < ' ' && c != '\t') || c == '\x7f'; });
}

std::string_view trim_right(std::string_view text) {
  while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
  return text;
}

// The path and parameters behind "FROM:" or "TO:". Blanks behind the colon are against RFC 5321
// §3.3 but common, and harmless.
std::optional<std::string_view> after_keyword(std::string_view arguments, std::string_view word) {
  if (!istarts_with(arguments, word)) return std::nullopt;
  arguments.remove_prefix(word.size());
  arguments.remove_prefix(std::min(arguments.find_first_not_of(' '), arguments.size()));
  return arguments;
}

}  // namespace

struct Server::Command {
  std::string_view verb;
  void (Server::*run)(std::string_view arguments);
};

const Server::Command* Server::find_command(std::string_view verb) {
  static constexpr std::array kCommands{
      Command{"MAIL", &Server::on_mail},         Command{"RCPT", &Server::on_rcpt},
      Command{"DATA", &Server::on_data},         Command{"BDAT", &Server::on_bdat},
      Command{"EHLO", &Server::on_ehlo},         Command{"HELO", &Server::on_helo},
      Command{"LHLO", &Server::on_lhlo},         Command{"QUIT", &Server::on_quit},
      Command{"RSET", &Server::on_rset},         Command{"NOOP", &Server::on_noop},
      Command{"STARTTLS", &Server::on_starttls}, Command{"AUTH", &Server::on_auth},
      Command{"VRFY", &Server::on_vrfy},         Command{"EXPN", &Server::on_expn},
      Command{"HELP", &Server::on_help},
  };
  for (const Command& command : kCommands) {
    if (iequals(command.verb, verb)) return &command;
  }
  return nullptr;
}

void Server::run_line(std::string_view line) {
  if (!line.ends_with("\r\n")) return shut(replies::kBareNewline);
  line.remove_suffix(2);
  if (line.find('\r') != std::string_view::npos) return shut(replies::kBareNewline);
  if (mode_ == Mode::auth) return run_auth_response(line);
  run_command(line);
}

void Server::run_command(std::string_view line) {
  if (has_control(line) || !is_valid_utf8(line)) return refuse(replies::kBadLine);
  line = trim_right(line);
  const size_t space = line.find(' ');
  const Command* command = find_command(line.substr(0, space));
  if (command == nullptr) return refuse(replies::kUnknownCommand);
  // RFC 5321 §3.1: whoever was not greeted may only say QUIT.
  if (turned_away_ && command->run != &Server::on_quit) return refuse(replies::kTurnedAway);
  const std::string_view arguments =
      space == std::string_view::npos ? std::string_view() : line.substr(space + 1);
  (this->*command->run)(arguments);
}

void Server::on_helo(std::string_view arguments) {
  hello_extended_ = false;
  hello(arguments, Protocol::smtp);
}

void Server::on_ehlo(std::string_view arguments) {
  hello_extended_ = true;
  hello(arguments, Protocol::smtp);
}

void Server::on_lhlo(std::string_view arguments) {
  hello_extended_ = true;
  hello(arguments, Protocol::lmtp);
}

void Server::hello(std::string_view name, Protocol protocol) {
  if (protocol != options_.protocol) return refuse(replies::kUnknownCommand);
  const bool ascii = std::ranges::all_of(name, is_ascii);
  if (!ascii || !is_valid_domain(name)) return refuse(replies::kBadHello);
  end_transaction();
  raise(Hello{std::string(name), hello_extended_}, Waiting::hello);
}

const FixedReply* Server::mail_fault() const {
  if (!greeted_) return &replies::kHelloFirst;
  if (transaction_ == Transaction::failed) return &replies::kTransactionFailed;
  if (transaction_ != Transaction::none) return &replies::kNestedMail;
  const bool needs_tls = options_.before_mail == BeforeMail::tls;
  if (needs_tls && !tls_) return &replies::kTlsFirst;
  const bool needs_auth = options_.before_mail == BeforeMail::authentication;
  if (needs_auth && !authenticated_) return &replies::kAuthFirst;
  return nullptr;
}

const FixedReply* Server::extension_fault(const MailParameters& parameters) const {
  const MailExtensions& offered = options_.mail;
  const bool holds = parameters.hold_for.has_value() || parameters.hold_until.has_value();
  if ((parameters.priority && !offered.mt_priority) ||
      (parameters.deliver_by && !offered.deliver_by) || (holds && offered.hold_max_s == 0)) {
    return &replies::kUnknownParameter;
  }
  const auto& by = parameters.deliver_by;
  const bool returns = by && by->mode == DeliverBy::Mode::return_it;
  if (returns && by->seconds < offered.deliver_by_min_s) return &replies::kDeliverByTooSoon;
  return nullptr;
}

void Server::on_mail(std::string_view arguments) {
  if (const FixedReply* fault = mail_fault()) return refuse(*fault);
  const auto text = after_keyword(arguments, "FROM:");
  if (!text) return refuse(replies::kBadArguments);
  auto parsed = parse_path(*text, PathKind::reverse);
  if (!parsed) return refuse(replies::kBadSender);
  MailFrom event{.sender = std::move(parsed->path), .parameters = {}};
  if (const auto* fault = detail::parse_mail_parameters(parsed->rest, event.parameters)) {
    return refuse(*fault);
  }
  if (const FixedReply* fault = extension_fault(event.parameters)) return refuse(*fault);
  if (!event.parameters.smtp_utf8 && !event.sender.is_ascii()) return refuse(replies::kUtf8Needed);
  // RFC 1870 §6.1: what is declared too big need not be sent.
  if (event.parameters.size.value_or(0) > options_.size_max.value) return refuse(replies::kTooBig);
  utf8_ = event.parameters.smtp_utf8;
  raise(std::move(event), Waiting::mail);
}

void Server::on_rcpt(std::string_view arguments) {
  if (transaction_ == Transaction::none) return refuse(replies::kMailFirst);
  if (transaction_ == Transaction::failed) return refuse(replies::kTransactionFailed);
  if (transaction_ == Transaction::chunking) return refuse(replies::kChunkingUnderWay);
  const auto text = after_keyword(arguments, "TO:");
  if (!text) return refuse(replies::kBadArguments);
  ++recipients_tried_;
  auto parsed = parse_path(*text, PathKind::forward);
  if (!parsed) return refuse(replies::kBadRecipient);
  Recipient recipient{.path = std::move(parsed->path), .parameters = {}};
  if (const auto* fault = detail::parse_rcpt_parameters(parsed->rest, recipient.parameters)) {
    return refuse(*fault);
  }
  if (!utf8_ && !recipient.path.is_ascii()) return refuse(replies::kUtf8Needed);
  if (recipients_ >= options_.recipients_max) {
    // Not counted as an error: the sender is right to try, and comes back with the rest.
    append_reply(output_, replies::kTooManyRecipients);
    return raise(ProtocolError{replies::kTooManyRecipients.to_reply()});
  }
  raise(RcptTo{std::move(recipient)}, Waiting::rcpt);
}

// Why content cannot come now; nullptr when it can.
const FixedReply* Server::content_command_fault() const {
  if (transaction_ == Transaction::none) return &replies::kMailFirst;
  if (transaction_ == Transaction::failed) return &replies::kTransactionFailed;
  if (recipients_ > 0) return nullptr;
  // RFC 2033 §4.2 wants 503 in LMTP, RFC 5321 §3.3 allows 554 where all were rejected.
  const bool tried = recipients_tried_ > 0 && options_.protocol == Protocol::smtp;
  return tried ? &replies::kNoValidRecipients : &replies::kRcptFirst;
}

void Server::on_data(std::string_view arguments) {
  if (!arguments.empty()) return refuse(replies::kBadArguments);
  if (transaction_ == Transaction::chunking) return refuse(replies::kChunkingUnderWay);
  if (const FixedReply* fault = content_command_fault()) return refuse(*fault);
  raise(DataStart{}, Waiting::data_start);
}

// RFC 3030 §2. A chunk that is not wanted is swallowed first and refused then; where its size
// cannot be told, nobody knows where the next command starts, and the session ends.
void Server::on_bdat(std::string_view arguments) {
  const size_t space = arguments.find(' ');
  const auto size = parse_u64(arguments.substr(0, space));
  const std::string_view word =
      space == std::string_view::npos ? std::string_view() : arguments.substr(space + 1);
  const bool last = iequals(word, "LAST");
  if (!size || (!word.empty() && !last)) return shut(replies::kBadChunkSize);
  if (*size > swallow_limit()) return shut(replies::kTooBigClosing);
  chunk_ = Chunk{.left = *size,
                 .last = last,
                 .swallow = false,
                 .fault = content_command_fault(),
                 .refusal = {}};
  chunk_.swallow = chunk_.fault != nullptr;
  if (!chunk_.swallow && transaction_ == Transaction::sender) {
    return raise(DataStart{}, Waiting::chunk_start);
  }
  mode_ = Mode::chunk;
}

void Server::on_rset(std::string_view arguments) {
  if (!arguments.empty()) return refuse(replies::kBadArguments);
  end_transaction();
  append_reply(output_, replies::kOk);
  raise(Reset{});
}

void Server::on_noop(std::string_view) { append_reply(output_, replies::kOk); }

void Server::on_vrfy(std::string_view arguments) {
  if (arguments.empty()) return refuse(replies::kBadArguments);
  append_reply(output_, replies::kVerifyLater);
}

void Server::on_expn(std::string_view) { refuse(replies::kNotImplemented); }
void Server::on_help(std::string_view) { append_reply(output_, replies::kHelp); }

void Server::on_quit(std::string_view arguments) {
  if (!arguments.empty()) return refuse(replies::kBadArguments);
  append_reply(output_, replies::kBye);
  mode_ = Mode::closed;
  raise(Quit{});
}

void Server::on_starttls(std::string_view arguments) {
  if (tls_) return refuse(replies::kTlsActive);
  if (!options_.offer_starttls) return refuse(replies::kNotImplemented);
  if (!arguments.empty()) return refuse(replies::kBadArguments);
  if (!extended_) return refuse(replies::kHelloFirst);
  if (transaction_ != Transaction::none) return refuse(replies::kInTransaction);
  raise(StartTls{}, Waiting::starttls);
}

const FixedReply* Server::auth_fault(std::string_view mechanism) const {
  if (options_.auth == AuthOffer::never) return &replies::kNotImplemented;
  if (!extended_) return &replies::kHelloFirst;
  if (authenticated_) return &replies::kAuthTwice;
  if (transaction_ != Transaction::none) return &replies::kInTransaction;
  if (options_.auth == AuthOffer::over_tls && !tls_) return &replies::kAuthNeedsTls;
  const bool known = std::ranges::any_of(
      options_.mechanisms, [&](const std::string& offered) { return iequals(offered, mechanism); });
  return known ? nullptr : &replies::kAuthUnknown;
}

void Server::on_auth(std::string_view arguments) {
  const size_t space = arguments.find(' ');
  const std::string_view mechanism = arguments.substr(0, space);
  if (const FixedReply* fault = auth_fault(mechanism)) return refuse(*fault);
  AuthStart event{.mechanism = to_upper(mechanism), .initial = std::nullopt};
  if (space != std::string_view::npos) {
    const std::string_view text = arguments.substr(space + 1);
    event.initial = text == "=" ? std::string() : base64_decode(text);  // RFC 4954 §4
    if (!event.initial) return refuse(replies::kAuthBadBase64);
  }
  raise(std::move(event), Waiting::auth);
}

void Server::run_auth_response(std::string_view line) {
  const auto response = base64_decode(line);
  if (line != "*" && response) return raise(AuthResponse{*response}, Waiting::auth);
  mode_ = Mode::command;
  refuse(line == "*" ? replies::kAuthCancelled : replies::kAuthBadBase64);
}

}  // namespace ph::smtp
