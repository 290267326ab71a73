// A FolderView is one session's picture of a folder: the list of its UIDs at one point of the
// commit sequence, moved forward by poll(). It keeps the folder's index in memory while it lives.
//
// Home loop of the mailbox only. It must be dropped before its MailboxRef.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "base/result.h"
#include "rt/deadline.h"
#include "rt/loop.h"
#include "rt/parking.h"
#include "rt/task.h"
#include "state/store/folder.h"
#include "state/store/ids.h"
#include "state/store/message.h"

namespace ph::store {

// UIDs in rising order with their positions (IMAP sequence numbers, from 1), as runs of neighbours:
// a folder without holes takes 12 octets whatever its size.
class UidMap {
 public:
  void append(Uid uid);  // larger than all that are there
  void remove(std::span<const Uid> rising);
  size_t size() const { return size_; }
  bool contains(Uid uid) const { return position_of(uid) != 0; }
  Uid at(size_t position) const;      // 1 <= position <= size(), else 0
  size_t position_of(Uid uid) const;  // 0 if absent
  size_t count_below(Uid uid) const;  // how many are smaller
  Uid last() const { return size_ == 0 ? 0 : at(size_); }
  // Those within [first, last], rising.
  std::vector<Uid> between(Uid first, Uid last) const;

 private:
  struct Run {
    Uid first = 0;
    uint32_t count = 0;
    uint32_t before = 0;
  };
  std::vector<Run> runs_;
  size_t size_ = 0;
};

// What happened in a folder after one point of the sequence and up to another. Each list rises.
struct Changes {
  Seq from;
  Seq to;
  std::vector<Uid> added;
  std::vector<Uid> changed;   // flags, keywords or content; not those in `added`
  std::vector<Uid> vanished;  // that were there at `from`
  bool empty() const { return added.empty() && changed.empty() && vanished.empty(); }
};

// keep_back: IMAP must not tell of expunged messages now (RFC 9051 section 7.5.1): they stay in the
// numbering and come with the next poll that reports.
enum class Vanished : uint8_t { report, keep_back };

// read_write takes the \Recent messages.
enum class Access : uint8_t { read_only, read_write };

class FolderIndex;  // the folder in memory, see detail/

class FolderView {
 public:
  ~FolderView();
  FolderView(const FolderView&) = delete;
  FolderView& operator=(const FolderView&) = delete;

  FolderId folder() const { return folder_; }
  Seq seq() const { return seq_; }
  // The session's numbering.
  const UidMap& uids() const { return uids_; }
  // False once the folder is deleted: nothing more happens here.
  bool exists() const;
  // The Uid from which on messages were recent when the view was opened for writing (\Recent); 0
  // for a view that only reads.
  Uid recent_from() const { return recent_from_; }

  // The message as it is now (not as it was at seq()); nullopt if it is gone.
  std::optional<MessageInfo> message(Uid uid) const;

  // Whether poll() would find anything. Costs nothing.
  bool is_behind() const;
  // Moves the view to now and tells what changed.
  Changes poll(Vanished vanished);
  // Until is_behind() or the deadline (both are success; cancellation is not).
  rt::Task<Status> wait_change(rt::Deadline deadline);
  // Called on the home loop after each change in the folder: a hint to look (for sessions that are
  // parked on their connection). Must not destroy the view.
  void on_change(rt::Callback hint);

 private:
  friend class FolderIndex;
  FolderView(FolderIndex& index, rt::Loop& loop);
  void notice();

  FolderIndex& index_;
  FolderId folder_;
  Seq seq_;
  Uid recent_from_ = 0;
  UidMap uids_;
  std::vector<Uid> kept_back_;
  rt::Parking changed_;
  rt::Callback hint_;
};

}  // namespace ph::store
