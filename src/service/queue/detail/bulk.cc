// Commands on everything that fits a filter, one slice a call. A slice is found first, then changed
// many messages at once, then read back. Each message changes in one commit of its own, so a crash
// leaves some changed and some not, and giving the command again finishes it: it means nothing, or
// the same again, to those that it has reached.
#include <algorithm>
#include <map>

#include "base/text.h"
#include "service/queue/detail/desk.h"
#include "service/queue/detail/gang.h"

namespace ph::queue {
namespace {

using model::QueueReason;
using model::QueueRow;
using model::QueueState;

constexpr size_t kSliceRows = 5000;
constexpr size_t kReadAtOnce = 200;  // between two yields

class Tally {
 public:
  void add(const QueueRow& row) {
    auto [at, is_new] = counts_.try_emplace({row.state, row.reason});
    StateCount& count = at->second;
    if (is_new) {
      count = {row.state, row.reason, 0, row.since, row.next_action_at};
    }
    ++count.rows;
    count.oldest_since = std::min(count.oldest_since, row.since);
    count.next_action_at = std::min(count.next_action_at, row.next_action_at);
  }
  std::vector<StateCount> take() const {
    std::vector<StateCount> out;
    for (const auto& [key, count] : counts_) out.push_back(count);
    return out;
  }

 private:
  std::map<std::pair<QueueState, QueueReason>, StateCount> counts_;
};

void refuse(BulkResult& out, std::string why) {
  ++out.refused;
  out.refusal = std::move(why);
}

}  // namespace

rt::Task<Result<std::vector<StateCount>>> Desk::read_back(std::vector<RowName> names) {
  Tally tally;
  size_t read = 0;
  for (const RowName& name : names) {
    auto row = co_await core_.ledger.row(name.id, name.index);
    if (row.has_value()) tally.add(*row);
    if (++read % kReadAtOnce == 0) co_await rt::yield(core_.home);
  }
  co_return tally.take();
}

rt::Task<Result<BulkResult>> Desk::control_all(BulkRequest request, std::string from,
                                               rt::Deadline deadline) {
  PH_CO_TRY_STATUS(check_request(request.control));
  const SearchBounds bounds{
      .rows_max = kSliceRows, .deadline = deadline, .facts = SearchBounds::Facts::if_asked};
  PH_CO_TRY(const FoundPage page,
            co_await search(core_, front_, request.filter, std::move(from), bounds));
  PH_CO_TRY(const RowChange change, change_of(request.control));
  BulkResult out;
  out.looked_at = page.looked_at;
  out.next = page.next;
  out.matched = page.rows.size();
  std::vector<GangWork> work;
  std::vector<RowName> names;
  std::vector<QueueRow> rows;
  model::QueueId last{};
  for (const FoundRow& found : page.rows) {
    const QueueRow& row = found.row;
    if (row.id != last) ++out.messages;
    last = row.id;
    names.push_back({row.id, row.index});
    rows.push_back(row);
    std::string problem = refusal_of_redirect(request.control, row);
    if (problem.empty() && request.doing == Doing::dry_run) {
      const auto next = model::step(row, change.happening, core_.now(), core_.policy());
      if (!next.has_value()) problem = next.error().context();
    }
    if (!problem.empty()) {
      refuse(out, std::move(problem));
      continue;
    }
    if (work.empty() || work.back().id != row.id) work.push_back({row.id, {}});
    work.back().changes.push_back(change);
    work.back().changes.back().index = row.index;
  }
  if (request.doing == Doing::dry_run) {
    Tally tally;
    for (const QueueRow& row : rows) tally.add(row);
    out.after = tally.take();
    out.changed = out.matched - out.refused;
    co_return std::move(out);
  }
  const GangResult done = co_await apply_all(core_, clerk_, std::move(work), deadline);
  out.changed = done.changed;
  out.refused += done.refused;
  if (!done.refusal.empty()) out.refusal = done.refusal;
  if (request.control.command == Command::retry) reopen_lanes(rows);
  if (out.changed > 0) {
    scheduler_.hint();
    const std::string_view what = to_text(request.control.command);
    core_.ports.log.info("queue.command", {{"filter", to_text(request.filter)},
                                           {"command", what},
                                           {"by", printable(request.control.by)},
                                           {"rows", out.changed}});
    PH_CO_TRY_STATUS(co_await note({.when = core_.now(),
                                    .by = request.control.by,
                                    .what = std::string(what),
                                    .subject = to_text(request.filter),
                                    .rows = out.changed},
                                   core_.home.in(kStoreTime)));
  }
  if (done.error.has_value()) co_return *done.error;
  PH_CO_TRY(out.after, co_await read_back(std::move(names)));
  co_return std::move(out);
}

}  // namespace ph::queue
