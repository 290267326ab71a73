#include "kv_mem/store.h"

#include <algorithm>
#include <mutex>
#include <optional>
#include <utility>

#include "kv/errors.h"
#include "kv_mem/detail/disk_core.h"
#include "kv_mem/detail/session.h"
#include "rt/errors.h"
#include "rt/parking.h"

namespace ph::kv_mem {

namespace {

using Found = Result<std::optional<std::string>>;

// The pause before a read, if the disk has one.
rt::Task<Status> seek(std::shared_ptr<Session> session, rt::Loop& loop) {
  DiskCore& disk = session->disk();
  Duration takes;
  {
    const std::lock_guard lock(disk.mutex);
    if (disk.options.read_max > Duration{}) {
      takes = disk.random.between(Duration{}, disk.options.read_max);
    }
  }
  if (takes > Duration{}) {
    const rt::Woken woken = co_await rt::sleep(loop, loop.in(takes), "a read");
    if (woken == rt::Woken::cancelled) co_return fail(rt::kCancelled, "a read");
  }
  if (session->dead()) co_return fail(kv::kStopping);
  co_return Status{};
}

std::shared_ptr<const Entries> newest(DiskCore& disk, const std::string& name) {
  const auto table = disk.tables.find(name);
  if (table == disk.tables.end()) return std::make_shared<Entries>();
  return table->second.entries;
}

Found look_up(const Entries& entries, const std::string& key) {
  const auto at = entries.find(key);
  if (at == entries.end()) return std::optional<std::string>{};
  return std::optional<std::string>(at->second);
}

// The store and the home of whoever reads or commits. Shared with the reads on their way, which
// may be killed after the store is.
struct Place {
  std::shared_ptr<Session> session;
  rt::Loop* home = nullptr;
};

rt::Task<Found> get_newest(Place place, std::shared_ptr<OpenTable> table, std::string key) {
  PH_CO_TRY_STATUS(co_await seek(place.session, *place.home));
  const std::lock_guard lock(place.session->disk().mutex);
  co_return look_up(*newest(place.session->disk(), table->name), key);
}

rt::Task<Result<kv::Page>> scan_newest(Place place, std::shared_ptr<OpenTable> table,
                                       kv::Range range) {
  PH_CO_TRY_STATUS(co_await seek(place.session, *place.home));
  DiskCore& disk = place.session->disk();
  const std::lock_guard lock(disk.mutex);
  co_return disk.scan(*newest(disk, table->name), range);
}

rt::Task<Found> get_from(Place place, std::shared_ptr<const Entries> entries, std::string key) {
  PH_CO_TRY_STATUS(co_await seek(place.session, *place.home));
  co_return look_up(*entries, key);
}

rt::Task<Result<kv::Page>> scan_from(Place place, std::shared_ptr<const Entries> entries,
                                     kv::Range range) {
  PH_CO_TRY_STATUS(co_await seek(place.session, *place.home));
  co_return place.session->disk().scan(*entries, range);
}

class MemSnapshot final : public kv::Snapshot {
 public:
  MemSnapshot(Place place, std::shared_ptr<const Entries> entries)
      : place_(std::move(place)), entries_(std::move(entries)) {}
  rt::Task<Found> get(std::string key) override {
    return get_from(place_, entries_, std::move(key));
  }
  rt::Task<Result<kv::Page>> scan(kv::Range range) override {
    return scan_from(place_, entries_, std::move(range));
  }

 private:
  Place place_;
  std::shared_ptr<const Entries> entries_;
};

class MemPartition final : public kv::Partition {
 public:
  MemPartition(Place place, std::shared_ptr<OpenTable> table)
      : place_(std::move(place)), table_(std::move(table)) {}
  ~MemPartition() override { place_.session->close(*table_); }

  const std::string& name() const override { return table_->name; }
  kv::Version version() const override {
    const std::lock_guard lock(place_.session->disk().mutex);
    return {table_->versions.current()};
  }
  std::unique_ptr<kv::Snapshot> read() override {
    DiskCore& disk = place_.session->disk();
    const std::lock_guard lock(disk.mutex);
    return std::make_unique<MemSnapshot>(place_, newest(disk, table_->name));
  }
  rt::Task<Found> get(std::string key) override {
    return get_newest(place_, table_, std::move(key));
  }
  rt::Task<Result<kv::Page>> scan(kv::Range range) override {
    return scan_newest(place_, table_, std::move(range));
  }
  rt::Task<Result<kv::Version>> commit(kv::Batch batch, kv::CommitOptions options) override {
    return place_.session->commit(*place_.home, table_, std::move(batch), options);
  }

 private:
  Place place_;
  std::shared_ptr<OpenTable> table_;
};

rt::Task<Result<kv::BlobBytes>> read_octets(std::shared_ptr<Session> session, rt::Loop& loop,
                                            kv::BlobId id, uint64_t offset, uint64_t length) {
  PH_CO_TRY_STATUS(co_await seek(session, loop));
  DiskCore& disk = session->disk();
  const std::lock_guard lock(disk.mutex);
  const auto at = disk.blobs.find(id);
  if (at == disk.blobs.end()) co_return fail(kv::kNoBlob);
  if (at->second.damaged) co_return fail(kv::kDamaged, "simulated");
  const kv::BlobBytes& bytes = at->second.bytes;
  if (offset == 0 && length >= bytes->size()) co_return bytes;
  if (offset >= bytes->size()) co_return std::make_shared<const std::string>();
  const uint64_t there = std::min<uint64_t>(length, bytes->size() - offset);
  co_return std::make_shared<const std::string>(*bytes, offset, there);
}

}  // namespace

MemStore::MemStore(MemDisk& disk) : session_(std::make_shared<Session>(disk.core_)) {}
MemStore::~MemStore() { session_->detach(); }

Result<std::unique_ptr<kv::Partition>> MemStore::open(rt::Loop& home, std::string_view name) {
  PH_TRY(auto table, session_->open(home, name));
  return std::make_unique<MemPartition>(Place{session_, &home}, std::move(table));
}

Result<std::vector<std::string>> MemStore::partitions(std::string_view prefix, size_t limit) {
  DiskCore& disk = session_->disk();
  const std::lock_guard lock(disk.mutex);
  std::vector<std::string> out;
  for (auto at = disk.tables.lower_bound(prefix); at != disk.tables.end(); ++at) {
    if (out.size() >= limit || !at->first.starts_with(prefix)) break;
    if (!at->second.entries->empty()) out.push_back(at->first);
  }
  return out;
}

rt::Task<Result<kv::BlobBytes>> MemStore::read_blob(rt::Loop& loop, kv::BlobId id, uint64_t offset,
                                                    uint64_t length) {
  return read_octets(session_, loop, id, offset, length);
}

kv::StoreFigures MemStore::figures() const {
  DiskCore& disk = session_->disk();
  const std::lock_guard lock(disk.mutex);
  kv::StoreFigures out;
  out.commits = disk.commits;
  out.syncs = disk.syncs;
  out.bytes_written = disk.bytes_written;
  out.blobs = disk.blobs.size();
  out.commit_queue = session_->waiting();
  out.commit_times = session_->commit_times();
  out.oldest_commit = session_->oldest_commit();
  return out;
}

uint64_t MemStore::free_bytes() const {
  DiskCore& disk = session_->disk();
  const std::lock_guard lock(disk.mutex);
  if (disk.space == Space::none) return 0;
  const uint64_t capacity = disk.options.capacity_bytes;
  const uint64_t free = capacity > disk.blob_bytes ? capacity - disk.blob_bytes : 0;
  constexpr uint64_t kReserveBytes = 1024 * 1024;
  return disk.space == Space::reserve ? std::min(free, kReserveBytes) : free;
}

rt::Task<Result<kv::DiskSpace>> MemStore::space(rt::Loop&, rt::Deadline) {
  kv::DiskSpace out{free_bytes(), session_->disk().options.capacity_bytes};
  co_return out;
}

}  // namespace ph::kv_mem
