// The errors of this room. What a client sent wrongly is a Failed step, not an Error.
#pragma once

#include "base/result.h"

namespace ph::sasl {

inline constexpr ErrorKind kBadPassword{"sasl", "bad-password", Disposition::permanent};
inline constexpr ErrorKind kBadVerifier{"sasl", "bad-verifier", Disposition::permanent};
inline constexpr ErrorKind kUnknownMechanism{"sasl", "unknown-mechanism", Disposition::permanent};
inline constexpr ErrorKind kBadServerMessage{"sasl", "bad-server-message", Disposition::permanent};
inline constexpr ErrorKind kServerRefused{"sasl", "server-refused", Disposition::permanent};

}  // namespace ph::sasl
