// Messages as callers give them and see them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"
#include "kv/store.h"
#include "state/store/flags.h"
#include "state/store/folder.h"
#include "state/store/ids.h"

namespace ph::store {

inline constexpr size_t kHandoverIdBytesMax = 200;
inline constexpr size_t kAddedHeaderBytesMax = 16 * 1024;

// A message for append(): its octets come with it.
struct NewMessage {
  kv::BlobBytes bytes;                // must be set
  std::optional<kv::BlobId> blob_id;  // of `bytes`, when the caller hashed while it received
  Flags flags;
  std::optional<Time> internal_date;  // absent: now
  ThreadId thread;                    // see thread_of(); not set: found from `bytes`
};

// A message that comes from transport. It is delivered once per hand-over id.
struct Delivery {
  std::string handover_id;  // 1 to kHandoverIdBytesMax octets
  kv::BlobId blob;          // a blob that the caller keeps referred to until this is answered
  uint64_t blob_size = 0;
  // Octets in front of the blob's: whole header fields (Return-Path, Delivered-To).
  std::string added_header;
  Role role = Role::inbox;  // where to; a role that no folder has is made
  FolderId folder;          // when set and there, it wins over `role`
  Flags flags;
  std::optional<Time> internal_date;
  ThreadId thread;  // from thread_of(header); not set: a thread of its own
};

struct Delivered {
  enum class Kind : uint8_t { now, already } kind = Kind::now;
  FolderId folder;
  Uid uid = 0;
  MessageId message;
};

// The thread a message belongs to, from its header alone: that of the first id in References, else
// In-Reply-To, else of its own Message-ID. Not set if it has none of them.
ThreadId thread_of(std::string_view header);

// What the folder's index in memory knows about a message.
struct MessageInfo {
  MessageId id;
  Uid uid = 0;
  Flags flags;
  Seq created;  // when it came into this folder
  Seq modseq;   // the latest of the next three
  Seq content_seq;
  Seq flags_seq;  // flags other than \Seen, and keywords
  Seq read_seq;   // \Seen
  uint64_t size_bytes = 0;
  Time internal_date;  // whole seconds
  Time saved;          // when it came into this folder (SAVEDATE); whole seconds
};

// What its content record knows.
struct ContentInfo {
  MessageId id;
  EmailId email;
  ThreadId thread;
  kv::BlobId blob;
  uint64_t size_bytes = 0;  // added header and blob
  std::string added_header;
  std::string handover_id;  // "" unless it was delivered
  Time received;            // when it came into the mailbox
};

struct Appended {
  FolderId folder;
  uint32_t uid_validity = 0;
  std::vector<Uid> uids;  // in the order given
  std::vector<MessageId> messages;
  Seq seq;
};

// Of copy and move: pairs in rising order of the source's UIDs; sources that are gone are missing.
struct Transfer {
  FolderId folder;  // the target
  uint32_t uid_validity = 0;
  std::vector<Uid> from;
  std::vector<Uid> to;
  Seq seq;
};

struct FlagsStored {
  std::vector<Uid> changed;   // now as asked, in rising order (also those that were so before)
  std::vector<Uid> conflict;  // changed after `unchanged_since` (RFC 7162 MODIFIED)
  Seq seq;                    // of the last change made; 0 if nothing had to change
};

}  // namespace ph::store
