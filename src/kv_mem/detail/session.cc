#include "kv_mem/detail/session.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "base/check.h"
#include "kv/errors.h"

namespace ph::kv_mem {

void Syncer::add(Request request) {
  gathering_.push_back(std::move(request));
  if (!armed()) begin();
}

void Syncer::begin() {
  DiskCore& disk = session_.disk();
  const std::lock_guard lock(disk.mutex);
  syncing_ = std::exchange(gathering_, {});
  ++disk.syncs;
  const Duration takes = disk.random.between(disk.options.sync_min, disk.options.sync_max);
  loop_.timers().arm(*this, std::max(loop_.now() + takes, disk.stalled_until));
}

void Syncer::stall(Instant until) {
  if (armed() && due() < until) loop_.timers().arm(*this, until);
}

void Syncer::drop_all() {
  if (armed()) loop_.timers().disarm(*this);
  gathering_.clear();
  syncing_.clear();
}

bool Syncer::make_durable(Request& request, Result<kv::Version>& answer) {
  DiskCore& disk = session_.disk();
  Status admitted;
  CrashPoint point;
  {
    const std::lock_guard lock(disk.mutex);
    admitted = disk.admit(request.batch);
    point = {CrashPoint::Phase::before_durable, disk.commits + 1, request.table->name};
  }
  const bool hooked = disk.hook != nullptr && admitted.has_value();
  if (hooked) disk.hook(point);
  if (session_.dead()) return false;
  {
    const std::lock_guard lock(disk.mutex);
    if (admitted.has_value()) {
      admitted = disk.apply(request.table->name, request.batch, request.expected, request.version);
    }
    kv::VersionCount& versions = request.table->versions;
    versions.settled();
    session_.settled(request.called);
    if (admitted.has_value()) versions.durable = request.version;
  }
  if (admitted.has_value()) {
    answer = kv::Version{request.version};
    session_.durable(loop_.now() - request.called);
  } else {
    answer = std::move(admitted).error();
  }
  point.phase = CrashPoint::Phase::before_answer;
  if (hooked && answer.has_value()) disk.hook(point);
  return !session_.dead();
}

void Syncer::fired() {
  std::vector<std::pair<std::shared_ptr<kv::Pending>, Result<kv::Version>>> answers;
  answers.reserve(syncing_.size());
  while (!syncing_.empty()) {
    // The request stays in the queue meanwhile, so that a crash from the hook finds it there.
    Request request = syncing_.front();
    Result<kv::Version> answer = kv::Version{};
    if (!make_durable(request, answer)) return;
    answers.emplace_back(std::move(request.pending), std::move(answer));
    syncing_.pop_front();
  }
  for (auto& [pending, answer] : answers) pending->resolve(std::move(answer));
  if (!gathering_.empty()) begin();
}

Session::Session(std::shared_ptr<DiskCore> disk) : disk_(std::move(disk)) {
  PH_CHECK(disk_->session == nullptr);
  disk_->session = this;
}

Session::~Session() { detach(); }

void Session::detach() {
  die();
  syncers_.clear();
}

void Session::die() {
  if (std::exchange(dead_, true)) return;
  for (auto& [index, syncer] : syncers_) syncer->drop_all();
  disk_->session = nullptr;
}

void Session::crash(Random* random) {
  std::map<std::string, std::vector<const Request*>> waiting;
  for (const auto& [index, syncer] : syncers_) {
    for (const auto* queue : {&syncer->syncing(), &syncer->gathering()}) {
      for (const Request& request : *queue) waiting[request.table->name].push_back(&request);
    }
  }
  std::vector<const Request*> survivors;
  for (auto& [name, requests] : waiting) {
    const uint64_t kept = random == nullptr ? 0 : random->below(requests.size() + 1);
    survivors.insert(survivors.end(), requests.begin(),
                     requests.begin() + static_cast<std::ptrdiff_t>(kept));
  }
  std::ranges::sort(survivors, {}, &Request::order);
  {
    const std::lock_guard lock(disk_->mutex);
    for (const Request* request : survivors) {
      // What would have been refused is refused here too, and a commit that was already made
      // durable (a crash before its answer) is not made twice.
      const auto stored = disk_->tables.find(request->table->name);
      if (stored != disk_->tables.end() && request->version <= stored->second.version) continue;
      if (disk_->admit(request->batch).has_value()) {
        (void)disk_->apply(request->table->name, request->batch, request->expected,
                           request->version);
      }
    }
  }
  die();
}

void Session::stall_for(Duration d) {
  if (any_loop_ == nullptr) {
    disk_->stall_due = d;
    return;
  }
  disk_->stalled_until = std::max(disk_->stalled_until, any_loop_->now() + d);
  for (auto& [index, syncer] : syncers_) syncer->stall(disk_->stalled_until);
}

Result<std::shared_ptr<OpenTable>> Session::open(rt::Loop& home, std::string_view name) {
  if (dead_) return fail(kv::kStopping);
  if (!kv::is_partition_name(name)) return fail(kv::kBadName, std::string(name));
  const std::lock_guard lock(disk_->mutex);
  auto at = tables_.find(name);
  if (at == tables_.end()) {
    auto table = std::make_shared<OpenTable>();
    table->name = name;
    if (const auto stored = disk_->tables.find(name); stored != disk_->tables.end()) {
      table->versions.durable = stored->second.version;
      table->versions.assigned = stored->second.version;
    }
    at = tables_.emplace(std::string(name), std::move(table)).first;
  }
  OpenTable& table = *at->second;
  const bool moving = table.versions.in_flight > 0 && table.home != &home;
  if (table.opened || moving) return fail(kv::kConflict, "the partition is in use");
  table.opened = true;
  table.home = &home;
  if (!syncers_.contains(home.index())) {
    syncers_.emplace(home.index(), std::make_unique<Syncer>(*this, home));
    any_loop_ = &home;
    if (const auto stall = std::exchange(disk_->stall_due, std::nullopt)) {
      disk_->stalled_until = home.now() + *stall;
    }
  }
  return at->second;
}

void Session::close(OpenTable& table) {
  const std::lock_guard lock(disk_->mutex);
  table.opened = false;
  if (table.versions.in_flight == 0) tables_.erase(table.name);
}

rt::Task<Result<kv::Version>> Session::commit(rt::Loop& home, std::shared_ptr<OpenTable> table,
                                              kv::Batch batch, kv::CommitOptions options) {
  PH_CHECK(home.is_current());
  if (Status within = kv::check_limits(batch); !within.has_value()) {
    return kv::answered(std::move(within).error());
  }
  auto pending = std::make_shared<kv::Pending>();  // shared: see kv::await_commit
  if (dead_) return kv::await_commit(home, std::move(pending), options.deadline);
  Request request{std::move(table), std::move(batch), options.expected, 0, 0, home.now(), pending};
  Syncer* syncer = nullptr;
  {
    const std::lock_guard lock(disk_->mutex);
    request.version = request.table->versions.called();
    request.order = next_order_++;
    unanswered_.insert(request.called);
    syncer = syncers_.at(home.index()).get();
  }
  syncer->add(std::move(request));
  return kv::await_commit(home, std::move(pending), options.deadline);
}

std::optional<Instant> Session::oldest_commit() const {
  return unanswered_.empty() ? std::nullopt : std::optional(*unanswered_.begin());
}

size_t Session::waiting() const {
  size_t count = 0;
  for (const auto& [name, table] : tables_) count += table->versions.in_flight;
  return count;
}

}  // namespace ph::kv_mem
