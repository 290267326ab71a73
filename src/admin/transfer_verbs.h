// Taking messages out of the queue and into it: queue.export (the envelope), queue.content (its
// octets, piece by piece), queue.import.begin, .data, .finish, .cancel.
//
// An upload is kept in memory until it is complete, and accepted only then, when its size and its
// SHA-256 are what begin said: nothing is half imported. Uploads are bounded in number and octets,
// and forgotten when nothing came for a while. What is imported has a hand-over id made of what was
// exported, so the same export is not taken twice.
#pragma once

#include "admin/verb.h"
#include "service/queue/queue.h"

namespace ph::admin {

inline constexpr size_t kUploadsMax = 8;
inline constexpr uint64_t kUploadBytesMax = 256 * 1024 * 1024;  // all uploads together
inline constexpr Duration kUploadIdleMax = Duration::minutes(5);
inline constexpr size_t kTransferChunk = 384 * 1024;  // octets of a piece, before base64

struct TransferParts {
  queue::Queue& queue;
  rt::Loop& loop;  // of the control socket
};

void add_transfer_verbs(Verbs& verbs, TransferParts parts);

}  // namespace ph::admin
