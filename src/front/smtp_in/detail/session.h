// One SMTP session: binds the codec's engine to the directory, logins and intake.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "codec/mime/header.h"
#include "codec/sasl/server.h"
#include "codec/smtp/server.h"
#include "front/smtp_in/server.h"
#include "service/wire/wire.h"

namespace ph::smtp_in {

class Session {
 public:
  Session(const Parts& parts, const config::Source& settings, wire::Wire& wire, Service service,
          const bool& draining);
  // Until the connection has ended. Killing it loses nothing that was acknowledged.
  rt::Task<void> run();

 private:
  smtp::ServerOptions engine_options() const;
  rt::Task<Status> talk();
  rt::Task<Status> flush();
  rt::Deadline phase_deadline() const;
  bool may_relay() const;

  rt::Task<void> handle(smtp::ServerEvent event);
  void on_connected();
  void on_hello(const smtp::Hello& hello);
  void on_mail(smtp::MailFrom& mail);
  smtp::MailExtensions extensions() const;
  const smtp::FixedReply* take_extensions(const smtp::MailParameters& parameters);
  void take_priority(int asked);
  void on_rcpt(const smtp::RcptTo& rcpt);
  void on_data_start();
  void on_chunk(std::string_view content);
  rt::Task<void> on_data_end(smtp::DataEnd end);
  const smtp::FixedReply* header_fault(const mime::TopHeader& header) const;
  void take_priority_field(std::string_view header);
  std::string add_missing(const mime::TopHeader& header);
  rt::Task<void> on_auth(sasl::Step step);
  void refuse_login(const std::string& why);
  void end_transaction();

  bool make_room(uint64_t octets);
  void drop_content();
  std::string protocol() const;
  std::string received_field() const;
  void answer_stored(const Result<std::string>& stored, int priority);
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
  bool deaf_peer_ = false;  // it did not take our output in time, or is gone

  std::string helo_;
  bool extended_ = false;
  std::optional<sasl::Server> sasl_;
  std::string login_;

  model::Envelope envelope_;
  std::vector<model::Recipient> recipients_;
  std::string content_;  // our Received field, then what the client sent
  size_t own_size_ = 0;
  uint64_t content_room_ = 0;  // what content_ may grow to, accounted in memory_
  Gate::Memory memory_;
  uint64_t expected_size_ = 0;
  bool no_memory_ = false;
  bool priority_given_ = false;
  bool priority_lowered_ = false;
};

}  // namespace ph::smtp_in
