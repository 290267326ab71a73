// The errors of this room.
#pragma once

#include "base/result.h"

namespace ph::tls {

inline constexpr ErrorKind kBadCertificate{"tls", "bad-certificate", Disposition::permanent};
inline constexpr ErrorKind kBadTrust{"tls", "bad-trust", Disposition::permanent};
inline constexpr ErrorKind kHandshakeFailed{"tls", "handshake-failed", Disposition::transient};
inline constexpr ErrorKind kPeerNotVerified{"tls", "peer-not-verified", Disposition::transient};
inline constexpr ErrorKind kProtocol{"tls", "protocol-error", Disposition::transient};
inline constexpr ErrorKind kTruncated{"tls", "truncated", Disposition::transient};

}  // namespace ph::tls
