// What the queue may answer besides "done". The store's errors (kv/errors.h) pass through.
#pragma once

#include "base/result.h"

namespace ph::queue {

inline constexpr ErrorKind kNoSuchMessage{"queue", "no_such_message", Disposition::permanent};
inline constexpr ErrorKind kNotPossible{"queue", "not_possible_in_this_state",
                                        Disposition::permanent};
inline constexpr ErrorKind kNoRecipients{"queue", "no_recipients", Disposition::permanent};
inline constexpr ErrorKind kTooManyRecipients{"queue", "too_many_recipients",
                                              Disposition::permanent};
inline constexpr ErrorKind kUndecodable{"queue", "undecodable_record", Disposition::bug};
inline constexpr ErrorKind kBusy{"queue", "busy", Disposition::transient};
inline constexpr ErrorKind kBadFilter{"queue", "bad_filter", Disposition::permanent};

}  // namespace ph::queue
