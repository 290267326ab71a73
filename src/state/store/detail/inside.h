// The private side of a Mailbox, shared by the files of this room.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "base/bounded.h"
#include "kv/store.h"
#include "obs/log.h"
#include "obs/metrics.h"
#include "rt/runtime.h"
#include "rt/scope.h"
#include "state/store/detail/gate.h"
#include "state/store/detail/state.h"
#include "state/store/detail/writer.h"
#include "state/store/mailbox.h"
#include "state/store/options.h"
#include "state/store/ports.h"

namespace ph::store {

// Names a message among all mailboxes of a loop.
struct MessageName {
  MailboxId mailbox;
  MessageId message;
  bool operator==(const MessageName&) const = default;
};

}  // namespace ph::store

template <>
struct std::hash<ph::store::MessageName> {
  size_t operator()(const ph::store::MessageName& name) const noexcept {
    return std::hash<ph::store::MailboxId>()(name.mailbox) * 31 +
           std::hash<ph::store::MessageId>()(name.message);
  }
};

namespace ph::store {

// Envelopes and structures, with one bound for all mailboxes of a loop. Shared with sessions that
// still write one out when the cache forgets it.
using SummaryCache = BoundedCache<MessageName, std::shared_ptr<const Summary>>;

// What a mailbox needs of its surroundings.
struct Surroundings {
  kv::Store& kv;
  rt::Loop& loop;
  rt::Entropy& entropy;
  Transport& transport;
  obs::Log& log;
  const Options& options;
  obs::Counter& set_aside;
  SummaryCache& summaries;
  std::function<void(MailboxId)> clock_changed;  // a submission's next time has
};

// Messages of one slice of a long operation: one commit.
inline constexpr size_t kSlice = 500;
inline constexpr size_t kHeaderBytesFirst = 32 * 1024;

// An edge of the submissions' table that is to be taken.
struct SubmissionStep {
  SubmissionEvent event;
  SubmissionState to;
  SubmissionReason reason;
  std::string words;
  Time next_action_at;  // not looked at where `to` is an end
};

struct Mailbox::Inside {
  Inside(MailboxId mailbox, Surroundings surroundings);

  // open.cc: makes or reads everything but rows, mends what is damaged, starts the activities.
  rt::Task<Status> open();
  void spawn_activities();

  // The writer's turn for a change; takes it by value so that either side may end first.
  template <class C>
  rt::Task<Status> make(std::shared_ptr<C> change, rt::Deadline deadline) {
    return writer.make(std::move(change), deadline);
  }

  // index.cc
  rt::Task<Result<IndexPin>> load(FolderId folder, rt::Deadline deadline);
  rt::Task<void> load_rows(FolderId folder);
  void drop_idle_indexes(Instant before);
  size_t index_bytes() const;

  // contents.cc
  rt::Task<Result<std::optional<ContentRecord>>> read_content(MessageId id);
  rt::Task<Result<std::map<MessageId, ContentRecord>>> read_contents(std::vector<MessageId> ids);
  rt::Task<Result<kv::BlobBytes>> read_octets(ContentRecord content, uint64_t offset,
                                              uint64_t length);

  // sweep.cc
  rt::Task<void> keep_house();
  rt::Task<Status> purge_leaving_folders();
  rt::Task<Status> sweep();
  rt::Task<Status> mend_outbox();

  // hand_over.cc
  std::optional<Time> next_submission_look() const;
  void look_at_submissions();
  rt::Task<void> act_on(SubmissionId id);
  rt::Task<void> hand_over(Submission submission);
  rt::Task<void> ask_progress(Submission submission);
  rt::Task<Status> move_on(Submission seen, SubmissionStep step, rt::Deadline deadline);
  rt::Task<Result<std::optional<Row>>> outbox_row(MessageId message);
  void note_looks();

  void set_aside(std::string key, std::string_view what);
  rt::Deadline soon() const { return around.loop.in(around.options.commit_deadline); }
  bool busy() const { return writer.busy() || loading > 0 || housework > 0 || !acting.empty(); }

  MailboxId id;
  Surroundings around;
  std::unique_ptr<kv::Partition> partition;
  State state;
  std::map<std::string, std::string> damage;  // key to what; at most 1,000
  Writer writer;
  Gate loads;
  std::map<FolderId, Error> load_errors;
  size_t loading = 0;
  size_t housework = 0;
  rt::Parking house_work_waits;
  std::map<SubmissionId, Time> looks;  // when to look at each open submission
  std::set<SubmissionId> acting;       // those that are looked at now
  rt::Scope scope;                     // last: its activities use all of the above
};

// Checks of arguments that many calls share.
Status check_rising(const std::vector<Uid>& uids);
// The folder, if messages may be put in and taken out by clients.
Result<const FolderState*> writable_folder(const Draft& draft, FolderId id);
// Moves rows of the Outbox to Drafts, if nothing was committed since they were read.
std::shared_ptr<Change> back_to_drafts(std::vector<Row> rows, uint64_t commits);
void move_to_drafts(Draft& draft, const Row& row);
FolderId folder_for(Draft& draft, Role role, uint64_t seq);
std::string_view default_name(Role role);

}  // namespace ph::store
