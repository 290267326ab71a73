#include <mutex>
#include <utility>

#include "base/check.h"
#include "base/digest.h"
#include "kv_mem/detail/disk_core.h"
#include "kv_mem/detail/session.h"
#include "kv_mem/store.h"

namespace ph::kv_mem {

MemDisk::MemDisk(MemDiskOptions options) : core_(std::make_shared<DiskCore>(options)) {}
MemDisk::~MemDisk() { PH_CHECK(core_->session == nullptr); }

void MemDisk::crash(Random& random) {
  if (core_->session != nullptr) core_->session->crash(&random);
}

void MemDisk::power_off() {
  if (core_->session != nullptr) core_->session->crash(nullptr);
}

void MemDisk::set_space(Space space) {
  const std::lock_guard lock(core_->mutex);
  core_->space = space;
}

void MemDisk::stall_for(Duration d) {
  if (core_->session != nullptr) {
    core_->session->stall_for(d);
  } else {
    core_->stall_due = d;
  }
}

void MemDisk::fail_next(size_t commits) {
  const std::lock_guard lock(core_->mutex);
  core_->failures_due = commits;
}

void MemDisk::damage_blob(kv::BlobId id) {
  const std::lock_guard lock(core_->mutex);
  const auto at = core_->blobs.find(id);
  if (at != core_->blobs.end()) at->second.damaged = true;
}

void MemDisk::set_hook(Hook hook) { core_->hook = std::move(hook); }

uint64_t MemDisk::commits() const {
  const std::lock_guard lock(core_->mutex);
  return core_->commits;
}

size_t MemDisk::blobs() const {
  const std::lock_guard lock(core_->mutex);
  return core_->blobs.size();
}

uint32_t MemDisk::fingerprint() const {
  const std::lock_guard lock(core_->mutex);
  uint32_t sum = 0;
  // Each piece is closed by a zero octet, so that moving an octet from one to the next shows.
  const auto add = [&sum](std::string_view piece) { sum = crc32c({"\0", 1}, crc32c(piece, sum)); };
  for (const auto& [name, table] : core_->tables) {
    add(name);
    add(std::to_string(table.version));
    for (const auto& [key, value] : *table.entries) {
      add(key);
      add(value);
    }
  }
  for (const auto& [id, blob] : core_->blobs) {
    add(id.view());
    for (const auto& [partition, tag] : blob.refs) {
      add(partition);
      add(tag);
    }
  }
  return sum;
}

}  // namespace ph::kv_mem
