// A Mailbox: folders, messages and submissions of one account, kept in one partition.
//
// All calls are made on the mailbox's home loop, through a MailboxRef (see mailboxes.h). Changes of
// all callers go to one writer, which gathers those that wait into one commit; a change is answered
// when it is durable, and only then can readers see it. A change that is answered kTimedOut was not
// made; after kUncertain it may still happen, because it was on its way to the disk. Work on many
// messages is cut into slices of some hundred, each a commit of its own.
//
// Reads of folders, status and flags come from memory; message bytes, content records and searches
// of them suspend. A record that cannot be decoded is set aside (damage()), and what it described
// is missing, while everything else works.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "codec/mime/envelope.h"
#include "codec/mime/structure.h"
#include "kv/store.h"
#include "rt/deadline.h"
#include "rt/loop.h"
#include "rt/task.h"
#include "state/store/errors.h"
#include "state/store/folder.h"
#include "state/store/ids.h"
#include "state/store/message.h"
#include "state/store/search.h"
#include "state/store/submission.h"
#include "state/store/view.h"

namespace ph::store {

// What a client asks of the header and the structure. Made when asked for, cached within bounds.
struct Summary {
  mime::Envelope envelope;
  mime::BodyStructure structure;
};

struct Placement {
  FolderId folder;
  Uid uid = 0;
};

struct SetAside {
  std::string key;
  std::string what;  // "message row", "content", ...
};

// keep: a folder with children stays as a level above them, empty and not selectable (RFC 9051
// section 6.3.5). refuse: kHasChildren. remove: they go too.
enum class Children : uint8_t { keep, refuse, remove };
enum class Expunge : uint8_t { only_deleted, whatever_flags };

struct MailboxFigures {
  uint64_t commits = 0;
  uint64_t changes = 0;  // that these commits carried
  size_t waiting = 0;    // changes that wait for the writer now
  size_t folders_loaded = 0;
  size_t index_bytes = 0;
  size_t views = 0;
  size_t submissions_open = 0;
  uint64_t messages = 0;
  uint64_t size_bytes = 0;
};

class Mailbox {
 public:
  struct Inside;  // everything private; for the room's own files
  explicit Mailbox(std::unique_ptr<Inside> inside);
  ~Mailbox();
  Mailbox(const Mailbox&) = delete;
  Mailbox& operator=(const Mailbox&) = delete;

  MailboxId id() const;
  const Guid& guid() const;          // the mailbox's, for ever
  const Guid& replica_guid() const;  // of this number space
  Seq seq() const;                   // of the last durable change
  Seq tombstone_floor() const;       // changes_since() below it answers kTooOld
  rt::Loop& home() const;
  MailboxFigures figures() const;
  std::vector<SetAside> damage() const;  // at most 1,000 of them

  // Folders. From memory, in the order of their names (INBOX first).
  std::vector<Folder> folders() const;
  std::optional<Folder> folder(FolderId id) const;
  std::optional<Folder> find_folder(std::string_view name) const;
  std::optional<Folder> folder_with(Role role) const;
  Result<FolderStatus> status(FolderId id) const;
  // Names, of folders that exist or not (RFC 3501 section 6.3.9).
  std::vector<std::string> subscriptions() const;

  // Levels that are missing above `name` are made too. A role that another folder has is
  // kRoleFolder; Role::inbox and Role::outbox cannot be given.
  rt::Task<Result<Folder>> create_folder(std::string name, Role role, rt::Deadline deadline);
  // The Inbox and the Outbox cannot go. Gone when answered; its messages are erased in the
  // background.
  rt::Task<Status> delete_folder(FolderId id, Children children, rt::Deadline deadline);
  // Children go along. Renaming the Inbox leaves a new empty one with its children behind (RFC 3501
  // section 6.3.5): the old one keeps its id and messages under the new name.
  rt::Task<Status> rename_folder(FolderId id, std::string name, rt::Deadline deadline);
  rt::Task<Status> subscribe(std::string name, rt::Deadline deadline);
  rt::Task<Status> unsubscribe(std::string name, rt::Deadline deadline);

  // Messages in. deliver() answers `already` if this hand-over id was delivered within
  // Options::handover_ids_kept. append() takes all messages or none.
  rt::Task<Result<Delivered>> deliver(Delivery delivery, rt::Deadline deadline);
  rt::Task<Result<Appended>> append(FolderId folder, std::vector<NewMessage> messages,
                                    rt::Deadline deadline);

  // A session's picture of a folder (SELECT, EXAMINE). read_write takes the \Recent messages.
  rt::Task<Result<std::unique_ptr<FolderView>>> open_view(FolderId folder, Access access,
                                                          rt::Deadline deadline);
  // What happened after `since`, exactly: for QRESYNC, JMAP, later protocols. kTooOld below
  // tombstone_floor(). `since` beyond seq() is kBadRequest.
  rt::Task<Result<Changes>> changes_since(FolderId folder, Seq since, rt::Deadline deadline);

  // Changes to messages. `uids` rise; those that are not there are passed over.
  rt::Task<Result<FlagsStored>> store_flags(FolderId folder, std::vector<Uid> uids,
                                            FlagChange change, std::optional<Seq> unchanged_since,
                                            rt::Deadline deadline);
  rt::Task<Result<Transfer>> copy(FolderId from, std::vector<Uid> uids, FolderId to,
                                  rt::Deadline deadline);
  // Keeps message ids, flags and dates. Into the same folder: new UIDs (RFC 6851 section 3.3).
  rt::Task<Result<Transfer>> move(FolderId from, std::vector<Uid> uids, FolderId to,
                                  rt::Deadline deadline);
  // The UIDs that went, in rising order.
  rt::Task<Result<std::vector<Uid>>> expunge(FolderId folder, std::vector<Uid> uids, Expunge which,
                                             rt::Deadline deadline);

  // Contents.
  rt::Task<Result<Placement>> find(MessageId id, rt::Deadline deadline);
  rt::Task<Result<ContentInfo>> content(MessageId id, rt::Deadline deadline);
  // Octets [offset, offset+length) of the message; fewer at its end.
  rt::Task<Result<kv::BlobBytes>> bytes(MessageId id, uint64_t offset, uint64_t length,
                                        rt::Deadline deadline);
  // Shared with the cache.
  rt::Task<Result<std::shared_ptr<const Summary>>> summary(MessageId id, rt::Deadline deadline);
  // The messages of the folder that match, in rising order. A message whose octets are damaged
  // matches no text.
  rt::Task<Result<std::vector<Uid>>> search(FolderId folder, Query query, rt::Deadline deadline);

  // Submissions. submit() is answered when nothing can lose the message any more; the hand-over to
  // transport goes on by itself.
  rt::Task<Result<Submitted>> submit(NewSubmission submission, rt::Deadline deadline);
  std::vector<Submission> open_submissions() const;  // what the Outbox shows, oldest first
  // Open or ended.
  rt::Task<Result<Submission>> submission(SubmissionId id, rt::Deadline deadline);
  // Only while it is held: kNoSubmission otherwise.
  rt::Task<Status> cancel_submission(SubmissionId id, rt::Deadline deadline);
  // Transport has news about one: look now instead of at its time.
  void hint(SubmissionId id);

  Inside& inside() { return *inside_; }

 private:
  std::unique_ptr<Inside> inside_;
};

}  // namespace ph::store
