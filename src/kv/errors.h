// What a store may answer besides "done".
#pragma once

#include "base/result.h"

namespace ph::kv {

// Someone committed to the partition since the version that the caller expected: read again.
inline constexpr ErrorKind kConflict{"kv", "conflict", Disposition::conflict};
// The commit was not made and never will be; the disk is full or fails. Nothing has changed.
inline constexpr ErrorKind kDiskFull{"kv", "disk_full", Disposition::transient};
inline constexpr ErrorKind kIo{"kv", "io_failure", Disposition::transient};
// The deadline passed while the commit was on its way: it may or may not become durable. Whoever
// gets this reads again before deciding (attempt ids and hand-over ids make that safe).
inline constexpr ErrorKind kUncertain{"kv", "uncertain", Disposition::transient};
inline constexpr ErrorKind kTooLarge{"kv", "too_large", Disposition::permanent};
inline constexpr ErrorKind kNoBlob{"kv", "no_such_blob", Disposition::permanent};
inline constexpr ErrorKind kDamaged{"kv", "damaged", Disposition::permanent};
// Too many commits wait for the disk; this one was not made.
inline constexpr ErrorKind kBusy{"kv", "busy", Disposition::transient};
inline constexpr ErrorKind kBadName{"kv", "bad_partition_name", Disposition::bug};
inline constexpr ErrorKind kStopping{"kv", "stopping", Disposition::transient};

}  // namespace ph::kv
