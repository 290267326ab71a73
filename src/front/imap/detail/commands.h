// The commands of a logged-in session, one function each; what they return is the tagged answer.
// Untagged answers go to desk.voice. Those below the line need desk.selected.
#pragma once

#include "codec/imap/command.h"
#include "front/imap/detail/desk.h"

namespace ph::imap_server {

namespace cmd = imap::cmd;

rt::Task<Answer> list(Desk& desk, cmd::List command);
rt::Task<Answer> lsub(Desk& desk, cmd::Lsub command);
rt::Task<Answer> status(Desk& desk, cmd::Status command);
rt::Task<Answer> subscribe(Desk& desk, cmd::Subscribe command);
rt::Task<Answer> unsubscribe(Desk& desk, cmd::Unsubscribe command);
rt::Task<Answer> create(Desk& desk, cmd::Create command);
rt::Task<Answer> remove(Desk& desk, cmd::Delete command);
rt::Task<Answer> rename(Desk& desk, cmd::Rename command);
// Leaves the selected mailbox, as RFC 3501 section 6.3.1 wants it even if this fails.
rt::Task<Answer> select(Desk& desk, cmd::Select command);
// NOOP, CHECK: what happened in the mailbox is told after every command.
rt::Task<Answer> nothing_more();

// ---
rt::Task<Answer> close(Desk& desk);
rt::Task<Answer> unselect(Desk& desk);
rt::Task<Answer> expunge(Desk& desk, cmd::Expunge command);
rt::Task<Answer> search(Desk& desk, std::string tag, cmd::Search command);
rt::Task<Answer> fetch(Desk& desk, cmd::Fetch command);
rt::Task<Answer> store_flags(Desk& desk, cmd::Store command);
rt::Task<Answer> copy(Desk& desk, cmd::Copy command);
rt::Task<Answer> move(Desk& desk, cmd::Move command);

// Shared by STATUS and LIST ... RETURN (STATUS (...)).
imap::StatusValues status_values(const store::FolderStatus& now, const imap::StatusItems& items);

}  // namespace ph::imap_server
