// How a client proves who he is and gets to his mailbox: LOGIN, AUTHENTICATE.
#include <utility>

#include "base/text.h"
#include "front/imap/detail/session.h"

namespace ph::imap_server {
namespace {

constexpr Duration kCheckMax = Duration::seconds(30);
constexpr Duration kOpenMax = Duration::seconds(30);
constexpr uint32_t kFailedLoginsMax = 10;
constexpr size_t kNonceBytes = 24;

}  // namespace

bool Session::may_log_in() const {
  if (connection_->wire.is_secure()) return true;
  return rt::is_loopback(connection_->peer) && desk_.settings.current().get(kLoginWithoutTls);
}

rt::Task<void> Session::on_login(std::string tag, imap::cmd::Login login) {
  const auto by = ProvenLogin::By::login;
  if (!may_log_in()) {
    voice_.status(tag, answers::kTlsFirst);
    co_return;
  }
  sasl::Done done{std::move(login.user), {}};
  const auto verdict =
      co_await parts_.auth.check(loop_, done.user, std::move(login.password), loop_.in(kCheckMax));
  if (!verdict.has_value()) {
    voice_.status(tag, answers::kLoginBusy);
  } else if (*verdict == sasl::PasswordVerdict::right) {
    prove(by, std::move(tag), done);
  } else {
    co_await refuse_login(by, std::move(tag), "wrong password");
  }
}

rt::Task<void> Session::on_authenticate(std::string tag, imap::cmd::Authenticate start) {
  const auto by = ProvenLogin::By::authenticate;
  if (!may_log_in()) {
    answer_login(by, tag, answers::kTlsFirst);
    co_return;
  }
  auto made = sasl::Server::create(start.mechanism, parts_.runtime.entropy().bytes(kNonceBytes));
  if (!made.has_value()) {
    answer_login(by, tag, answers::kUnknownMechanism);
    co_return;
  }
  sasl_ = std::move(*made);
  sasl_tag_ = std::move(tag);
  std::optional<std::string_view> initial;
  if (start.initial_response.has_value()) initial = *start.initial_response;
  co_await on_sasl_step(sasl_->start(initial));
}

rt::Task<void> Session::on_sasl(imap::SaslResponse response) {
  if (response.cancelled) {
    sasl_.reset();
    answer_login(ProvenLogin::By::authenticate, sasl_tag_, answers::kLoginCancelled);
    co_return;
  }
  co_await on_sasl_step(sasl_->step(response.data));
}

rt::Task<void> Session::on_sasl_step(sasl::Step step) {
  const auto by = ProvenLogin::By::authenticate;
  for (;;) {
    if (auto* challenge = std::get_if<sasl::Challenge>(&step)) {
      connection_->engine.challenge(challenge->bytes);
      co_return;
    }
    if (auto* need = std::get_if<sasl::NeedVerifier>(&step)) {
      step = sasl_->supply(parts_.auth.verifier(need->user));
      continue;
    }
    if (auto* check = std::get_if<sasl::CheckPassword>(&step)) {
      const auto verdict = co_await parts_.auth.check(
          loop_, check->user, std::move(check->password), loop_.in(kCheckMax));
      if (!verdict.has_value()) {
        sasl_.reset();
        answer_login(by, sasl_tag_, answers::kLoginBusy);
        co_return;
      }
      step = sasl_->password_checked(*verdict);
      continue;
    }
    sasl_.reset();
    if (auto* done = std::get_if<sasl::Done>(&step)) {
      prove(by, sasl_tag_, *done);
    } else {
      co_await refuse_login(by, sasl_tag_, std::get<sasl::Failed>(step).reason);
    }
    co_return;
  }
}

// The client is who he says. What is left is done at his mailbox, by enter_mailbox().
void Session::prove(ProvenLogin::By by, std::string tag, const sasl::Done& done) {
  const bool for_himself = done.acting_for.empty() || iequals(done.acting_for, done.user);
  const std::optional<directory::Account> account = parts_.directory.account_of(done.user);
  if (!for_himself || !account.has_value()) {
    parts_.log.warning("imap.login_refused",
                       {{"user", done.user},
                        {"peer", connection_->peer.host},
                        {"why", for_himself ? "no account" : "may not act for another user"}});
    answer_login(by, tag, answers::kLoginFailed);
    return;
  }
  parts_.auth.note_success(connection_->peer.host);
  const store::MailboxId mailbox{account->id.value};
  connection_->proven = ProvenLogin{std::move(tag), account->address, mailbox, by};
  rt::Loop& home = parts_.mailboxes.home_of(mailbox);
  if (&home != &loop_) wanted_loop_ = &home;
}

rt::Task<void> Session::refuse_login(ProvenLogin::By by, std::string tag, std::string why) {
  const std::string& place = connection_->peer.host;
  parts_.metrics.counter("posthorn_imap_login_failures").add();
  parts_.log.warning("imap.login_failed", {{"peer", place}, {"why", why}});
  parts_.auth.note_failure(place);
  co_await rt::sleep(loop_, loop_.in(parts_.auth.delay_for(place)), "the brake on guessing");
  answer_login(by, tag, answers::kLoginFailed);
  if (++connection_->failed_logins >= kFailedLoginsMax) say_bye(answers::kTooManyFailures);
}

void Session::answer_login(ProvenLogin::By by, std::string_view tag, const Answer& answer) {
  voice_.status(tag, answer);
  if (by == ProvenLogin::By::authenticate) connection_->engine.resume();
}

rt::Task<void> Session::enter_mailbox() {
  const ProvenLogin login = std::move(*connection_->proven);
  connection_->proven.reset();
  auto opened = co_await parts_.mailboxes.open(login.mailbox, loop_.in(kOpenMax));
  if (!opened.has_value()) {
    parts_.log.warning("imap.mailbox_unavailable",
                       {{"user", login.user}, {"why", opened.error().to_text()}});
    answer_login(login.by, login.tag, answers::kMailboxUnavailable);
    co_return;
  }
  desk_.mailbox = std::move(*opened);
  desk_.user = login.user;
  connection_->engine.set_state(imap::SessionState::authenticated);
  parts_.log.info("imap.login", {{"user", login.user},
                                 {"peer", connection_->peer.host},
                                 {"tls", connection_->wire.is_secure() ? "yes" : "no"}});
  answer_login(login.by, login.tag, Answer(answers::kLoggedIn, "CAPABILITY " + capabilities()));
}

}  // namespace ph::imap_server
