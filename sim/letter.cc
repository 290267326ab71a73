#include "sim/letter.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "base/text.h"
#include "codec/smtp/client.h"
#include "codec/smtp/mailbox.h"
#include "service/wire/wire.h"

namespace ph::sim {
namespace {

constexpr std::string_view kMarkerField = "X-Sim-Marker: ";
constexpr std::string_view kIdDomain = "@letters.invalid";
constexpr Duration kDialPatience = Duration::seconds(30);
constexpr Duration kPatience = Duration::minutes(5);

std::string_view header_of(std::string_view message) {
  return message.substr(0, std::min(message.find("\r\n\r\n"), message.size()));
}

smtp::Envelope envelope_of(const Letter& letter) {
  const auto path = [](const std::string& address) {
    auto parsed = smtp::parse_mailbox(address);
    return parsed.has_value() ? std::move(*parsed) : smtp::Path{};
  };
  smtp::Envelope out;
  out.sender = path(letter.sender);
  for (const std::string& r : letter.recipients) out.recipients.push_back({path(r), {}});
  return out;
}

// One session's state. The engine decides what comes next; this only carries and remembers.
class Sender {
 public:
  Sender(rt::Loop& loop, std::unique_ptr<rt::Stream> stream, Letter letter)
      : loop_(loop), wire_(std::move(stream)), letter_(std::move(letter)), engine_({"client"}) {}

  rt::Task<Injection> run() {
    while (!over_) {
      if (auto event = engine_.next()) {
        handle(*event);
        continue;
      }
      if (engine_.phase() == smtp::Stage::closed) break;
      const size_t taken = engine_.feed(wire_.input());
      wire_.consume(taken);
      if (taken > 0) continue;
      Status moved = co_await move();
      if (!moved.has_value()) engine_.lost(moved.error().to_text());
    }
    if (result_.fate == Fate::sending) result_.fate = Fate::refused;
    co_return std::move(result_);
  }

 private:
  rt::Task<Status> move() {
    if (engine_.has_output()) {
      std::string out = engine_.take_output();
      co_return co_await wire_.send(std::move(out), loop_.in(kPatience));
    }
    PH_CO_TRY(const wire::Filled filled, co_await wire_.fill(loop_.in(kPatience)));
    if (filled == wire::Filled::end_of_stream) engine_.lost("the server closed the connection");
    co_return Status();
  }

  void settle(Fate fate, std::string words) {
    if (result_.fate != Fate::sending) return;
    result_.fate = fate;
    result_.words = std::move(words);
  }

  void handle(const smtp::ClientEvent& event) {
    if (std::holds_alternative<smtp::Ready>(event)) {
      if (result_.fate != Fate::sending) return;
      const Status begun = engine_.send(envelope_of(letter_));
      if (!begun.has_value()) give_up(begun.error().to_text());
    } else if (const auto* refused = std::get_if<smtp::Refused>(&event)) {
      give_up(smtp::to_text(refused->reply));
    } else if (const auto* sender = std::get_if<smtp::SenderReply>(&event)) {
      words_ = smtp::to_text(sender->reply);
    } else if (const auto* rcpt = std::get_if<smtp::RecipientReply>(&event)) {
      words_ = smtp::to_text(rcpt->reply);
      if (rcpt->reply.is_positive())
        result_.recipients.push_back(letter_.recipients[rcpt->recipient]);
    } else if (const auto* data = std::get_if<smtp::DataReply>(&event)) {
      words_ = smtp::to_text(data->reply);
    } else if (std::holds_alternative<smtp::DataReady>(event)) {
      Status put = engine_.content(text_of(letter_, loop_.wall()));
      if (put.has_value()) put = engine_.finish_content();
      if (!put.has_value()) give_up(put.error().to_text());
    } else if (const auto* reply = std::get_if<smtp::MessageReply>(&event)) {
      settle(reply->reply.is_positive() ? Fate::accepted : Fate::refused,
             smtp::to_text(reply->reply));
    } else if (std::holds_alternative<smtp::MessageDone>(event)) {
      settle(Fate::refused, words_);
      // Not when the next event is that the connection is lost.
      if (engine_.phase() == smtp::Stage::idle) engine_.quit();
    } else if (const auto* lost = std::get_if<smtp::Lost>(&event)) {
      settle(lost->maybe_delivered() ? Fate::unknown : Fate::refused, lost->reason);
      over_ = true;
    } else if (std::holds_alternative<smtp::Closed>(event)) {
      over_ = true;
    }
  }

  void give_up(std::string words) {
    settle(Fate::refused, std::move(words));
    over_ = true;
  }

  rt::Loop& loop_;
  wire::Wire wire_;
  Letter letter_;
  smtp::Client engine_;
  Injection result_;
  std::string words_;
  bool over_ = false;
};

}  // namespace

std::string_view to_text(Fate fate) {
  switch (fate) {
    case Fate::sending: return "sending";
    case Fate::accepted: return "accepted";
    case Fate::refused: return "refused";
    case Fate::unknown: return "unknown";
  }
  return "sending";
}

std::string message_id_of(std::string_view marker) {
  return std::string(marker) + std::string(kIdDomain);
}

std::string text_of(const Letter& letter, Time now) {
  std::string out = "From: <" + letter.sender + ">\r\nTo: ";
  for (size_t i = 0; i < letter.recipients.size(); ++i) {
    out += (i == 0 ? "<" : ",\r\n <") + letter.recipients[i] + ">";
  }
  out += "\r\nSubject: letter " + letter.marker + "\r\nMessage-ID: <" +
         message_id_of(letter.marker) + ">\r\nDate: " + to_rfc5322_date(now) + "\r\n" +
         std::string(kMarkerField) + letter.marker + "\r\n";
  for (uint64_t i = 1; i <= letter.own_fields; ++i) {
    out += "X-" + letter.marker + "-" + std::to_string(i) + ": of this letter alone\r\n";
  }
  out += "\r\n";
  constexpr std::string_view kLine = "All of this is here to be carried, to the last octet.\r\n";
  for (uint64_t size = 0; size < letter.size_bytes; size += kLine.size()) out += kLine;
  return out;
}

std::string marker_of(std::string_view message) {
  const std::string_view header = header_of(message);
  const size_t at = header.find("\n" + std::string(kMarkerField));
  if (at == std::string_view::npos) return {};
  const std::string_view rest = header.substr(at + 1 + kMarkerField.size());
  return std::string(rest.substr(0, rest.find('\r')));
}

bool is_report_about(std::string_view message, std::string_view marker,
                     std::string_view recipient) {
  if (ifind(header_of(message), "multipart/report") == std::string_view::npos) return false;
  if (message.find(message_id_of(marker)) == std::string_view::npos) return false;
  if (recipient.empty()) return true;
  const size_t at = ifind(message, "final-recipient:");
  return at != std::string_view::npos &&
         ifind(message.substr(at), "; " + std::string(recipient)) != std::string_view::npos;
}

rt::Task<Injection> inject(rt::Runtime& runtime, rt::Loop& loop, rt::Endpoint to, Letter letter) {
  auto stream = co_await runtime.dial(loop, {.to = std::move(to)}, loop.in(kDialPatience));
  if (!stream.has_value()) co_return Injection{Fate::refused, {}, stream.error().to_text()};
  Sender sender(loop, std::move(*stream), std::move(letter));
  co_return co_await sender.run();
}

}  // namespace ph::sim
