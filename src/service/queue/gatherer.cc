#include "service/queue/gatherer.h"

#include "base/check.h"
#include "kv/errors.h"

namespace ph::queue {
namespace {

constexpr size_t kRunnersMax = 3;  // commits on their way at once
constexpr size_t kChangesMax = 512;
constexpr size_t kBytesMax = 4 * 1024 * 1024;
constexpr Duration kCommitTime = Duration::seconds(60);
constexpr Duration kSettlePause = Duration::milliseconds(200);
constexpr std::string_view kBarrierKey = "z";

}  // namespace

struct Gatherer::Group {
  kv::Batch batch;
  std::optional<Status> result;
  bool settled_by_proof = false;
  Lowest lowest;
  std::vector<model::QueueId> messages;
  std::vector<rt::Parking*> waiting;

  bool is_full() const {
    return batch.changes().size() >= kChangesMax || batch.bytes() >= kBytesMax;
  }
};

Gatherer::Gatherer(rt::Loop& home, kv::Partition& partition, std::string name, Settled settled)
    : home_(home),
      partition_(partition),
      name_(std::move(name)),
      settled_(std::move(settled)),
      scope_(home, name_) {}

Gatherer::~Gatherer() = default;

kv::Batch& Gatherer::batch() {
  if (open_ != nullptr && open_->is_full()) full_.push_back(std::move(open_));
  if (open_ == nullptr) open_ = std::make_shared<Group>();
  return open_->batch;
}

bool Gatherer::gathers(const kv::Batch& batch) const {
  return open_ != nullptr && &open_->batch == &batch;
}

void Gatherer::note(Time when, Time now) { open_->lowest.add(when, now); }

void Gatherer::note(model::QueueId id) { open_->messages.push_back(id); }

Gatherer::Lowest Gatherer::lowest_unsettled() const {
  Lowest lowest;
  if (open_ != nullptr) lowest.add(open_->lowest);
  for (const auto& group : full_) lowest.add(group->lowest);
  for (const auto& group : running_) lowest.add(group->lowest);
  return lowest;
}

std::shared_ptr<Gatherer::Group> Gatherer::take() {
  if (full_.empty()) return std::move(open_);
  auto group = std::move(full_.front());
  full_.pop_front();
  return group;
}

rt::Task<Status> Gatherer::flush(Proof proof, rt::Deadline deadline) {
  PH_CHECK(open_ != nullptr);
  const std::shared_ptr<Group> group = open_;
  if (idle_runners_ == 0 && runners_ < kRunnersMax) {
    ++runners_;
    ++idle_runners_;
    scope_.spawn(name_, run());
  }
  rt::Parking parking(home_);
  struct Attachment {
    Group& group;
    rt::Parking* parking;
    ~Attachment() { std::erase(group.waiting, parking); }
  };
  group->waiting.push_back(&parking);
  const Attachment attachment{*group, &parking};
  while (!group->result.has_value()) {
    const rt::Woken woken = co_await parking.park(deadline, "the commit");
    if (woken != rt::Woken::hint && !group->result.has_value()) {
      co_return fail(kv::kUncertain, "the commit has not been answered");
    }
  }
  if (!group->settled_by_proof) co_return *group->result;
  auto found = co_await partition_.get(proof.key);
  if (!found.has_value()) co_return fail(kv::kUncertain, "the commit's result cannot be read");
  if (found->has_value() && **found == proof.value) co_return Status{};
  co_return fail(kv::kIo, "the commit was not made");
}

rt::Task<void> Gatherer::run() {
  bool idle = true;
  while (true) {
    const std::shared_ptr<Group> group = take();
    if (idle) --idle_runners_;
    idle = false;
    if (group == nullptr) break;
    ++commits_;
    running_.push_back(group);
    auto answer = co_await partition_.commit(
        std::move(group->batch), {.expected = std::nullopt, .deadline = home_.in(kCommitTime)});
    if (!answer.has_value() && answer.error().is(kv::kUncertain)) {
      co_await find_out(*group);
    } else {
      answer_to(*group, answer.has_value() ? Status{} : Status(std::move(answer).error()));
    }
    std::erase(running_, group);
    settled_(group->messages);
  }
  --runners_;
}

void Gatherer::answer_to(Group& group, Status result) {
  if (group.result.has_value()) return;
  group.result.emplace(std::move(result));
  for (rt::Parking* parking : group.waiting) parking->wake();
}

// Whoever waits is not kept longer than kCommitTime, but the group is not settled before it is
// known: until then its messages must not be changed by somebody who would not see it.
rt::Task<void> Gatherer::find_out(Group& group) {
  while (true) {
    Status settled = co_await settle(home_.in(kCommitTime));
    if (settled.has_value()) {
      group.settled_by_proof = true;
      answer_to(group, Status{});
      co_return;
    }
    answer_to(group, std::move(settled));
    const rt::Woken woken =
        co_await rt::sleep(home_, home_.in(kSettlePause), "the disk to come back");
    if (woken == rt::Woken::cancelled) co_return;
  }
}

// Commits of a partition keep their order: when a later one is answered, an earlier one of which no
// answer came is either visible or will never be.
rt::Task<Status> Gatherer::settle(rt::Deadline deadline) {
  while (true) {
    kv::Batch barrier;
    barrier.put(std::string(kBarrierKey), "");
    auto answer = co_await partition_.commit(std::move(barrier),
                                             {.expected = std::nullopt, .deadline = deadline});
    if (answer.has_value()) co_return Status{};
    if (deadline.passed(home_.now())) co_return fail(kv::kUncertain, "the disk does not answer");
    const rt::Woken woken =
        co_await rt::sleep(home_, home_.in(kSettlePause), "the disk to come back");
    if (woken == rt::Woken::cancelled) co_return fail(kv::kUncertain, "stopped");
  }
}

}  // namespace ph::queue
