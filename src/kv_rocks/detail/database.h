// RocksDB as this store uses it: opened with its five column families, tuned for one writer and
// many small values, and with its errors told in the words of kv.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "kv/store.h"
#include "kv_rocks/detail/keys.h"
#include "kv_rocks/store.h"

namespace rocksdb {
class DB;
class Env;
class Snapshot;
class WriteBatch;
}  // namespace rocksdb

namespace ph::kv_rocks {

enum class Family : uint8_t { meta, data, blob, index, refs };
inline constexpr size_t kFamilies = 5;

// memory: answers rt::kWouldBlock instead of reading a file.
enum class Tier : uint8_t { memory, disk };

using Found = Result<std::optional<std::string>>;

class Database {
 public:
  static Result<std::unique_ptr<Database>> open(const RocksOptions& options, rocksdb::Env* env);
  ~Database();
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  Found get(Family family, std::string_view key, Tier tier,
            const rocksdb::Snapshot* snapshot = nullptr) const;
  Result<kv::Page> scan(PartitionId partition, const kv::Range& range, Tier tier,
                        const rocksdb::Snapshot* snapshot) const;
  // Calls `visit` for every key with the prefix, in order, until it returns false.
  using Visitor = std::function<bool(std::string_view key, std::string_view value)>;
  Status visit(Family family, std::string_view prefix, const Visitor& visitor) const;

  const rocksdb::Snapshot* take_snapshot();
  void release(const rocksdb::Snapshot* snapshot);

  void put(rocksdb::WriteBatch& batch, Family family, std::string_view key,
           std::string_view value) const;
  void erase(rocksdb::WriteBatch& batch, Family family, std::string_view key) const;
  // One synced write. kDiskFull: not made. kUncertain: the disk failed in the middle; it may be
  // found after a restart. Recovers by itself from an earlier failure when the disk, of which
  // `free_bytes` are free, can do it.
  Status write(rocksdb::WriteBatch& batch, uint64_t free_bytes);
  uint64_t keys_estimate(Family family) const;

 private:
  struct Parts;
  explicit Database(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

}  // namespace ph::kv_rocks
