// The octets of blobs used lately, up to a number of octets. Any thread.
#pragma once

#include <cstdint>
#include <list>
#include <mutex>
#include <unordered_map>
#include <utility>

#include "kv/store.h"
#include "kv_rocks/detail/group.h"

namespace ph::kv_rocks {

class BlobCache {
 public:
  explicit BlobCache(uint64_t bytes_max) : bytes_max_(bytes_max) {}

  kv::BlobBytes find(const kv::BlobId& id);
  // Every removal counts it up. A reader asks for it before it looks a blob up, so that what it
  // read cannot outlive a removal in between.
  uint64_t removals() const;
  void put(const kv::BlobId& id, kv::BlobBytes bytes);
  void put_if_current(const kv::BlobId& id, kv::BlobBytes bytes, uint64_t removals);
  void remove(const kv::BlobId& id);

 private:
  using Entry = std::pair<kv::BlobId, kv::BlobBytes>;
  void put_locked(const kv::BlobId& id, kv::BlobBytes bytes);
  void drop(std::list<Entry>::iterator at);

  const uint64_t bytes_max_;
  mutable std::mutex mutex_;
  uint64_t bytes_ = 0;
  uint64_t removals_ = 0;
  std::list<Entry> entries_;  // used lately first
  std::unordered_map<kv::BlobId, std::list<Entry>::iterator, BlobIdHash> index_;
};

}  // namespace ph::kv_rocks
