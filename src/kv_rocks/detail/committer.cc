#include "kv_rocks/detail/committer.h"

#include <rocksdb/write_batch.h>

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "kv/errors.h"

namespace ph::kv_rocks {

namespace {

constexpr size_t kGroupRequestsMax = 2048;
constexpr uint64_t kGroupBytesMax = 32 * 1024 * 1024;

uint64_t weight(const Request& request) { return request.batch.bytes() + 256; }

}  // namespace

Committer::Committer(const RocksOptions& options, Database& database, SegmentFolder& folder,
                     BlobCache& cache, const Patience& patience)
    : options_(options),
      database_(database),
      folder_(folder),
      cache_(cache),
      patience_(patience),
      writer_(folder, options.segment_bytes),
      compaction_(options.compact_at_dead_percent) {}

Committer::~Committer() { stop(); }

Status Committer::load() {
  bool readable = true;
  PH_TRY_STATUS(
      database_.visit(Family::meta, "s/", [&](std::string_view key, std::string_view value) {
        const auto account = decode_segment_account(value);
        readable = readable && account.has_value();
        if (readable) accounts_[segment_of_key(key).value] = *account;
        return readable;
      }));
  if (!readable) return fail(kv::kDamaged, "the account of a segment");
  PH_TRY(const auto next_id, database_.get(Family::meta, kNextIdKey, Tier::disk));
  if (next_id.has_value()) {
    const auto number = decode_number(*next_id);
    if (!number.has_value()) return fail(kv::kDamaged, "the next partition id");
    next_id_ = {*number};
  }
  uint64_t newest = 0;
  for (const auto& [number, account] : accounts_) newest = std::max(newest, number);
  uint64_t highest = newest;
  for (const SegmentNumber number : folder_.list()) {
    highest = std::max(highest, number.value);
    if (!accounts_.contains(number.value)) folder_.remove(number);
  }
  writer_.set_next({highest + 1});
  // The newest one grows on, unless it was full.
  for (auto& [number, account] : accounts_) {
    segment_bytes_ += account.end;
    segment_bytes_dead_ += account.dead;
    if (account.sealed) continue;
    const bool resumed = number == newest && writer_.resume({number}, account.end).has_value();
    if (!resumed) account.sealed = true;
  }
  return {};
}

void Committer::set_account(SegmentNumber number, const SegmentAccount& account) {
  SegmentAccount& known = accounts_[number.value];
  segment_bytes_ += account.end - known.end;
  segment_bytes_dead_ += account.dead - known.dead;
  known = account;
}

void Committer::drop_account(SegmentNumber number) {
  set_account(number, {});
  accounts_.erase(number.value);
}

void Committer::start(SliceReader reader) {
  reader_ = std::move(reader);
  thread_ = std::thread([this] { run(); });
}

void Committer::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  work_.notify_one();
  if (thread_.joinable()) thread_.join();
}

Result<std::shared_ptr<OpenTable>> Committer::open_table(std::string_view name) {
  if (!kv::is_partition_name(name)) return fail(kv::kBadName, std::string(name));
  const std::lock_guard lock(mutex_);
  auto at = tables_.find(name);
  if (at == tables_.end()) {
    auto table = std::make_shared<OpenTable>();  // shared: see Request
    table->name = name;
    PH_TRY(const auto record, database_.get(Family::meta, name_key(name), Tier::disk));
    if (record.has_value()) {
      const auto id = decode_number(*record);
      if (!id.has_value()) return fail(kv::kDamaged, "the record of a partition");
      table->id = {*id};
      table->registered = true;
      PH_TRY(const auto stored, database_.get(Family::meta, version_key(table->id), Tier::disk));
      const auto version = stored.has_value() ? decode_number(*stored) : std::nullopt;
      if (!version.has_value()) return fail(kv::kDamaged, "the version of a partition");
      table->committed = *version;
      table->versions = {*version, *version, 0};
    } else {
      table->id = next_id_;
      ++next_id_.value;
    }
    at = tables_.emplace(std::string(name), std::move(table)).first;
  }
  if (at->second->opened) return fail(kv::kConflict, "the partition is in use");
  at->second->opened = true;
  return at->second;
}

void Committer::close_table(OpenTable& table) {
  const std::lock_guard lock(mutex_);
  table.opened = false;
  if (table.versions.in_flight == 0) tables_.erase(table.name);
}

kv::Version Committer::version_of(const OpenTable& table) const {
  const std::lock_guard lock(mutex_);
  return {table.versions.current()};
}

Status Committer::enqueue(Request request) {
  if (patience_.waiting()) return fail(kv::kDiskFull, "no room at all");
  bool wake = false;
  {
    const std::lock_guard lock(mutex_);
    if (stopping_) return fail(kv::kStopping);
    const uint64_t bytes = weight(request);
    if (queue_bytes_ > 0 && queue_bytes_ + bytes > options_.commit_queue_bytes_max) {
      return fail(kv::kBusy, "too many commits wait for the disk");
    }
    queue_bytes_ += bytes;
    request.version = request.table->versions.called();
    queue_.push_back(std::move(request));
    wake = std::exchange(idle_, false);
  }
  if (wake) work_.notify_one();
  return {};
}

void Committer::offer(Slice slice) {
  {
    const std::lock_guard lock(mutex_);
    slice_ = std::move(slice);
    idle_ = false;
  }
  work_.notify_one();
}

bool Committer::wait_for_work(std::vector<Request>& group, std::optional<Slice>& slice) {
  std::unique_lock lock(mutex_);
  while (queue_.empty() && !slice_.has_value()) {
    if (stopping_) return false;
    idle_ = true;
    work_.wait(lock);
  }
  idle_ = false;
  slice = std::exchange(slice_, std::nullopt);
  uint64_t bytes = 0;
  if (!queue_.empty()) oldest_in_work_ = queue_.front().called;
  while (!queue_.empty() && group.size() < kGroupRequestsMax && bytes < kGroupBytesMax) {
    bytes += weight(queue_.front());
    group.push_back(std::move(queue_.front()));
    queue_.pop_front();
  }
  queue_bytes_ -= bytes;
  return true;
}

void Committer::run() {
  std::vector<Request> group;
  std::optional<Slice> slice;
  while (wait_for_work(group, slice)) {
    if (!group.empty()) process(group);
    group.clear();
    if (slice.has_value()) move(std::move(*slice));
    slice.reset();
    compact();
  }
}

std::unique_ptr<Group> Committer::prepare(std::vector<Request>& group) {
  free_bytes_ = folder_.free_bytes();
  if (free_bytes_ < options_.floor_bytes) {
    for (Request& request : group) request.refused = fail(kv::kDiskFull, "no room at all");
    return nullptr;
  }
  std::optional<Error> no_room;
  if (free_bytes_ < options_.reserve_bytes) {
    no_room = fail(kv::kDiskFull, "what is left is kept for the queue");
  }
  while (true) {
    PartitionId next_id;
    {
      const std::lock_guard lock(mutex_);
      next_id = next_id_;
    }
    auto plan = std::make_unique<Group>(database_, writer_, ++group_number_, options_);
    for (Request& request : group) plan->add(request, no_room);
    Status done = plan->finish(accounts_, next_id);
    if (done.has_value() && plan->uses_segments()) done = writer_.flush();
    if (done.has_value()) return plan;
    writer_.discard();
    plan->undo_tables();
    if (!no_room.has_value()) {
      // The segments cannot take it. What adds no blobs need not suffer.
      no_room = std::move(done).error();
      continue;
    }
    for (Request& request : group) request.refused = done.error();
    return nullptr;
  }
}

void Committer::accept(Group& group) {
  for (const auto& [number, account] : group.accounts()) set_account({number}, account);
  writer_.forget_sealed();
  for (OpenTable* table : group.tables()) table->registered = true;
  for (auto& [id, bytes] : group.take_added()) cache_.put(id, std::move(bytes));
  for (const kv::BlobId& id : group.removed()) cache_.remove(id);
}

void Committer::process(std::vector<Request>& group) {
  const std::unique_ptr<Group> plan = prepare(group);
  if (plan != nullptr && !plan->tables().empty()) {
    const Status written = database_.write(plan->write(), free_bytes_);
    if (written.has_value()) {
      accept(*plan);
      syncs_ += plan->uses_segments() ? 2 : 1;
      uint64_t bytes = plan->write().GetDataSize();
      for (const Request& request : group) {
        if (!request.refused.has_value()) bytes += request.batch.bytes();
      }
      bytes_ += bytes;
      compaction_.resume();
    } else {
      plan->undo_tables();
      for (Request& request : group) {
        if (!request.refused.has_value()) request.refused = written.error();
      }
    }
  }
  answer(group);
}

// One post to each loop that has an answer in this group.
void Committer::answer(std::vector<Request>& group) {
  {
    const std::lock_guard lock(mutex_);
    oldest_in_work_.reset();
    for (Request& request : group) {
      OpenTable& table = *request.table;
      table.versions.settled();
      if (!request.refused.has_value()) table.versions.durable = request.version;
      const bool forgotten = !table.opened && table.versions.in_flight == 0;
      if (forgotten) tables_.erase(table.name);
    }
  }
  std::map<rt::Loop*, std::vector<Request>> by_loop;
  for (Request& request : group) {
    if (!request.refused.has_value()) ++commits_;
    by_loop[request.home].push_back(std::move(request));
  }
  for (auto& [loop, requests] : by_loop) {
    loop->post([answered = std::move(requests), times = times_]() mutable {
      const Instant now = answered.back().home->now();
      times->last_us = (now - answered.back().called).us();
      for (Request& request : answered) {
        if (request.refused.has_value()) {
          request.pending->resolve(std::move(*request.refused));
        } else {
          times->all.add(now - request.called);
          request.pending->resolve(kv::Version{request.version});
        }
      }
    });
  }
}

Status Committer::move_records(const Slice& slice) {
  rocksdb::WriteBatch write;
  SegmentAccounts changed;
  const auto account = [&](SegmentNumber number) -> SegmentAccount& {
    const auto known = accounts_.find(number.value);
    return changed
        .emplace(number.value, known == accounts_.end() ? SegmentAccount{} : known->second)
        .first->second;
  };
  SegmentAccount& from = account(slice.segment);
  for (const LiveRecord& record : slice.records) {
    PH_TRY(const auto found, database_.get(Family::index, record.id.view(), Tier::disk));
    if (!found.has_value()) continue;
    auto blob = decode_blob_record(*found);
    if (!blob.has_value()) return fail(kv::kDamaged, "the record of a blob");
    if (blob->location != record.from) continue;  // removed, and perhaps added again, meanwhile
    PH_TRY(blob->location, writer_.place(record.id, record.bytes));
    grow(account(blob->location.segment), blob->location);
    from.dead += record_bytes(record.from);
    database_.put(write, Family::index, record.id.view(), encode(*blob));
  }
  PH_TRY_STATUS(writer_.flush());
  for (const SegmentNumber number : writer_.sealed()) account(number).sealed = true;
  const bool empty = slice.next_offset >= from.end && from.dead == from.end;
  for (const auto& [number, at] : changed) {
    if (empty && number == slice.segment.value) {
      database_.erase(write, Family::meta, segment_key(slice.segment));
    } else {
      database_.put(write, Family::meta, segment_key({number}), encode(at));
    }
  }
  PH_TRY_STATUS(database_.write(write, free_bytes_));
  for (const auto& [number, at] : changed) set_account({number}, at);
  writer_.forget_sealed();
  if (!empty) return {};
  drop_account(slice.segment);
  folder_.remove(slice.segment);
  return {};
}

void Committer::move(Slice slice) {
  compaction_.set_reading(false);
  free_bytes_ = folder_.free_bytes();
  if (slice.damaged) {
    compaction_.give_up();
    return;
  }
  const Status done = move_records(slice);
  if (!done.has_value()) {
    writer_.discard();
    if (done.error().is(kv::kDamaged)) {
      compaction_.give_up();
    } else {
      compaction_.pause();  // a full or failing disk
    }
    return;
  }
  compaction_.advance(slice.next_offset);
  const auto account = accounts_.find(slice.segment.value);
  if (account == accounts_.end()) {
    compaction_.end();
  } else if (slice.next_offset >= account->second.end) {
    compaction_.give_up();  // something in it is still named, or its account is wrong
  }
}

void Committer::compact() {
  if (compaction_.reading() || !compaction_.pick(accounts_, writer_.current())) return;
  const SegmentAccount& account = accounts_.at(compaction_.segment().value);
  const bool all_dead = account.dead >= account.end;
  if (all_dead) compaction_.advance(account.end);
  const bool started = reader_(compaction_.segment(), compaction_.offset(), account.end);
  compaction_.set_reading(started);
}

void Committer::add_figures(kv::StoreFigures& figures) const {
  figures.commits = commits_;
  figures.syncs = syncs_;
  figures.bytes_written = bytes_;
  figures.segment_bytes = segment_bytes_;
  figures.segment_bytes_dead = segment_bytes_dead_;
  figures.last_commit = Duration::microseconds(times_->last_us);
  figures.commit_times = times_->all.counts();
  const std::lock_guard lock(mutex_);
  figures.commit_queue = queue_.size();
  figures.oldest_commit = oldest_in_work_;
  if (!oldest_in_work_.has_value() && !queue_.empty()) {
    figures.oldest_commit = queue_.front().called;
  }
}

}  // namespace ph::kv_rocks
