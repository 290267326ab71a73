#include "service/queue/ports.h"

#include <algorithm>

namespace ph::queue {

rt::Task<Result<std::string>> Content::read(rt::Loop& loop, uint64_t offset,
                                            uint64_t length) const {
  if (offset >= size_) co_return std::string();
  length = std::min(length, size_ - offset);
  if (held_ != nullptr) co_return held_->substr(offset, length);
  PH_CO_TRY(const kv::BlobBytes piece, co_await store_->read_blob(loop, blob_, offset, length));
  co_return *piece;
}

}  // namespace ph::queue
