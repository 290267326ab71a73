// What can go wrong in the world outside, as the runtime tells it.
#pragma once

#include "base/result.h"

namespace ph::rt {

inline constexpr ErrorKind kWouldBlock{"rt", "would_block", Disposition::transient};
inline constexpr ErrorKind kTimedOut{"rt", "timed_out", Disposition::transient};
inline constexpr ErrorKind kCancelled{"rt", "cancelled", Disposition::cancelled};
inline constexpr ErrorKind kRefused{"rt", "connection_refused", Disposition::transient};
inline constexpr ErrorKind kUnreachable{"rt", "unreachable", Disposition::transient};
inline constexpr ErrorKind kReset{"rt", "connection_reset", Disposition::transient};
inline constexpr ErrorKind kClosed{"rt", "stream_closed", Disposition::transient};
inline constexpr ErrorKind kTls{"rt", "tls_failure", Disposition::transient};
inline constexpr ErrorKind kDnsServerFailure{"rt", "dns_server_failure", Disposition::transient};
inline constexpr ErrorKind kBadAddress{"rt", "bad_address", Disposition::permanent};
inline constexpr ErrorKind kAddressInUse{"rt", "address_in_use", Disposition::transient};
inline constexpr ErrorKind kNoDescriptors{"rt", "too_many_open_files", Disposition::transient};
inline constexpr ErrorKind kPoolFull{"rt", "pool_full", Disposition::transient};
inline constexpr ErrorKind kDiskFull{"rt", "disk_full", Disposition::transient};
inline constexpr ErrorKind kIo{"rt", "io_failure", Disposition::transient};
inline constexpr ErrorKind kNotFound{"rt", "not_found", Disposition::permanent};
inline constexpr ErrorKind kPermission{"rt", "permission_denied", Disposition::permanent};

}  // namespace ph::rt
