#include "app/detail/bridges.h"

#include <algorithm>
#include <utility>

#include "app/options.h"
#include "codec/mime/header.h"
#include "kv/errors.h"
#include "model/queue_id.h"

namespace ph::app {
namespace {

constexpr Duration kAskAgain = Duration::seconds(5);
constexpr Duration kProgressRecheck = Duration::minutes(1);
constexpr size_t kSubjectLookMax = 4 * queue::kSubjectMax;  // encoded words are longer

// The Message-ID and the subject of the octets' header, for people and searches.
void describe(queue::NewMessage& message) {
  const mime::TopHeader header = mime::scan_top_header(*message.raw);
  if (message.message_id.empty()) message.message_id = std::string(header.message_id);
  const std::string_view subject = header.subject.substr(0, kSubjectLookMax);
  const mime::Field field{.name = "Subject", .raw = subject, .whole = subject};
  message.subject = field.decoded();
}

queue::NewMessage queued_message(store::HandOver handover, kv::BlobBytes bytes) {
  queue::NewMessage out;
  out.envelope = std::move(handover.envelope);
  out.envelope.received_at = handover.submitted_at;
  out.envelope.size_bytes = bytes->size();
  out.envelope.origin = model::Origin::submission;
  out.recipients = std::move(handover.recipients);
  out.raw = std::move(bytes);
  describe(out);
  out.handover_id = std::move(handover.handover_id);
  return out;
}

// What the rows of a message come to for the submission it came from.
store::TransportProgress summarize(const queue::Explanation& e, Time now) {
  size_t good = 0;
  size_t bad = 0;
  store::TransportProgress going;
  going.when = now + kProgressRecheck;
  for (const model::QueueRow& row : e.rows) {
    if (!model::is_end(row.state)) {
      going.words = std::string(model::to_text(row.state)) + ": " +
                    std::string(model::sentence_of(row.reason));
      return going;
    }
    if (row.state == model::QueueState::expanded) continue;
    const bool reached =
        row.state == model::QueueState::delivered || row.state == model::QueueState::relayed;
    ++(reached ? good : bad);
  }
  store::TransportProgress ended;
  using Kind = store::TransportProgress::Kind;
  ended.kind = bad == 0 ? Kind::sent : good == 0 ? Kind::failed : Kind::partly_failed;
  return ended;
}

// Counts how long each attempt takes, whatever comes of it.
class TimedSession final : public queue::CarrierSession {
 public:
  TimedSession(std::unique_ptr<queue::CarrierSession> session, rt::Loop& loop,
               DurationHistogram& took)
      : session_(std::move(session)), loop_(loop), took_(took) {}
  rt::Task<queue::CarryResult> carry(queue::CarryWork work, const queue::NextHop& hop,
                                     rt::Deadline deadline) override {
    const Instant began = loop_.now();
    queue::CarryResult result = co_await session_->carry(std::move(work), hop, deadline);
    took_.add(loop_.now() - began);
    co_return result;
  }
  rt::Task<void> close(rt::Deadline deadline) override { return session_->close(deadline); }

 private:
  std::unique_ptr<queue::CarrierSession> session_;
  rt::Loop& loop_;
  DurationHistogram& took_;
};

}  // namespace

std::string IntakeBridge::refusal(smtp_in::Sender sender) const {
  return parts_.pressure.refusal(sender == smtp_in::Sender::stranger ? pressure::Sender::stranger
                                                                     : pressure::Sender::user);
}

rt::Task<Result<std::string>> IntakeBridge::accept(rt::Loop& loop, smtp_in::Incoming message,
                                                   rt::Deadline deadline) {
  // The pressure may have come while the content did.
  if (std::string why = refusal(smtp_in::Sender::stranger); !why.empty()) {
    co_return fail(smtp_in::kShed, std::move(why));
  }
  queue::NewMessage made;
  made.envelope = std::move(message.envelope);
  made.recipients = std::move(message.recipients);
  made.raw = std::move(message.bytes);
  made.message_id = std::move(message.message_id);
  describe(made);
  PH_CO_TRY(const model::QueueId id, co_await parts_.queue.accept(loop, std::move(made), deadline));
  co_return model::to_text(id);
}

rt::Task<Result<std::string>> IntakeBridge::submit(rt::Loop& loop, std::string login,
                                                   smtp_in::Incoming message,
                                                   rt::Deadline deadline) {
  if (std::string why = refusal(smtp_in::Sender::user); !why.empty()) {
    co_return fail(smtp_in::kShed, std::move(why));
  }
  const std::optional<directory::Account> account = parts_.directory.account_of(login);
  if (!account) co_return fail(directory::kNoSuchEntry, "the account was removed");
  store::NewSubmission submission;
  submission.envelope = std::move(message.envelope);
  submission.recipients = std::move(message.recipients);
  submission.bytes = std::move(message.bytes);
  if (parts_.settings(loop).current().get(kSentCopy)) {
    submission.sent_copy = store::NewSubmission::SentCopy::in_sent;
  }
  auto use = [s = std::move(submission), deadline](store::Mailbox& mailbox) mutable {
    return mailbox.submit(std::move(s), deadline);
  };
  PH_CO_TRY_STATUS(co_await parts_.mailboxes.with(loop, store::MailboxId{account->id.value},
                                                  "a submission", std::move(use), deadline));
  co_return message.message_id.empty() ? "submission" : "<" + message.message_id + ">";
}

smtp_in::Standing AddressBridge::standing(std::string_view address) const {
  switch (directory_.find(address).kind) {
    case directory::Lookup::Kind::foreign_domain: return smtp_in::Standing::foreign;
    case directory::Lookup::Kind::no_such_address: return smtp_in::Standing::no_such_address;
    case directory::Lookup::Kind::account:
    case directory::Lookup::Kind::alias: return smtp_in::Standing::local;
  }
  return smtp_in::Standing::no_such_address;
}

bool AddressBridge::may_send_as(std::string_view login, std::string_view address) const {
  const std::optional<directory::Account> own = directory_.account_of(login);
  if (!own) return false;
  const directory::Lookup found = directory_.find(address);
  if (found.kind == directory::Lookup::Kind::account) return found.account == own->id;
  if (found.kind != directory::Lookup::Kind::alias) return false;
  return std::ranges::any_of(found.targets, [&](const std::string& target) {
    return directory::address_key(target) == directory::address_key(own->address);
  });
}

std::function<route::Local(std::string_view)> find_local(const directory::Directory& directory) {
  return [&directory](std::string_view address) {
    directory::Lookup found = directory.find(address);
    switch (found.kind) {
      case directory::Lookup::Kind::foreign_domain: break;
      case directory::Lookup::Kind::no_such_address:
        return route::Local{route::Local::Kind::no_such_address, 0, {}};
      case directory::Lookup::Kind::account:
        return route::Local{route::Local::Kind::mailbox, found.account.value, {}};
      case directory::Lookup::Kind::alias:
        return route::Local{route::Local::Kind::alias, 0, std::move(found.targets)};
    }
    return route::Local{};
  };
}

rt::Task<Result<store::HandOverAnswer>> TransportBridge::take(rt::Loop& home,
                                                              store::HandOver handover,
                                                              rt::Deadline deadline) {
  store::HandOverAnswer answer;
  if (queue_ == nullptr) {
    answer.when = home.wall() + kAskAgain;
    answer.words = "transport is starting";
    co_return answer;
  }
  const kv::BlobId blob = handover.blob;
  PH_CO_TRY(kv::BlobBytes bytes, co_await store_.read_blob(home, blob, 0, kv::kWholeBlob));
  queue::NewMessage message = queued_message(std::move(handover), std::move(bytes));
  const Result<model::QueueId> id = co_await queue_->accept(home, std::move(message), deadline);
  using Kind = store::HandOverAnswer::Kind;
  if (id.has_value()) {
    answer.kind = Kind::accepted;
    answer.words = model::to_text(*id);
  } else if (id.error().disposition() == Disposition::permanent) {
    answer.kind = Kind::refused;
    answer.words = id.error().to_text();
  } else {
    answer.when = home.wall() + kAskAgain;
    answer.words = id.error().to_text();
  }
  co_return answer;
}

rt::Task<Result<store::TransportProgress>> TransportBridge::progress(rt::Loop& home,
                                                                     std::string handover_id,
                                                                     rt::Deadline deadline) {
  if (queue_ == nullptr) co_return fail(kv::kStopping, "transport is starting");
  PH_CO_TRY(const std::optional<model::QueueId> id,
            co_await queue_->find_handover(home, std::move(handover_id), deadline));
  if (!id.has_value()) {
    co_return store::TransportProgress{store::TransportProgress::Kind::not_there, {}, {}};
  }
  PH_CO_TRY(const queue::Explanation e, co_await queue_->why(home, *id, deadline));
  co_return summarize(e, home.wall());
}

CarrierBridge::CarrierBridge(deliver::Parts local, smtp_out::Parts remote)
    : local_(std::move(local)),
      remote_(std::move(remote)),
      into_mailboxes_(
          remote_.metrics.histogram("posthorn_queue_attempt_seconds", "hop=\"mailbox\"")),
      to_hops_(remote_.metrics.histogram("posthorn_queue_attempt_seconds", "hop=\"smtp\"")) {}

std::unique_ptr<queue::CarrierSession> CarrierBridge::open(rt::Loop& loop,
                                                           const queue::NextHop& hop) {
  if (hop.kind == queue::HopKind::mailbox) {
    return std::make_unique<TimedSession>(deliver::open_session(local_, loop), loop,
                                          into_mailboxes_);
  }
  return std::make_unique<TimedSession>(smtp_out::open_session(remote_, loop, hop), loop, to_hops_);
}

}  // namespace ph::app
