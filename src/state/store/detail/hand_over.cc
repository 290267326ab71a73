// The hand-over of submissions to transport, by the clock.
//
// Each open submission has a time at which it is looked at (`looks`); the shelf calls
// look_at_submissions() when the first of them has come, which may need to open the mailbox. The
// hand-over id makes take() safe to repeat, so nothing needs to be written before it: the state
// `handing_over` says that it may have happened. An answer is written as one change together with
// what it does to the Outbox.
#include <algorithm>

#include "state/store/detail/inside.h"
#include "state/store/errors.h"

namespace ph::store {
namespace {

constexpr Duration kCallDeadline = Duration::seconds(30);
constexpr size_t kActingMax = 16;
constexpr size_t kWordsMax = 2'000;

class MoveOnChange final : public Change {
 public:
  MoveOnChange(Submission seen, SubmissionStep step, std::optional<Row> row,
               std::optional<ContentRecord> content)
      : seen_(std::move(seen)), step_(std::move(step)), row_(row), content_(std::move(content)) {}

  Status apply(Draft& draft) override {
    const Submission* now = draft.submission(seen_.id);
    if (now == nullptr || now->state != seen_.state) {
      return fail(kNoSubmission, "the submission has moved on meanwhile");
    }
    Submission next = *now;
    PH_CHECK(kSubmissionTable.allows(now->state, step_.event, step_.to, step_.reason));
    if (next.state != step_.to) next.since = draft.now();
    next.state = step_.to;
    next.reason = step_.reason;
    next.words = step_.words.substr(0, kWordsMax);
    next.next_action_at = step_.next_action_at;
    if (now->state == SubmissionState::handing_over) ++next.attempts;
    if (has_ended(step_.to)) {
      if (!draft.has_numbers(8)) return fail(kExhausted, "the mailbox has no numbers left");
      next.next_action_at = Time::max();
      leave_outbox(draft, now->state);
    }
    draft.put_submission(next);
    return {};
  }

 private:
  void leave_outbox(Draft& draft, SubmissionState from) const {
    const FolderState* outbox = draft.folder_with(Role::outbox);
    if (outbox == nullptr || !row_.has_value()) return;
    if (from == SubmissionState::in_transport) {
      const uint64_t seq = draft.step();
      const TombstoneRecord how{
          Departure::submission_ended, row_->id, row_->created, {}, draft.now()};
      draft.remove(outbox->record.id, *row_, how, seq);
      draft.erase_content(row_->id, content_);
      return;
    }
    move_to_drafts(draft, *row_);  // transport never had it: its user gets it back
  }

  const Submission seen_;
  const SubmissionStep step_;
  const std::optional<Row> row_;
  const std::optional<ContentRecord> content_;
};

class BackToDraftsChange final : public Change {
 public:
  BackToDraftsChange(std::vector<Row> rows, uint64_t commits)
      : rows_(std::move(rows)), commits_(commits) {}
  bool alone() const override { return true; }
  Status apply(Draft& draft) override {
    if (draft.header().commits != commits_) return {};  // the next housework looks again
    if (!draft.has_numbers(rows_.size() + 8)) {
      return fail(kExhausted, "the mailbox has no numbers left");
    }
    for (const Row& row : rows_) move_to_drafts(draft, row);
    return {};
  }

 private:
  const std::vector<Row> rows_;
  const uint64_t commits_;
};

Duration backoff(const Options& options, uint32_t attempts) {
  Duration wait = options.handover_retry_min;
  for (uint32_t i = 0; i < attempts && wait < options.handover_retry_max; ++i) wait = wait * 2;
  return std::min(wait, options.handover_retry_max);
}

}  // namespace

void move_to_drafts(Draft& draft, const Row& row) {
  const FolderState* outbox = draft.folder_with(Role::outbox);
  if (outbox == nullptr) return;
  const FolderId from = outbox->record.id;
  const uint64_t seq = draft.step();
  const FolderState* drafts = draft.folder_with(Role::drafts);
  const FolderId back =
      drafts != nullptr ? drafts->record.id : folder_for(draft, Role::drafts, seq);
  draft.remove(from, row, {Departure::moved, row.id, row.created, back, draft.now()}, seq);
  Row moved = row;
  moved.bits = static_cast<uint16_t>(Flag::draft);
  draft.place(back, moved, seq);
}

std::shared_ptr<Change> back_to_drafts(std::vector<Row> rows, uint64_t commits) {
  return std::make_shared<BackToDraftsChange>(std::move(rows), commits);
}

// The Outbox's row of `message`, from the partition: its index may not be loaded.
rt::Task<Result<std::optional<Row>>> Mailbox::Inside::outbox_row(MessageId message) {
  const FolderState* outbox = state.folders.with(Role::outbox);
  if (outbox == nullptr) co_return std::optional<Row>();
  const FolderId folder = outbox->record.id;
  std::string key = placement_key(message);
  PH_CO_TRY(const std::optional<std::string> record, co_await partition->get(key));
  if (!record.has_value()) co_return std::optional<Row>();
  const std::optional<PlacementRecord> place = decode_placement(key, *record);
  if (!place.has_value() || place->folder != folder) co_return std::optional<Row>();
  key = row_key(folder, place->uid);
  PH_CO_TRY(const std::optional<std::string> row, co_await partition->get(key));
  if (!row.has_value()) co_return std::optional<Row>();
  co_return decode_row(key, *row);
}

rt::Task<Status> Mailbox::Inside::move_on(Submission seen, SubmissionStep step,
                                          rt::Deadline deadline) {
  std::optional<Row> row;
  std::optional<ContentRecord> content;
  if (has_ended(step.to)) {
    PH_CO_TRY(row, co_await outbox_row(seen.message));
    const auto found = co_await read_content(seen.message);
    if (found.has_value()) content = *found;
    if (!found.has_value() && !found.error().is(kDamaged)) co_return found.error();
  }
  const SubmissionId submission = seen.id;
  auto change = std::make_shared<MoveOnChange>(std::move(seen), std::move(step), row, content);
  PH_CO_TRY_STATUS(co_await make(change, deadline));
  const auto now = state.submissions.find(submission);
  if (now == state.submissions.end()) {
    looks.erase(submission);
  } else {
    looks[submission] = now->second.next_action_at;
  }
  co_return Status();
}

void Mailbox::Inside::note_looks() {
  if (looks.size() == state.submissions.size()) return;  // the usual case; see also move_on()
  std::erase_if(looks,
                [this](const auto& item) { return !state.submissions.contains(item.first); });
  for (const auto& [submission, row] : state.submissions) {
    looks.emplace(submission, row.next_action_at);
  }
  if (around.clock_changed) around.clock_changed(id);
}

std::optional<Time> Mailbox::Inside::next_submission_look() const {
  std::optional<Time> first;
  for (const auto& [submission, when] : looks) {
    if (acting.contains(submission)) continue;
    if (!first.has_value() || when < *first) first = when;
  }
  return first;
}

void Mailbox::Inside::look_at_submissions() {
  const Time now = around.loop.wall();
  for (const auto& [submission, when] : looks) {
    if (acting.size() >= kActingMax) break;
    if (when > now || acting.contains(submission)) continue;
    acting.insert(submission);
    scope.spawn("a submission", act_on(submission));
  }
}

rt::Task<void> Mailbox::Inside::act_on(SubmissionId submission) {
  // Whatever happens below, the submission is looked at again.
  const Time now = around.loop.wall();
  const auto open = state.submissions.find(submission);
  if (open != state.submissions.end()) {
    looks[submission] = now + backoff(around.options, open->second.attempts);
    Submission row = open->second;
    if (now - row.submitted_at > around.options.submission_expires_after &&
        !(row.state == SubmissionState::held && row.next_action_at > now)) {
      const Status done = co_await move_on(row,
                                           {SubmissionEvent::expire,
                                            SubmissionState::failed,
                                            SubmissionReason::expired,
                                            row.words,
                                            {}},
                                           soon());
      (void)done;  // by the clock, again
    } else if (row.state == SubmissionState::held) {
      const Status done = co_await move_on(row,
                                           {SubmissionEvent::clock,
                                            SubmissionState::handing_over,
                                            SubmissionReason::submitted,
                                            {},
                                            now},
                                           soon());
      (void)done;
    } else if (row.state == SubmissionState::handing_over) {
      co_await hand_over(std::move(row));
    } else {
      co_await ask_progress(std::move(row));
    }
  }
  acting.erase(submission);
  if (around.clock_changed) around.clock_changed(id);
}

rt::Task<void> Mailbox::Inside::hand_over(Submission row) {
  HandOver given{id,           row.id,         row.handover_id,
                 row.blob,     row.size_bytes, row.submitted_at,
                 row.envelope, row.recipients};
  const rt::Deadline deadline = around.loop.in(kCallDeadline);
  const auto answer = co_await around.transport.take(around.loop, std::move(given), deadline);
  const Time now = around.loop.wall();
  const Time again = now + backoff(around.options, row.attempts);
  SubmissionStep step{SubmissionEvent::not_now,
                      SubmissionState::handing_over,
                      SubmissionReason::transport_not_ready,
                      {},
                      again};
  if (!answer.has_value()) {
    step.event = SubmissionEvent::clock;
    step.words = answer.error().to_text();
  } else {
    step.words = answer->words;
    if (answer->kind == HandOverAnswer::Kind::accepted) {
      step.event = SubmissionEvent::accepted;
      step.to = SubmissionState::in_transport;
      step.reason = SubmissionReason::transport_has_it;
      step.next_action_at = now + around.options.handover_retry_min;
    } else if (answer->kind == HandOverAnswer::Kind::refused) {
      step.event = SubmissionEvent::refused;
      step.to = SubmissionState::failed;
      step.reason = SubmissionReason::transport_refused;
    } else {
      step.next_action_at =
          std::clamp(answer->when, again, now + around.options.handover_retry_max);
    }
  }
  const Status done = co_await move_on(std::move(row), std::move(step), soon());
  (void)done;  // not written: the clock hands it over again, and transport knows it by then
}

rt::Task<void> Mailbox::Inside::ask_progress(Submission row) {
  const rt::Deadline deadline = around.loop.in(kCallDeadline);
  std::string handover_id = row.handover_id;
  const auto answer =
      co_await around.transport.progress(around.loop, std::move(handover_id), deadline);
  const Time now = around.loop.wall();
  const Time again = now + around.options.progress_every;
  SubmissionStep step{
      SubmissionEvent::ended, SubmissionState::sent, SubmissionReason::delivered, {}, again};
  using Kind = TransportProgress::Kind;
  if (!answer.has_value()) {
    step.event = SubmissionEvent::clock;
    step.to = SubmissionState::in_transport;
    step.reason = SubmissionReason::transport_silent;
    step.words = answer.error().to_text();
  } else {
    step.words = answer->words;
    if (answer->kind == Kind::going) {
      step.event = SubmissionEvent::going;
      step.to = SubmissionState::in_transport;
      step.reason = SubmissionReason::transport_has_it;
      step.next_action_at = std::max(answer->when, again);
    } else if (answer->kind == Kind::not_there) {
      step.reason = SubmissionReason::transport_forgot;
    } else if (answer->kind != Kind::sent) {
      step.to =
          answer->kind == Kind::failed ? SubmissionState::failed : SubmissionState::partly_failed;
      step.reason = SubmissionReason::recipients_failed;
    }
  }
  const bool is_news = step.to != row.state || step.reason != row.reason || step.words != row.words;
  const SubmissionId submission = row.id;
  if (is_news) {
    const Status done = co_await move_on(std::move(row), std::move(step), soon());
    (void)done;  // by the clock, again
  }
  // Asked again at the usual pace, however far away transport's own next time is.
  if (state.submissions.contains(submission)) looks[submission] = again;
}

}  // namespace ph::store
