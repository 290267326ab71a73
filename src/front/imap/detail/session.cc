#include "front/imap/detail/session.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/text.h"
#include "front/imap/detail/commands.h"
#include "rt/errors.h"

namespace ph::imap_server {
namespace {

using imap::SessionState;

constexpr Duration kHandshakeMax = Duration::seconds(60);
constexpr Duration kFarewellMax = Duration::seconds(5);
constexpr uint32_t kBadCommandsMax = 50;
constexpr size_t kIdFieldsLogged = 4;

template <class... Functions>
struct Overload : Functions... {
  using Functions::operator()...;
};

// RFC 3501 section 5.5, RFC 9051 section 7.5.1: no EXPUNGE while the client counts by numbers.
store::Vanished vanished_after(const imap::Command& command) {
  const auto by_number = [&command]<class C>() {
    const C* c = std::get_if<C>(&command);
    return c != nullptr && !c->by_uid;
  };
  const bool keeps = by_number.operator()<imap::cmd::Fetch>() ||
                     by_number.operator()<imap::cmd::Store>() ||
                     by_number.operator()<imap::cmd::Search>();
  return keeps ? store::Vanished::keep_back : store::Vanished::report;
}

}  // namespace

Session::Session(Server& server, std::unique_ptr<Connection> connection)
    : server_(server),
      parts_(server.parts_),
      loop_(server.loop_),
      connection_(std::move(connection)),
      voice_(*connection_, server.settings_),
      desk_{parts_, server.settings_, server.parts_.fleet.gate_, loop_, voice_},
      appending_(desk_),
      last_heard_(loop_.now()) {
  server_.here_.insert(this);
}

Session::~Session() { server_.here_.erase(this); }

void Session::wake() {
  if (waiting_) connection_->wire.nudge();
}

rt::Task<void> Session::run() {
  co_await talk();
  if (wanted_loop_ != nullptr) co_return;
  const bool flushed = co_await voice_.flush();
  if (flushed) co_await connection_->wire.finish(loop_.in(kFarewellMax));
  log_end();
}

void Session::log_end() const {
  const std::optional<Error>& broken = voice_.broken();
  const std::string why = broken.has_value() ? broken->to_text() : "closed";
  parts_.log.debug("imap.session_ended",
                   {{"peer", connection_->peer.host}, {"user", desk_.user}, {"why", why}});
}

// The codec's loop (see engine.h): events first, then input that is there, then output, then wait.
rt::Task<void> Session::talk() {
  if (connection_->service == Service::tls && !connection_->greeted) {
    const bool shaken = co_await shake_hands();
    if (!shaken) co_return;
  }
  greet();
  for (;;) {
    if (connection_->proven.has_value()) co_await enter_mailbox();
    bool goes_on = co_await take_events();
    if (!goes_on || wanted_loop_ != nullptr) co_return;
    if (connection_->engine.phase() == imap::Phase::closed) co_return;
    if (connection_->proven.has_value()) continue;
    const size_t taken = connection_->engine.feed(connection_->wire.input());
    connection_->wire.consume(taken);
    if (taken > 0) continue;
    goes_on = co_await wait_for_client();
    if (!goes_on) co_return;
  }
}

// All events that are there; false when the session is over.
rt::Task<bool> Session::take_events() {
  while (std::optional<imap::Event> event = connection_->engine.next()) {
    if (auto* data = std::get_if<imap::MessageData>(&*event)) {
      appending_.add(data->octets);
    } else if (auto* command = std::get_if<imap::CommandEvent>(&*event)) {
      co_await on_command(std::move(*command));
    } else if (auto* begin = std::get_if<imap::MessageBegin>(&*event)) {
      co_await on_message(std::move(*begin));
    } else if (auto* end = std::get_if<imap::AppendEnd>(&*event)) {
      co_await on_append_end(std::move(*end));
    } else if (auto* response = std::get_if<imap::SaslResponse>(&*event)) {
      co_await on_sasl(std::move(*response));
    } else if (auto* done = std::get_if<imap::IdleDone>(&*event)) {
      co_await on_idle_done(std::move(*done));
    } else {
      on_rejected(std::get<imap::Rejected>(*event));
    }
    last_heard_ = loop_.now();
    if (wanted_loop_ != nullptr || over_) co_return !over_;
    const bool room = co_await voice_.make_room();
    if (!room) co_return false;
  }
  co_return !over_;
}

Instant Session::silence_ends() const {
  const config::Values& values = desk_.settings.current();
  const imap::Phase phase = connection_->engine.phase();
  const bool between = phase == imap::Phase::between_commands || phase == imap::Phase::idle;
  const Instant end =
      last_heard_ + (between ? values.get(kIdleTimeout) : values.get(kProgressTimeout));
  if (desk_.mailbox) return end;
  return std::min(end, connection_->login_until);
}

// Sends what there is, then waits; false when the session is over.
rt::Task<bool> Session::wait_for_client() {
  if (idling_) {
    const bool looked = co_await look_at_mailbox();
    if (!looked) co_return false;
  }
  const bool flushed = co_await voice_.flush();
  if (!flushed) co_return false;
  if (std::exchange(wants_tls_, false)) {
    const bool shaken = co_await shake_hands();
    if (shaken) connection_->engine.resume();
    co_return shaken;
  }
  if (server_.draining_) {
    say_bye(answers::kShuttingDown);
    co_return false;
  }
  co_return co_await read_more();
}

rt::Task<bool> Session::read_more() {
  const Instant end = silence_ends();
  rt::Deadline until = rt::Deadline::at(end);
  // A hint may be lost, the clock is not.
  if (idling_) until = until.earlier(loop_.in(rt::kIdleRecheck));
  waiting_ = true;
  auto filled = co_await connection_->wire.fill(until);
  waiting_ = false;
  if (filled.has_value()) {
    if (*filled == wire::Filled::bytes) last_heard_ = loop_.now();
    co_return *filled != wire::Filled::end_of_stream;
  }
  if (!filled.error().is(rt::kTimedOut)) {
    voice_.break_off(std::move(filled).error());
    co_return false;
  }
  if (loop_.now() < end) co_return true;
  say_bye(desk_.mailbox ? answers::kIdleTooLong : answers::kLoginTooLong);
  co_return false;
}

rt::Task<bool> Session::shake_hands() {
  const std::shared_ptr<const tls::Context> context = parts_.tls();
  if (context == nullptr) co_return false;
  Status shaken =
      co_await connection_->wire.start_tls(tls::Engine::server(*context), loop_.in(kHandshakeMax));
  last_heard_ = loop_.now();
  if (shaken.has_value()) co_return true;
  // The wire is gone; nothing may be said any more.
  voice_.break_off(std::move(shaken).error());
  co_return false;
}

// What happened in the mailbox since, for a client in IDLE.
rt::Task<bool> Session::look_at_mailbox() {
  if (desk_.selected == nullptr) co_return true;
  co_return co_await desk_.selected->report(voice_, desk_.report(store::Vanished::report), {});
}

void Session::greet() {
  if (std::exchange(connection_->greeted, true)) return;
  voice_.status("*", Answer(answers::kReady, "CAPABILITY " + capabilities()));
}

void Session::say_bye(const FixedAnswer& why) {
  voice_.untagged(why);
  over_ = true;
}

std::string Session::capabilities() const {
  std::string out = "IMAP4rev1 LITERAL+ SASL-IR ID ENABLE IDLE";
  if (!desk_.mailbox) {
    if (!may_log_in()) {
      out += parts_.tls() != nullptr ? " STARTTLS LOGINDISABLED" : " LOGINDISABLED";
      return out;
    }
    if (!connection_->wire.is_secure() && parts_.tls() != nullptr) out += " STARTTLS";
    for (const std::string& mechanism : sasl::server_mechanisms()) out += " AUTH=" + mechanism;
    return out;
  }
  out += " NAMESPACE UIDPLUS MOVE UNSELECT CHILDREN SPECIAL-USE CREATE-SPECIAL-USE";
  out += " LIST-EXTENDED LIST-STATUS STATUS=SIZE ESEARCH WITHIN CONDSTORE MULTIAPPEND";
  out += " APPENDLIMIT=" + std::to_string(desk_.settings.current().get(kMessageSizeMax).value);
  return out;
}

rt::Task<void> Session::on_command(imap::CommandEvent event) {
  bad_commands_ = 0;
  if (on_simple(event.tag, event.command)) co_return;
  if (auto* login = std::get_if<imap::cmd::Login>(&event.command)) {
    co_await on_login(std::move(event.tag), std::move(*login));
    co_return;
  }
  if (auto* start = std::get_if<imap::cmd::Authenticate>(&event.command)) {
    co_await on_authenticate(std::move(event.tag), std::move(*start));
    co_return;
  }
  const store::Vanished vanished = vanished_after(event.command);
  const Answer answer = co_await perform(event.tag, std::move(event.command));
  settle();
  if (desk_.selected != nullptr) {
    const bool told = co_await desk_.selected->report(voice_, desk_.report(vanished), {});
    if (!told) co_return;
  }
  if (!voice_.broken().has_value()) voice_.status(event.tag, answer);
}

void Session::settle() {
  connection_->engine.set_state(desk_.selected != nullptr ? SessionState::selected
                                                          : SessionState::authenticated);
}

// Those that are answered at once; false for all others.
bool Session::on_simple(const std::string& tag, imap::Command& command) {
  imap::ResponseWriter writer = voice_.writer();
  if (std::holds_alternative<imap::cmd::Starttls>(command)) {
    on_starttls(tag);
    return true;
  }
  if (std::holds_alternative<imap::cmd::Idle>(command)) {
    start_idle();
    return true;
  }
  if (std::holds_alternative<imap::cmd::Logout>(command)) {
    say_bye(answers::kBye);
  } else if (std::holds_alternative<imap::cmd::Capability>(command)) {
    const std::string all = capabilities();
    writer.capability(split(all, ' '));
  } else if (std::holds_alternative<imap::cmd::Namespace>(command)) {
    static constexpr std::array<imap::NamespaceEntry, 1> kPersonal = {{{"", '/'}}};
    writer.namespaces({.personal = kPersonal});
  } else if (auto* enable = std::get_if<imap::cmd::Enable>(&command)) {
    on_enable(*enable);
  } else if (auto* id = std::get_if<imap::cmd::Id>(&command)) {
    on_id(id->fields);
  } else {
    return false;
  }
  voice_.status(tag, answers::kDone);
  return true;
}

void Session::on_starttls(const std::string& tag) {
  const bool secure = connection_->wire.is_secure();
  if (secure || parts_.tls() == nullptr) {
    voice_.status(tag, secure ? answers::kTlsAlready : answers::kNoTls);
    connection_->engine.resume();
    return;
  }
  voice_.status(tag, answers::kBeginTls);
  wants_tls_ = true;
}

void Session::on_enable(const imap::cmd::Enable& command) {
  std::vector<std::string_view> enabled;
  if (std::ranges::find(command.capabilities, "CONDSTORE") != command.capabilities.end()) {
    enabled.push_back("CONDSTORE");
    desk_.enable_condstore();
  }
  voice_.writer().enabled(enabled);
}

void Session::on_id(const std::vector<std::pair<std::string, std::optional<std::string>>>& fields) {
  std::string client;
  for (size_t i = 0; i < std::min(fields.size(), kIdFieldsLogged); ++i) {
    client += fields[i].first + "=" + fields[i].second.value_or("NIL") + " ";
  }
  parts_.log.debug("imap.client", {{"peer", connection_->peer.host}, {"id", client}});
  static constexpr std::array<std::pair<std::string_view, std::string_view>, 1> kSelf = {
      {{"name", "Posthorn"}}};
  voice_.writer().id(kSelf);
}

rt::Task<Answer> Session::perform(const std::string& tag, imap::Command command) {
  Desk& d = desk_;
  // RFC 2180 section 3.3: the mailbox may be deleted under the session's feet.
  const bool needs_folder = desk_.selected != nullptr && !desk_.selected->view().exists() &&
                            std::visit(Overload{[](const imap::cmd::Expunge&) { return true; },
                                                [](const imap::cmd::Search&) { return true; },
                                                [](const imap::cmd::Fetch&) { return true; },
                                                [](const imap::cmd::Store&) { return true; },
                                                [](const imap::cmd::Copy&) { return true; },
                                                [](const imap::cmd::Move&) { return true; },
                                                [](const auto&) { return false; }},
                                       command);
  if (needs_folder) co_return answers::kFolderGone;
  namespace c = imap::cmd;
  rt::Task<Answer> task = std::visit(
      Overload{[&d](c::List& x) { return list(d, std::move(x)); },
               [&d](c::Lsub& x) { return lsub(d, std::move(x)); },
               [&d](c::Status& x) { return status(d, std::move(x)); },
               [&d](c::Subscribe& x) { return subscribe(d, std::move(x)); },
               [&d](c::Unsubscribe& x) { return unsubscribe(d, std::move(x)); },
               [&d](c::Create& x) { return create(d, std::move(x)); },
               [&d](c::Delete& x) { return remove(d, std::move(x)); },
               [&d](c::Rename& x) { return rename(d, std::move(x)); },
               [&d](c::Select& x) { return select(d, std::move(x)); },
               [&d](c::Close&) { return close(d); },
               [&d](c::Expunge& x) { return expunge(d, std::move(x)); },
               [&d, &tag](c::Search& x) { return search(d, tag, std::move(x)); },
               [&d](c::Fetch& x) { return fetch(d, std::move(x)); },
               [&d](c::Store& x) { return store_flags(d, std::move(x)); },
               [&d](c::Copy& x) { return copy(d, std::move(x)); },
               [&d](c::Move& x) { return move(d, std::move(x)); },
               [&d](c::Unselect&) { return unselect(d); }, [](auto&) { return nothing_more(); }},
      command);
  co_return co_await task;
}

rt::Task<void> Session::on_message(imap::MessageBegin message) {
  const std::string tag = message.tag;
  const std::optional<Answer> refusal = appending_.begin(std::move(message));
  if (!refusal.has_value()) {
    connection_->engine.accept_message();
    co_return;
  }
  const bool looked = co_await look_at_mailbox();
  if (!looked) co_return;
  voice_.status(tag, *refusal);
  connection_->engine.refuse_message();
}

rt::Task<void> Session::on_append_end(imap::AppendEnd end) {
  const Answer answer = co_await appending_.end();
  const bool looked = co_await look_at_mailbox();
  if (looked) voice_.status(end.tag, answer);
}

void Session::start_idle() {
  connection_->engine.idle();
  idling_ = true;
  if (desk_.selected == nullptr) return;
  desk_.selected->view().on_change([this] {
    if (idling_) wake();
  });
}

rt::Task<void> Session::on_idle_done(imap::IdleDone done) {
  idling_ = false;
  const bool looked = co_await look_at_mailbox();
  if (looked) voice_.status(done.tag, answers::kDone);
}

// The engine has answered.
void Session::on_rejected(const imap::Rejected& rejected) {
  idling_ = false;
  sasl_.reset();
  appending_.drop();
  parts_.metrics.counter("posthorn_imap_bad_commands").add();
  parts_.log.debug("imap.bad_command", {{"peer", connection_->peer.host}, {"why", rejected.text}});
  if (++bad_commands_ >= kBadCommandsMax) say_bye(answers::kTooManyBadCommands);
}

}  // namespace ph::imap_server
