// SEARCH and UID SEARCH, with ESEARCH (RFC 4731) and MODSEQ (RFC 7162).
#include <algorithm>
#include <utility>

#include "front/imap/detail/commands.h"
#include "front/imap/detail/query.h"

namespace ph::imap_server {
namespace {

using store::Uid;

constexpr size_t kYieldEvery = 4'096;

uint64_t modseq_of(const Selected& selected, Uid uid) {
  const auto info = selected.view().message(uid);
  return info.has_value() ? info->modseq.value : 0;
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
  std::vector<uint32_t> numbers;  // as the client counts: UIDs or sequence numbers
  Uid first = 0;
  Uid last = 0;
  uint64_t modseq = 0;  // the highest
};

// What the client has not been told of yet does not exist for it.
rt::Task<Found> in_clients_numbers(Desk& desk, const cmd::Search& command, std::vector<Uid> uids) {
  const Selected& selected = *desk.selected;
  Found out;
  size_t looked = 0;
  for (const Uid uid : uids) {
    if (++looked % kYieldEvery == 0) co_await rt::yield(desk.loop);
    const uint32_t number = selected.number_of(uid);
    if (number == 0) continue;
    out.numbers.push_back(command.by_uid ? uid : number);
    if (out.first == 0) out.first = uid;
    out.last = uid;
    if (command.wants_modseq) out.modseq = std::max(out.modseq, modseq_of(selected, uid));
  }
  co_return out;
}

// RFC 7162 section 3.1.5: with MIN or MAX alone, the MODSEQ is that of the messages named.
uint64_t modseq_named_by(const Selected& selected, const imap::SearchReturn& wanted,
                         const Found& found) {
  if (wanted.all || wanted.count || (!wanted.min && !wanted.max)) return found.modseq;
  const uint64_t min = wanted.min ? modseq_of(selected, found.first) : 0;
  const uint64_t max = wanted.max ? modseq_of(selected, found.last) : 0;
  return std::max(min, max);
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
      result.modseq = modseq_named_by(*desk.selected, wanted, found);
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
  Found found = co_await in_clients_numbers(desk, command, std::move(*uids));
  if (!command.returns.has_value()) {
    co_await write_search(desk, std::move(found.numbers), found.modseq);
    co_return answers::kDone;
  }
  if (command.returns->all && !fits_a_set(found.numbers)) co_return answers::kLimit;
  write_extended(desk, tag, command, found);
  co_return answers::kDone;
}

}  // namespace ph::imap_server
