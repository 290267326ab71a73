#include "kv_mem/detail/disk_core.h"

#include <algorithm>

#include "base/check.h"
#include "kv/errors.h"

namespace ph::kv_mem {

namespace {

using Kind = kv::Batch::BlobChange::Kind;

bool adds_blobs(const kv::Batch& batch) {
  return std::ranges::any_of(batch.blob_changes(),
                             [](const auto& change) { return change.kind == Kind::add; });
}

}  // namespace

Status DiskCore::admit(const kv::Batch& batch) {
  if (failures_due > 0) {
    --failures_due;
    return fail(kv::kIo, "simulated");
  }
  if (space == Space::none) return fail(kv::kDiskFull, "simulated");
  const bool tight = space == Space::reserve || blob_bytes >= options.capacity_bytes;
  if (tight && adds_blobs(batch)) return fail(kv::kDiskFull, "simulated");
  return {};
}

// Links are checked against what the batch itself has done so far, in order, before anything
// changes. An unlink of the last reference may remove the blob within the batch.
Status DiskCore::check_links(std::string_view partition, const kv::Batch& batch) const {
  std::map<kv::BlobId, std::set<std::pair<std::string, std::string>>> seen;
  for (const auto& change : batch.blob_changes()) {
    auto at = seen.find(change.id);
    if (at == seen.end()) {
      const auto stored = blobs.find(change.id);
      at = seen.emplace(change.id,
                        stored == blobs.end() ? decltype(StoredBlob::refs){} : stored->second.refs)
               .first;
    }
    std::pair<std::string, std::string> ref(partition, change.tag);
    if (change.kind == Kind::unlink) {
      at->second.erase(ref);
      continue;
    }
    if (change.kind == Kind::link && at->second.empty()) return fail(kv::kNoBlob);
    at->second.insert(std::move(ref));
  }
  return {};
}

void DiskCore::change_blobs(std::string_view partition, const kv::Batch& batch) {
  for (const auto& change : batch.blob_changes()) {
    const std::pair<std::string, std::string> ref(partition, change.tag);
    if (change.kind == Kind::unlink) {
      const auto at = blobs.find(change.id);
      if (at == blobs.end()) continue;
      at->second.refs.erase(ref);
      if (!at->second.refs.empty()) continue;
      blob_bytes -= at->second.bytes->size();
      blobs.erase(at);
      continue;
    }
    StoredBlob& blob = blobs[change.id];
    if (blob.bytes == nullptr) {
      PH_CHECK(change.kind == Kind::add);  // check_links saw to it
      blob.bytes = change.bytes;
      blob_bytes += change.bytes->size();
    }
    blob.refs.insert(ref);
  }
}

Status DiskCore::apply(std::string_view partition, const kv::Batch& batch,
                       std::optional<kv::Version> expected, uint64_t version) {
  const auto found = tables.find(partition);
  const uint64_t now = found == tables.end() ? 0 : found->second.version;
  if (expected.has_value() && expected->value != now) return fail(kv::kConflict);
  PH_CHECK(version > now);
  PH_TRY_STATUS(check_links(partition, batch));

  Table& table = found == tables.end() ? tables[std::string(partition)] : found->second;
  if (table.entries.use_count() > 1) table.entries = std::make_shared<Entries>(*table.entries);
  for (const auto& change : batch.changes()) {
    if (change.value.has_value()) {
      table.entries->insert_or_assign(change.key, *change.value);
    } else {
      table.entries->erase(change.key);
    }
  }
  change_blobs(partition, batch);
  table.version = version;
  ++commits;
  bytes_written += batch.bytes();
  return {};
}

kv::Page DiskCore::scan(const Entries& entries, const kv::Range& range) const {
  kv::Page page;
  const auto begin = entries.lower_bound(range.from);
  const auto end = range.to.empty() ? entries.end() : entries.lower_bound(range.to);
  if (!range.to.empty() && range.to <= range.from) return page;
  size_t bytes = 0;
  const auto full = [&] {
    return page.entries.size() >= range.entries_max || bytes >= range.bytes_max;
  };
  const auto take = [&](const auto& entry) {
    page.entries.push_back({entry.first, entry.second});
    bytes += entry.first.size() + entry.second.size();
  };
  if (range.order == kv::Range::Order::rising) {
    for (auto at = begin; at != end; ++at) {
      if (!page.entries.empty() && full()) {
        page.rest = range;
        page.rest->from = at->first;
        break;
      }
      take(*at);
    }
    return page;
  }
  for (auto at = end; at != begin;) {
    if (!page.entries.empty() && full()) {
      page.rest = range;
      page.rest->to = at->first;
      break;
    }
    take(*--at);
  }
  return page;
}

}  // namespace ph::kv_mem
