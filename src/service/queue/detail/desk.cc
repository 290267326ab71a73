#include "service/queue/detail/desk.h"

#include <algorithm>
#include <map>

#include "base/text.h"
#include "service/queue/detail/records.h"

namespace ph::queue {
namespace {

using model::QueueEvent;
using model::QueueHappening;
using model::QueueReason;
using model::QueueRow;
using model::QueueState;

constexpr size_t kPage = 500;
constexpr size_t kLookedAtMax = 20'000;  // rows of one page of a list

bool contains(std::string_view text, std::string_view part) {
  return part.empty() || ifind(text, part) != std::string_view::npos;
}

bool matches(const QueueRow& row, const ListFilter& filter) {
  if (model::is_end(row.state) && !filter.with_ended && !filter.state.has_value()) return false;
  if (filter.state.has_value() && row.state != *filter.state) return false;
  if (filter.reason.has_value() && row.reason != *filter.reason) return false;
  if (!filter.lane.empty() && row.lane != filter.lane) return false;
  return contains(row.recipient.address, filter.recipient);
}

}  // namespace

rt::Task<Result<Explanation>> Desk::why(model::QueueId id) {
  Explanation out;
  PH_CO_TRY(out.message, co_await core_.ledger.message(id));
  PH_CO_TRY(out.rows, co_await core_.ledger.rows(id, 0, kExplainedRowsMax));
  out.rows_cut = out.message.recipients > kExplainedRowsMax;
  co_return std::move(out);
}

rt::Task<Result<ListPage>> Desk::list(ListFilter filter, std::string from, size_t limit,
                                      rt::Deadline deadline) {
  ListPage out;
  std::optional<kv::Range> range = kv::prefix_range(kRowPrefix);
  if (!from.empty()) range->from = from;
  size_t looked_at = 0;
  std::optional<MessageFacts> facts;  // of the last row that matched
  while (range.has_value()) {
    range->entries_max = kPage;
    PH_CO_TRY(kv::Page page, co_await core_.ledger.partition().scan(std::move(*range)));
    for (const kv::Entry& entry : page.entries) {
      const bool enough = out.rows.size() >= limit || looked_at >= kLookedAtMax ||
                          deadline.passed(core_.home.now());
      if (enough) {
        out.next = entry.key;
        co_return std::move(out);
      }
      ++looked_at;
      const auto place = row_place(entry.key);
      auto row = place.has_value() ? decode_row(*place, entry.value) : std::nullopt;
      if (!row.has_value() || !matches(*row, filter)) continue;
      if (!facts.has_value() || facts->id != row->id) {
        auto found = co_await core_.ledger.message(row->id);
        if (!found.has_value()) continue;
        facts = std::move(*found);
      }
      if (!contains(facts->envelope.sender, filter.sender)) continue;
      row->history.clear();
      out.rows.push_back({.row = std::move(*row),
                          .sender = facts->envelope.sender,
                          .message_id = facts->message_id,
                          .size_bytes = facts->envelope.size_bytes});
    }
    range = std::move(page.rest);
  }
  co_return std::move(out);
}

rt::Task<Result<std::vector<StateCount>>> Desk::counts(rt::Deadline deadline) {
  std::map<std::pair<QueueState, QueueReason>, StateCount> counted;
  std::optional<kv::Range> range = kv::prefix_range(kRowPrefix);
  while (range.has_value()) {
    if (deadline.passed(core_.home.now())) co_return fail(kBusy, "counting took too long");
    range->entries_max = kPage;
    PH_CO_TRY(kv::Page page, co_await core_.ledger.partition().scan(std::move(*range)));
    for (const kv::Entry& entry : page.entries) {
      const auto place = row_place(entry.key);
      const auto row = place.has_value() ? decode_row(*place, entry.value) : std::nullopt;
      if (!row.has_value()) continue;
      auto [at, is_new] = counted.try_emplace({row->state, row->reason});
      StateCount& count = at->second;
      if (is_new) {
        count = {.state = row->state,
                 .reason = row->reason,
                 .rows = 0,
                 .oldest_since = row->since,
                 .next_action_at = row->next_action_at};
      }
      ++count.rows;
      count.oldest_since = std::min(count.oldest_since, row->since);
      count.next_action_at = std::min(count.next_action_at, row->next_action_at);
    }
    range = std::move(page.rest);
    co_await rt::yield(core_.home);
  }
  std::vector<StateCount> out;
  for (const auto& [key, count] : counted) out.push_back(count);
  co_return std::move(out);
}

rt::Task<Result<Explanation>> Desk::control(ControlRequest request, rt::Deadline deadline) {
  PH_CO_TRY(const MessageFacts facts, co_await core_.ledger.message(request.id));
  PH_CO_TRY(const std::vector<QueueRow> rows,
            co_await core_.ledger.rows(request.id, 0, facts.recipients));
  PH_CO_TRY(const RowChange change, change_of(request));
  std::vector<RowChange> changes;
  for (const QueueRow& row : rows) {
    if (model::is_end(row.state)) continue;
    if (request.recipient.has_value() && row.index != *request.recipient) continue;
    changes.push_back(change);
    changes.back().index = row.index;
    if (request.command == Command::retry && !row.lane.empty()) dispatcher_.reopen(row.lane);
  }
  if (changes.empty()) co_return fail(kNotPossible, "it has ended");
  PH_CO_TRY(const Applied applied,
            co_await clerk_.apply(request.id, std::move(changes), nullptr, deadline));
  if (applied.changed == 0) co_return fail(kNotPossible, applied.refusal);
  core_.ports.log.info("queue.command", {{"id", model::to_text(request.id)},
                                         {"event", model::to_text(change.happening.event)},
                                         {"by", printable(request.by)},
                                         {"rows", applied.changed}});
  scheduler_.hint();
  co_return co_await why(request.id);
}

// What a command does to a row, but for the row's number. Who gave it stays in the row's history.
Result<RowChange> Desk::change_of(const ControlRequest& request) const {
  RowChange change;
  QueueHappening& happening = change.happening;
  model::ReplyRecord note{.when = core_.now(), .host = "administrator"};
  std::string did;
  switch (request.command) {
    case Command::hold:
      happening.event = QueueEvent::hold;
      happening.reason = QueueReason::held_by_administrator;
      happening.until = core_.now() + request.hold_for.value_or(core_.values().get(kHold));
      happening.by = printable(request.by);
      did = "held until " + to_iso8601(happening.until);
      break;
    case Command::release:
      happening.event = QueueEvent::release;
      did = "released";
      break;
    case Command::retry: happening.event = QueueEvent::retry; break;
    case Command::remove:
      happening.event = QueueEvent::remove;
      change.telling = request.telling;
      did = "removed";
      break;
    case Command::redirect:
      if (request.to.empty() == !request.via.has_value()) {
        return fail(kBadFilter, "redirect needs an address or a next hop, one of the two");
      }
      happening.event = request.via.has_value() ? QueueEvent::retry : QueueEvent::redirect;
      happening.via = request.via;
      if (!request.to.empty()) change.members.push_back(request.to);
      did = "redirected to " + (request.via.has_value() ? "next hop " + *request.via : request.to);
      break;
  }
  if (!did.empty()) {
    note.text = did + " by " + printable(request.by);
    happening.replies.push_back(std::move(note));
  }
  return change;
}

}  // namespace ph::queue
