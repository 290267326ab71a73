#include "service/deliver/deliver.h"

#include <utility>

#include "base/text.h"
#include "kv/errors.h"
#include "model/queue_id.h"
#include "state/store/errors.h"

namespace ph::deliver {
namespace {

constexpr size_t kAddressShown = 900;  // a header line stays below RFC 5322's 998 octets

// RFC 5321 section 4.4: the final delivery puts the reverse-path in front.
std::string added_header(const model::Envelope& envelope, const std::string& recipient) {
  std::string out = "Return-Path: <" + envelope.sender.substr(0, kAddressShown) + ">\r\n";
  out += "Delivered-To: " + recipient.substr(0, kAddressShown) + "\r\n";
  return out;
}

model::ReplyRecord words(const rt::Loop& loop, std::string text, model::StatusCode code) {
  model::ReplyRecord record;
  record.when = loop.wall();
  record.host = "local mailbox";
  record.stage = model::Stage::mailbox;
  record.enhanced = code;
  record.text = std::move(text);
  return model::bounded(std::move(record));
}

class Session final : public queue::CarrierSession {
 public:
  Session(const Parts& parts, rt::Loop& loop) : parts_(parts), loop_(loop) {}

  rt::Task<queue::CarryResult> carry(queue::CarryWork work, const queue::NextHop&,
                                     rt::Deadline deadline) override {
    queue::CarryResult result;
    for (const queue::CarryRecipient& recipient : work.recipients) {
      auto outcome = co_await deliver_one(work, recipient, deadline);
      result.outcomes.push_back(std::move(outcome));
    }
    co_return result;
  }

  rt::Task<void> close(rt::Deadline) override { co_return; }

 private:
  rt::Task<queue::RecipientOutcome> deliver_one(const queue::CarryWork& work,
                                                const queue::CarryRecipient& recipient,
                                                rt::Deadline deadline);
  queue::RecipientOutcome failed(const Error& error, uint32_t index) const;

  const Parts& parts_;
  rt::Loop& loop_;
};

rt::Task<queue::RecipientOutcome> Session::deliver_one(const queue::CarryWork& work,
                                                       const queue::CarryRecipient& recipient,
                                                       rt::Deadline deadline) {
  // The account may have gone since the route was computed; its mailbox must not come back to life.
  if (!parts_.directory.account(directory::AccountId{recipient.mailbox}).has_value()) {
    co_return queue::RecipientOutcome{recipient.index, queue::CarryVerdict::permanent,
                                      model::QueueReason::no_such_address,
                                      words(loop_, "the account was removed", {5, 1, 1})};
  }
  store::Delivery delivery;
  delivery.handover_id = handover_id(work.id, recipient.index);
  delivery.blob = work.content.blob();
  delivery.blob_size = work.content.size_bytes();
  delivery.added_header = added_header(work.envelope, recipient.recipient.address);
  delivery.internal_date = work.envelope.received_at;
  if (work.content.held() != nullptr) {
    delivery.thread = store::thread_of(*work.content.held());
  }
  auto use = [d = std::move(delivery), deadline](store::Mailbox& mailbox) mutable {
    return mailbox.deliver(std::move(d), deadline);
  };
  const Result<store::Delivered> done = co_await parts_.mailboxes.with(
      loop_, store::MailboxId{recipient.mailbox}, "a delivery", std::move(use), deadline);
  if (!done.has_value()) co_return failed(done.error(), recipient.index);
  const bool before = done->kind == store::Delivered::Kind::already;
  co_return queue::RecipientOutcome{
      recipient.index, queue::CarryVerdict::delivered, model::QueueReason::taken_by_mailbox,
      words(loop_, before ? "delivered by an earlier attempt" : "delivered", {2, 0, 0})};
}

// Only what time cannot mend is permanent; a repeated delivery is harmless, so the rest is tried
// again.
queue::RecipientOutcome Session::failed(const Error& error, uint32_t index) const {
  parts_.log.warning("deliver.failed", {{"why", error.to_text()}});
  model::QueueReason reason = model::QueueReason::mailbox_unavailable;
  model::StatusCode code{4, 2, 0};
  if (error.is(store::kFolderFull)) {
    reason = model::QueueReason::mailbox_full;
    code = {4, 2, 2};
  } else if (error.is(kv::kDiskFull)) {
    reason = model::QueueReason::disk_full;
    code = {4, 3, 1};
  } else if (error.is(kv::kNoBlob) || error.is(kv::kDamaged)) {
    reason = model::QueueReason::message_unreadable;
    code = {4, 3, 0};
  }
  return {index, queue::CarryVerdict::transient, reason, words(loop_, error.to_text(), code)};
}

}  // namespace

std::unique_ptr<queue::CarrierSession> open_session(const Parts& parts, rt::Loop& loop) {
  return std::make_unique<Session>(parts, loop);
}

std::string handover_id(model::QueueId id, uint32_t index) {
  return model::to_text(id) + "/" + std::to_string(index);
}

}  // namespace ph::deliver
