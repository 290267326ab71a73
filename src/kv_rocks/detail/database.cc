#include "kv_rocks/detail/database.h"

#include <rocksdb/cache.h>
#include <rocksdb/convenience.h>
#include <rocksdb/db.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/memtablerep.h>
#include <rocksdb/options.h>
#include <rocksdb/slice_transform.h>
#include <rocksdb/table.h>
#include <rocksdb/write_batch.h>

#include <array>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <unordered_set>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/record.h"
#include "kv/errors.h"
#include "rt/errors.h"

#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
// Debian's library is not built with the sanitizer, which then cannot see how it synchronizes.
extern "C" const char* __tsan_default_suppressions() {
  return "called_from_lib:librocksdb.so\nrace:librocksdb.so\n";
}
#endif
#endif

namespace ph::kv_rocks {

namespace {

constexpr std::array<const char*, kFamilies> kFamilyNames{"default", "data", "blob", "index",
                                                          "refs"};

rocksdb::Slice slice(std::string_view text) { return {text.data(), text.size()}; }
std::string_view text(const rocksdb::Slice& from) { return {from.data(), from.size()}; }

Error to_error(const rocksdb::Status& status) {
  if (status.IsIncomplete()) return fail(rt::kWouldBlock);
  if (status.IsNoSpace()) return fail(kv::kDiskFull, status.ToString());
  if (status.IsCorruption()) return fail(kv::kDamaged, status.ToString());
  return fail(kv::kIo, status.ToString());
}

// Runs DB::Resume() aside. It flushes, and when the disk fails again in the middle of that it may
// wait for ever (RocksDB 7.8); then only commits fail, and the store can still be read and closed.
class Recovery {
 public:
  // Whether the database works again; false also when that is not known in time.
  bool resume(rocksdb::DB& db) {
    std::unique_lock lock(mutex_);
    if (!running_) {
      if (thread_.joinable()) thread_.join();
      running_ = true;
      thread_ = std::thread([this, &db] {
        const bool resumed = db.Resume().ok();
        const std::lock_guard inner(mutex_);
        resumed_ = resumed;
        running_ = false;
        ended_.notify_all();
      });
    }
    constexpr std::chrono::seconds kPatience{5};
    return ended_.wait_for(lock, kPatience, [this] { return !running_; }) && resumed_;
  }
  void end(rocksdb::DB& db) {
    if (!thread_.joinable()) return;
    rocksdb::CancelAllBackgroundWork(&db, false);  // ends a Resume() that waits
    thread_.join();
  }

 private:
  std::mutex mutex_;
  std::condition_variable ended_;
  std::thread thread_;
  bool running_ = false;
  bool resumed_ = false;
};

rocksdb::DBOptions database_options(const RocksOptions& options) {
  rocksdb::DBOptions out;
  out.create_if_missing = true;
  out.create_missing_column_families = true;
  // One writer: the paths for several only cost time.
  out.allow_concurrent_memtable_write = false;
  out.enable_write_thread_adaptive_yield = false;
  out.db_write_buffer_size = options.write_buffer_bytes;
  out.max_total_wal_size = options.write_buffer_bytes * 2;
  out.recycle_log_file_num = 4;
  out.wal_recovery_mode = rocksdb::WALRecoveryMode::kPointInTimeRecovery;
  out.max_background_jobs = 2;
  out.max_open_files = 512;
  out.bytes_per_sync = 1024 * 1024;
  out.keep_log_file_num = 4;
  out.max_log_file_size = 4 * 1024 * 1024;
  out.info_log_level = rocksdb::InfoLogLevel::WARN_LEVEL;
  out.stats_dump_period_sec = 0;
  out.stats_persist_period_sec = 0;
  out.avoid_unnecessary_blocking_io = true;
  return out;
}

rocksdb::ColumnFamilyOptions family_options(const RocksOptions& options, Family family,
                                            const std::shared_ptr<rocksdb::Cache>& cache) {
  rocksdb::BlockBasedTableOptions table;
  table.block_cache = cache;
  table.cache_index_and_filter_blocks = true;
  table.cache_index_and_filter_blocks_with_high_priority = true;
  table.pin_l0_filter_and_index_blocks_in_cache = true;
  table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10, false));
  // In pieces: a whole file's filter is about a megabyte, which the cache cannot keep beside the
  // others, and each look-up would read it from the disk again.
  table.partition_filters = true;
  table.index_type = rocksdb::BlockBasedTableOptions::kTwoLevelIndexSearch;
  table.pin_top_level_index_and_filter = true;
  table.block_size = family == Family::blob ? 32 * 1024 : 8 * 1024;
  table.format_version = 5;

  rocksdb::ColumnFamilyOptions out;
  out.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  const bool large = family == Family::data || family == Family::blob;
  out.write_buffer_size = options.write_buffer_bytes / (large ? 4 : 8);
  out.max_write_buffer_number = 3;
  out.level_compaction_dynamic_level_bytes = true;
  // What is young is rewritten soon: only the lower levels are worth compressing.
  out.compression_per_level = {rocksdb::kNoCompression, rocksdb::kNoCompression,
                               rocksdb::kLZ4Compression, rocksdb::kLZ4Compression,
                               rocksdb::kLZ4Compression};
  out.bottommost_compression = family == Family::data ? rocksdb::kZSTD : rocksdb::kLZ4Compression;
  if (family == Family::data) {
    // Partition, and the first octets of a key, which tell kinds of rows apart: rows of one kind
    // often come in order, and then the place of the last one is near.
    constexpr size_t kHintBytes = 6;
    out.memtable_insert_with_hint_prefix_extractor.reset(
        rocksdb::NewCappedPrefixTransform(kHintBytes));
  } else if (family != Family::meta) {
    // Looked up by whole keys only: a hash table is cheaper than a sorted one.
    out.prefix_extractor.reset(rocksdb::NewFixedPrefixTransform(sizeof(kv::BlobId)));
    constexpr size_t kBytesPerBucket = 256;
    out.memtable_factory.reset(
        rocksdb::NewHashLinkListRepFactory(out.write_buffer_size / kBytesPerBucket));
  }
  if (family == Family::refs || family == Family::index) {
    out.compression_per_level.clear();
    out.compression = rocksdb::kNoCompression;  // digests do not compress
    out.bottommost_compression = rocksdb::kNoCompression;
  }
  return out;
}

}  // namespace

struct Database::Parts {
  std::unique_ptr<rocksdb::DB> db;
  std::array<rocksdb::ColumnFamilyHandle*, kFamilies> families{};
  uint64_t flush_bytes_max = 0;  // what writing all memtables may take
  Recovery recovery;
  std::mutex mutex;
  std::unordered_set<const rocksdb::Snapshot*> snapshots;  // guarded by mutex

  rocksdb::ColumnFamilyHandle* family(Family f) const { return families[static_cast<size_t>(f)]; }
  ~Parts() {
    if (db != nullptr) recovery.end(*db);
    for (const auto* const snapshot : snapshots) db->ReleaseSnapshot(snapshot);
    for (auto* const handle : families) {
      if (handle != nullptr) db->DestroyColumnFamilyHandle(handle);
    }
    if (db != nullptr) db->Close().PermitUncheckedError();
  }
};

Database::Database(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
Database::~Database() = default;

Result<std::unique_ptr<Database>> Database::open(const RocksOptions& options, rocksdb::Env* env) {
  // Few threads read: few shards, so that none is too small for what is read often.
  constexpr int kCacheShardBits = 3;
  const auto cache = rocksdb::NewLRUCache(options.block_cache_bytes, kCacheShardBits);
  std::vector<rocksdb::ColumnFamilyDescriptor> descriptors;
  for (size_t i = 0; i < kFamilies; ++i) {
    descriptors.emplace_back(kFamilyNames[i],
                             family_options(options, static_cast<Family>(i), cache));
  }
  std::vector<rocksdb::ColumnFamilyHandle*> handles;
  rocksdb::DB* db = nullptr;
  rocksdb::DBOptions tuned = database_options(options);
  tuned.env = env;
  const auto status =
      rocksdb::DB::Open(tuned, options.folder + "/rocks", descriptors, &handles, &db);
  if (!status.ok()) return to_error(status);
  auto parts = std::make_unique<Parts>();
  parts->db.reset(db);
  parts->flush_bytes_max = options.write_buffer_bytes;
  PH_CHECK(handles.size() == kFamilies);
  std::copy(handles.begin(), handles.end(), parts->families.begin());
  return std::unique_ptr<Database>(new Database(std::move(parts)));
}

Found Database::get(Family family, std::string_view key, Tier tier,
                    const rocksdb::Snapshot* snapshot) const {
  rocksdb::ReadOptions options;
  options.snapshot = snapshot;
  if (tier == Tier::memory) options.read_tier = rocksdb::kBlockCacheTier;
  std::string value;
  const auto status = parts_->db->Get(options, parts_->family(family), slice(key), &value);
  if (status.ok()) return std::optional<std::string>(std::move(value));
  if (status.IsNotFound()) return std::optional<std::string>{};
  return to_error(status);
}

Result<kv::Page> Database::scan(PartitionId partition, const kv::Range& range, Tier tier,
                                const rocksdb::Snapshot* snapshot) const {
  const std::string prefix = data_prefix(partition);
  const std::string from = prefix + range.from;
  const std::string to = range.to.empty() ? after_prefix(prefix) : prefix + range.to;
  kv::Page page;
  if (to <= from) return page;
  const rocksdb::Slice lower = slice(from);
  const rocksdb::Slice upper = slice(to);
  rocksdb::ReadOptions options;
  options.snapshot = snapshot;
  options.iterate_lower_bound = &lower;
  options.iterate_upper_bound = &upper;
  if (tier == Tier::memory) options.read_tier = rocksdb::kBlockCacheTier;
  const std::unique_ptr<rocksdb::Iterator> at(
      parts_->db->NewIterator(options, parts_->family(Family::data)));
  const bool rising = range.order == kv::Range::Order::rising;
  size_t bytes = 0;
  for (rising ? at->SeekToFirst() : at->SeekToLast(); at->Valid();
       rising ? at->Next() : at->Prev()) {
    const std::string_view key = text(at->key()).substr(prefix.size());
    const bool full = page.entries.size() >= range.entries_max || bytes >= range.bytes_max;
    if (full && !page.entries.empty()) {
      page.rest = range;
      if (rising) {
        page.rest->from = key;
      } else {
        page.rest->to = page.entries.back().key;
      }
      break;
    }
    page.entries.push_back({std::string(key), std::string(text(at->value()))});
    bytes += key.size() + at->value().size();
  }
  if (!at->status().ok()) return to_error(at->status());
  return page;
}

Status Database::visit(Family family, std::string_view prefix, const Visitor& visitor) const {
  const std::unique_ptr<rocksdb::Iterator> at(
      parts_->db->NewIterator(rocksdb::ReadOptions(), parts_->family(family)));
  for (at->Seek(slice(prefix)); at->Valid(); at->Next()) {
    if (!text(at->key()).starts_with(prefix)) break;
    if (!visitor(text(at->key()), text(at->value()))) break;
  }
  if (!at->status().ok()) return to_error(at->status());
  return {};
}

const rocksdb::Snapshot* Database::take_snapshot() {
  const rocksdb::Snapshot* const snapshot = parts_->db->GetSnapshot();
  const std::lock_guard lock(parts_->mutex);
  parts_->snapshots.insert(snapshot);
  return snapshot;
}

void Database::release(const rocksdb::Snapshot* snapshot) {
  {
    const std::lock_guard lock(parts_->mutex);
    parts_->snapshots.erase(snapshot);
  }
  parts_->db->ReleaseSnapshot(snapshot);
}

void Database::put(rocksdb::WriteBatch& batch, Family family, std::string_view key,
                   std::string_view value) const {
  const auto status = batch.Put(parts_->family(family), slice(key), slice(value));
  PH_CHECK(status.ok());
}

void Database::erase(rocksdb::WriteBatch& batch, Family family, std::string_view key) const {
  const auto status = batch.Delete(parts_->family(family), slice(key));
  PH_CHECK(status.ok());
}

Status Database::write(rocksdb::WriteBatch& batch, uint64_t free_bytes) {
  rocksdb::WriteOptions options;
  options.sync = true;
  rocksdb::Status status = parts_->db->Write(options, &batch);
  if (status.ok()) return {};
  // A write that fails is in no memtable, so after Resume(), which flushes those and begins a new
  // log, it is gone for good: it may be tried again. (It may not have been tried at all, when an
  // earlier failure in the background had stopped the database.)
  const bool room = free_bytes >= parts_->flush_bytes_max;
  if (room && parts_->recovery.resume(*parts_->db)) {
    status = parts_->db->Write(options, &batch);
    if (status.ok()) return {};
    if (parts_->recovery.resume(*parts_->db)) return to_error(status);
  }
  if (status.IsNoSpace()) return fail(kv::kDiskFull, status.ToString());
  return fail(kv::kUncertain, status.ToString());
}

uint64_t Database::keys_estimate(Family family) const {
  uint64_t count = 0;
  parts_->db->GetIntProperty(parts_->family(family), "rocksdb.estimate-num-keys", &count);
  return count;
}

}  // namespace ph::kv_rocks
