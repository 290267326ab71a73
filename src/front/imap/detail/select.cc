// SELECT, EXAMINE, CLOSE, EXPUNGE.
#include <algorithm>
#include <utility>

#include "front/imap/detail/commands.h"

namespace ph::imap_server {
namespace {

using store::Uid;

// The first unseen message is looked for among so many; else [UNSEEN] is left out.
constexpr size_t kUnseenLookMax = 10'000;

imap::FlagSet client_flags() { return imap::FlagSet(static_cast<uint8_t>(store::kClientFlags)); }

uint32_t first_unseen(const Selected& selected) {
  const size_t end = std::min<size_t>(selected.count(), kUnseenLookMax);
  for (size_t number = 1; number <= end; ++number) {
    const auto info = selected.view().message(selected.view().uids().at(number));
    if (info.has_value() && !info->flags.has(store::Flag::seen)) {
      return static_cast<uint32_t>(number);
    }
  }
  return 0;
}

void describe(Desk& desk, const store::FolderStatus& now) {
  const Selected& selected = *desk.selected;
  imap::ResponseWriter writer = desk.voice.writer();
  writer.flags(client_flags());
  writer.exists(selected.count());
  writer.recent(selected.recent_count());
  const auto ok = [&writer](std::string_view code, std::string_view text) {
    writer.status({"*", Condition::ok, code, text});
  };
  const uint32_t unseen = now.unseen == 0 ? 0 : first_unseen(selected);
  if (unseen != 0) ok(imap::unseen_code(unseen), "First unseen");
  if (selected.is_writable()) {
    ok(imap::permanent_flags_code(client_flags(), imap::NewKeywords::allowed), "Can be changed");
  } else {
    ok(imap::permanent_flags_code({}, imap::NewKeywords::refused), "Nothing can be changed");
  }
  ok(imap::uid_validity_code(now.uid_validity), "UIDs are valid");
  ok(imap::uid_next_code(now.uid_next), "Next UID");
  // What the view shows, if the folder has moved on meanwhile.
  const uint64_t highest = std::min(now.highest.value, selected.view().seq().value);
  ok(imap::highest_modseq_code(std::max<uint64_t>(highest, 1)), "Highest");
}

store::Query deleted_flag() {
  store::Query query;
  query.kind = store::Query::Kind::has_flag;
  query.flag = store::Flag::deleted;
  return query;
}

}  // namespace

rt::Task<Answer> select(Desk& desk, cmd::Select command) {
  desk.selected.reset();
  if (command.resync.has_value()) co_return answers::kNeedsQresync;
  const std::optional<store::Folder> folder = desk.mailbox->find_folder(command.mailbox);
  if (!folder.has_value()) co_return answers::kNoFolder;
  if (!folder->selectable) co_return answers::kNotSelectable;
  const bool writable = !command.read_only && folder->role != store::Role::outbox;
  const Access access = writable ? Access::read_write : Access::read_only;
  auto view = co_await desk.mailbox->open_view(folder->id, access, desk.loop.in(kReadMax));
  if (!view.has_value()) co_return desk.refused(view.error(), "select");
  const Result<store::FolderStatus> now = desk.mailbox->status(folder->id);
  if (!now.has_value()) co_return desk.refused(now.error(), "select");
  if (command.condstore) desk.condstore = Condstore::on;
  desk.selected = std::make_unique<Selected>(std::move(*view), access);
  describe(desk, *now);
  co_return writable ? answers::kReadWrite : answers::kReadOnly;
}

rt::Task<Answer> expunge(Desk& desk, cmd::Expunge command) {
  Selected& selected = *desk.selected;
  if (!selected.is_writable()) co_return answers::kWriteProtected;
  auto marked =
      co_await desk.mailbox->search(selected.folder(), deleted_flag(), desk.loop.in(kSearchMax));
  if (!marked.has_value()) co_return desk.refused(marked.error(), "expunge");
  const store::UidMap& known = selected.view().uids();
  imap::SequenceSet asked = imap::SequenceSet::everything();
  if (command.uids.has_value()) asked = std::move(*command.uids);
  if (asked.is_saved_result()) co_return answers::kNoSavedResult;
  const imap::SequenceSet resolved = asked.resolve(known.last());
  // Only what the client knows of: RFC 3501 section 6.4.3 means the messages of this session.
  std::erase_if(*marked, [&](Uid uid) { return !known.contains(uid) || !resolved.contains(uid); });
  if (marked->empty()) co_return answers::kDone;
  const auto gone =
      co_await desk.mailbox->expunge(selected.folder(), std::move(*marked),
                                     store::Expunge::only_deleted, desk.loop.in(kChangeMax));
  if (!gone.has_value()) co_return desk.refused(gone.error(), "expunge");
  co_return answers::kDone;
}

rt::Task<Answer> unselect(Desk& desk) {
  desk.selected.reset();
  co_return answers::kDone;
}

rt::Task<Answer> nothing_more() { co_return answers::kDone; }

rt::Task<Answer> close(Desk& desk) {
  Answer answer = answers::kDone;
  if (desk.selected->is_writable() && desk.selected->view().exists()) {
    answer = co_await expunge(desk, {});
  }
  desk.selected.reset();
  co_return answer;
}

}  // namespace ph::imap_server
