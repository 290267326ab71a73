// What the store may answer besides "done".
#pragma once

#include "base/result.h"

namespace ph::store {

inline constexpr ErrorKind kNoFolder{"store", "no_such_folder", Disposition::permanent};
inline constexpr ErrorKind kFolderExists{"store", "folder_exists", Disposition::permanent};
inline constexpr ErrorKind kBadName{"store", "bad_folder_name", Disposition::permanent};
inline constexpr ErrorKind kTooManyFolders{"store", "too_many_folders", Disposition::permanent};
// The folder has a role that must not go (Inbox, Outbox), or does not take what was asked (Outbox).
inline constexpr ErrorKind kRoleFolder{"store", "role_folder", Disposition::permanent};
inline constexpr ErrorKind kReadOnly{"store", "read_only_folder", Disposition::permanent};
inline constexpr ErrorKind kHasChildren{"store", "folder_has_children", Disposition::permanent};
inline constexpr ErrorKind kNotSelectable{"store", "folder_not_selectable", Disposition::permanent};
// IMAP answers NO [LIMIT] to the client that asked; nobody else is hurt.
inline constexpr ErrorKind kTooManyKeywords{"store", "too_many_keywords", Disposition::permanent};
inline constexpr ErrorKind kBadKeyword{"store", "bad_keyword", Disposition::permanent};
inline constexpr ErrorKind kTooLarge{"store", "too_large", Disposition::permanent};
inline constexpr ErrorKind kFolderFull{"store", "folder_full", Disposition::permanent};
inline constexpr ErrorKind kBadRequest{"store", "bad_request", Disposition::permanent};
inline constexpr ErrorKind kNoMessage{"store", "no_such_message", Disposition::permanent};
inline constexpr ErrorKind kNoSubmission{"store", "no_such_submission", Disposition::permanent};
// The record cannot be read; it is set aside, the rest of the mailbox works.
inline constexpr ErrorKind kDamaged{"store", "damaged", Disposition::permanent};
// Changes that far back are not known any more: compare whole lists.
inline constexpr ErrorKind kTooOld{"store", "state_too_old", Disposition::permanent};
// The answer did not come in time: the change may or may not happen. Look before asking again.
inline constexpr ErrorKind kUncertain{"store", "uncertain", Disposition::transient};
inline constexpr ErrorKind kTimedOut{"store", "timed_out", Disposition::transient};
// Too many changes wait for this mailbox, or too many mailboxes are in use; nothing was done.
inline constexpr ErrorKind kBusy{"store", "busy", Disposition::transient};
inline constexpr ErrorKind kStopping{"store", "stopping", Disposition::transient};
inline constexpr ErrorKind kExhausted{"store", "numbers_exhausted", Disposition::permanent};

}  // namespace ph::store
