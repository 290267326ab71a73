#include "service/queue/detail/suspender.h"

#include <algorithm>

#include "base/text.h"
#include "service/queue/detail/gang.h"

namespace ph::queue {
namespace {

using model::QueueEvent;
using model::QueueReason;
using model::QueueRow;
using model::QueueState;

constexpr size_t kSlice = 2000;
constexpr Duration kPause = Duration::seconds(5);  // after the store has failed

// A suspension that was lifted before its end is kept as one that ended when it began, until the
// rows that rest for it have gone.
bool was_resumed(const Suspension& s) { return s.until <= s.since; }

bool rests_for_lane(const QueueRow& row) {
  return row.state == QueueState::held && row.reason == QueueReason::lane_suspended;
}

}  // namespace

Suspender::Suspender(Core& core, Clerk& clerk, Dispatcher& dispatcher)
    : core_(core),
      clerk_(clerk),
      dispatcher_(dispatcher),
      hint_(core.home),
      scope_(core.home, "suspensions") {}

void Suspender::start() {
  for (const auto& [lane, suspension] : core_.suspensions) {
    if (was_resumed(suspension)) to_follow_.insert(lane);  // the last life did not get that far
    if (core_.suspension_of(lane) != nullptr) dispatcher_.suspend(suspension);
  }
  scope_.spawn("suspensions of lanes", run());
}

rt::Task<Status> Suspender::suspend(Suspension suspension, rt::Deadline deadline) {
  const std::string& lane = suspension.lane;
  if (lane.empty() || lane.size() > kLaneNameMax || printable(lane) != lane) {
    co_return fail(kBadFilter, "a lane is named as queue list shows it");
  }
  if (suspension.until <= suspension.since) co_return fail(kBadFilter, "its end is not behind it");
  const bool is_new = !core_.suspensions.contains(lane);
  if (is_new && core_.suspensions.size() >= kSuspensionsMax) {
    co_return fail(kNotPossible, "too many lanes are suspended");
  }
  suspension.by = printable(suspension.by);
  Ledger::put_suspension(core_.ledger.batch(Ledger::Way::changes), suspension);
  PH_CO_TRY_STATUS(
      co_await core_.ledger.commit(Ledger::Way::changes, Ledger::proof_of(suspension), deadline));
  core_.suspensions.insert_or_assign(suspension.lane, suspension);
  dispatcher_.suspend(suspension);
  to_follow_.insert(suspension.lane);
  hint_.wake();
  co_return Status{};
}

rt::Task<Status> Suspender::resume(std::string lane, rt::Deadline deadline) {
  const Suspension* known = core_.suspension_of(lane);
  if (known == nullptr) co_return fail(kNotPossible, lane + " is not suspended");
  Suspension over = *known;
  over.until = over.since;
  Ledger::put_suspension(core_.ledger.batch(Ledger::Way::changes), over);
  PH_CO_TRY_STATUS(
      co_await core_.ledger.commit(Ledger::Way::changes, Ledger::proof_of(over), deadline));
  core_.suspensions.insert_or_assign(lane, std::move(over));
  dispatcher_.resume(lane);
  to_follow_.insert(std::move(lane));
  hint_.wake();
  co_return Status{};
}

std::vector<Suspension> Suspender::in_force() const {
  std::vector<Suspension> out;
  for (const auto& [lane, suspension] : core_.suspensions) {
    if (suspension.until > core_.now()) out.push_back(suspension);
  }
  return out;
}

rt::Task<void> Suspender::run() {
  while (true) {
    bool failed = false;
    while (!to_follow_.empty() && !failed) {
      const std::string lane = *to_follow_.begin();
      to_follow_.erase(to_follow_.begin());  // a change meanwhile puts it in again
      const bool done = co_await follow(lane);
      if (done) continue;
      to_follow_.insert(lane);
      failed = true;
    }
    if (!failed) co_await tidy();
    const rt::Deadline until = failed ? core_.home.in(kPause) : rt::Deadline::at(next_look());
    const rt::Woken woken = co_await hint_.park(until, "a change of the suspensions");
    if (woken == rt::Woken::cancelled) co_return;
  }
}

Instant Suspender::next_look() const {
  Duration wait = rt::kIdleRecheck;
  for (const auto& [lane, suspension] : core_.suspensions) {
    wait = std::min(wait, std::max(suspension.until - core_.now(), Duration::seconds(1)));
  }
  return core_.home.now() + wait;
}

// Brings the lane's rows in line with its suspension, or with there being none.
rt::Task<bool> Suspender::follow(std::string lane) {
  ListFilter filter;
  filter.lane = lane;
  std::string from;
  do {
    const SearchBounds bounds{.rows_max = kSlice,
                              .deadline = core_.home.in(kStoreTime),
                              .facts = SearchBounds::Facts::if_asked};
    auto page = co_await search(core_, front_, filter, std::move(from), bounds);
    if (!page.has_value()) co_return false;
    std::vector<GangWork> work;
    const Suspension* suspension = core_.suspension_of(lane);
    for (const FoundRow& found : page->rows) {
      const QueueRow& row = found.row;
      RowChange change;
      change.index = row.index;
      if (suspension == nullptr) {
        if (!rests_for_lane(row)) continue;
        change.happening.event = QueueEvent::lane_opened;
      } else {
        const bool waits = row.state == QueueState::ready || row.state == QueueState::waiting_retry;
        if (!waits && !(rests_for_lane(row) && row.clock_at != suspension->until)) continue;
        change.happening = suspended_by(*suspension);
      }
      if (work.empty() || work.back().id != row.id) work.push_back({row.id, {}});
      work.back().changes.push_back(std::move(change));
    }
    const GangResult done =
        co_await apply_all(core_, clerk_, std::move(work), core_.home.in(kStoreTime));
    if (done.error.has_value()) co_return false;
    from = std::move(page->next);
  } while (!from.empty());
  core_.hint_work();
  co_return true;
}

rt::Task<void> Suspender::tidy() {
  std::vector<std::string> over;
  for (const auto& [lane, suspension] : core_.suspensions) {
    const bool is_over = was_resumed(suspension) || suspension.until <= core_.now();
    if (is_over && !to_follow_.contains(lane)) over.push_back(lane);
  }
  for (const std::string& lane : over) {
    // A lane that was suspended again meanwhile is not touched.
    const auto at = core_.suspensions.find(lane);
    if (at == core_.suspensions.end() || at->second.until > core_.now()) continue;
    const Suspension erased = at->second;
    core_.suspensions.erase(at);
    dispatcher_.resume(lane);
    Ledger::erase_suspension(core_.ledger.batch(Ledger::Way::changes), lane);
    // The proof of an erasure cannot be read; a doubtful one is repeated, now or after a start.
    const Status done = co_await core_.ledger.commit(Ledger::Way::changes, Ledger::proof_of(erased),
                                                     core_.home.in(kStoreTime));
    if (done.has_value()) continue;
    core_.suspensions.try_emplace(lane, erased);  // the next look erases it
  }
}

}  // namespace ph::queue
