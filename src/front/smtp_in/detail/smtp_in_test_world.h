// For tests: an SMTP server in the simulator with a scripted Intake and directory, and a client
// that says octets and reads replies.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/text.h"
#include "config/setting.h"
#include "front/smtp_in/options.h"
#include "front/smtp_in/server.h"
#include "kv_mem/store.h"
#include "rt/errors.h"
#include "rt_sim/simulation.h"

namespace ph::smtp_in {

class ScriptedIntake final : public Intake {
 public:
  struct Taken {
    std::string login;  // "" for accept()
    Incoming message;
  };
  rt::Task<Result<std::string>> accept(rt::Loop& loop, Incoming message, rt::Deadline) override {
    return take(loop, "", std::move(message));
  }
  rt::Task<Result<std::string>> submit(rt::Loop& loop, std::string login, Incoming message,
                                       rt::Deadline) override {
    return take(loop, std::move(login), std::move(message));
  }
  std::string refusal(Sender sender) const override {
    return sender == Sender::user ? why_not_users : why_not;
  }

  std::vector<Taken> taken;
  std::optional<Error> failure;
  std::string why_not;  // strangers
  std::string why_not_users;
  Duration takes = {};

 private:
  rt::Task<Result<std::string>> take(rt::Loop& loop, std::string login, Incoming message) {
    if (takes > Duration()) co_await rt::sleep(loop, loop.in(takes), "the disk");
    if (failure.has_value()) co_return Error(*failure);
    taken.push_back({std::move(login), std::move(message)});
    co_return "Q" + std::to_string(taken.size());
  }
};

class ScriptedAddresses final : public Addresses {
 public:
  Standing standing(std::string_view address) const override {
    if (!iequals(address.substr(address.rfind('@') + 1), "example.org")) return Standing::foreign;
    return locals.contains(to_lower(address)) ? Standing::local : Standing::no_such_address;
  }
  bool may_send_as(std::string_view login, std::string_view address) const override {
    return iequals(login, address) || senders.contains(to_lower(address));
  }
  std::set<std::string> locals = {"alice@example.org", "bob@example.org"};
  std::set<std::string> senders = {"info@example.org"};
};

// One connection of a client, driven step by step.
class Peer {
 public:
  Peer(rt_sim::Simulation& sim, rt_sim::Host& host) : sim_(sim), host_(host) {}

  bool connect(const rt::Endpoint& to) {
    const rt::DialOptions options{to};
    auto dialed = sim_.await(host_.loop(), host_.runtime().dial(host_.loop(), options, soon()));
    if (!dialed.has_value() || !dialed->has_value()) return false;
    wire_.emplace(std::move(**dialed));
    return true;
  }
  bool start_tls(const tls::Context& trust) {
    auto engine =
        tls::Engine::client(trust, {"mx.example.org", tls::Verify::required, sim_.wall()});
    const auto shaken = sim_.await(host_.loop(), wire_->start_tls(std::move(engine), soon()));
    return shaken.has_value() && shaken->has_value();
  }
  bool send(std::string octets) {
    const auto sent = sim_.await(host_.loop(), wire_->send(std::move(octets), soon()));
    return sent.has_value() && sent->has_value();
  }
  // The next whole reply, line ends included; "<end>" when the connection has ended.
  std::string reply() {
    for (;;) {
      const size_t size = whole_reply(wire_->input());
      if (size > 0) {
        std::string out(wire_->input().substr(0, size));
        wire_->consume(size);
        return out;
      }
      const auto filled =
          sim_.await(host_.loop(), wire_->fill(soon(Duration::hours(3))), Duration::hours(4));
      PH_CHECK(filled.has_value());
      if (!filled->has_value() || **filled == wire::Filled::end_of_stream) return "<end>";
    }
  }
  std::string say(const std::string& line) {
    if (!send(line + "\r\n")) return "<end>";
    return reply();
  }
  // From connecting to a greeted session.
  bool open(const rt::Endpoint& to) {
    return connect(to) && reply().starts_with("220 ") &&
           say("EHLO client.example").starts_with("250");
  }
  bool secure(const tls::Context& trust) {
    return say("STARTTLS").starts_with("220") && start_tls(trust) &&
           say("EHLO client.example").starts_with("250");
  }
  bool login(const std::string& user, const std::string& password) {
    const std::string plain = std::string(1, '\0') + user + std::string(1, '\0') + password;
    return say("AUTH PLAIN " + base64_encode(plain)).starts_with("235");
  }
  // MAIL, RCPT and DATA with the content; the last reply.
  std::string mail(const std::string& from, const std::string& to, const std::string& content) {
    std::string answer = say("MAIL FROM:<" + from + ">");
    if (!answer.starts_with("250")) return answer;
    answer = say("RCPT TO:<" + to + ">");
    if (!answer.starts_with("250")) return answer;
    answer = say("DATA");
    if (!answer.starts_with("354")) return answer;
    return say(content + "\r\n.");
  }
  void close() { wire_.reset(); }
  wire::Wire& wire() { return *wire_; }

 private:
  rt::Deadline soon(Duration d = Duration::minutes(30)) { return host_.loop().in(d); }
  static size_t whole_reply(std::string_view input) {
    for (size_t at = 0;;) {
      const size_t end = input.find("\r\n", at);
      if (end == std::string_view::npos) return 0;
      if (end < at + 4 || input[at + 3] != '-') return end + 2;
      at = end + 2;
    }
  }
  rt_sim::Simulation& sim_;
  rt_sim::Host& host_;
  std::optional<wire::Wire> wire_;
};

class SmtpInTest : public ::testing::Test {
 protected:
  SmtpInTest()
      : sim(31),
        mx(sim.add_host({.name = "mx", .ipv4 = "192.0.2.1", .ipv6 = "2001:db8::1"})),
        far(sim.add_host({.name = "client", .ipv4 = "198.51.100.7", .ipv6 = "2001:db8::7"})),
        store(disk),
        gate(metrics) {
    add_settings(schema);
    const auto made = tls::make_self_signed({"mx.example.org"}, sim.wall());
    identity = std::make_shared<tls::Context>(
        tls::Context::server({made->certificate_pem, made->key_pem}).value());
    trust =
        std::make_unique<tls::Context>(tls::Context::client({"", made->certificate_pem}).value());
    auto opened = sim.await(mx.loop(), auth::Auth::open({mx.runtime(), store}, mx.loop()));
    auth = std::move(**opened);
    const auto set = sim.await(mx.loop(), auth->set_password("alice@example.org", "correct horse",
                                                             mx.loop().in(Duration::minutes(1))));
    PH_CHECK(set.has_value() && set->has_value());
    start();
  }
  ~SmtpInTest() override {
    server.reset();
    EXPECT_EQ(metrics.value("posthorn_smtp_receiving_bytes"), 0);
    EXPECT_EQ(metrics.value("posthorn_smtp_connections"), 0);
    EXPECT_EQ(sim.check(), rt_sim::Findings());
  }

  void start() {
    Parts parts{mx.runtime(),
                intake,
                addresses,
                *auth,
                gate,
                obs::silent_log(),
                metrics,
                "mx.example.org",
                [this] { return identity; }};
    server = std::make_unique<Server>(parts, mx.loop(), settings);
    for (const auto& [service, port] :
         {std::pair{Service::mx, 25}, {Service::submission, 587}, {Service::submission_tls, 465}}) {
      const auto at = mx.endpoint(static_cast<uint16_t>(port));
      PH_CHECK(server->listen(at, service).has_value());
    }
    PH_CHECK(server->listen({rt::Endpoint::Kind::ipv6, mx.ipv6(), 25}, Service::mx).has_value());
  }
  void set(std::string_view name, std::string_view value) {
    settings.set(settings.current().with(schema, name, value).value());
  }
  rt::Endpoint smtp() const { return mx.endpoint(25); }
  Peer peer() { return Peer(sim, far); }
  const ScriptedIntake::Taken& last() const {
    PH_CHECK(!intake.taken.empty());
    return intake.taken.back();
  }

  kv_mem::MemDisk disk;
  rt_sim::Simulation sim;
  rt_sim::Host& mx;
  rt_sim::Host& far;
  kv_mem::MemStore store;
  obs::Metrics metrics;
  Gate gate;
  config::Schema schema;
  config::FixedSource settings;
  ScriptedIntake intake;
  ScriptedAddresses addresses;
  std::shared_ptr<tls::Context> identity;
  std::unique_ptr<tls::Context> trust;
  std::unique_ptr<auth::Auth> auth;
  std::unique_ptr<Server> server;
};

}  // namespace ph::smtp_in
