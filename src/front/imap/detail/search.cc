// SEARCH and UID SEARCH, with ESEARCH (RFC 4731) and MODSEQ (RFC 7162).
#include <algorithm>
#include <utility>

#include "front/imap/detail/commands.h"
#include "front/imap/detail/query.h"

namespace ph::imap_server {
namespace {

using store::Uid;

uint64_t highest_modseq(const Selected& selected, const std::vector<Uid>& uids) {
  uint64_t highest = 0;
  for (const Uid uid : uids) {
    const auto info = selected.view().message(uid);
    if (info.has_value()) highest = std::max(highest, info->modseq.value);
  }
  return highest;
}

// SEARCH of IMAP4rev1, in slices: its one line may be long.
rt::Task<void> write_search(Desk& desk, std::vector<uint32_t> numbers, uint64_t modseq) {
  desk.voice.out() += "* SEARCH";
  for (const uint32_t number : numbers) {
    desk.voice.out() += ' ';
    desk.voice.out() += std::to_string(number);
    const bool room = co_await desk.voice.make_room();
    if (!room) co_return;
  }
  if (modseq != 0) desk.voice.out() += " (MODSEQ " + std::to_string(modseq) + ")";
  desk.voice.out() += "\r\n";
}

struct Found {
  std::vector<Uid> uids;
  std::vector<uint32_t> numbers;  // as the client counts: UIDs or sequence numbers
};

// RFC 7162 section 3.1.5: with MIN or MAX alone, the MODSEQ is that of the message named.
std::vector<Uid> named_by(const imap::SearchReturn& wanted, const Found& found) {
  if (wanted.all || wanted.count || (!wanted.min && !wanted.max)) return found.uids;
  std::vector<Uid> out;
  if (wanted.min) out.push_back(found.uids.front());
  if (wanted.max) out.push_back(found.uids.back());
  return out;
}

void write_extended(Desk& desk, std::string_view tag, const cmd::Search& command,
                    const Found& found) {
  const imap::SearchReturn& wanted = *command.returns;
  imap::ExtendedSearchResult result{tag, command.by_uid};
  imap::SequenceSet all;
  if (wanted.count) result.count = static_cast<uint32_t>(found.numbers.size());
  if (!found.numbers.empty()) {
    if (wanted.min) result.min = found.numbers.front();
    if (wanted.max) result.max = found.numbers.back();
    for (size_t i = 0; wanted.all && i < found.numbers.size(); ++i) {
      if (!all.append(found.numbers[i])) break;  // the caller has looked: it fits
    }
    if (wanted.all) result.all = &all;
    if (command.wants_modseq) {
      result.modseq = highest_modseq(*desk.selected, named_by(wanted, found));
    }
  }
  desk.voice.writer().extended_search(result);
}

bool fits_a_set(const std::vector<uint32_t>& numbers) {
  size_t ranges = 0;
  for (size_t i = 0; i < numbers.size(); ++i) {
    if (i == 0 || numbers[i] != numbers[i - 1] + 1) ++ranges;
  }
  return ranges <= imap::SequenceSet::kRangesMax;
}

}  // namespace

rt::Task<Answer> search(Desk& desk, std::string tag, cmd::Search command) {
  Selected& selected = *desk.selected;
  if (command.returns.has_value() && command.returns->save) co_return answers::kNoSavedResult;
  if (command.wants_modseq) desk.enable_condstore();
  auto query = query_of(command.key, {selected, command.charset, desk.loop.wall()});
  if (auto* refusal = std::get_if<Answer>(&query)) co_return std::move(*refusal);
  auto uids = co_await desk.mailbox->search(
      selected.folder(), std::move(std::get<store::Query>(query)), desk.loop.in(kSearchMax));
  if (!uids.has_value()) co_return desk.refused(uids.error(), "search");
  Found found;
  found.uids = std::move(*uids);
  // What the client has not been told of yet does not exist for it.
  std::erase_if(found.uids, [&](Uid uid) { return selected.number_of(uid) == 0; });
  for (const Uid uid : found.uids) {
    found.numbers.push_back(command.by_uid ? uid : selected.number_of(uid));
  }
  if (!command.returns.has_value()) {
    const uint64_t modseq = command.wants_modseq ? highest_modseq(selected, found.uids) : 0;
    co_await write_search(desk, std::move(found.numbers), modseq);
    co_return answers::kDone;
  }
  if (command.returns->all && !fits_a_set(found.numbers)) co_return answers::kLimit;
  write_extended(desk, tag, command, found);
  co_return answers::kDone;
}

}  // namespace ph::imap_server
