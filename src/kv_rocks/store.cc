#include "kv_rocks/store.h"

#include <optional>
#include <utility>

#include "base/check.h"
#include "kv/errors.h"
#include "kv/pending.h"
#include "kv_rocks/detail/core.h"
#include "rt/errors.h"

namespace ph::kv_rocks {

namespace {

// A read has no deadline of its own; one that takes this long is given up.
constexpr Duration kReadPatience = Duration::seconds(30);

using CorePointer = std::shared_ptr<Core>;  // shared with reads on the pool, see Gate

// Runs `read(core, tier)` here if the answer is in memory, else on the pool.
template <class F>
auto in_memory_or_pool(CorePointer core, rt::Loop& loop, const char* what, F read)
    -> rt::Task<std::invoke_result_t<F, Core&, Tier>> {
  using R = std::invoke_result_t<F, Core&, Tier>;
  {
    const Gate::Pass pass(core->gate);
    if (!pass.granted()) co_return fail(kv::kStopping);
    R here = read(*core, Tier::memory);
    if (here.has_value() || !here.error().is(rt::kWouldBlock)) co_return here;
  }
  rt::Pool& pool = core->runtime.pool();
  auto work = [core, read = std::move(read)]() mutable -> R {
    const Gate::Pass pass(core->gate);
    if (!pass.granted()) return fail(kv::kStopping);
    return read(*core, Tier::disk);
  };
  auto task = rt::blocking(loop, pool, what, std::move(work), loop.in(kReadPatience));
  R answer = co_await task;
  co_return answer;
}

// A RocksDB snapshot, given back when nobody reads it any more.
class Hold {
 public:
  explicit Hold(CorePointer core) : core_(std::move(core)) {
    const Gate::Pass pass(core_->gate);
    if (pass.granted()) snapshot_ = core_->database->take_snapshot();
  }
  ~Hold() {
    const Gate::Pass pass(core_->gate);
    if (pass.granted() && snapshot_ != nullptr) core_->database->release(snapshot_);
  }
  Hold(const Hold&) = delete;
  Hold& operator=(const Hold&) = delete;
  const rocksdb::Snapshot* get() const { return snapshot_; }

 private:
  CorePointer core_;
  const rocksdb::Snapshot* snapshot_ = nullptr;
};

// Where a read looks: a partition, now or at a snapshot (shared with the pool).
struct View {
  CorePointer core;
  rt::Loop* home = nullptr;
  PartitionId partition;
  std::shared_ptr<const Hold> hold;

  const rocksdb::Snapshot* snapshot() const { return hold == nullptr ? nullptr : hold->get(); }
};

rt::Task<Found> get_in(const View& view, const std::string& key) {
  auto read = [snapshot = view.hold, full = data_prefix(view.partition) + key](Core& core,
                                                                               Tier tier) {
    const rocksdb::Snapshot* at = snapshot == nullptr ? nullptr : snapshot->get();
    return core.database->get(Family::data, full, tier, at);
  };
  return in_memory_or_pool(view.core, *view.home, "a key", std::move(read));
}

rt::Task<Result<kv::Page>> scan_in(const View& view, kv::Range range) {
  auto read = [view, range = std::move(range)](Core& core, Tier tier) {
    return core.database->scan(view.partition, range, tier, view.snapshot());
  };
  return in_memory_or_pool(view.core, *view.home, "a range of keys", std::move(read));
}

class RocksSnapshot final : public kv::Snapshot {
 public:
  explicit RocksSnapshot(View view) : view_(std::move(view)) {}
  rt::Task<Found> get(std::string key) override { return get_in(view_, key); }
  rt::Task<Result<kv::Page>> scan(kv::Range range) override {
    return scan_in(view_, std::move(range));
  }

 private:
  View view_;
};

class RocksPartition final : public kv::Partition {
 public:
  RocksPartition(CorePointer core, rt::Loop& home, std::shared_ptr<OpenTable> table)
      : view_{std::move(core), &home, table->id, nullptr}, table_(std::move(table)) {}
  ~RocksPartition() override { view_.core->committer->close_table(*table_); }

  const std::string& name() const override { return table_->name; }
  kv::Version version() const override { return view_.core->committer->version_of(*table_); }
  std::unique_ptr<kv::Snapshot> read() override {
    View view = view_;
    view.hold = std::make_shared<const Hold>(view.core);
    return std::make_unique<RocksSnapshot>(std::move(view));
  }
  rt::Task<Found> get(std::string key) override { return get_in(view_, key); }
  rt::Task<Result<kv::Page>> scan(kv::Range range) override {
    return scan_in(view_, std::move(range));
  }
  rt::Task<Result<kv::Version>> commit(kv::Batch batch, kv::CommitOptions options) override {
    PH_CHECK(view_.home->is_current());
    if (Status within = kv::check_limits(batch); !within.has_value()) {
      return kv::answered(std::move(within).error());
    }
    auto pending = std::make_shared<kv::Pending>();  // shared: see kv::await_commit
    Request request{table_,     std::move(batch),  options.expected, 0,
                    view_.home, view_.home->now(), pending,          std::nullopt};
    Status queued = view_.core->committer->enqueue(std::move(request));
    if (!queued.has_value()) return kv::answered(std::move(queued).error());
    return kv::await_commit(*view_.home, std::move(pending), options.deadline);
  }

 private:
  View view_;
  std::shared_ptr<OpenTable> table_;
};

// Whether a look at the disk has not come back. Shared with it: a disk that hangs may keep it
// longer than the store lives.
using Looking = std::shared_ptr<std::atomic<bool>>;

rt::Task<Result<kv::DiskSpace>> look_at_disk(CorePointer core, Looking looking, rt::Loop& loop,
                                             rt::Deadline deadline) {
  if (looking->exchange(true)) co_return fail(kv::kBusy, "an earlier look has not come back");
  // Goes with the work: it ends before the answer is out, and also when the pool never takes it.
  const auto end = [looking](void*) { *looking = false; };
  std::shared_ptr<void> ending(nullptr, end);
  auto work = [look = core->segments.space_look(), ending = std::move(ending)]() mutable {
    auto space = look();
    ending.reset();
    return space;
  };
  rt::Pool& pool = core->runtime.pool();
  core.reset();
  co_return co_await rt::blocking(loop, pool, "free space on the disk", std::move(work), deadline);
}

class RocksStore final : public kv::Store {
 public:
  explicit RocksStore(CorePointer core) : core_(std::move(core)) {}
  ~RocksStore() override { core_->close(); }

  Result<std::unique_ptr<kv::Partition>> open(rt::Loop& home, std::string_view name) override {
    PH_TRY(auto table, core_->committer->open_table(name));
    return std::make_unique<RocksPartition>(core_, home, std::move(table));
  }
  Result<std::vector<std::string>> partitions(std::string_view prefix, size_t limit) override;
  rt::Task<Result<kv::BlobBytes>> read_blob(rt::Loop& loop, kv::BlobId id, uint64_t offset,
                                            uint64_t length) override {
    auto read = [id, offset, length](Core& core, Tier tier) {
      return read_blob_now(core, id, offset, length, tier);
    };
    return in_memory_or_pool(core_, loop, "a message's octets", read);
  }
  kv::StoreFigures figures() const override {
    kv::StoreFigures out;
    core_->committer->add_figures(out);
    out.blobs = core_->database->keys_estimate(Family::index);
    return out;
  }
  uint64_t free_bytes() const override { return core_->segments.free_bytes(); }
  rt::Task<Result<kv::DiskSpace>> space(rt::Loop& loop, rt::Deadline deadline) override {
    return look_at_disk(core_, looking_, loop, deadline);
  }

 private:
  CorePointer core_;
  Looking looking_ = std::make_shared<std::atomic<bool>>(false);
};

Result<std::vector<std::string>> RocksStore::partitions(std::string_view prefix, size_t limit) {
  std::vector<std::string> names;
  if (limit == 0) return names;
  const size_t skip = name_key("").size();
  Status bad;
  const auto visitor = [&](std::string_view key, std::string_view value) {
    const auto id = decode_number(value);
    kv::Range first;
    first.entries_max = 1;
    auto page = id.has_value() ? core_->database->scan({*id}, first, Tier::disk, nullptr)
                               : Result<kv::Page>(fail(kv::kDamaged, "the record of a partition"));
    if (!page.has_value()) {
      bad = std::move(page).error();
      return false;
    }
    if (!page->entries.empty()) names.emplace_back(key.substr(skip));
    return names.size() < limit;
  };
  PH_TRY_STATUS(core_->database->visit(Family::meta, name_key(prefix), visitor));
  PH_TRY_STATUS(std::move(bad));
  return names;
}

// A slice is read on the pool; a full pool means later.
Committer::SliceReader slice_reader(const CorePointer& core) {
  return [weak = std::weak_ptr<Core>(core)](SegmentNumber segment, uint64_t offset, uint64_t end) {
    const CorePointer held = weak.lock();
    if (held == nullptr) return false;
    return held->runtime.pool().submit([held, segment, offset, end] {
      const Gate::Pass pass(held->gate);
      if (!pass.granted()) return;
      held->committer->offer(read_slice(*held->database, held->segments, segment, offset, end));
    });
  };
}

}  // namespace

Result<std::unique_ptr<kv::Store>> open_rocks(rt::Runtime& runtime, RocksOptions options) {
  auto core = std::make_shared<Core>(runtime, std::move(options));
  PH_TRY_STATUS(core->open());
  core->committer->start(slice_reader(core));
  return std::make_unique<RocksStore>(std::move(core));
}

}  // namespace ph::kv_rocks
