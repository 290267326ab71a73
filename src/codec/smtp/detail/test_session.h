// A driver for the server engine in tests: it follows the loop of server.h, answers by simple rules
// and writes down what happened, so that runs with differently cut input can be compared.
#pragma once

#include <algorithm>
#include <functional>
#include <string>
#include <vector>

#include "base/random.h"
#include "base/text.h"
#include "codec/smtp/errors.h"
#include "codec/smtp/server.h"

namespace ph::smtp {

struct Transcript {
  std::string events;  // one line each
  std::string output;
  std::string content;  // of all messages
  size_t writes = 0;
  bool operator==(const Transcript& o) const {
    return events == o.events && output == o.output && content == o.content;
  }
};

class Session {
 public:
  explicit Session(ServerOptions options) : server(std::move(options)) {}

  // Feeds `input` in pieces whose sizes `cut` chooses; answers events; stops when all is said.
  void run(std::string_view input, const std::function<size_t()>& cut) {
    std::string unread;
    while (true) {
      const size_t used = server.feed(unread);
      bool any = false;
      while (auto event = server.next()) {
        any = true;
        take(*event);
      }
      unread.erase(0, used);
      if (used > 0 || any) continue;
      if (server.has_output()) {
        log.output += server.take_output();
        ++log.writes;
        continue;
      }
      if (input.empty()) return;
      const std::string_view piece = input.substr(0, cut());
      unread += piece;
      input.remove_prefix(piece.size());
    }
  }
  void run(std::string_view input) {
    run(input, [] { return std::string_view::npos; });
  }

  Server server;
  Transcript log;

 private:
  void take(const ServerEvent& event) {
    std::visit([this](const auto& e) { on(e); }, event);
  }
  void note(std::string_view line) {
    log.events += line;
    log.events += '\n';
  }
  void on(const Connected&) {
    note("connected");
    server.accept();
  }
  void on(const Hello& e) {
    note((e.extended ? "ehlo " : "helo ") + e.name);
    server.accept();
  }
  void on(const MailFrom& e) {
    std::string line = "mail " + to_bracketed(e.sender);
    const MailParameters& p = e.parameters;
    if (p.size) line += " size=" + std::to_string(*p.size);
    if (p.body != BodyType::unspecified) line += p.body == BodyType::eight_bit ? " 8bit" : " 7bit";
    if (p.smtp_utf8) line += " utf8";
    if (p.dsn_return != DsnReturn::unspecified) {
      line += p.dsn_return == DsnReturn::full ? " full" : " hdrs";
    }
    if (!p.envelope_id.empty()) line += " envid=" + p.envelope_id;
    if (p.submitter) line += " auth=" + *p.submitter;
    if (p.priority) line += " priority=" + std::to_string(*p.priority);
    if (p.deliver_by) {
      const bool returns = p.deliver_by->mode == DeliverBy::Mode::return_it;
      line += " by=" + std::to_string(p.deliver_by->seconds) + (returns ? "R" : "N");
      if (p.deliver_by->trace) line += "T";
    }
    if (p.hold_for) line += " for=" + std::to_string(*p.hold_for);
    if (p.hold_until) line += " until=" + to_iso8601(*p.hold_until);
    note(line);
    if (e.sender.local == "defer") return server.answer(replies::kTryLater);
    server.accept();
  }
  void on(const RcptTo& e) {
    std::string line = "rcpt " + to_bracketed(e.recipient.path);
    const DsnNotify& n = e.recipient.parameters.notify;
    if (n.never) line += " never";
    if (n.success) line += " success";
    if (n.failure) line += " failure";
    if (n.delay) line += " delay";
    if (const auto& o = e.recipient.parameters.original) line += " " + o->type + ";" + o->address;
    note(line);
    data_rejected = data_rejected || e.recipient.path.local == "nodata";
    if (e.recipient.path.local != "unknown") return server.accept();
    server.answer(Reply{550, {5, 1, 1}, "No such user"});
  }
  void on(const DataStart&) {
    note("data");
    if (data_rejected) return server.answer(Reply{452, {4, 3, 1}, "Disk full"});
    server.accept();
  }
  void on(const DataChunk& e) { log.content += e.content; }
  void on(const DataEnd& e) {
    note("end fault=" + std::to_string(static_cast<int>(e.fault)) +
         " size=" + std::to_string(e.size));
    if (server.recipient_count() == 2 && lmtp) {
      const std::vector<Reply> replies{{250, {2, 0, 0}, "first"}, {451, {4, 2, 0}, "second"}};
      return server.answer_recipients(replies);
    }
    server.answer(Reply{250, {2, 0, 0}, "Queued"});
  }
  void on(const AuthStart& e) {
    note("auth " + e.mechanism + (e.initial ? " [" + *e.initial + "]" : ""));
    decide(e.initial.value_or("ask"));
  }
  void on(const AuthResponse& e) {
    note("response [" + e.response + "]");
    decide(e.response);
  }
  void decide(std::string_view said) {
    if (said == "ask") return server.challenge("more?");
    if (said == "good") return server.accept();
    server.answer(replies::kAuthFailed);
  }
  void on(const StartTls&) {
    note("starttls");
    server.accept();
  }
  void on(const Reset&) { note("reset"); }
  void on(const Quit&) { note("quit"); }
  void on(const ProtocolError& e) { note("error " + std::to_string(e.reply.code)); }

 public:
  bool lmtp = false;
  bool data_rejected = false;
};

inline ServerOptions test_options() {
  ServerOptions out;
  out.host = "mx.example.org";
  return out;
}

// `input` whole, octet by octet and in random pieces. `differences` tells which runs were not like
// the first; a test expects it to be empty.
struct AllWays {
  Transcript whole;
  std::string differences;
};

inline AllWays run_all_ways(const ServerOptions& options, std::string_view input, uint64_t seed) {
  const auto run = [&](const std::function<size_t()>& cut) {
    Session session(options);
    session.lmtp = options.protocol == Protocol::lmtp;
    session.run(input, cut);
    return session.log;
  };
  AllWays out{.whole = run([] { return std::string_view::npos; }), .differences = {}};
  const auto compare = [&out](std::string_view name, const Transcript& other) {
    if (other == out.whole) return;
    out.differences += std::string(name) + ":\n" + other.events + other.output + other.content +
                       "instead of\n" + out.whole.events + out.whole.output + out.whole.content;
  };
  compare("octet by octet", run([] { return size_t{1}; }));
  Random random(seed);
  for (int i = 0; i < 5; ++i) {
    const uint64_t bound = 2 + random.below(i < 3 ? 10 : 300);
    compare("in pieces", run([&] { return 1 + random.below(bound); }));
  }
  return out;
}

inline const std::string kGreeting = "220 mx.example.org ESMTP\r\n";
inline const std::string kEhloReply =
    "250-mx.example.org\r\n250-PIPELINING\r\n250-SIZE 52428800\r\n250-8BITMIME\r\n"
    "250-SMTPUTF8\r\n250-CHUNKING\r\n250-DSN\r\n250 ENHANCEDSTATUSCODES\r\n";

}  // namespace ph::smtp
