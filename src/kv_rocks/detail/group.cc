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
             uint64_t inline_bytes_max)
    : database_(database),
      writer_(writer),
      number_(number),
      inline_bytes_max_(inline_bytes_max),
      write_(std::make_unique<rocksdb::WriteBatch>()) {}

Group::~Group() = default;

Result<Group::Blob*> Group::blob_of(const kv::BlobId& id) {
  const auto at = blobs_.find(id);
  if (at != blobs_.end()) return &at->second;
  PH_TRY(const auto record, database_.get(Family::index, id.view(), Tier::disk));
  Blob blob;
  if (record.has_value()) {
    const auto decoded = decode_blob_record(*record);
    if (!decoded.has_value()) return fail(kv::kDamaged, "the record of a blob");
    blob.stored = true;
    blob.before = *decoded;
    blob.references = decoded->references;
  }
  return &blobs_.emplace(id, std::move(blob)).first->second;
}

Result<Group::Ref*> Group::ref_of(const Blob& blob, std::string key) {
  const auto at = refs_.find(key);
  if (at != refs_.end()) return &at->second;
  Ref ref;
  if (blob.stored) {  // else nobody can refer to it yet
    PH_TRY(const auto found, database_.get(Family::refs, key, Tier::disk));
    ref.stored = found.has_value();
    ref.present = ref.stored;
  }
  return &refs_.emplace(std::move(key), ref).first->second;
}

Status Group::change_blob(const OpenTable& table, const kv::Batch::BlobChange& change) {
  PH_TRY(Blob* const blob, blob_of(change.id));
  if (blob->references == 0) {
    if (change.kind == Kind::unlink) return {};
    if (change.kind == Kind::link) return fail(kv::kNoBlob);
  }
  PH_TRY(Ref* const ref, ref_of(*blob, ref_key(change.id, table.id, change.tag)));
  const bool wanted = change.kind != Kind::unlink;
  if (ref->present == wanted) return {};
  undo_.push_back({blob, blob->references, blob->fresh, ref, ref->present});
  ref->present = wanted;
  if (wanted) {
    if (blob->references == 0 && !blob->stored) blob->fresh = change.bytes;
    ++blob->references;
  } else {
    --blob->references;
  }
  return {};
}

Status Group::change_blobs(const OpenTable& table, const kv::Batch& batch) {
  undo_.clear();
  for (const auto& change : batch.blob_changes()) {
    Status done = change_blob(table, change);
    if (done.has_value()) continue;
    for (auto at = undo_.rbegin(); at != undo_.rend(); ++at) {
      at->blob->references = at->references;
      at->blob->fresh = std::move(at->fresh);
      at->ref->present = at->present;
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

Status Group::finish_blob(const kv::BlobId& id, Blob& blob, const SegmentAccounts& accounts) {
  BlobRecord record = blob.before;
  record.references = blob.references;
  if (blob.references == 0) {
    if (!blob.stored) return {};
    removed_.push_back(id);
    database_.erase(*write_, Family::index, id.view());
    if (record.location.segment.is_set()) {
      account(record.location.segment, accounts).dead += record_bytes(record.location);
    } else {
      database_.erase(*write_, Family::blob, id.view());
    }
    return {};
  }
  if (blob.stored) {
    if (record.references == blob.before.references) return {};
  } else if (blob.fresh->size() <= inline_bytes_max_) {
    database_.put(*write_, Family::blob, id.view(), *blob.fresh);
    record.location = Location{{}, 0, blob.fresh->size(), 0};
    added_.emplace_back(id, std::move(blob.fresh));
  } else {
    PH_TRY(record.location, writer_.place(id, blob.fresh));
    uses_segments_ = true;
    grow(account(record.location.segment, accounts), record.location);
    added_.emplace_back(id, std::move(blob.fresh));
  }
  database_.put(*write_, Family::index, id.view(), encode(record));
  return {};
}

Status Group::finish(const SegmentAccounts& accounts, PartitionId next_id) {
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
