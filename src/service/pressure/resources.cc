#include "service/pressure/resources.h"

namespace ph::pressure {

rt::Task<Result<kv::DiskSpace>> Machine::disk(rt::Loop& loop, rt::Deadline deadline) {
  return store_.space(loop, deadline);
}

rt::Task<Result<rt::MemoryUse>> Machine::memory(rt::Loop&, rt::Deadline) {
  co_return runtime_.memory().use();
}

rt::Task<Result<CommitFigures>> Machine::commits(rt::Loop&, rt::Deadline) {
  const kv::StoreFigures figures = store_.figures();
  co_return CommitFigures{figures.commit_times, figures.oldest_commit, figures.commit_queue};
}

rt::Task<Status> Machine::give_back_memory(rt::Loop& loop, rt::Deadline deadline) {
  // The runtime's memory outlives its pool.
  auto work = [&memory = runtime_.memory()]() -> Status {
    memory.give_back();
    return {};
  };
  co_return co_await rt::blocking(loop, runtime_.pool(), "memory given back", std::move(work),
                                  deadline);
}

}  // namespace ph::pressure
