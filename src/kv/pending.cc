#include "kv/pending.h"

#include <algorithm>
#include <utility>

#include "base/text.h"
#include "kv/errors.h"
#include "rt/errors.h"

namespace ph::kv {

void Pending::resolve(Result<Version> answer) {
  answer_.emplace(std::move(answer));
  if (waiting_ != nullptr) waiting_->wake();
}

rt::Task<Result<Version>> await_commit(rt::Loop& home, std::shared_ptr<Pending> pending,
                                       rt::Deadline deadline) {
  rt::Parking parking(home);
  struct Attachment {
    rt::Parking*& place;
    ~Attachment() { place = nullptr; }
  };
  pending->waiting_ = &parking;
  const Attachment attachment{pending->waiting_};
  while (!pending->answer_.has_value()) {
    const rt::Woken woken = co_await parking.park(deadline, "a commit");
    if (pending->answer_.has_value()) break;
    if (woken == rt::Woken::cancelled) co_return fail(rt::kCancelled, "a commit");
    if (woken == rt::Woken::deadline) {
      co_return fail(kUncertain, "the commit was not answered in time");
    }
  }
  co_return std::move(*pending->answer_);
}

rt::Task<Result<Version>> answered(Result<Version> answer) { co_return std::move(answer); }

Status check_limits(const Batch& batch) {
  size_t values_bytes = 0;
  for (const Batch::Change& change : batch.changes()) {
    const size_t size = change.value.has_value() ? change.value->size() : 0;
    if (size > kValueBytesMax) return fail(kTooLarge, "a value");
    values_bytes += change.key.size() + size;
  }
  if (values_bytes > kBatchBytesMax) return fail(kTooLarge, "a batch");
  for (const Batch::BlobChange& change : batch.blob_changes()) {
    if (change.bytes != nullptr && change.bytes->size() > kBlobBytesMax) {
      return fail(kTooLarge, "a blob");
    }
  }
  return {};
}

bool is_partition_name(std::string_view name) {
  if (name.empty() || name.size() > kPartitionNameBytesMax) return false;
  return std::ranges::all_of(name, [](char c) {
    return (c >= 'a' && c <= 'z') || is_digit(c) || c == '/' || c == '_' || c == '.' || c == '-';
  });
}

}  // namespace ph::kv
