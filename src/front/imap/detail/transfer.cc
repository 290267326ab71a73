// STORE, COPY, MOVE.
#include <algorithm>
#include <utility>

#include "front/imap/detail/commands.h"

namespace ph::imap_server {
namespace {

using store::Uid;

constexpr size_t kStoreSlice = 500;

store::FlagChange change_of(const cmd::Store& command) {
  store::FlagChange out;
  out.flags = flags_from_imap(command.flags);
  switch (command.mode) {
    case cmd::StoreMode::replace: out.kind = store::FlagChange::Kind::replace; break;
    case cmd::StoreMode::add: out.kind = store::FlagChange::Kind::add; break;
    case cmd::StoreMode::remove: out.kind = store::FlagChange::Kind::remove; break;
  }
  return out;
}

// `flags` with `change` made, as the store makes it.
store::Flags changed(const store::Flags& flags, const store::FlagChange& change) {
  using Kind = store::FlagChange::Kind;
  const uint16_t bits = change.flags.bits & store::kClientFlags;
  store::Flags out = flags;
  if (change.kind == Kind::replace) {
    out.bits = static_cast<uint16_t>((flags.bits & ~store::kClientFlags) | bits);
    out.keywords = change.flags.keywords;
    return out;
  }
  out.bits =
      static_cast<uint16_t>(change.kind == Kind::add ? flags.bits | bits : flags.bits & ~bits);
  std::erase_if(out.keywords,
                [&](const std::string& keyword) { return change.flags.has_keyword(keyword); });
  if (change.kind == Kind::add) {
    out.keywords.insert(out.keywords.end(), change.flags.keywords.begin(),
                        change.flags.keywords.end());
  }
  return out;
}

bool same(const store::Flags& a, const store::Flags& b) {
  return a.bits == b.bits && a.keywords.size() == b.keywords.size() &&
         std::ranges::all_of(a.keywords,
                             [&b](const std::string& keyword) { return b.has_keyword(keyword); });
}

struct Expected {
  Uid uid = 0;
  store::Flags flags;
};

std::vector<Expected> expect(const Selected& selected, const std::vector<Uid>& uids,
                             const store::FlagChange& change) {
  std::vector<Expected> out;
  for (const Uid uid : uids) {
    const auto info = selected.view().message(uid);
    if (info.has_value()) out.push_back({uid, changed(info->flags, change)});
  }
  return out;
}

// Of a silent STORE: those whose flags are what the client expects now need not be told.
std::vector<Told> as_expected(const Selected& selected, const std::vector<Expected>& expected) {
  std::vector<Told> out;
  for (const Expected& e : expected) {
    const auto info = selected.view().message(e.uid);
    if (info.has_value() && same(info->flags, e.flags)) out.push_back({e.uid, info->modseq});
  }
  return out;
}

struct Slice {
  std::vector<Uid> uids;
  const store::FlagChange& change;
  const cmd::Store& command;
};

// What became of the slices so far.
struct Tally {
  std::vector<Uid> conflict;  // changed by others meanwhile: left as they are
  size_t missing = 0;         // gone
};

// One slice of a STORE.
rt::Task<Answer> store_slice(Desk& desk, Slice slice, Tally& tally) {
  Selected& selected = *desk.selected;
  const size_t asked = slice.uids.size();
  const bool asks_modseq = slice.command.unchanged_since.has_value();
  // What others changed is told first, so that what differs afterwards is known to be new.
  bool room = co_await selected.report(desk.voice, desk.report(store::Vanished::keep_back), {});
  if (!room) co_return answers::kDone;
  const bool silent = slice.command.silent && !asks_modseq;
  std::vector<Expected> expected;
  if (silent) expected = expect(selected, slice.uids, slice.change);
  std::optional<store::Seq> since;
  if (asks_modseq) since = store::Seq{*slice.command.unchanged_since};
  const auto stored = co_await desk.mailbox->store_flags(
      selected.folder(), std::move(slice.uids), slice.change, since, desk.loop.in(kChangeMax));
  if (!stored.has_value()) co_return desk.refused(stored.error(), "store");
  tally.conflict.insert(tally.conflict.end(), stored->conflict.begin(), stored->conflict.end());
  tally.missing += asked - stored->changed.size() - stored->conflict.size();
  std::vector<Told> told;
  if (silent) told = as_expected(selected, expected);
  for (const Uid uid : silent ? std::vector<Uid>() : stored->changed) {
    const auto info = selected.view().message(uid);
    if (!info.has_value()) continue;
    selected.tell_flags(desk.voice, uid, desk.condstore);
    told.push_back({uid, info->modseq});
    room = co_await desk.voice.make_room();
    if (!room) co_return answers::kDone;
  }
  room = co_await selected.report(desk.voice, desk.report(store::Vanished::keep_back),
                                  std::move(told));
  static_cast<void>(room);  // the caller looks
  co_return answers::kDone;
}

imap::SequenceSet named(const Selected& selected, const std::vector<Uid>& uids,
                        Selected::Numbering numbering) {
  imap::SequenceSet out;
  for (const Uid uid : uids) {
    const uint32_t number = numbering == Selected::Numbering::uid ? uid : selected.number_of(uid);
    if (number == 0) continue;
    if (!out.append(number)) break;
  }
  return out;
}

// Both sets, or nothing where they have more ranges than a set may: then no COPYUID is given.
std::string copy_uid(const store::Transfer& done) {
  imap::CopiedUids out;
  out.uid_validity = done.uid_validity;
  bool fits = !done.to.empty();
  for (size_t i = 0; i < done.to.size() && fits; ++i) {
    fits = out.from.append(done.from[i]) && out.to.append(done.to[i]);
  }
  return fits ? imap::copy_uid_code(out) : std::string();
}

struct Plan {
  std::vector<Uid> uids;
  store::FolderId to;
};

// What COPY and MOVE have in common: the messages and the target, or the refusal.
std::variant<Plan, Answer> plan(const Desk& desk, const imap::SequenceSet& numbers,
                                Selected::Numbering numbering, std::string_view mailbox) {
  if (numbers.is_saved_result()) return Answer(answers::kNoSavedResult);
  auto uids = desk.selected->resolve(numbers, numbering);
  if (!uids.has_value()) return Answer(answers::kNoSuchNumber);
  const std::optional<store::Folder> to = desk.mailbox->find_folder(mailbox);
  if (!to.has_value()) return Answer(answers::kTryCreate);
  if (!to->selectable) return Answer(answers::kNotSelectable);
  return Plan{std::move(*uids), to->id};
}

}  // namespace

rt::Task<Answer> store_flags(Desk& desk, cmd::Store command) {
  Selected& selected = *desk.selected;
  if (!selected.is_writable()) co_return answers::kWriteProtected;
  if (command.numbers.is_saved_result()) co_return answers::kNoSavedResult;
  const auto numbering = Selected::numbering(command.by_uid);
  const auto uids = selected.resolve(command.numbers, numbering);
  if (!uids.has_value()) co_return answers::kNoSuchNumber;
  if (command.unchanged_since.has_value()) desk.enable_condstore();
  const store::FlagChange change = change_of(command);
  Tally tally;
  for (size_t from = 0; from < uids->size(); from += kStoreSlice) {
    const auto begin = uids->begin() + static_cast<std::ptrdiff_t>(from);
    const size_t length = std::min(kStoreSlice, uids->size() - from);
    Slice slice{{begin, begin + static_cast<std::ptrdiff_t>(length)}, change, command};
    Answer answer = co_await store_slice(desk, std::move(slice), tally);
    if (answer.condition != Condition::ok) co_return answer;
    if (desk.voice.broken().has_value()) co_return answer;
  }
  if (!tally.conflict.empty()) {
    co_return Answer(answers::kModified,
                     imap::modified_code(named(selected, tally.conflict, numbering)));
  }
  if (tally.missing > 0 && !command.by_uid) co_return answers::kExpunged;
  co_return answers::kDone;
}

rt::Task<Answer> copy(Desk& desk, cmd::Copy command) {
  auto planned = plan(desk, command.numbers, Selected::numbering(command.by_uid), command.mailbox);
  if (auto* refusal = std::get_if<Answer>(&planned)) co_return std::move(*refusal);
  Plan& p = std::get<Plan>(planned);
  if (p.uids.empty()) co_return answers::kDone;
  const auto done = co_await desk.mailbox->copy(desk.selected->folder(), std::move(p.uids), p.to,
                                                desk.loop.in(kChangeMax));
  if (!done.has_value()) co_return desk.refused(done.error(), "copy");
  co_return Answer(answers::kDone, copy_uid(*done));
}

rt::Task<Answer> move(Desk& desk, cmd::Move command) {
  if (!desk.selected->is_writable()) co_return answers::kWriteProtected;
  auto planned = plan(desk, command.numbers, Selected::numbering(command.by_uid), command.mailbox);
  if (auto* refusal = std::get_if<Answer>(&planned)) co_return std::move(*refusal);
  Plan& p = std::get<Plan>(planned);
  if (p.uids.empty()) co_return answers::kDone;
  const auto done = co_await desk.mailbox->move(desk.selected->folder(), std::move(p.uids), p.to,
                                                desk.loop.in(kChangeMax));
  if (!done.has_value()) co_return desk.refused(done.error(), "move");
  // RFC 6851 section 4.3: COPYUID comes before the EXPUNGEs, which the session reports.
  const std::string code = copy_uid(*done);
  if (!code.empty()) desk.voice.untagged({Condition::ok, code, "Moved"});
  co_return answers::kDone;
}

}  // namespace ph::imap_server
