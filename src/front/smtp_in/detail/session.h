// One SMTP session: binds the codec's engine to the directory, logins and intake.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "codec/sasl/server.h"
#include "codec/smtp/server.h"
#include "front/smtp_in/server.h"
#include "service/wire/wire.h"

namespace ph::smtp_in {

class Session {
 public:
  Session(const Parts& parts, const config::Source& settings, wire::Wire& wire, Service service,
          const bool& draining);
  // Until the connection has ended.
  rt::Task<void> run();

 private:
  smtp::ServerOptions engine_options() const;
  rt::Task<Status> talk();
  rt::Task<Status> flush();
  rt::Deadline phase_deadline() const;

  rt::Task<void> handle(smtp::ServerEvent event);
  void on_connected();
  void on_hello(const smtp::Hello& hello);
  void on_mail(smtp::MailFrom& mail);
  void on_rcpt(const smtp::RcptTo& rcpt);
  void on_data_start();
  void on_chunk(std::string_view content);
  rt::Task<void> on_data_end(smtp::DataEnd end);
  rt::Task<void> on_auth(sasl::Step step);
  void refuse_login(const std::string& why);
  void end_transaction();

  std::string received_field() const;
  void answer_stored(const Result<std::string>& stored);
  rt::Task<Result<std::string>> store(Incoming message);

  const Parts& parts_;
  const config::Source& settings_;
  wire::Wire& wire_;
  rt::Loop& loop_;
  Service service_;
  const bool& draining_;
  smtp::Server engine_;
  rt::Deadline session_end_;
  std::string peer_ip_;
  bool may_relay_ = false;

  std::string helo_;
  bool extended_ = false;
  std::optional<sasl::Server> sasl_;
  std::string login_;

  model::Envelope envelope_;
  std::vector<model::Recipient> recipients_;
  std::string content_;  // our Received field, then what the client sent
  size_t own_size_ = 0;
  Gate::Memory memory_;
  uint64_t expected_size_ = 0;
  bool no_memory_ = false;
};

}  // namespace ph::smtp_in
