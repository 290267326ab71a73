#include "kv_rocks/detail/group.h"

#include <rocksdb/write_batch.h>

#include <algorithm>

#include "base/check.h"
#include "kv/errors.h"

namespace ph::kv_rocks {

namespace {

using Kind = kv::Batch::BlobChange::Kind;

}  // namespace

bool adds_blobs(const kv::Batch& batch) {
  return std::ranges::any_of(batch.blob_changes(),
                             [](const auto& change) { return change.kind == Kind::add; });
}

Group::Group(const Database& database, SegmentWriter& writer, uint64_t number,
             const RocksOptions& options)
    : database_(database),
      writer_(writer),
      number_(number),
      options_(options),
      write_(std::make_unique<rocksdb::WriteBatch>()) {}

Group::~Group() = default;

Result<Group::Blob*> Group::blob_of(const kv::BlobId& id) {
  const auto at = blobs_.find(id);
  if (at != blobs_.end()) return &at->second;
  PH_TRY(const auto found, database_.get(Family::index, id.view(), Tier::disk));
  Blob blob;
  if (found.has_value()) {
    auto record = decode_blob_record(*found);
    if (!record.has_value()) return fail(kv::kDamaged, "the record of a blob");
    blob.stored = true;
    blob.record = std::move(*record);
  }
  return &blobs_.emplace(id, std::move(blob)).first->second;
}

Result<Group::Ref*> Group::ref_elsewhere(const kv::BlobId& id, const Blob& blob,
                                         const std::string& ref) {
  std::string key = ref_key(id, ref);
  const auto at = refs_.find(key);
  if (at != refs_.end()) return &at->second;
  Ref found;
  if (blob.record.refs_elsewhere > 0) {
    PH_TRY(const auto stored, database_.get(Family::refs, key, Tier::disk));
    found.stored = stored.has_value();
    found.present = found.stored;
  }
  return &refs_.emplace(std::move(key), found).first->second;
}

Status Group::change_blob(const OpenTable& table, const kv::Batch::BlobChange& change) {
  PH_TRY(Blob* const blob, blob_of(change.id));
  BlobRecord& record = blob->record;
  if (!record.alive() && change.kind == Kind::unlink) return {};
  if (!record.alive() && change.kind == Kind::link) return fail(kv::kNoBlob);
  const std::string ref = ref_of(table.id, change.tag);
  const bool wanted = change.kind != Kind::unlink;
  const auto here = std::ranges::find(record.refs, ref);
  if (here != record.refs.end()) {
    if (wanted) return {};
    undo_.push_back({blob, *blob, nullptr});
    record.refs.erase(here);
    blob->changed = true;
    return {};
  }
  Ref* elsewhere = nullptr;
  const bool room = record.refs.size() < kRefsInRecordMax;
  if (record.refs_elsewhere > 0 || (wanted && !room)) {
    PH_TRY(elsewhere, ref_elsewhere(change.id, *blob, ref));
  }
  const bool present = elsewhere != nullptr && elsewhere->present;
  if (present == wanted) return {};
  undo_.push_back({blob, *blob, present || !room ? elsewhere : nullptr});
  blob->changed = true;
  if (!record.alive() && !blob->stored) blob->fresh = change.bytes;
  if (wanted && room) {
    record.refs.push_back(ref);
  } else {
    elsewhere->present = wanted;
    record.refs_elsewhere += wanted ? 1 : uint64_t{0} - 1;
  }
  return {};
}

Status Group::change_blobs(const OpenTable& table, const kv::Batch& batch) {
  undo_.clear();
  for (const auto& change : batch.blob_changes()) {
    Status done = change_blob(table, change);
    if (done.has_value()) continue;
    for (auto at = undo_.rbegin(); at != undo_.rend(); ++at) {
      *at->blob = std::move(at->before);
      if (at->ref != nullptr) at->ref->present = !at->ref->present;
    }
    return done;
  }
  return {};
}

void Group::touch(OpenTable& table) {
  if (table.group == number_) return;
  table.group = number_;
  table.before = table.committed;
  tables_.push_back(&table);
}

void Group::add(Request& request, const std::optional<Error>& no_room) {
  OpenTable& table = *request.table;
  request.refused.reset();
  if (request.expected.has_value() && request.expected->value != table.committed) {
    request.refused = fail(kv::kConflict);
    return;
  }
  if (no_room.has_value() && adds_blobs(request.batch)) {
    request.refused = no_room;
    return;
  }
  if (Status done = change_blobs(table, request.batch); !done.has_value()) {
    request.refused = std::move(done).error();
    return;
  }
  std::string key = data_prefix(table.id);
  const size_t prefix_size = key.size();
  for (const auto& change : request.batch.changes()) {
    key.resize(prefix_size);
    key += change.key;
    if (change.value.has_value()) {
      database_.put(*write_, Family::data, key, *change.value);
    } else {
      database_.erase(*write_, Family::data, key);
    }
  }
  touch(table);
  PH_CHECK(request.version > table.committed);
  table.committed = request.version;
}

SegmentAccount& Group::account(SegmentNumber number, const SegmentAccounts& accounts) {
  const auto at = accounts_.find(number.value);
  if (at != accounts_.end()) return at->second;
  const auto known = accounts.find(number.value);
  return accounts_.emplace(number.value, known == accounts.end() ? SegmentAccount{} : known->second)
      .first->second;
}

void Group::remove_blob(const kv::BlobId& id, const Blob& blob, const SegmentAccounts& accounts) {
  if (!blob.stored) return;
  removed_.push_back(id);
  database_.erase(*write_, Family::index, id.view());
  const Location& at = blob.record.location;
  if (at.segment.is_set()) {
    account(at.segment, accounts).dead += record_bytes(at);
  } else {
    database_.erase(*write_, Family::blob, id.view());
  }
}

// A second sync costs more than writing a few small blobs twice; it is cheaper when there are many,
// and costs nothing when a large one needs it anyway.
bool Group::travels_in_batch(const Blob& blob) const {
  if (blob.fresh->size() > options_.inline_blob_bytes_max) return false;
  constexpr size_t kTinyBytes = 512;
  if (blob.fresh->size() <= std::min<size_t>(kTinyBytes, options_.inline_blob_bytes_max)) {
    return true;
  }
  return !any_large_ && fresh_bytes_ <= options_.inline_group_bytes_max;
}

Status Group::finish_blob(const kv::BlobId& id, Blob& blob, const SegmentAccounts& accounts) {
  if (!blob.changed) return {};
  if (!blob.record.alive()) {
    remove_blob(id, blob, accounts);
    return {};
  }
  Location& at = blob.record.location;
  if (!blob.stored) {
    if (travels_in_batch(blob)) {
      database_.put(*write_, Family::blob, id.view(), *blob.fresh);
      at = Location{{}, 0, blob.fresh->size(), 0};
    } else {
      PH_TRY(at, writer_.place(id, blob.fresh));
      uses_segments_ = true;
      grow(account(at.segment, accounts), at);
    }
    added_.emplace_back(id, std::move(blob.fresh));
  }
  database_.put(*write_, Family::index, id.view(), encode(blob.record));
  return {};
}

Status Group::finish(const SegmentAccounts& accounts, PartitionId next_id) {
  for (const auto& [id, blob] : blobs_) {
    if (blob.stored || !blob.record.alive()) continue;
    fresh_bytes_ += blob.fresh->size();
    any_large_ = any_large_ || blob.fresh->size() > options_.inline_blob_bytes_max;
  }
  for (auto& [id, blob] : blobs_) PH_TRY_STATUS(finish_blob(id, blob, accounts));
  for (const auto& [key, ref] : refs_) {
    if (ref.present == ref.stored) continue;
    if (ref.present) {
      database_.put(*write_, Family::refs, key, {});
    } else {
      database_.erase(*write_, Family::refs, key);
    }
  }
  for (const SegmentNumber number : writer_.sealed()) account(number, accounts).sealed = true;
  for (const auto& [number, at] : accounts_) {
    database_.put(*write_, Family::meta, segment_key({number}), encode(at));
  }
  bool fresh_name = false;
  for (const OpenTable* table : tables_) {
    database_.put(*write_, Family::meta, version_key(table->id), encode_number(table->committed));
    if (table->registered) continue;
    fresh_name = true;
    database_.put(*write_, Family::meta, name_key(table->name), encode_number(table->id.value));
  }
  if (fresh_name) {
    database_.put(*write_, Family::meta, kNextIdKey, encode_number(next_id.value));
  }
  return {};
}

void Group::undo_tables() {
  for (OpenTable* table : tables_) table->committed = table->before;
}

}  // namespace ph::kv_rocks
