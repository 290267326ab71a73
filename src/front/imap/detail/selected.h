// The selected mailbox: a view of a folder, told to the client in IMAP's words.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "codec/imap/fetch_writer.h"
#include "codec/imap/sequence_set.h"
#include "front/imap/detail/voice.h"
#include "state/store/view.h"

namespace ph::imap_server {

// EXAMINE, and folders that cannot be changed.
using store::Access;

enum class Condstore : uint8_t { off, on };

// Flags that the client was told in the course of a command: not to be told again unless they
// changed meanwhile. In rising order of UIDs.
struct Told {
  store::Uid uid = 0;
  store::Seq modseq;
};

struct Report {
  store::Vanished vanished = store::Vanished::report;
  Condstore condstore = Condstore::off;
};

class Selected {
 public:
  Selected(std::unique_ptr<store::FolderView> view, Access access)
      : view_(std::move(view)), access_(access) {}

  store::FolderView& view() { return *view_; }
  const store::FolderView& view() const { return *view_; }
  store::FolderId folder() const { return view_->folder(); }
  bool is_writable() const { return access_ == Access::read_write; }
  uint32_t count() const { return static_cast<uint32_t>(view_->uids().size()); }
  uint32_t recent_count() const;
  uint32_t number_of(store::Uid uid) const {
    return static_cast<uint32_t>(view_->uids().position_of(uid));
  }
  imap::FlagSet flags_of(const store::MessageInfo& info) const;

  // The UIDs of those of `numbers` that are in the mailbox, rising; nullopt if a sequence number
  // beyond the last message is named.
  enum class Numbering : uint8_t { sequence, uid };
  static Numbering numbering(bool by_uid) { return by_uid ? Numbering::uid : Numbering::sequence; }
  std::optional<std::vector<store::Uid>> resolve(const imap::SequenceSet& numbers,
                                                 Numbering numbering) const;

  // Writes "* 7 FETCH (UID 9 FLAGS (...))"; nothing if the message is gone.
  void tell_flags(Voice& voice, store::Uid uid, Condstore condstore) const;
  // Moves the view to now and tells what changed: EXPUNGE, EXISTS, RECENT, FETCH.
  rt::Task<bool> report(Voice& voice, Report how, std::vector<Told> told);

 private:
  std::unique_ptr<store::FolderView> view_;
  Access access_;
};

// The flags of the store as IMAP shows them. A message in the Outbox shows $SubmitPending (RFC
// 5550 section 5.10).
imap::FlagSet flags_to_imap(const store::Flags& flags);
store::Flags flags_from_imap(const imap::FlagSet& flags);

}  // namespace ph::imap_server
