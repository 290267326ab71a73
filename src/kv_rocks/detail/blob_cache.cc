#include "kv_rocks/detail/blob_cache.h"

namespace ph::kv_rocks {

namespace {

constexpr uint64_t kEntryBytes = 160;  // what an entry costs beside its octets

}  // namespace

kv::BlobBytes BlobCache::find(const kv::BlobId& id) {
  const std::lock_guard lock(mutex_);
  const auto at = index_.find(id);
  if (at == index_.end()) return nullptr;
  entries_.splice(entries_.begin(), entries_, at->second);
  return at->second->second;
}

uint64_t BlobCache::removals() const {
  const std::lock_guard lock(mutex_);
  return removals_;
}

void BlobCache::put(const kv::BlobId& id, kv::BlobBytes bytes) {
  const std::lock_guard lock(mutex_);
  put_locked(id, std::move(bytes));
}

void BlobCache::put_if_current(const kv::BlobId& id, kv::BlobBytes bytes, uint64_t removals) {
  const std::lock_guard lock(mutex_);
  if (removals == removals_) put_locked(id, std::move(bytes));
}

void BlobCache::put_locked(const kv::BlobId& id, kv::BlobBytes bytes) {
  const uint64_t size = bytes->size() + kEntryBytes;
  if (size > bytes_max_ / 4 || index_.contains(id)) return;
  entries_.emplace_front(id, std::move(bytes));
  index_.emplace(id, entries_.begin());
  bytes_ += size;
  while (bytes_ > bytes_max_) drop(std::prev(entries_.end()));
}

void BlobCache::drop(std::list<Entry>::iterator at) {
  bytes_ -= at->second->size() + kEntryBytes;
  index_.erase(at->first);
  entries_.erase(at);
}

void BlobCache::remove(const kv::BlobId& id) {
  const std::lock_guard lock(mutex_);
  ++removals_;
  const auto at = index_.find(id);
  if (at != index_.end()) drop(at->second);
}

}  // namespace ph::kv_rocks
