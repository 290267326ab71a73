#include "front/smtp_in/detail/session.h"

#include <algorithm>
#include <utility>

#include "base/text.h"
#include "codec/mime/header.h"
#include "codec/smtp/errors.h"
#include "codec/smtp/priority.h"
#include "front/smtp_in/detail/trace.h"
#include "front/smtp_in/errors.h"
#include "front/smtp_in/network_list.h"
#include "front/smtp_in/options.h"
#include "kv/errors.h"
#include "rt/errors.h"

namespace ph::smtp_in {
namespace {

constexpr uint64_t kReserveMax = 1024 * 1024;
constexpr uint64_t kContentFirst = 16 * 1024;
constexpr Duration kFarewellMax = Duration::seconds(5);
constexpr Duration kStoreMax = Duration::minutes(2);
constexpr Duration kCheckMax = Duration::seconds(30);
constexpr Duration kHandshakeMax = Duration::seconds(60);

template <class... Functions>
struct Overload : Functions... {
  using Functions::operator()...;
};

bool is_submission(Service service) { return service != Service::mx; }

model::Notify notify_of(const smtp::DsnNotify& n) {
  return {n.never, n.success, n.failure, n.delay};
}

model::BodyType body_of(smtp::BodyType body) {
  switch (body) {
    case smtp::BodyType::unspecified: return model::BodyType::unspecified;
    case smtp::BodyType::seven_bit: return model::BodyType::seven_bit;
    case smtp::BodyType::eight_bit: return model::BodyType::eight_bit;
  }
  return model::BodyType::unspecified;
}

model::DsnReturn return_of(smtp::DsnReturn r) {
  switch (r) {
    case smtp::DsnReturn::unspecified: return model::DsnReturn::unspecified;
    case smtp::DsnReturn::full: return model::DsnReturn::full;
    case smtp::DsnReturn::headers: return model::DsnReturn::headers;
  }
  return model::DsnReturn::unspecified;
}

// RFC 5321 section 4.2.3: insufficient system storage; RFC 3463: 4.3.1 names it.
smtp::Reply shed(std::string_view why) { return {452, {4, 3, 1}, printable(why, 200)}; }

std::string bare_message_id(std::string_view raw) {
  const size_t open = raw.find('<');
  const size_t close = raw.find('>', open == std::string_view::npos ? 0 : open);
  if (open == std::string_view::npos || close == std::string_view::npos) return {};
  return printable(raw.substr(open + 1, close - open - 1), 998);
}

}  // namespace

Session::Session(const Parts& parts, const config::Source& settings, wire::Wire& wire,
                 Service service, const bool& draining)
    : parts_(parts),
      settings_(settings),
      wire_(wire),
      loop_(wire.loop()),
      service_(service),
      draining_(draining),
      engine_(engine_options()),
      session_end_(loop_.in(settings.current().get(kSessionMax))),
      peer_ip_(wire.peer().host),
      memory_(parts.gate) {}

bool Session::may_relay() const {
  return !login_.empty() || NetworkList(settings_.current().get(kRelayNetworks)).contains(peer_ip_);
}

smtp::ServerOptions Session::engine_options() const {
  const config::Values& values = settings_.current();
  smtp::ServerOptions options;
  options.host = parts_.host;
  options.size_max = values.get(kMessageSizeMax);
  options.mail = extensions();
  options.recipients_max = static_cast<uint32_t>(values.get(kRecipientsMax));
  options.tls_active = wire_.is_secure();
  options.offer_starttls = !wire_.is_secure() && parts_.tls() != nullptr;
  if (is_submission(service_)) {
    options.auth = smtp::AuthOffer::over_tls;
    options.mechanisms = sasl::server_mechanisms();
    options.before_mail = smtp::BeforeMail::authentication;
  }
  return options;
}

// FUTURERELEASE is for submission only, where MAIL needs a login (RFC 4865 section 3).
smtp::MailExtensions Session::extensions() const {
  const config::Values& values = settings_.current();
  smtp::MailExtensions offers;
  offers.mt_priority = true;
  offers.priority_profile = values.get(kPriorityProfile);
  offers.deliver_by = true;
  offers.deliver_by_min_s = static_cast<uint32_t>(values.get(kDeliverByMin).ms() / 1000);
  const Duration hold_max = values.get(kHoldMax);
  if (is_submission(service_)) {
    offers.hold_max_s = static_cast<uint32_t>(hold_max.ms() / 1000);
    offers.hold_until_max = to_iso8601(loop_.wall() + hold_max);
  }
  return offers;
}

rt::Task<void> Session::run() {
  const Status ended = co_await talk();
  if (!ended.has_value()) {
    parts_.log.debug("smtp.session_ended", {{"peer", peer_ip_}, {"why", ended.error().to_text()}});
    if (deaf_peer_ || !ended.error().is(rt::kTimedOut)) co_return;
    engine_.close(smtp::replies::kIdleTooLong);
    const Status told = co_await flush();
    if (!told.has_value()) co_return;
  }
  co_await wire_.finish(loop_.in(kFarewellMax));
}

rt::Task<Status> Session::flush() {
  while (engine_.has_output()) {
    std::string out = engine_.take_output();
    Status sent = co_await wire_.send(std::move(out), phase_deadline());
    deaf_peer_ = !sent.has_value();
    if (deaf_peer_) co_return sent;
  }
  co_return Status();
}

rt::Deadline Session::phase_deadline() const {
  const config::Values& values = settings_.current();
  const bool in_data = engine_.phase() == smtp::ServerPhase::data;
  const Duration patience = in_data ? values.get(kDataTimeout) : values.get(kCommandTimeout);
  return loop_.in(patience).earlier(session_end_);
}

// The codec's loop (see server.h): events first, then output when nothing more can be consumed,
// then input.
rt::Task<Status> Session::talk() {
  for (;;) {
    const std::string_view input = wire_.input();
    const size_t taken = engine_.feed(input);
    bool moved = taken > 0;
    while (std::optional<smtp::ServerEvent> event = engine_.next()) {
      moved = true;
      if (const auto* chunk = std::get_if<smtp::DataChunk>(&*event)) {
        on_chunk(chunk->content);
      } else {
        co_await handle(std::move(*event));
      }
    }
    wire_.consume(taken);
    if (moved) continue;
    if (engine_.has_output()) {
      PH_CO_TRY_STATUS(co_await flush());
      continue;
    }
    if (engine_.phase() == smtp::ServerPhase::closed) co_return Status();
    if (engine_.phase() == smtp::ServerPhase::handshake) {
      const std::shared_ptr<const tls::Context> context = parts_.tls();
      if (context == nullptr) co_return fail(rt::kTls, "no certificate");
      PH_CO_TRY_STATUS(
          co_await wire_.start_tls(tls::Engine::server(*context), loop_.in(kHandshakeMax)));
      engine_.tls_started();
      end_transaction();
      continue;
    }
    if (draining_ && engine_.phase() != smtp::ServerPhase::data) {
      engine_.close(smtp::replies::kShuttingDown);
      continue;
    }
    PH_CO_TRY(const wire::Filled filled, co_await wire_.fill(phase_deadline()));
    if (filled == wire::Filled::end_of_stream) co_return Status();
  }
}

rt::Task<void> Session::handle(smtp::ServerEvent event) {
  if (auto* end = std::get_if<smtp::DataEnd>(&event)) {
    co_await on_data_end(*end);
    co_return;
  }
  if (auto* start = std::get_if<smtp::AuthStart>(&event)) {
    auto server = sasl::Server::create(start->mechanism, parts_.runtime.entropy().bytes(24));
    if (!server.has_value()) {
      engine_.answer(smtp::replies::kAuthUnknown);
      co_return;
    }
    sasl_ = std::move(*server);
    std::optional<std::string_view> initial;
    if (start->initial.has_value()) initial = *start->initial;
    co_await on_auth(sasl_->start(initial));
    co_return;
  }
  if (auto* response = std::get_if<smtp::AuthResponse>(&event)) {
    co_await on_auth(sasl_->step(response->response));
    co_return;
  }
  std::visit(
      Overload{[this](smtp::Connected&) { on_connected(); },
               [this](smtp::Hello& e) { on_hello(e); }, [this](smtp::MailFrom& e) { on_mail(e); },
               [this](smtp::RcptTo& e) { on_rcpt(e); },
               [this](smtp::DataStart&) { on_data_start(); },
               [this](smtp::StartTls&) { engine_.accept(); },
               [this](smtp::Reset&) { end_transaction(); }, [](auto&) {}},
      event);
}

void Session::on_connected() {
  if (draining_) {
    engine_.answer(smtp::replies::kShuttingDown);
  } else {
    engine_.accept();
  }
}

void Session::on_hello(const smtp::Hello& hello) {
  end_transaction();
  helo_ = hello.name;
  extended_ = hello.extended;
  engine_.accept();
}

void Session::on_mail(smtp::MailFrom& mail) {
  end_transaction();
  const std::string sender = smtp::to_text(mail.sender);
  const bool must_match = settings_.current().get(kSenderMustMatch);
  if (!login_.empty() && must_match && !sender.empty() &&
      !parts_.addresses.may_send_as(login_, sender)) {
    engine_.answer(replies::kNotYourSender);
    return;
  }
  const Sender who = login_.empty() ? Sender::stranger : Sender::user;
  if (const std::string why = parts_.intake.refusal(who); !why.empty()) {
    engine_.answer(shed(why));
    return;
  }
  if (const smtp::FixedReply* fault = take_extensions(mail.parameters)) {
    engine_.answer(*fault);
    end_transaction();
    return;
  }
  envelope_.sender = sender;
  envelope_.auth_user = login_;
  envelope_.client_ip = peer_ip_;
  envelope_.client_helo = helo_;
  envelope_.envelope_id = std::move(mail.parameters.envelope_id);
  envelope_.dsn_return = return_of(mail.parameters.dsn_return);
  envelope_.body = body_of(mail.parameters.body);
  envelope_.smtp_utf8 = mail.parameters.smtp_utf8;
  envelope_.origin = login_.empty() ? model::Origin::smtp : model::Origin::submission;
  expected_size_ = mail.parameters.size.value_or(0);
  if (!priority_lowered_) return engine_.accept();
  // RFC 6710 section 4.1: X.3.6, the priority it has now, then words.
  engine_.answer(smtp::Reply{
      250, {2, 3, 6}, std::to_string(envelope_.mt_priority) + " is its priority, sender OK"});
}

// MT-PRIORITY, BY, HOLDFOR and HOLDUNTIL into the envelope: times are absolute from here on. The
// reply that refuses them, nullptr when all is well.
const smtp::FixedReply* Session::take_extensions(const smtp::MailParameters& parameters) {
  const Time now = loop_.wall();
  priority_given_ = parameters.priority.has_value();
  take_priority(parameters.priority.value_or(0));
  if (const auto& by = parameters.deliver_by) {
    using Mode = model::DeliverBy::Mode;
    const bool returns = by->mode == smtp::DeliverBy::Mode::return_it;
    envelope_.deliver_by = {returns ? Mode::return_it : Mode::notify,
                            now + Duration::seconds(by->seconds), by->trace};
  }
  Time hold = parameters.hold_until.value_or(Time());
  if (parameters.hold_for) hold = now + Duration::seconds(*parameters.hold_for);
  if (hold <= now) return nullptr;  // a time that is past means at once
  if (hold > now + settings_.current().get(kHoldMax)) return &replies::kHeldTooLong;
  if (envelope_.deliver_by.is_set() && envelope_.deliver_by.at <= hold) {
    return &replies::kHeldBeyondDelivery;
  }
  envelope_.hold_until = hold;
  return nullptr;
}

// RFC 6710 section 4.1: whoever is not trusted to raise a priority gets the highest he may have; a
// low one is anybody's to ask for.
void Session::take_priority(int asked) {
  const config::Values& values = settings_.current();
  const auto limit = static_cast<int>(values.get(login_.empty() ? kPriorityMax : kUserPriorityMax));
  envelope_.mt_priority = std::min(asked, limit);
  priority_lowered_ = asked > limit;
}

void Session::on_rcpt(const smtp::RcptTo& rcpt) {
  model::Recipient recipient;
  recipient.address = smtp::to_text(rcpt.recipient.path);
  switch (parts_.addresses.standing(recipient.address)) {
    case Standing::local: break;
    case Standing::no_such_address: engine_.answer(replies::kNoSuchUser); return;
    case Standing::foreign:
      if (!may_relay()) {
        engine_.answer(replies::kRelayDenied);
        return;
      }
  }
  recipient.notify = notify_of(rcpt.recipient.parameters.notify);
  if (const auto& original = rcpt.recipient.parameters.original) {
    recipient.original_type = original->type;
    recipient.original_address = original->address;
  }
  recipients_.push_back(std::move(recipient));
  engine_.accept();
}

// The names that IANA keeps for "with" (RFC 3848, RFC 6531 section 4.3).
std::string Session::protocol() const {
  if (!extended_ && !wire_.is_secure()) return "SMTP";
  std::string out = envelope_.smtp_utf8 ? "UTF8SMTP" : "ESMTP";
  if (wire_.is_secure()) out += "S";
  if (!login_.empty()) out += "A";
  return out;
}

// RFC 5321 section 4.4. The queue's id is not known yet; the answer to the content names it.
std::string Session::received_field() const {
  std::string out = "Received: from " + printable(helo_, 255) + " ([" +
                    (peer_ip_.find(':') == std::string::npos ? "" : "IPv6:") + peer_ip_ + "])\r\n";
  out += "\tby " + parts_.host + " with " + protocol();
  if (wire_.tls().has_value()) {
    out += "\r\n\t(" + wire_.tls()->version + " " + wire_.tls()->cipher + ")";
  }
  if (recipients_.size() == 1 && recipients_[0].address.size() < 200 &&
      printable(recipients_[0].address) == recipients_[0].address) {
    out += "\r\n\tfor <" + recipients_[0].address + ">";
  }
  if (envelope_.mt_priority != 0) {  // RFC 6710 section 7
    out += "\r\n\tpriority " + std::to_string(envelope_.mt_priority);
  }
  out += ";\r\n\t" + to_rfc5322_date(envelope_.received_at) + "\r\n";
  return out;
}

void Session::on_data_start() {
  envelope_.received_at = loop_.wall();
  std::string field = received_field();
  own_size_ = field.size();
  no_memory_ = !make_room(own_size_ + std::min(expected_size_ + 1, kReserveMax));
  if (no_memory_) {
    engine_.answer(replies::kNoMemory);
    end_transaction();
    return;
  }
  content_ += field;
  engine_.accept();
}

// Room for so many octets of content, accounted for before it is taken.
bool Session::make_room(uint64_t octets) {
  if (octets <= content_room_) return true;
  const uint64_t wanted = std::max({octets, content_room_ * 2, kContentFirst});
  if (!memory_.resize(wanted, settings_.current().get(kMemoryMax).value)) return false;
  content_.reserve(wanted);
  content_room_ = wanted;
  return true;
}

void Session::on_chunk(std::string_view content) {
  if (no_memory_) return;
  if (!make_room(content_.size() + content.size())) {
    no_memory_ = true;  // the rest is swallowed; its end is answered 452
    drop_content();
    return;
  }
  content_ += content;
}

void Session::drop_content() {
  content_ = {};
  content_room_ = 0;
  memory_.release();
}

rt::Task<void> Session::on_data_end(smtp::DataEnd end) {
  if (end.fault != smtp::ContentFault::none) {
    engine_.accept();  // the engine knows the fitting rejection
    end_transaction();
    co_return;
  }
  if (no_memory_) {
    engine_.answer(replies::kNoMemory);
    end_transaction();
    co_return;
  }
  const mime::TopHeader header =
      mime::scan_top_header(std::string_view(content_).substr(own_size_));
  if (const smtp::FixedReply* fault = header_fault(header)) {
    engine_.answer(*fault);
    end_transaction();
    co_return;
  }
  Incoming message;
  message.message_id = bare_message_id(header.message_id);
  if (!login_.empty()) {
    take_priority_field(std::string_view(content_).substr(own_size_, header.size));
    const std::string added = add_missing(header);
    if (!added.empty()) message.message_id = added;
  }
  envelope_.size_bytes = content_.size();
  const int priority = envelope_.mt_priority;
  message.envelope = std::move(envelope_);
  message.recipients = std::move(recipients_);
  // Shared: the committer, the queue and a cache may hold the same octets.
  message.bytes = std::make_shared<const std::string>(std::move(content_));
  const Result<std::string> stored = co_await store(std::move(message));
  answer_stored(stored, priority);
  end_transaction();
}

// RFC 5321 section 6.3: a message that has come too far, or by here too often, is going round. What
// a mailing list sends back passes us twice, so a few times are no loop.
const smtp::FixedReply* Session::header_fault(const mime::TopHeader& header) const {
  const config::Values& values = settings_.current();
  const bool too_far = header.received_count >= values.get(kHopsMax);
  if (!too_far && header.received_count <= values.get(kOwnHopsMax)) return nullptr;
  const Trace trace =
      trace_of(std::string_view(content_).substr(own_size_, header.size), parts_.host);
  if (!too_far && trace.own <= values.get(kOwnHopsMax)) return nullptr;
  parts_.log.warning("smtp.loop", {{"peer", peer_ip_},
                                   {"message_id", bare_message_id(header.message_id)},
                                   {"hops", std::to_string(header.received_count)},
                                   {"own_hops", std::to_string(trace.own)},
                                   {"chain", trace.chain}});
  return too_far ? &replies::kTooManyHops : &replies::kLooping;
}

// The header field of a user whose program cannot say MT-PRIORITY (RFC 6758 section 3.1). A
// stranger's is not looked at.
void Session::take_priority_field(std::string_view header) {
  if (priority_given_) return;
  const std::vector<mime::Field> fields = mime::HeaderView(header).all("MT-Priority");
  if (fields.size() != 1) return;
  const std::optional<int> asked = smtp::parse_priority(fields.front().value());
  if (asked) take_priority(*asked);
}

// RFC 6409 section 8: what a submission lacks is added. The new Message-ID, "" if it has one.
std::string Session::add_missing(const mime::TopHeader& header) {
  std::string missing;
  std::string message_id;
  if (header.date.data() == nullptr) {
    missing += "Date: " + to_rfc5322_date(envelope_.received_at) + "\r\n";
  }
  if (header.message_id.data() == nullptr) {
    message_id = hex_encode(parts_.runtime.entropy().bytes(16)) + "@" + parts_.host;
    missing += "Message-ID: <" + message_id + ">\r\n";
  }
  content_.insert(own_size_, missing);
  return message_id;
}

rt::Task<Result<std::string>> Session::store(Incoming message) {
  const rt::Deadline deadline = loop_.in(kStoreMax);
  if (login_.empty()) {
    co_return co_await parts_.intake.accept(loop_, std::move(message), deadline);
  }
  co_return co_await parts_.intake.submit(loop_, login_, std::move(message), deadline);
}

void Session::answer_stored(const Result<std::string>& stored, int priority) {
  if (stored.has_value()) {
    smtp::Reply taken{250, {2, 0, 0}, "Message accepted as " + *stored};
    if (priority_lowered_) {
      taken.enhanced = {2, 3, 6};
      taken.text = std::to_string(priority) + " is its priority. " + taken.text;
    }
    engine_.answer(taken);
    return;
  }
  if (stored.error().is(kShed)) {  // back pressure logs its levels, not each message
    engine_.answer(shed(stored.error().context()));
    return;
  }
  parts_.log.warning("smtp.not_stored", {{"peer", peer_ip_}, {"why", stored.error().to_text()}});
  if (stored.error().is(kv::kDiskFull)) {
    engine_.answer(replies::kDiskFull);
  } else if (stored.error().disposition() == Disposition::permanent) {
    engine_.answer(replies::kNotStoredForGood);
  } else {
    engine_.answer(replies::kNotStored);
  }
}

void Session::end_transaction() {
  envelope_ = {};
  recipients_ = {};
  drop_content();
  expected_size_ = 0;
  no_memory_ = false;
  priority_given_ = false;
  priority_lowered_ = false;
}

rt::Task<void> Session::on_auth(sasl::Step step) {
  for (;;) {
    if (auto* challenge = std::get_if<sasl::Challenge>(&step)) {
      engine_.challenge(challenge->bytes);
      co_return;
    }
    if (auto* need = std::get_if<sasl::NeedVerifier>(&step)) {
      step = sasl_->supply(parts_.auth.verifier(need->user));
      continue;
    }
    if (auto* check = std::get_if<sasl::CheckPassword>(&step)) {
      auto verdict = co_await parts_.auth.check(loop_, check->user, std::move(check->password),
                                                loop_.in(kCheckMax));
      if (!verdict.has_value()) {
        sasl_.reset();
        engine_.answer(replies::kAuthBusy);
        co_return;
      }
      step = sasl_->password_checked(*verdict);
      continue;
    }
    if (auto* done = std::get_if<sasl::Done>(&step)) {
      sasl_.reset();
      if (!done->acting_for.empty() && !iequals(done->acting_for, done->user)) {
        refuse_login("may not act for another user");
        co_return;
      }
      parts_.auth.note_success(peer_ip_);
      login_ = done->user;
      parts_.log.info("smtp.login", {{"user", login_}, {"peer", peer_ip_}});
      engine_.accept();
      co_return;
    }
    sasl_.reset();
    parts_.auth.note_failure(peer_ip_);
    co_await rt::sleep(loop_, loop_.in(parts_.auth.delay_for(peer_ip_)), "the brake on guessing");
    refuse_login(std::get<sasl::Failed>(step).reason);
    co_return;
  }
}

void Session::refuse_login(const std::string& why) {
  parts_.metrics.counter("posthorn_smtp_login_failures").add();
  parts_.log.warning("smtp.login_failed", {{"peer", peer_ip_}, {"why", why}});
  engine_.answer(smtp::replies::kAuthFailed);
}

}  // namespace ph::smtp_in
