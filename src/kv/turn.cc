#include "kv/turn.h"

#include <string>
#include <utility>

#include "base/check.h"
#include "kv/errors.h"

namespace ph::kv {
namespace {

// Never written: erasing it changes nothing, but is answered after all that was called before.
constexpr const char* kNoSuchKey = "~";

}  // namespace

Result<Turns::Turn> Turns::take() {
  if (state_->taken) return fail(kConflict, "another change is on its way, try again");
  state_->taken = true;
  return Turn(state_);
}

Turns::Turn::~Turn() {
  if (state_ != nullptr) state_->taken = false;
}

rt::Task<Result<Version>> Turns::Turn::commit(Partition& partition, Batch batch,
                                              rt::Deadline deadline) {
  PH_CHECK(!state_->unsure);
  state_->unsure = true;
  Result<Version> answer =
      co_await partition.commit(std::move(batch), CommitOptions{std::nullopt, deadline});
  const bool certain =
      answer.has_value() ||
      (!answer.error().is(kUncertain) && answer.error().disposition() != Disposition::cancelled);
  if (certain) state_->unsure = false;
  co_return answer;
}

rt::Task<Status> Turns::Turn::settle(Partition& partition, rt::Deadline deadline) {
  Batch nothing;
  nothing.erase(kNoSuchKey);
  const Result<Version> answer =
      co_await partition.commit(std::move(nothing), CommitOptions{std::nullopt, deadline});
  if (!answer.has_value()) co_return answer.error();
  co_return Status();
}

}  // namespace ph::kv
