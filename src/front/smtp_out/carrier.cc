#include "front/smtp_out/carrier.h"

#include <algorithm>
#include <utility>

#include "base/text.h"
#include "codec/smtp/errors.h"
#include "codec/smtp/mailbox.h"
#include "front/smtp_out/detail/dialogue.h"
#include "rt/errors.h"

namespace ph::smtp_out {
namespace {

constexpr uint64_t kPieceBytes = 256 * 1024;
constexpr uint64_t kHeaderLookMax = 1024 * 1024;

smtp::BodyType body_of(model::BodyType body, const smtp::Capabilities& peer) {
  if (!peer.eight_bit_mime) return smtp::BodyType::unspecified;  // sent as it is, as is usual
  switch (body) {
    case model::BodyType::unspecified: return smtp::BodyType::unspecified;
    case model::BodyType::seven_bit: return smtp::BodyType::seven_bit;
    case model::BodyType::eight_bit: return smtp::BodyType::eight_bit;
  }
  return smtp::BodyType::unspecified;
}

smtp::DsnReturn return_of(model::DsnReturn r) {
  switch (r) {
    case model::DsnReturn::unspecified: return smtp::DsnReturn::unspecified;
    case model::DsnReturn::full: return smtp::DsnReturn::full;
    case model::DsnReturn::headers: return smtp::DsnReturn::headers;
  }
  return smtp::DsnReturn::unspecified;
}

// Whether the peer has taken over the reports for this recipient (RFC 3461 section 5.2.1): it was
// given the sender's NOTIFY and, of a message that has to arrive in time, BY (RFC 2852).
queue::Onward onward_of(const model::Envelope& envelope, const model::Notify& notify,
                        const smtp::Capabilities& peer) {
  const bool notify_given = peer.dsn && notify.is_given();
  const bool by_given = peer.deliver_by && envelope.deliver_by.is_set();
  const bool all = envelope.deliver_by.is_set() ? by_given && (notify_given || !notify.is_given())
                                                : notify_given;
  return all ? queue::Onward::next_hop_reports : queue::Onward::reports_end_here;
}

// What the peer is asked to report. One that cannot be told BY is at least asked for delays, where
// the sender would hear of them (RFC 2852 section 4.1.4.2).
smtp::DsnNotify notify_of(const model::Envelope& envelope, const model::Notify& notify,
                          const smtp::Capabilities& peer) {
  smtp::DsnNotify out{notify.never, notify.success, notify.failure, notify.delay};
  const bool untold = envelope.deliver_by.is_set() && !peer.deliver_by;
  if (!untold || notify.never) return out;
  if (!out.is_given()) out.failure = true;
  out.delay = true;
  return out;
}

// The time that is left; whole seconds, so that no hop adds any.
std::optional<smtp::DeliverBy> deliver_by_of(const model::DeliverBy& by, Time now) {
  if (!by.is_set()) return std::nullopt;
  const bool returns = by.mode == model::DeliverBy::Mode::return_it;
  const int64_t left = (by.at - now).us() / 1'000'000;
  return smtp::DeliverBy{returns ? smtp::DeliverBy::Mode::return_it : smtp::DeliverBy::Mode::notify,
                         std::clamp(left, -smtp::kDeliverByMax, smtp::kDeliverByMax), by.trace};
}

// Addresses were parsed when the message came in; one that cannot be parsed now fails alone.
Result<smtp::Path> path_of(const std::string& address) {
  if (address.empty()) return smtp::Path{};
  if (address.find('@') == std::string::npos) return smtp::Path{address, {}};
  return smtp::parse_mailbox(address);
}

model::StatusCode code_of(const Error& error) {
  if (error.is(smtp::kPeerLacksUtf8)) return {5, 6, 7};
  if (error.is(smtp::kTooBigForPeer)) return {5, 3, 4};
  if (error.is(smtp::kPeerLacksDeliverBy) || error.is(smtp::kTooSoonForPeer)) return {5, 4, 7};
  return {5, 6, 0};
}

class Session final : public queue::CarrierSession {
 public:
  Session(const Parts& parts, rt::Loop& loop) : parts_(parts), loop_(loop) {}

  rt::Task<queue::CarryResult> carry(queue::CarryWork work, const queue::NextHop& hop,
                                     rt::Deadline deadline) override;
  rt::Task<void> close(rt::Deadline deadline) override;

 private:
  struct Transaction;
  // How a connection served a transaction. unused: it was gone before the peer said a word.
  enum class Served : uint8_t { yes, lost, unused };
  rt::Task<Served> transact(Transaction& t, rt::Deadline deadline);
  Served on_lost(Transaction& t, smtp::Lost lost);
  void on_reply(Transaction& t, const smtp::ClientEvent& event);
  bool begin(Transaction& t);
  void refuse(Transaction& t, const Error& error, model::StatusCode code);
  smtp::MailParameters parameters_of(const Transaction& t) const;
  std::vector<smtp::Recipient> recipients_of(Transaction& t);
  rt::Task<bool> lacks_utf8(Transaction& t);
  rt::Task<bool> send_content(Transaction& t, rt::Deadline deadline);

  const Parts& parts_;
  rt::Loop& loop_;
  std::unique_ptr<Connection> connection_;
};

// One message over one connection: collects what the peer says of each recipient.
struct Session::Transaction {
  queue::CarryWork work;
  queue::CarryResult result;
  std::vector<size_t> sent;           // place in the envelope -> place in work.recipients
  std::vector<char> answered;         // by place in work.recipients
  std::vector<queue::Onward> onward;  // the same, for those that the peer takes
  bool on_kept_connection = false;
  bool by_lmtp = false;
  bool peer_spoke = false;

  explicit Transaction(queue::CarryWork w) : work(std::move(w)) { forget(); }
  void forget() {
    result = {};
    answered.assign(work.recipients.size(), 0);
    onward.assign(work.recipients.size(), queue::Onward::reports_end_here);
    peer_spoke = false;
  }
  void settle(size_t place, queue::CarryVerdict verdict, model::QueueReason reason,
              model::ReplyRecord reply) {
    if (answered[place] != 0) return;
    answered[place] = 1;
    const bool relayed = verdict == queue::CarryVerdict::relayed;
    result.outcomes.push_back({work.recipients[place].index, verdict, reason, std::move(reply),
                               relayed ? onward[place] : queue::Onward::reports_end_here});
  }
  void settle_all(queue::CarryVerdict verdict, model::QueueReason reason,
                  const model::ReplyRecord& reply) {
    for (size_t i = 0; i < answered.size(); ++i) settle(i, verdict, reason, reply);
  }
  // The peer lives but wants no further connection: nobody's failure.
  void crowd_out(const model::ReplyRecord& words) {
    result.crowded = true;
    result.fault = words;  // nothing was said about the recipients
  }
  // A negative or, for the whole message, positive reply.
  void settle_by(size_t place, const smtp::Reply& reply, const model::ReplyRecord& record) {
    if (reply.is_positive()) {
      settle(place, queue::CarryVerdict::relayed, model::QueueReason::taken_by_peer, record);
    } else if (reply.is_permanent()) {
      settle(place, queue::CarryVerdict::permanent, model::QueueReason::peer_5xx, record);
    } else {
      settle(place, queue::CarryVerdict::transient, model::QueueReason::peer_4xx, record);
    }
  }
  void settle_all_by(const smtp::Reply& reply, const model::ReplyRecord& record) {
    for (size_t i = 0; i < answered.size(); ++i) settle_by(i, reply, record);
  }
};

rt::Task<queue::CarryResult> Session::carry(queue::CarryWork work, const queue::NextHop& hop,
                                            rt::Deadline deadline) {
  Transaction t(std::move(work));
  t.by_lmtp = hop.kind == queue::HopKind::lmtp;
  for (;;) {
    if (connection_ != nullptr) {
      const bool good = co_await connection_->is_still_good();
      if (!good) connection_.reset();
    }
    t.on_kept_connection = connection_ != nullptr;
    if (!t.on_kept_connection) {
      Connected connected = co_await connect(parts_, loop_, hop, deadline);
      if (!connected.has_value() && connected.error().crowded) {
        t.crowd_out(connected.error().reply);
        co_return std::move(t.result);
      }
      if (!connected.has_value()) {
        t.result.lane_fault = connected.error().reason;
        t.result.fault = std::move(connected.error().reply);
        co_return std::move(t.result);
      }
      connection_ = std::move(*connected);
    }
    const Served served = co_await transact(t, deadline);
    const bool idle = connection_->engine().phase() == smtp::Stage::idle;
    if (served != Served::yes || !idle) connection_.reset();
    // A kept connection that the peer closed in between: it is as if never used.
    if (served != Served::unused || !t.on_kept_connection) co_return std::move(t.result);
    t.forget();
  }
}

// Whether the header needs SMTPUTF8 (RFC 6532) and the peer has it not. Looked at only for messages
// that came with SMTPUTF8, since for all others it is the sender's fault.
rt::Task<bool> Session::lacks_utf8(Transaction& t) {
  if (!t.work.envelope.smtp_utf8 || connection_->engine().capabilities().smtp_utf8) co_return false;
  const Result<std::string> front = co_await t.work.content.read(loop_, 0, kHeaderLookMax);
  if (!front.has_value()) co_return false;  // reading it to send it will tell
  const std::string_view header = std::string_view(*front).substr(0, front->find("\r\n\r\n"));
  co_return !std::ranges::all_of(header, is_ascii);
}

// The message cannot be given to this peer as it is.
void Session::refuse(Transaction& t, const Error& error, model::StatusCode code) {
  model::ReplyRecord record =
      record_of({0, {}, error.to_text()}, model::Stage::sender, connection_->peer(), loop_.wall());
  record.enhanced = code;
  const bool in_time = error.is(smtp::kPeerLacksDeliverBy) || error.is(smtp::kTooSoonForPeer);
  t.settle_all(
      queue::CarryVerdict::permanent,
      in_time ? model::QueueReason::deliver_by_unsupported : model::QueueReason::not_sendable,
      record);
}

smtp::MailParameters Session::parameters_of(const Transaction& t) const {
  const model::Envelope& envelope = t.work.envelope;
  const smtp::Capabilities& peer = connection_->engine().capabilities();
  smtp::MailParameters out;
  out.size = t.work.content.size_bytes();
  out.body = body_of(envelope.body, peer);
  out.smtp_utf8 = envelope.smtp_utf8 && peer.smtp_utf8;
  out.dsn_return = return_of(envelope.dsn_return);
  out.envelope_id = envelope.envelope_id;
  // RFC 6710 section 4.2: also the priority that nobody asked for.
  out.priority = envelope.mt_priority;
  // LMTP delivers: its time is told where it is wanted, and no condition.
  if (!t.by_lmtp || peer.deliver_by) {
    out.deliver_by = deliver_by_of(envelope.deliver_by, loop_.wall());
  }
  return out;
}

// The recipients that can be said, as far as they have no outcome.
std::vector<smtp::Recipient> Session::recipients_of(Transaction& t) {
  const smtp::Capabilities& peer = connection_->engine().capabilities();
  std::vector<smtp::Recipient> out;
  t.sent.clear();
  for (size_t i = 0; i < t.work.recipients.size(); ++i) {
    const model::Recipient& r = t.work.recipients[i].recipient;
    Result<smtp::Path> path = path_of(r.address);
    if (!path.has_value()) {
      t.settle(i, queue::CarryVerdict::permanent, model::QueueReason::not_sendable,
               record_of({0, {5, 1, 3}, path.error().to_text()}, model::Stage::recipient,
                         connection_->peer(), loop_.wall()));
      continue;
    }
    smtp::Recipient to{std::move(*path), {}};
    to.parameters.notify = notify_of(t.work.envelope, r.notify, peer);
    if (!r.original_type.empty()) to.parameters.original = {r.original_type, r.original_address};
    out.push_back(std::move(to));
    t.sent.push_back(i);
    t.onward[i] = onward_of(t.work.envelope, r.notify, peer);
  }
  return out;
}

// Hands the envelope to the engine; false when nothing is left to send.
bool Session::begin(Transaction& t) {
  smtp::Client& engine = connection_->engine();
  smtp::Envelope envelope;
  Result<smtp::Path> sender = path_of(t.work.envelope.sender);
  if (!sender.has_value()) {
    refuse(t, sender.error(), {5, 1, 7});
    return false;
  }
  envelope.sender = std::move(*sender);
  envelope.parameters = parameters_of(t);
  const auto& by = envelope.parameters.deliver_by;
  const bool returns = by && by->mode == smtp::DeliverBy::Mode::return_it;
  if (returns && engine.capabilities().deliver_by && by->seconds < 1) {
    // Its time ended on the way here: the row's own clock says so to the sender.
    t.settle_all(queue::CarryVerdict::transient, model::QueueReason::timed_out,
                 record_of({0, {4, 4, 7}, "its time to be delivered is over"}, model::Stage::sender,
                           connection_->peer(), loop_.wall()));
    return false;
  }
  envelope.recipients = recipients_of(t);
  if (t.sent.empty()) return false;
  const Status sendable = engine.can_send(envelope);
  if (!sendable.has_value()) {
    refuse(t, sendable.error(), code_of(sendable.error()));
    return false;
  }
  const Status sent = engine.send(std::move(envelope));
  if (!sent.has_value()) refuse(t, sent.error(), {5, 6, 0});
  return sent.has_value();
}

// The content in pieces; false when it could not be given to the peer (all is settled then).
rt::Task<bool> Session::send_content(Transaction& t, rt::Deadline deadline) {
  smtp::Client& engine = connection_->engine();
  const auto unsendable = [&](const Error& error, model::QueueReason reason) {
    const bool final = reason == model::QueueReason::not_sendable;
    t.settle_all(
        final ? queue::CarryVerdict::permanent : queue::CarryVerdict::transient, reason,
        record_of({0, {}, error.to_text()}, model::Stage::data, connection_->peer(), loop_.wall()));
    connection_->close();  // without the final dot: the peer has no message
  };
  const uint64_t size = t.work.content.size_bytes();
  for (uint64_t offset = 0; offset < size;) {
    Status put;
    uint64_t count = 0;
    if (const kv::BlobBytes& held = t.work.content.held()) {
      count = std::min<uint64_t>(kPieceBytes, held->size() - offset);
      put = engine.content(std::string_view(*held).substr(offset, count));
    } else {
      const Result<std::string> piece = co_await t.work.content.read(loop_, offset, kPieceBytes);
      if (!piece.has_value() || piece->empty()) {
        unsendable(piece.has_value() ? fail(rt::kIo, "the content is cut") : piece.error(),
                   model::QueueReason::message_unreadable);
        co_return false;
      }
      count = piece->size();
      put = engine.content(*piece);
    }
    if (!put.has_value()) {
      if (put.error().is(smtp::kConnectionLost)) co_return true;  // the event tells
      unsendable(put.error(), model::QueueReason::not_sendable);
      co_return false;
    }
    offset += count;
    if (offset < size) {
      const Status flushed = co_await connection_->flush(deadline);
      if (!flushed.has_value()) co_return true;  // the event tells
      co_await connection_->hear();
    }
  }
  const Status finished = engine.finish_content();
  if (!finished.has_value() && !finished.error().is(smtp::kConnectionLost)) {
    unsendable(finished.error(), model::QueueReason::not_sendable);
    co_return false;
  }
  co_return true;
}

Session::Served Session::on_lost(Transaction& t, smtp::Lost lost) {
  if (t.result.crowded) return Served::lost;
  Fault fault = connection_->fault_of(lost);
  if (lost.reply.has_value() && lost.stage == smtp::Stage::content && lost.reply->code != 421) {
    // The peer did not want to see the rest: its word on this message, and no fault of the lane.
    t.settle_all_by(*lost.reply, fault.reply);
    return Served::lost;
  }
  if (lost.maybe_delivered()) {
    t.settle_all(queue::CarryVerdict::transient, model::QueueReason::maybe_delivered, fault.reply);
  }
  t.result.lane_fault = fault.reason;
  t.result.fault = std::move(fault.reply);
  return t.peer_spoke || lost.maybe_delivered() ? Served::lost : Served::unused;
}

// What the peer says of the sender, a recipient or the message.
void Session::on_reply(Transaction& t, const smtp::ClientEvent& event) {
  const std::string& peer = connection_->peer();
  const Time now = loop_.wall();
  if (const auto* sender = std::get_if<smtp::SenderReply>(&event)) {
    if (sender->reply.code == 421 && says_crowded(sender->reply)) {
      t.crowd_out(record_of(sender->reply, model::Stage::sender, peer, now));
    } else if (sender->reply.is_negative()) {
      t.settle_all_by(sender->reply, record_of(sender->reply, model::Stage::sender, peer, now));
    }
  } else if (const auto* rcpt = std::get_if<smtp::RecipientReply>(&event)) {
    if (rcpt->reply.is_negative() && rcpt->recipient < t.sent.size()) {
      t.settle_by(t.sent[rcpt->recipient], rcpt->reply,
                  record_of(rcpt->reply, model::Stage::recipient, peer, now));
    }
  } else if (const auto* data = std::get_if<smtp::DataReply>(&event)) {
    t.settle_all_by(data->reply, record_of(data->reply, model::Stage::data, peer, now));
  } else if (const auto* reply = std::get_if<smtp::MessageReply>(&event)) {
    const model::ReplyRecord record = record_of(reply->reply, model::Stage::final, peer, now);
    if (!reply->recipient.has_value()) {
      t.settle_all_by(reply->reply, record);
    } else if (*reply->recipient < t.sent.size()) {
      t.settle_by(t.sent[*reply->recipient], reply->reply, record);
    }
  }
}

rt::Task<Session::Served> Session::transact(Transaction& t, rt::Deadline deadline) {
  const bool lacking = co_await lacks_utf8(t);
  if (lacking) {
    model::ReplyRecord record =
        record_of({0, {5, 6, 7}, "the header is in UTF-8 and the peer does not offer SMTPUTF8"},
                  model::Stage::sender, connection_->peer(), loop_.wall());
    t.settle_all(queue::CarryVerdict::permanent, model::QueueReason::not_sendable, record);
    co_return Served::yes;
  }
  if (!begin(t)) co_return Served::yes;
  for (;;) {
    const smtp::ClientEvent event = co_await connection_->next(deadline);
    if (const auto* lost = std::get_if<smtp::Lost>(&event)) co_return on_lost(t, *lost);
    if (std::holds_alternative<smtp::Closed>(event)) {
      t.result.lane_fault = model::QueueReason::connection_lost;
      t.result.fault = record_of({0, {}, "the connection ended"}, model::Stage::sender,
                                 connection_->peer(), loop_.wall());
      co_return t.peer_spoke ? Served::lost : Served::unused;
    }
    const auto* sender = std::get_if<smtp::SenderReply>(&event);
    // "421 idle too long" was said before it saw our MAIL.
    if (sender != nullptr && sender->reply.code == 421 && t.on_kept_connection) {
      co_return Served::unused;
    }
    t.peer_spoke = true;
    on_reply(t, event);
    if (std::holds_alternative<smtp::MessageDone>(event)) co_return Served::yes;
    if (std::holds_alternative<smtp::DataReady>(event)) {
      const bool given = co_await send_content(t, deadline);
      if (!given) co_return Served::lost;
    }
  }
}

rt::Task<void> Session::close(rt::Deadline deadline) {
  if (connection_ == nullptr || connection_->engine().phase() != smtp::Stage::idle) co_return;
  connection_->engine().quit();
  while (!connection_->is_over()) {
    const smtp::ClientEvent event = co_await connection_->next(deadline);
    static_cast<void>(event);  // polite, nothing depends on it
  }
  connection_->close();
}

}  // namespace

void add_settings(config::Schema& schema) {
  schema.add(kConnectTimeout);
  schema.add(kCommandTimeout);
  schema.add(kFinalTimeout);
  schema.add(kAddressesMax);
}

std::unique_ptr<queue::CarrierSession> open_session(const Parts& parts, rt::Loop& loop,
                                                    const queue::NextHop&) {
  return std::make_unique<Session>(parts, loop);
}

}  // namespace ph::smtp_out
