#include "service/queue/detail/gang.h"

#include <algorithm>

namespace ph::queue {
namespace {

constexpr size_t kAtOnce = 256;
constexpr Duration kGrace = Duration::seconds(5);  // for the last ones to see the deadline

struct Shared {
  Clerk& clerk;
  rt::Loop& home;
  std::vector<GangWork> work;
  size_t next = 0;
  rt::Deadline deadline;
  GangResult result;
};

rt::Task<void> member(Shared& shared) {
  while (shared.next < shared.work.size()) {
    if (shared.deadline.passed(shared.home.now())) co_return;
    GangWork one = std::move(shared.work[shared.next++]);
    const size_t rows = one.changes.size();
    auto applied =
        co_await shared.clerk.apply(one.id, std::move(one.changes), nullptr, shared.deadline);
    if (!applied.has_value()) {
      shared.result.error = std::move(applied).error();
      continue;
    }
    shared.result.changed += applied->changed;
    shared.result.refused += rows - std::min(rows, applied->changed);
    if (!applied->refusal.empty()) shared.result.refusal = std::move(applied->refusal);
  }
}

}  // namespace

rt::Task<GangResult> apply_all(Core& core, Clerk& clerk, std::vector<GangWork> work,
                               rt::Deadline deadline) {
  Shared shared{clerk, core.home, std::move(work), 0, deadline, {}};
  {
    rt::Scope members(core.home, "changes of many messages");
    const size_t count = std::min(kAtOnce, shared.work.size());
    for (size_t i = 0; i < count; ++i) members.spawn("changes one by one", member(shared));
    const rt::Deadline last = rt::Deadline::at(deadline.when() + kGrace);
    const Status ended = co_await members.join(last);
    if (!ended.has_value()) shared.result.error = ended.error();
  }
  if (shared.next < shared.work.size() && !shared.result.error.has_value()) {
    shared.result.error = fail(kBusy, "there was no time for all");
  }
  co_return std::move(shared.result);
}

}  // namespace ph::queue
