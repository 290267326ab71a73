// STATUS, SUBSCRIBE, UNSUBSCRIBE, CREATE, DELETE, RENAME.
#include <algorithm>
#include <utility>

#include "front/imap/detail/commands.h"
#include "front/imap/detail/special_use.h"

namespace ph::imap_server {
namespace {

Answer answer_of(const Desk& desk, const Status& done, std::string_view what) {
  if (done.has_value()) return answers::kDone;
  return desk.refused(done.error(), what);
}

std::optional<uint32_t> value_if(bool wanted, uint64_t value) {
  if (!wanted) return std::nullopt;
  return static_cast<uint32_t>(std::min<uint64_t>(value, UINT32_MAX));
}

std::optional<uint64_t> long_value_if(bool wanted, uint64_t value) {
  return wanted ? std::optional<uint64_t>(value) : std::nullopt;
}

}  // namespace

imap::StatusValues status_values(const store::FolderStatus& now, const imap::StatusItems& items) {
  const uint64_t behind = now.uid_next - std::min(now.recent_from, now.uid_next);
  imap::StatusValues out;
  out.messages = value_if(items.messages, now.messages);
  // Some of those behind `recent_from` may be gone already: the most that can be.
  out.recent = value_if(items.recent, std::min(now.messages, behind));
  out.uid_next = value_if(items.uid_next, now.uid_next);
  out.uid_validity = value_if(items.uid_validity, now.uid_validity);
  out.unseen = value_if(items.unseen, now.unseen);
  out.deleted = value_if(items.deleted, now.deleted);
  out.size = long_value_if(items.size, now.size_bytes);
  out.highest_modseq = long_value_if(items.highest_modseq, now.highest.value);
  return out;
}

rt::Task<Answer> status(Desk& desk, cmd::Status command) {
  const std::optional<store::Folder> folder = desk.mailbox->find_folder(command.mailbox);
  if (!folder.has_value()) co_return answers::kNoFolder;
  if (!folder->selectable) co_return answers::kNotSelectable;
  const Result<store::FolderStatus> now = desk.mailbox->status(folder->id);
  if (!now.has_value()) co_return desk.refused(now.error(), "status");
  if (command.items.highest_modseq) desk.enable_condstore();
  desk.voice.writer().mailbox_status(command.mailbox, status_values(*now, command.items));
  co_return answers::kDone;
}

rt::Task<Answer> subscribe(Desk& desk, cmd::Subscribe command) {
  const Status done =
      co_await desk.mailbox->subscribe(std::move(command.mailbox), desk.loop.in(kChangeMax));
  co_return answer_of(desk, done, "subscribe");
}

rt::Task<Answer> unsubscribe(Desk& desk, cmd::Unsubscribe command) {
  const Status done =
      co_await desk.mailbox->unsubscribe(std::move(command.mailbox), desk.loop.in(kChangeMax));
  co_return answer_of(desk, done, "unsubscribe");
}

rt::Task<Answer> create(Desk& desk, cmd::Create command) {
  // RFC 3501 section 6.3.3: a delimiter at the end only says that mailboxes below are to come.
  if (command.mailbox.ends_with('/')) command.mailbox.pop_back();
  store::Role role = store::Role::none;
  if (!command.uses.empty()) {
    const std::optional<store::Role> known = role_from(command.uses.front());
    if (!known.has_value() || command.uses.size() > 1) co_return answers::kUseTaken;
    role = *known;
  }
  const auto made = co_await desk.mailbox->create_folder(std::move(command.mailbox), role,
                                                         desk.loop.in(kChangeMax));
  if (made.has_value()) co_return answers::kDone;
  if (made.error().is(store::kRoleFolder)) co_return answers::kUseTaken;
  co_return desk.refused(made.error(), "create");
}

rt::Task<Answer> remove(Desk& desk, cmd::Delete command) {
  const std::optional<store::Folder> folder = desk.mailbox->find_folder(command.mailbox);
  if (!folder.has_value()) co_return answers::kNoFolder;
  const Status done = co_await desk.mailbox->delete_folder(folder->id, store::Children::keep,
                                                           desk.loop.in(kChangeMax));
  co_return answer_of(desk, done, "delete");
}

rt::Task<Answer> rename(Desk& desk, cmd::Rename command) {
  const std::optional<store::Folder> folder = desk.mailbox->find_folder(command.from);
  if (!folder.has_value()) co_return answers::kNoFolder;
  if (command.to.ends_with('/')) command.to.pop_back();
  const Status done = co_await desk.mailbox->rename_folder(folder->id, std::move(command.to),
                                                           desk.loop.in(kChangeMax));
  co_return answer_of(desk, done, "rename");
}

}  // namespace ph::imap_server
