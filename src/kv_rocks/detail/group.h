// One group of batches on its way into RocksDB: decides each batch in the order of the calls, as if
// those before it had been made already, and collects what the group changes.
//
// Blob references are counted here and nowhere else, by the one committer, so "the last reference
// goes" and "another one comes" can never meet half-way. The record of a blob and its references
// change in the same write.
#pragma once

#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/result.h"
#include "kv/pending.h"
#include "kv/store.h"
#include "kv_rocks/detail/database.h"
#include "kv_rocks/detail/keys.h"
#include "kv_rocks/detail/segment_writer.h"

namespace ph::kv_rocks {

// An open partition. `committed` and `registered` are the committer's; `versions` and `opened` are
// guarded by its queue.
struct OpenTable {
  std::string name;
  PartitionId id;
  uint64_t committed = 0;
  bool registered = false;  // its name and id are in the database
  uint64_t group = 0;       // the last group that touched it
  uint64_t before = 0;      // `committed` before that group
  kv::VersionCount versions;
  bool opened = false;
};

struct Request {
  std::shared_ptr<OpenTable> table;  // shared: a partition may be closed before its last answer
  kv::Batch batch;
  std::optional<kv::Version> expected;
  uint64_t version = 0;
  rt::Loop* home = nullptr;
  Instant called;
  std::shared_ptr<kv::Pending> pending;
  std::optional<Error> refused;  // set by the group
};

using SegmentAccounts = std::unordered_map<uint64_t, SegmentAccount>;

struct BlobIdHash {
  size_t operator()(const kv::BlobId& id) const {
    size_t out = 0;
    std::memcpy(&out, id.digest.data(), sizeof out);  // a digest is as random as any hash
    return out;
  }
};

bool adds_blobs(const kv::Batch& batch);

class Group {
 public:
  Group(const Database& database, SegmentWriter& writer, uint64_t number,
        const RocksOptions& options);
  ~Group();

  // Decides the batch; sets request.refused if it is not to be made. With `no_room`, batches that
  // add blobs are refused for that reason.
  void add(Request& request, const std::optional<Error>& no_room);
  // Places the new blobs, and puts all that the group changes into the write. Accounts that change
  // are in accounts() afterwards.
  Status finish(const SegmentAccounts& accounts, PartitionId next_id);

  rocksdb::WriteBatch& write() { return *write_; }
  SegmentAccounts& accounts() { return accounts_; }
  const std::vector<OpenTable*>& tables() const { return tables_; }
  bool uses_segments() const { return uses_segments_; }
  // For the cache, once the write is made.
  std::vector<std::pair<kv::BlobId, kv::BlobBytes>> take_added() { return std::move(added_); }
  const std::vector<kv::BlobId>& removed() const { return removed_; }
  // Undoes what the group changed in the tables, when its write failed.
  void undo_tables();

 private:
  struct Blob {
    bool stored = false;   // in the database before this group
    bool changed = false;  // since
    BlobRecord record;     // as it will be
    kv::BlobBytes fresh;   // its octets, when this group adds them
  };
  struct Ref {  // one that is not in its blob's record
    bool stored = false;
    bool present = false;
  };
  // What a batch changed, to take it back when a later change of the batch is refused.
  struct Undo {
    Blob* blob = nullptr;
    Blob before;
    Ref* ref = nullptr;
  };

  Status change_blobs(const OpenTable& table, const kv::Batch& batch);
  Status change_blob(const OpenTable& table, const kv::Batch::BlobChange& change);
  Result<Blob*> blob_of(const kv::BlobId& id);
  // The reference outside the record; absent when the blob has and had none there.
  Result<Ref*> ref_elsewhere(const kv::BlobId& id, const Blob& blob, const std::string& ref);
  void touch(OpenTable& table);
  Status finish_blob(const kv::BlobId& id, Blob& blob, const SegmentAccounts& accounts);
  void remove_blob(const kv::BlobId& id, const Blob& blob, const SegmentAccounts& accounts);
  bool travels_in_batch(const Blob& blob) const;
  SegmentAccount& account(SegmentNumber number, const SegmentAccounts& accounts);

  const Database& database_;
  SegmentWriter& writer_;
  uint64_t number_;
  const RocksOptions& options_;
  std::unique_ptr<rocksdb::WriteBatch> write_;
  // Node-based: Undo keeps pointers into them.
  std::unordered_map<kv::BlobId, Blob, BlobIdHash> blobs_;
  std::unordered_map<std::string, Ref> refs_;
  std::vector<Undo> undo_;
  std::vector<OpenTable*> tables_;
  SegmentAccounts accounts_;
  std::vector<std::pair<kv::BlobId, kv::BlobBytes>> added_;
  std::vector<kv::BlobId> removed_;
  uint64_t fresh_bytes_ = 0;  // of all new blobs
  bool any_large_ = false;    // of them
  bool uses_segments_ = false;
};

}  // namespace ph::kv_rocks
