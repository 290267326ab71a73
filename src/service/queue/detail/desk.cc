#include "service/queue/detail/desk.h"

#include <algorithm>
#include <map>

#include "service/queue/detail/records.h"

namespace ph::queue {
namespace {

using model::QueueReason;
using model::QueueState;

constexpr size_t kPage = 500;
constexpr size_t kContentMax = 1024 * 1024;
constexpr size_t kCommandsTold = 1000;

}  // namespace

rt::Task<Result<Explanation>> Desk::why(model::QueueId id) {
  Explanation out;
  PH_CO_TRY(out.message, co_await core_.ledger.message(id));
  PH_CO_TRY(out.rows, co_await core_.ledger.rows(id, 0, kExplainedRowsMax));
  out.rows_cut = out.message.recipients > kExplainedRowsMax;
  co_return std::move(out);
}

rt::Task<Result<Trace>> Desk::trace(model::QueueId id) {
  Trace out;
  PH_CO_TRY(out.explanation, co_await why(id));
  PH_CO_TRY(out.commands, co_await core_.ledger.audit(kCommandsTold, model::to_text(id)));
  PH_CO_TRY(const std::vector<model::QueueId> reports, co_await core_.ledger.reports_on(id));
  for (const model::QueueId report : reports) {
    if (out.reports.size() >= kTracedReportsMax) break;
    auto known = co_await why(report);
    if (known.has_value()) out.reports.push_back(std::move(*known));
  }
  co_return std::move(out);
}

rt::Task<Result<ListPage>> Desk::list(ListFilter filter, std::string from, size_t limit,
                                      rt::Deadline deadline) {
  const SearchBounds bounds{.rows_max = limit, .deadline = deadline};
  PH_CO_TRY(FoundPage page,
            co_await search(core_, front_, std::move(filter), std::move(from), bounds));
  ListPage out;
  out.next = std::move(page.next);
  out.rows.reserve(page.rows.size());
  for (FoundRow& found : page.rows) {
    found.row.history.clear();
    out.rows.push_back({.row = std::move(found.row),
                        .sender = std::move(found.facts.envelope.sender),
                        .message_id = std::move(found.facts.message_id),
                        .size_bytes = found.facts.envelope.size_bytes});
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

rt::Task<Result<std::string>> Desk::content(model::QueueId id, uint64_t offset, uint64_t length) {
  PH_CO_TRY(const MessageFacts facts, co_await core_.ledger.message(id));
  if (facts.open == 0) co_return fail(kNotPossible, "it has ended, and its octets are gone");
  const Content content(core_.ports.store, facts.blob, facts.envelope.size_bytes);
  co_return co_await content.read(core_.home, offset, std::min<uint64_t>(length, kContentMax));
}

// Lanes in memory, and suspended ones that nobody uses.
rt::Task<Result<std::vector<LaneView>>> Desk::lanes() {
  std::vector<LaneView> out = dispatcher_.view();
  for (Suspension& suspension : suspender_.in_force()) {
    const auto at = std::ranges::find(out, suspension.lane, &LaneView::lane);
    LaneView& view = at != out.end() ? *at : out.emplace_back();
    view.lane = suspension.lane;
    view.health = LaneHealth::suspended;
    view.next_action_at = suspension.until;
    view.suspension = std::move(suspension);
  }
  co_return std::move(out);
}

}  // namespace ph::queue
