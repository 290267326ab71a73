// A user's submission: the one commit that accepts it, and the views of it.
#include <algorithm>

#include "codec/mime/header.h"
#include "state/store/detail/inside.h"
#include "state/store/errors.h"

namespace ph::store {
namespace {

class SubmitChange final : public Change {
 public:
  SubmitChange(NewSubmission given, ThreadId thread) : given_(std::move(given)), thread_(thread) {}

  Status apply(Draft& draft) override {
    if (!draft.has_numbers(16)) return fail(kExhausted, "the mailbox has no numbers left");
    const uint64_t seq = draft.step();
    const FolderState* outbox = draft.folder_with(Role::outbox);
    const FolderId into =
        outbox != nullptr ? outbox->record.id : folder_for(draft, Role::outbox, seq);
    const auto [uid, message] =
        draft.add_message(into, arrival(draft, static_cast<uint16_t>(Flag::submitted)), seq);
    if (given_.sent_copy == NewSubmission::SentCopy::in_sent) {
      const FolderState* sent = draft.folder_with(Role::sent);
      const FolderId sent_id =
          sent != nullptr ? sent->record.id : folder_for(draft, Role::sent, seq);
      Arrival copy = arrival(draft, 0);
      copy.bytes = nullptr;  // the same blob, once more referred to
      copy.content.email.value = message.value;
      draft.add_message(sent_id, std::move(copy), seq);
    }
    Submission s;
    s.id.value = draft.take_number();
    s.handover_id = draft.header().guid.to_text() + "/" + std::to_string(s.id.value);
    s.submitted_at = s.since = s.next_action_at = draft.now();
    s.reason = SubmissionReason::submitted;
    s.state = SubmissionState::handing_over;
    if (given_.hold_until.has_value() && *given_.hold_until > draft.now()) {
      s.state = SubmissionState::held;
      s.reason = SubmissionReason::send_later;
      s.next_action_at = *given_.hold_until;
    }
    s.message = message;
    s.email.value = message.value;
    s.blob = *given_.blob_id;
    s.size_bytes = given_.bytes->size();
    s.envelope = given_.envelope;
    s.envelope.received_at = draft.now();
    s.envelope.size_bytes = s.size_bytes;
    s.recipients = given_.recipients;
    draft.put_submission(s);
    out = {s.id, s.handover_id, Seq{seq}};
    return {};
  }

  Submitted out;

 private:
  Arrival arrival(const Draft& draft, uint16_t more_bits) const {
    Arrival a;
    a.row.bits = static_cast<uint16_t>(static_cast<uint16_t>(Flag::seen) | more_bits);
    a.row.size_bytes = given_.bytes->size();
    a.row.internal_date_s = draft.now().unix_s();
    a.content.thread = thread_;
    a.content.blob = *given_.blob_id;
    a.content.blob_size = given_.bytes->size();
    a.content.received = draft.now();
    a.bytes = given_.bytes;
    return a;
  }

  const NewSubmission given_;
  const ThreadId thread_;
};

Status check_submission(const NewSubmission& s, const Options& options) {
  if (s.bytes == nullptr) return fail(kBadRequest, "a submission without octets");
  if (s.bytes->size() > options.message_bytes_max)
    return fail(kTooLarge, "the message is too large");
  if (s.recipients.empty()) return fail(kBadRequest, "a submission without recipients");
  if (s.recipients.size() > kSubmissionRecipientsMax) {
    return fail(kBadRequest, "too many recipients");
  }
  constexpr size_t kTextBytesMax = 4096;
  for (const model::Recipient& r : s.recipients) {
    if (r.address.size() + r.original_address.size() + r.original_type.size() > kTextBytesMax / 4) {
      return fail(kBadRequest, "a recipient's address is too long");
    }
  }
  const model::Envelope& e = s.envelope;
  if (e.sender.size() + e.auth_user.size() + e.client_ip.size() + e.client_helo.size() +
          e.envelope_id.size() >
      kTextBytesMax) {
    return fail(kBadRequest, "the envelope is too long");
  }
  return {};
}

}  // namespace

rt::Task<Result<Submitted>> Mailbox::submit(NewSubmission submission, rt::Deadline deadline) {
  PH_CO_TRY_STATUS(check_submission(submission, inside_->around.options));
  if (!submission.blob_id.has_value()) submission.blob_id = kv::blob_id_of(*submission.bytes);
  const std::string_view front = std::string_view(*submission.bytes).substr(0, kHeaderBytesFirst);
  const ThreadId thread = thread_of(front.substr(0, mime::header_size(front)));
  auto change = std::make_shared<SubmitChange>(std::move(submission), thread);
  PH_CO_TRY_STATUS(co_await inside_->make(change, deadline));
  co_return change->out;
}

std::vector<Submission> Mailbox::open_submissions() const {
  std::vector<Submission> out;
  for (const auto& [submission, row] : inside_->state.submissions) {
    out.push_back(row);
    const auto look = inside_->looks.find(submission);
    if (look != inside_->looks.end()) {
      out.back().next_action_at = std::max(out.back().next_action_at, look->second);
    }
  }
  return out;
}

rt::Task<Result<Submission>> Mailbox::submission(SubmissionId submission, rt::Deadline) {
  const auto open = inside_->state.submissions.find(submission);
  if (open != inside_->state.submissions.end()) co_return open->second;
  std::string key = ended_submission_key(submission);
  PH_CO_TRY(const std::optional<std::string> record, co_await inside_->partition->get(key));
  if (!record.has_value()) co_return fail(kNoSubmission, "there is no such submission");
  std::optional<Submission> found = decode_submission(key, *record);
  if (!found.has_value()) {
    inside_->set_aside(key, "submission");
    co_return fail(kDamaged, "the submission's record cannot be read");
  }
  co_return std::move(*found);
}

rt::Task<Status> Mailbox::cancel_submission(SubmissionId submission, rt::Deadline deadline) {
  const auto open = inside_->state.submissions.find(submission);
  if (open == inside_->state.submissions.end() || open->second.state != SubmissionState::held) {
    co_return fail(kNoSubmission, "it is not held, or has ended");
  }
  co_return co_await inside_->move_on(open->second,
                                      {SubmissionEvent::cancel,
                                       SubmissionState::cancelled,
                                       SubmissionReason::by_user,
                                       "taken back by its user",
                                       {}},
                                      deadline);
}

void Mailbox::hint(SubmissionId submission) {
  const auto look = inside_->looks.find(submission);
  if (look == inside_->looks.end()) return;
  look->second = inside_->around.loop.wall();
  if (inside_->around.clock_changed) inside_->around.clock_changed(inside_->id);
}

}  // namespace ph::store
