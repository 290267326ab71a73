// For tests: a next hop built on the codec's server engine that misbehaves as it is told, and a
// session that carries messages to it.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/check.h"
#include "codec/smtp/errors.h"
#include "codec/smtp/server.h"
#include "front/smtp_out/carrier.h"
#include "kv_mem/store.h"
#include "rt/errors.h"
#include "rt_sim/simulation.h"
#include "service/wire/wire.h"

namespace ph::smtp_out {

// What one connection of the next hop does. Stages: connected, hello, tls, auth, mail, rcpt, data,
// content, final, idle.
struct Conduct {
  std::map<std::string, smtp::Reply> replies;       // by stage, instead of the usual
  std::map<std::string, smtp::Reply> by_recipient;  // RCPT; in LMTP the final answer
  std::string silent_at;
  std::string drop_at;
  std::string says_at;  // at this stage `says` goes out as it is, then it ends
  std::string says;
  std::vector<std::string> hides;  // words it does not offer
  bool breaks_tls = false;
};

struct Letter {
  std::string sender;
  std::vector<std::string> recipients;
  std::string content;
  smtp::MailParameters parameters;
  std::vector<smtp::RcptParameters> asked;  // by recipient
  bool in_tls = false;
  std::string user;
};

class NextHop {
 public:
  NextHop(rt_sim::Host& host, const tls::Context& identity) : host_(host), identity_(identity) {}

  void listen(uint16_t port = 25) {
    listener_ = std::move(*host_.runtime().listen(host_.loop(), {host_.endpoint(port)}));
    scope_ = std::make_unique<rt::Scope>(host_.loop(), "next hop");
    scope_->spawn("accepts", accept_all());
  }

  smtp::ServerOptions options;
  std::vector<Conduct> conducts = {{}};  // of the first connection, the second ...; the last stays
  std::vector<Letter> letters;
  size_t connections = 0;

 private:
  struct Talk {
    wire::Wire wire;
    smtp::Server engine;
    Conduct conduct;
    Letter letter;
    bool is_over = false;
  };

  rt::Task<void> accept_all() {
    for (;;) {
      auto stream = co_await listener_->accept(host_.loop().in(rt::kIdleRecheck));
      if (!stream.has_value()) continue;
      const size_t which = std::min(connections++, conducts.size() - 1);
      scope_->spawn("connection", serve(std::move(*stream), conducts[which]));
    }
  }
  rt::Deadline soon() { return host_.loop().in(Duration::days(1)); }

  rt::Task<void> serve(std::unique_ptr<rt::Stream> stream, Conduct conduct) {
    smtp::ServerOptions o = options;
    o.host = host_.name();
    Talk t{wire::Wire(std::move(stream)), smtp::Server(o), std::move(conduct), {}, false};
    while (!t.is_over) {
      const size_t taken = t.engine.feed(t.wire.input());
      bool moved = taken > 0;
      while (auto event = t.engine.next()) {
        moved = true;
        co_await handle(t, std::move(*event));
        if (t.is_over) co_return;
      }
      t.wire.consume(taken);
      if (moved) continue;
      if (t.engine.has_output()) {
        co_await flush(t);
        continue;
      }
      if (t.engine.phase() == smtp::ServerPhase::closed) co_return;
      if (t.engine.phase() == smtp::ServerPhase::handshake) {
        if (t.conduct.breaks_tls) co_return;
        const Status shaken = co_await t.wire.start_tls(tls::Engine::server(identity_), soon());
        if (!shaken.has_value()) co_return;
        t.engine.tls_started();
        continue;
      }
      const auto filled = co_await t.wire.fill(soon());
      if (!filled.has_value() || *filled == wire::Filled::end_of_stream) co_return;
    }
  }

  rt::Task<void> flush(Talk& t) {
    std::string out = t.engine.take_output();
    for (const std::string& word : t.conduct.hides) {
      for (size_t at = out.find(word); at != std::string::npos; at = out.find(word)) {
        out.replace(at, word.size(), "XHIDDEN");
      }
    }
    const Status sent = co_await t.wire.send(std::move(out), soon());
    t.is_over = !sent.has_value();
  }

  // Silence, a drop or last words at this stage. True when the connection is over.
  rt::Task<bool> misbehave(Talk& t, std::string stage) {
    if (t.conduct.silent_at == stage) {
      co_await flush(t);
      co_await rt::sleep(host_.loop(), soon(), "nothing");
      t.is_over = true;
    }
    if (t.conduct.drop_at == stage) {
      co_await flush(t);
      t.is_over = true;
    }
    if (t.conduct.says_at == stage) {
      co_await flush(t);
      const Status sent = co_await t.wire.send(t.conduct.says, soon());
      static_cast<void>(sent);
      co_await t.wire.finish(host_.loop().in(Duration::seconds(5)));
      t.is_over = true;
    }
    co_return t.is_over;
  }

  void answer(Talk& t, const std::string& stage) {
    const auto at = t.conduct.replies.find(stage);
    if (at == t.conduct.replies.end()) return t.engine.accept();
    t.engine.answer(at->second);
  }

  rt::Task<void> handle(Talk& t, smtp::ServerEvent event) {
    const std::string stage = name_of(event);
    if (stage.empty()) co_return;
    const bool over = co_await misbehave(t, stage);
    if (over) co_return;
    if (auto* mail = std::get_if<smtp::MailFrom>(&event)) {
      t.letter = {smtp::to_text(mail->sender), {},           "", mail->parameters, {},
                  t.wire.is_secure(),          t.letter.user};
    }
    if (auto* chunk = std::get_if<smtp::DataChunk>(&event)) {
      t.letter.content += chunk->content;
      co_return;
    }
    if (auto* rcpt = std::get_if<smtp::RcptTo>(&event)) {
      const std::string to = smtp::to_text(rcpt->recipient.path);
      const auto at = t.conduct.by_recipient.find(to);
      if (at != t.conduct.by_recipient.end() && options.protocol == smtp::Protocol::smtp) {
        t.engine.answer(at->second);
        co_return;
      }
      t.letter.recipients.push_back(to);
      t.letter.asked.push_back(rcpt->recipient.parameters);
    }
    if (std::holds_alternative<smtp::DataEnd>(event)) {
      take(t);
      const bool gone = co_await misbehave(t, "after");
      if (gone) co_return;
      if (options.protocol == smtp::Protocol::lmtp) {
        answer_each(t);
      } else {
        answer(t, stage);
      }
      const bool idle_end = co_await misbehave(t, "idle");
      static_cast<void>(idle_end);
      co_return;
    }
    if (auto* auth = std::get_if<smtp::AuthStart>(&event))
      t.letter.user = auth->initial.value_or("");
    answer(t, stage);
  }

  void take(Talk& t) {
    if (!t.conduct.replies.contains("final")) letters.push_back(t.letter);
  }
  void answer_each(Talk& t) {
    std::vector<smtp::Reply> replies;
    for (const std::string& to : t.letter.recipients) {
      const auto at = t.conduct.by_recipient.find(to);
      replies.push_back(at != t.conduct.by_recipient.end()
                            ? at->second
                            : smtp::Reply{250, {2, 0, 0}, "taken for " + to});
    }
    t.engine.answer_recipients(replies);
  }

  static std::string name_of(const smtp::ServerEvent& event) {
    if (std::holds_alternative<smtp::Connected>(event)) return "connected";
    if (std::holds_alternative<smtp::Hello>(event)) return "hello";
    if (std::holds_alternative<smtp::StartTls>(event)) return "tls";
    if (std::holds_alternative<smtp::AuthStart>(event)) return "auth";
    if (std::holds_alternative<smtp::MailFrom>(event)) return "mail";
    if (std::holds_alternative<smtp::RcptTo>(event)) return "rcpt";
    if (std::holds_alternative<smtp::DataStart>(event)) return "data";
    if (std::holds_alternative<smtp::DataChunk>(event)) return "content";
    if (std::holds_alternative<smtp::DataEnd>(event)) return "final";
    return "";
  }

  rt_sim::Host& host_;
  const tls::Context& identity_;
  std::unique_ptr<rt::Listener> listener_;
  std::unique_ptr<rt::Scope> scope_;
};

class SmtpOutTest : public ::testing::Test {
 protected:
  SmtpOutTest()
      : sim(41),
        us(sim.add_host({.name = "mx.example.org"})),
        there(sim.add_host({.name = "mx1.example.net"})),
        also_there(sim.add_host({.name = "mx2.example.net"})),
        store(disk) {
    add_settings(schema);
    const auto made = tls::make_self_signed({"mx1.example.net", "mx2.example.net"}, sim.wall());
    identity.emplace(tls::Context::server({made->certificate_pem, made->key_pem}).value());
    trust =
        std::make_shared<tls::Context>(tls::Context::client({"", made->certificate_pem}).value());
    hop.emplace(there, *identity);
    hop->listen();
    to = {.lane = "smtp:example.net", .hosts = {{"mx1.example.net", {there.ipv4()}, 25}}};
    make_session();
  }
  ~SmtpOutTest() override {
    session.reset();
    hop.reset();
    EXPECT_EQ(sim.check(), rt_sim::Findings());
  }

  void make_session() {
    session.reset();
    parts.emplace(Parts{us.runtime(), obs::silent_log(), metrics, "mx.example.org", trust,
                        [this](const rt::Loop&) -> config::Source& { return settings; },
                        [this](const std::string& name) -> std::optional<Credentials> {
                          const auto at = credentials.find(name);
                          if (at == credentials.end()) return std::nullopt;
                          return at->second;
                        }});
    session = open_session(*parts, us.loop(), to);
  }

  static kv::BlobBytes octets(std::string text) {
    return std::make_shared<const std::string>(std::move(text));
  }
  queue::CarryWork work(std::vector<std::string> addresses = {"bob@example.net"},
                        std::string content = "Subject: hello\r\n\r\n.dot\r\n") {
    queue::CarryWork w;
    w.envelope.sender = "alice@example.org";
    uint32_t index = 7;
    for (std::string& address : addresses) {
      w.recipients.push_back({index++, {.address = std::move(address)}, 0});
    }
    const uint64_t size = content.size();
    w.content = queue::Content(store, {}, size, octets(std::move(content)));
    return w;
  }
  queue::CarryResult carry(queue::CarryWork w, Duration patience = Duration::hours(2)) {
    auto out = sim.await(us.loop(), session->carry(std::move(w), to, us.loop().in(patience)),
                         Duration::hours(3));
    PH_CHECK(out.has_value());
    return std::move(*out);
  }
  // The only outcome, of the only recipient.
  static queue::RecipientOutcome only(const queue::CarryResult& result) {
    EXPECT_EQ(result.outcomes.size(), 1U) << to_text(result.fault);
    return result.outcomes.empty() ? queue::RecipientOutcome() : result.outcomes[0];
  }
  void expect_relayed(const queue::CarryResult& result) {
    ASSERT_EQ(result.outcomes.size(), 1U) << to_text(result.fault);
    EXPECT_EQ(result.outcomes[0].verdict, queue::CarryVerdict::relayed)
        << to_text(result.outcomes[0].reply);
    EXPECT_FALSE(result.lane_fault.has_value());
  }
  Conduct& conduct() { return hop->conducts[0]; }

  kv_mem::MemDisk disk;
  rt_sim::Simulation sim;
  rt_sim::Host& us;
  rt_sim::Host& there;
  rt_sim::Host& also_there;
  kv_mem::MemStore store;
  obs::Metrics metrics;
  config::Schema schema;
  config::FixedSource settings;
  std::optional<tls::Context> identity;
  std::shared_ptr<tls::Context> trust;
  std::map<std::string, Credentials> credentials;
  std::optional<NextHop> hop;
  queue::NextHop to;
  std::optional<Parts> parts;
  std::unique_ptr<queue::CarrierSession> session;
};

}  // namespace ph::smtp_out
