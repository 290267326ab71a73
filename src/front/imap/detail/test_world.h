// What this room's tests work with: the whole server on a simulated machine with a disk in memory,
// two accounts, and clients that speak over the simulated network.
#pragma once

#include <gtest/gtest.h>

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/text.h"
#include "front/imap/server.h"
#include "kv_mem/store.h"
#include "rt/errors.h"
#include "rt_sim/simulation.h"
#include "service/wire/wire.h"

namespace ph::imap_server {

inline constexpr uint16_t kPlainPort = 143;
inline constexpr uint16_t kTlsPort = 993;
inline constexpr char kPassword[] = "correct horse battery";

class NoTransport final : public store::Transport {
 public:
  rt::Task<Result<store::HandOverAnswer>> take(rt::Loop& home, store::HandOver,
                                               rt::Deadline) override {
    co_return store::HandOverAnswer{store::HandOverAnswer::Kind::not_now, "closed",
                                    home.wall() + Duration::hours(1)};
  }
  rt::Task<Result<store::TransportProgress>> progress(rt::Loop&, std::string,
                                                      rt::Deadline) override {
    co_return fail(rt::kTimedOut, "no transport");
  }
};

// Keeps every line, to look for what must not be in it.
class KeepingLog final : public obs::Log {
 public:
  bool enabled(obs::Level) const override { return true; }
  void write(obs::Level level, std::string_view event,
             std::initializer_list<obs::Field> fields) override {
    text += obs::format_event(level, event, fields) + "\n";
  }
  std::string text;
};

struct Surroundings {
  kv_mem::MemDisk disk;
  config::Schema schema;
  config::FixedSource settings;
  obs::Metrics metrics;
  KeepingLog log;
  std::shared_ptr<const tls::Context> identity;
  std::vector<std::string> accounts = {"ann@example.org", "bob@example.org", "cyd@example.org"};
};

// The program of the server's machine.
class Program {
 public:
  Program(rt::Runtime& runtime, Surroundings& around)
      : around_(around),
        runtime_(runtime),
        kv_(around.disk),
        mailboxes_(
            {kv_, runtime.loops(), runtime.entropy(), transport_, around.log, around.metrics}, {}),
        fleet_(around.metrics, runtime.loops().size()),
        starting_(*runtime.loops()[0], "start") {
    starting_.spawn("start", start());
  }

  bool ready() const { return ready_; }
  store::Mailboxes& mailboxes() { return mailboxes_; }
  const directory::Directory& directory() { return *directory_; }
  store::MailboxId mailbox_of(std::string_view login) {
    return {directory_->account_of(login)->id.value};
  }
  Server& server(size_t loop) { return *servers_[loop]; }
  size_t servers() const { return servers_.size(); }

 private:
  rt::Task<void> start() {
    const Status done = co_await open_all();
    PH_CHECK(done.has_value());
    ready_ = true;
  }
  rt::Task<Status> open_all() {
    rt::Loop& first = *runtime_.loops()[0];
    const rt::Deadline until = first.in(Duration::minutes(5));
    PH_CO_TRY(directory_, co_await directory::Directory::open(kv_, first));
    const auth::AuthPorts ports{runtime_, kv_};
    PH_CO_TRY(auth_, co_await auth::Auth::open(ports, first));
    if (directory_->accounts().empty()) PH_CO_TRY_STATUS(co_await add_accounts(until));
    for (rt::Loop* loop : runtime_.loops()) {
      auto begin = [this, loop, until] { return mailboxes_.start(*loop, until); };
      PH_CO_TRY_STATUS(co_await rt::call_on(first, *loop, "start", std::move(begin), until));
    }
    for (rt::Loop* loop : runtime_.loops()) {
      auto begin = [this, loop] { return listen(*loop); };
      PH_CO_TRY_STATUS(co_await rt::call_on(first, *loop, "listen", std::move(begin), until));
    }
    co_return Status();
  }
  rt::Task<Status> add_accounts(rt::Deadline until) {
    PH_CO_TRY_STATUS(co_await directory_->add_domain("example.org", until));
    for (const std::string& address : around_.accounts) {
      PH_CO_TRY(const directory::Account made, co_await directory_->add_account(address, until));
      static_cast<void>(made);
      PH_CO_TRY_STATUS(co_await auth_->set_password(address, kPassword, until));
    }
    co_return Status();
  }
  rt::Task<Status> listen(rt::Loop& loop) {
    const auto identity = [this] { return around_.identity; };
    Parts parts{runtime_,    mailboxes_,      *directory_,        *auth_,  fleet_,
                around_.log, around_.metrics, "mail.example.org", identity};
    servers_.push_back(std::make_unique<Server>(std::move(parts), loop, around_.settings));
    const rt::Endpoint any{rt::Endpoint::Kind::ipv4, "0.0.0.0", kPlainPort};
    PH_CO_TRY_STATUS(servers_.back()->listen(any, Service::starttls));
    const rt::Endpoint tls{rt::Endpoint::Kind::ipv4, "0.0.0.0", kTlsPort};
    co_return servers_.back()->listen(tls, Service::tls);
  }

  Surroundings& around_;
  rt::Runtime& runtime_;
  NoTransport transport_;
  kv_mem::MemStore kv_;
  std::unique_ptr<directory::Directory> directory_;
  std::unique_ptr<auth::Auth> auth_;
  store::Mailboxes mailboxes_;
  Fleet fleet_;
  std::vector<std::unique_ptr<Server>> servers_;
  rt::Scope starting_;
  bool ready_ = false;
};

// A client's connection. What it reads piles up in `heard`.
class Client {
 public:
  enum class Security : uint8_t { none, tls };
  Client(rt_sim::Simulation& sim, rt_sim::Host& host, rt::Endpoint to, const tls::Context& trust,
         Security security)
      : sim_(sim),
        host_(host),
        to_(std::move(to)),
        trust_(trust),
        security_(security),
        writing_(host.loop()),
        reading_(host.loop()),
        scope_(host.loop(), "client") {
    scope_.spawn("client connects", connect());
  }

  bool connected() const { return wire_.has_value(); }
  bool ended() const { return ended_; }
  const std::string& heard() const { return heard_; }
  void clear() { heard_.clear(); }
  void say(std::string octets) {
    queued_.push_back(std::move(octets));
    writing_.wake();
  }
  void stop_reading() { deaf_ = true; }
  void go_on_reading() {
    deaf_ = false;
    reading_.wake();
  }
  void hang_up() {
    scope_.cancel();
    sim_.run_until([this] { return scope_.active() == 0; }, Duration::minutes(1));
    if (wire_.has_value()) wire_->close();
    wire_.reset();
  }

  // Until a line that starts with `text` is heard whole; what was heard up to its end, which is
  // taken out.
  std::string until(std::string_view text, Duration limit = Duration::minutes(20)) {
    sim_.run_until([&] { return line_end_of(text) != std::string::npos || ended_; }, limit);
    const size_t end = line_end_of(text);
    if (end == std::string::npos) {
      ADD_FAILURE() << "not heard: " << text << "\nbut: " << heard_.substr(0, 2000)
                    << (ended_ ? "\n(ended)" : "");
      return {};
    }
    std::string out = heard_.substr(0, end);
    heard_.erase(0, end);
    return out;
  }
  // A command and everything up to its tagged answer.
  std::string ask(std::string_view command) {
    const std::string tag = "t" + std::to_string(++tags_);
    say(tag + " " + std::string(command) + "\r\n");
    return until(tag + " ");
  }
  // Turns to TLS after the answer to STARTTLS.
  void start_tls() {
    wants_tls_ = true;
    wire_->nudge();
    sim_.run_until([this] { return wire_->is_secure() || ended_; }, Duration::minutes(1));
    EXPECT_TRUE(wire_->is_secure());
  }

 private:
  size_t line_end_of(std::string_view text) const {
    size_t at = heard_.starts_with(text) ? 0 : heard_.find("\r\n" + std::string(text));
    if (at == std::string::npos) return at;
    if (at != 0 || !heard_.starts_with(text)) at += 2;
    const size_t end = heard_.find("\r\n", at + text.size());
    return end == std::string::npos ? end : end + 2;
  }
  rt::Deadline long_time() { return host_.loop().in(Duration::days(2)); }
  tls::Engine engine() {
    return tls::Engine::client(trust_, {"mail.example.org", tls::Verify::required, sim_.wall()});
  }
  rt::Task<void> connect() {
    const rt::DialOptions options{to_};
    auto stream = co_await host_.runtime().dial(host_.loop(), options, long_time());
    if (!stream.has_value()) {
      ended_ = true;
      co_return;
    }
    wire::Wire wire(std::move(*stream));
    if (security_ == Security::tls) {
      const Status shaken = co_await wire.start_tls(engine(), long_time());
      if (!shaken.has_value()) {
        ended_ = true;
        co_return;
      }
    }
    wire_.emplace(std::move(wire));
    scope_.spawn("client writes", write_all());
    co_await read_all();
  }
  rt::Task<void> read_all() {
    for (;;) {
      while (deaf_) {
        const rt::Woken woken = co_await reading_.park(long_time(), "leave to read");
        if (woken == rt::Woken::cancelled) co_return;
      }
      const auto filled = co_await wire_->fill(long_time());
      if (filled.has_value() && wants_tls_) {
        wants_tls_ = false;
        const Status shaken = co_await wire_->start_tls(engine(), long_time());
        if (shaken.has_value()) continue;
      }
      if (!filled.has_value() || *filled == wire::Filled::end_of_stream) {
        ended_ = true;
        co_return;
      }
      heard_ += wire_->input();
      wire_->consume(wire_->input().size());
    }
  }
  rt::Task<void> write_all() {
    for (;;) {
      while (queued_.empty()) {
        const rt::Woken woken = co_await writing_.park(long_time(), "something to say");
        if (woken == rt::Woken::cancelled) co_return;
      }
      const std::string octets = std::move(queued_.front());
      queued_.pop_front();
      const Status sent = co_await wire_->send_view(octets, long_time());
      if (!sent.has_value()) co_return;
    }
  }

  rt_sim::Simulation& sim_;
  rt_sim::Host& host_;
  rt::Endpoint to_;
  const tls::Context& trust_;
  Security security_;
  std::optional<wire::Wire> wire_;
  std::deque<std::string> queued_;
  rt::Parking writing_;
  rt::Parking reading_;
  std::string heard_;
  size_t tags_ = 0;
  bool deaf_ = false;
  bool ended_ = false;
  bool wants_tls_ = false;
  rt::Scope scope_;
};

class ImapTest : public ::testing::Test {
 protected:
  explicit ImapTest(uint64_t seed = 5)
      : sim(seed), server(sim.add_host({.name = "mail"})), away(sim.add_host({.name = "client"})) {
    add_settings(around.schema);
    const auto made = tls::make_self_signed({"mail.example.org"}, sim.wall());
    // Shared by all connections made from it.
    around.identity = std::make_shared<const tls::Context>(
        tls::Context::server({made->certificate_pem, made->key_pem}).value());
    trust =
        std::make_unique<tls::Context>(tls::Context::client({"", made->certificate_pem}).value());
    server.start([this](rt::Runtime& runtime) {
      return std::make_shared<Program>(runtime, around);  // as Host wants it
    });
    wait_ready();
  }
  ~ImapTest() override {
    clients.clear();
    EXPECT_EQ(sim.check(), rt_sim::Findings());
  }

  Program& program() { return *server.program<Program>(); }
  void wait_ready() {
    const auto end = sim.run_until([this] { return program().ready(); }, Duration::minutes(5));
    PH_CHECK(end == rt_sim::RunEnd::reached);
  }
  void set(std::string_view name, std::string_view value) {
    auto changed = around.settings.current().with(around.schema, name, value);
    PH_CHECK(changed.has_value());
    around.settings.set(std::move(*changed));
  }
  // A connection that has not said anything yet.
  Client& dial(uint16_t port = kTlsPort) {
    const auto security = port == kTlsPort ? Client::Security::tls : Client::Security::none;
    clients.push_back(std::make_unique<Client>(sim, away, server.endpoint(port), *trust, security));
    return *clients.back();
  }
  Client& log_in(std::string_view user = "ann@example.org") {
    Client& client = dial();
    client.until("* OK");
    const std::string answer = client.ask("LOGIN " + std::string(user) + " \"" + kPassword + "\"");
    EXPECT_NE(answer.find(" OK "), std::string::npos) << answer;
    return client;
  }
  // The answer to an APPEND of `message`.
  std::string append(Client& client, std::string_view folder, std::string_view message,
                     std::string_view flags = "") {
    return client.ask("APPEND " + std::string(folder) + " " + std::string(flags) + "{" +
                      std::to_string(message.size()) + "+}\r\n" + std::string(message));
  }
  int64_t gauge(std::string_view name) { return around.metrics.value(name); }

  Surroundings around;  // outlives the simulation's programs
  rt_sim::Simulation sim;
  rt_sim::Host& server;
  rt_sim::Host& away;
  std::unique_ptr<tls::Context> trust;
  std::vector<std::unique_ptr<Client>> clients;
};

inline bool has(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

inline constexpr char kMessage[] =
    "Date: Sat, 21 Nov 2026 02:50:16 +0100\r\n"
    "From: Ann <ann@example.org>\r\n"
    "To: bob@example.org\r\n"
    "Subject: Lunch\r\n"
    "Message-ID: <1@example.org>\r\n"
    "MIME-Version: 1.0\r\n"
    "Content-Type: multipart/mixed; boundary=b\r\n"
    "\r\n"
    "--b\r\n"
    "Content-Type: text/plain; charset=utf-8\r\n"
    "\r\n"
    "At noon?\r\n"
    "--b\r\n"
    "Content-Type: application/octet-stream\r\n"
    "Content-Transfer-Encoding: base64\r\n"
    "\r\n"
    "aGVsbG8=\r\n"
    "--b--\r\n";

}  // namespace ph::imap_server
