#include "front/imap/detail/selected.h"

#include <algorithm>
#include <ranges>
#include <utility>

namespace ph::imap_server {

using store::Uid;

namespace {

static_assert(static_cast<int>(imap::SystemFlag::answered) ==
              static_cast<int>(store::Flag::answered));
static_assert(static_cast<int>(imap::SystemFlag::flagged) ==
              static_cast<int>(store::Flag::flagged));
static_assert(static_cast<int>(imap::SystemFlag::deleted) ==
              static_cast<int>(store::Flag::deleted));
static_assert(static_cast<int>(imap::SystemFlag::seen) == static_cast<int>(store::Flag::seen));
static_assert(static_cast<int>(imap::SystemFlag::draft) == static_cast<int>(store::Flag::draft));

bool names_star(const imap::SequenceSet& numbers) {
  return std::ranges::any_of(numbers.ranges(), [](const imap::SequenceSet::Range& r) {
    return r.first == imap::SequenceSet::kStar || r.last == imap::SequenceSet::kStar;
  });
}

bool was_told(const std::vector<Told>& told, const store::MessageInfo& info) {
  const auto at = std::ranges::lower_bound(told, info.uid, {}, &Told::uid);
  return at != told.end() && at->uid == info.uid && at->modseq == info.modseq;
}

}  // namespace

imap::FlagSet flags_to_imap(const store::Flags& flags) {
  imap::FlagSet out(static_cast<uint8_t>(flags.bits & store::kClientFlags));
  bool fits = true;
  for (const std::string& keyword : flags.keywords) fits = fits && out.add_keyword(keyword);
  if (flags.has(store::Flag::submitted)) fits = fits && out.add_keyword("$SubmitPending");
  static_cast<void>(fits);  // a message with more keywords than IMAP shows keeps them unshown
  return out;
}

store::Flags flags_from_imap(const imap::FlagSet& flags) {
  return {static_cast<uint16_t>(flags.system_bits() & store::kClientFlags), flags.keywords()};
}

uint32_t Selected::recent_count() const {
  const Uid from = view_->recent_from();
  if (from == 0) return 0;
  return static_cast<uint32_t>(view_->uids().size() - view_->uids().count_below(from));
}

imap::FlagSet Selected::flags_of(const store::MessageInfo& info) const {
  imap::FlagSet out = flags_to_imap(info.flags);
  const Uid recent = view_->recent_from();
  if (recent != 0 && info.uid >= recent) out.set(imap::SystemFlag::recent);
  return out;
}

namespace {

// By position, because a set may have thousands of ranges and a mailbox thousands of holes.
void append_positions(std::vector<Uid>& out, const store::UidMap& uids, size_t first, size_t last) {
  for (size_t position = first; position <= last; ++position) out.push_back(uids.at(position));
}

}  // namespace

std::optional<std::vector<Uid>> Selected::resolve(const imap::SequenceSet& numbers,
                                                  Numbering numbering) const {
  const store::UidMap& uids = view_->uids();
  std::vector<Uid> out;
  if (numbering == Numbering::uid) {
    const imap::SequenceSet resolved = numbers.resolve(uids.last());
    for (const auto& range : resolved.ranges()) {
      const size_t last = range.last == UINT32_MAX ? uids.size() : uids.count_below(range.last + 1);
      append_positions(out, uids, uids.count_below(range.first) + 1, last);
    }
    return out;
  }
  const auto size = static_cast<uint32_t>(uids.size());
  if (numbers.largest_named() > size && !names_star(numbers)) return std::nullopt;
  const imap::SequenceSet resolved = numbers.resolve(size);
  for (const auto& range : resolved.ranges()) {
    if (range.first > size) break;
    append_positions(out, uids, range.first, std::min(range.last, size));
  }
  return out;
}

void Selected::tell_flags(Voice& voice, Uid uid, Condstore condstore) const {
  const uint32_t number = number_of(uid);
  const std::optional<store::MessageInfo> info = view_->message(uid);
  if (number == 0 || !info.has_value()) return;
  imap::FetchWriter line(voice.out(), number);
  line.uid(uid);
  line.flags(flags_of(*info));
  if (condstore == Condstore::on) line.modseq(info->modseq.value);
  line.end();
}

rt::Task<bool> Selected::report(Voice& voice, Report how, std::vector<Told> told) {
  if (!view_->exists()) co_return true;
  const store::Changes changes = view_->poll(how.vanished);
  // From the last to the first, so that each number still counts as the client counts. Old numbers
  // from the new numbering: those below that stayed, and those below that went.
  const store::UidMap& uids = view_->uids();
  for (size_t i = changes.vanished.size(); i-- > 0;) {
    const size_t number = uids.count_below(changes.vanished[i]) + i + 1;
    voice.writer().expunge(static_cast<uint32_t>(number));
    const bool room = co_await voice.make_room();
    if (!room) co_return false;
  }
  if (!changes.added.empty()) {
    voice.writer().exists(count());
    voice.writer().recent(recent_count());
  }
  for (const Uid uid : changes.changed) {
    const std::optional<store::MessageInfo> info = view_->message(uid);
    if (!info.has_value() || was_told(told, *info)) continue;
    tell_flags(voice, uid, how.condstore);
    const bool room = co_await voice.make_room();
    if (!room) co_return false;
  }
  co_return true;
}

}  // namespace ph::imap_server
