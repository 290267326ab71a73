// FETCH and UID FETCH.
//
// Messages are taken in rising order, a few at a time: those that the fetch marks as read are
// marked first, in one change, then each is read and written out, and the output flows to the
// client before more is made. All of a message that can fail is read before its line begins, but
// for large octets, which are streamed behind their size. A message that is gone or cannot be read
// is left out, the others come, and the tagged answer says NO with the reason.
#include <algorithm>
#include <utility>

#include "front/imap/detail/commands.h"
#include "front/imap/detail/material.h"
#include "rt/errors.h"

namespace ph::imap_server {
namespace {

using imap::FetchItem;
using imap::FetchKind;
using store::Uid;

constexpr size_t kMarkSlice = 32;
constexpr size_t kYieldEvery = 1024;  // messages, whether they are shown or not
constexpr uint64_t kStreamSlice = 128 * 1024;
constexpr size_t kStreamAttempts = 20;
constexpr Duration kStreamPause = Duration::milliseconds(500);

struct Run {
  const cmd::Fetch& command;
  Needs needs;
  bool marks_seen = false;
  FixedAnswer worst = answers::kDone;
  std::vector<Told> told = {};  // of the present slice
};

// Marks this slice's unread messages as read, if the fetch does that. After a failure they stay
// unread and are shown all the same: a full disk must not keep anybody from reading.
rt::Task<void> mark_seen(Desk& desk, Run& run, const std::vector<Uid>& slice) {
  const Selected& selected = *desk.selected;
  if (!run.marks_seen || !selected.is_writable()) co_return;
  std::vector<Uid> unread;
  for (const Uid uid : slice) {
    const auto info = selected.view().message(uid);
    if (info.has_value() && !info->flags.has(store::Flag::seen)) unread.push_back(uid);
  }
  if (unread.empty()) co_return;
  store::FlagChange change;
  change.kind = store::FlagChange::Kind::add;
  change.flags.set(store::Flag::seen);
  const auto stored =
      co_await desk.mailbox->store_flags(selected.folder(), std::move(unread), std::move(change),
                                         std::nullopt, desk.loop.in(kChangeMax));
  if (!stored.has_value()) {
    static_cast<void>(desk.refused(stored.error(), "mark as read"));
    co_return;
  }
  for (const Uid uid : stored->changed) {
    const auto info = selected.view().message(uid);
    if (info.has_value()) run.told.push_back({uid, info->modseq});
  }
}

bool marked_here(const Run& run, Uid uid) {
  return std::ranges::binary_search(run.told, uid, {}, &Told::uid);
}

// Octets [offset, offset + length) behind their literal header: they must come, or the connection
// must end. A store that cannot answer now is asked again for a while.
rt::Task<bool> stream(Desk& desk, store::MessageId message, Piece piece) {
  size_t attempts = 0;
  while (piece.length > 0) {
    const uint64_t wanted = std::min(piece.length, kStreamSlice);
    auto octets =
        co_await desk.mailbox->bytes(message, piece.offset, wanted, desk.loop.in(kReadMax));
    const bool again = !octets.has_value() &&
                       octets.error().disposition() == Disposition::transient &&
                       ++attempts < kStreamAttempts;
    if (again) {
      const rt::Woken woken =
          co_await rt::sleep(desk.loop, desk.loop.in(kStreamPause), "the store");
      if (woken != rt::Woken::cancelled) continue;
    }
    if (!octets.has_value() || (*octets)->size() != wanted) {
      desk.voice.break_off(octets.has_value() ? fail(rt::kClosed, "the message became shorter")
                                              : std::move(octets).error());
      co_return false;
    }
    attempts = 0;
    const bool sent = co_await desk.voice.send(**octets);
    if (!sent) co_return false;
    piece.offset += wanted;
    piece.length -= wanted;
    co_await rt::yield(desk.loop);
  }
  co_return true;
}

// One item that has octets.
rt::Task<bool> write_piece(Desk& desk, const Material& material, const FetchItem& item,
                           imap::FetchWriter& line, Run& run) {
  Piece piece = material.piece(item);
  if (piece.kind == Piece::Kind::not_decodable) run.worst = answers::kNotDecodable;
  if (piece.kind == Piece::Kind::nil || piece.kind == Piece::Kind::not_decodable) {
    line.section_nil(item);
    co_return true;
  }
  if (item.kind == FetchKind::binary_size) {
    const bool in_range = piece.kind == Piece::Kind::range;
    line.binary_size(item, in_range ? piece.length : piece.octets().size());
    co_return true;
  }
  if (piece.kind == Piece::Kind::range) {
    line.literal_header(item, piece.length);
    co_return co_await stream(desk, material.info().id, std::move(piece));
  }
  const std::string_view octets = piece.octets();
  if (octets.size() < kOutputSlice) {
    line.section(item, octets);
    co_return co_await desk.voice.make_room();
  }
  line.literal_header(item, octets.size());
  co_return co_await desk.voice.send(octets);
}

void write_value(const Desk& desk, const Material& material, FetchKind kind,
                 imap::FetchWriter& line) {
  const store::MessageInfo& info = material.info();
  switch (kind) {
    case FetchKind::uid: line.uid(info.uid); break;
    case FetchKind::flags: line.flags(desk.selected->flags_of(info)); break;
    case FetchKind::internal_date: line.internal_date({info.internal_date, 0}); break;
    case FetchKind::rfc822_size: line.rfc822_size(info.size_bytes); break;
    case FetchKind::modseq: line.modseq(info.modseq.value); break;
    case FetchKind::envelope: line.envelope(material.summary().envelope); break;
    case FetchKind::body: line.body(material.summary().structure); break;
    case FetchKind::body_structure: line.body_structure(material.summary().structure); break;
    default: break;
  }
}

bool has_octets(FetchKind kind) {
  switch (kind) {
    case FetchKind::rfc822:
    case FetchKind::rfc822_header:
    case FetchKind::rfc822_text:
    case FetchKind::body_section:
    case FetchKind::binary:
    case FetchKind::binary_size: return true;
    default: return false;
  }
}

rt::Task<bool> write_message(Desk& desk, const Material& material, uint32_t number, Run& run) {
  const cmd::Fetch& command = run.command;
  const Uid uid = material.info().uid;
  imap::FetchWriter line(desk.voice.out(), number);
  // Small values first: a client learns the UID before the octets.
  for (const FetchItem& item : command.items) {
    if (!has_octets(item.kind)) write_value(desk, material, item.kind, line);
  }
  if (marked_here(run, uid) && !command.has(FetchKind::flags)) {
    if (!command.has(FetchKind::uid)) line.uid(uid);
    line.flags(desk.selected->flags_of(material.info()));
  }
  // RFC 7162 section 3.1.4.1, and 3.2: flags that changed bring their MODSEQ.
  const bool shows_modseq = command.changed_since.has_value() ||
                            (marked_here(run, uid) && desk.condstore == Condstore::on);
  if (shows_modseq && !command.has(FetchKind::modseq)) line.modseq(material.info().modseq.value);
  for (const FetchItem& item : command.items) {
    if (!has_octets(item.kind)) continue;
    const bool written = co_await write_piece(desk, material, item, line, run);
    if (!written) co_return false;
  }
  line.end();
  co_return co_await desk.voice.make_room();
}

// False: the command ends here (the connection is gone, or run.worst says why).
rt::Task<bool> fetch_one(Desk& desk, Uid uid, Run& run) {
  const Selected& selected = *desk.selected;
  std::optional<store::MessageInfo> info = selected.view().message(uid);
  if (!info.has_value()) {
    if (!run.command.by_uid) run.worst = answers::kExpunged;
    co_return true;
  }
  const uint64_t since = run.command.changed_since.value_or(0);
  if (run.command.changed_since.has_value() && info->modseq.value <= since) co_return true;
  Material material(desk, std::move(*info));
  const Status loaded = co_await material.load(run.needs);
  if (loaded.has_value()) {
    co_return co_await write_message(desk, material, selected.number_of(uid), run);
  }
  if (loaded.error().is(kNoMemory)) {
    run.worst = answers::kNoMemory;
    co_return false;
  }
  const bool is_gone = loaded.error().is(store::kNoMessage);
  if (is_gone && run.command.by_uid) co_return true;
  run.worst = is_gone ? answers::kExpunged : desk.refused(loaded.error(), "fetch");
  co_return loaded.error().disposition() == Disposition::permanent;
}

}  // namespace

rt::Task<Answer> fetch(Desk& desk, cmd::Fetch command) {
  Selected& selected = *desk.selected;
  if (command.vanished) co_return answers::kNeedsQresync;
  if (command.numbers.is_saved_result()) co_return answers::kNoSavedResult;
  const auto uids = selected.resolve(command.numbers, Selected::numbering(command.by_uid));
  if (!uids.has_value()) co_return answers::kNoSuchNumber;
  if (command.changed_since.has_value() || command.has(FetchKind::modseq)) desk.enable_condstore();
  Run run{command, Needs::of(command)};
  run.marks_seen = std::ranges::any_of(command.items, imap::marks_seen);
  for (size_t from = 0; from < uids->size(); from += kMarkSlice) {
    const auto begin = uids->begin() + static_cast<std::ptrdiff_t>(from);
    const size_t length = std::min(kMarkSlice, uids->size() - from);
    const std::vector<Uid> slice(begin, begin + static_cast<std::ptrdiff_t>(length));
    run.told.clear();
    if (from % kYieldEvery == 0) co_await rt::yield(desk.loop);
    co_await mark_seen(desk, run, slice);
    for (const Uid uid : slice) {
      const bool goes_on = co_await fetch_one(desk, uid, run);
      if (!goes_on) co_return run.worst;
    }
    if (run.told.empty()) continue;
    const bool room = co_await selected.report(desk.voice, desk.report(store::Vanished::keep_back),
                                               std::move(run.told));
    if (!room) co_return run.worst;
  }
  co_return run.worst;
}

}  // namespace ph::imap_server
