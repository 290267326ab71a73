#include "kv/store.h"

#include <algorithm>

#include "base/check.h"
#include "base/record.h"

namespace ph::kv {

BlobId blob_id_of(std::string_view bytes) { return BlobId{sha256(bytes)}; }

BlobId blob_id_from(std::string_view octets) {
  BlobId id;
  if (octets.size() == id.digest.size()) {
    std::ranges::copy(octets, reinterpret_cast<char*>(id.digest.data()));
  }
  return id;
}

void Batch::put(std::string key, std::string value) {
  PH_CHECK(!key.empty() && key.size() <= kKeyBytesMax);
  bytes_ += key.size() + value.size();
  changes_.push_back({std::move(key), std::move(value)});
}

void Batch::erase(std::string key) {
  PH_CHECK(!key.empty() && key.size() <= kKeyBytesMax);
  bytes_ += key.size();
  changes_.push_back({std::move(key), std::nullopt});
}

void Batch::add_blob(BlobId id, BlobBytes bytes, std::string tag) {
  PH_CHECK(bytes != nullptr);
  PH_CHECK(tag.size() <= kTagBytesMax);
  bytes_ += bytes->size();
  blob_changes_.push_back({BlobChange::Kind::add, id, std::move(tag), std::move(bytes)});
}

void Batch::link_blob(BlobId id, std::string tag) {
  PH_CHECK(tag.size() <= kTagBytesMax);
  blob_changes_.push_back({BlobChange::Kind::link, id, std::move(tag), nullptr});
}

void Batch::unlink_blob(BlobId id, std::string tag) {
  blob_changes_.push_back({BlobChange::Kind::unlink, id, std::move(tag), nullptr});
}

Range prefix_range(std::string_view prefix) {
  Range range;
  range.from = prefix;
  range.to = after_prefix(prefix);
  return range;
}

}  // namespace ph::kv
