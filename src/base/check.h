// Invariants that stay on in release builds.
//
// PH_CHECK(condition) documents something that only a bug in Posthorn itself can break; it never
// guards against what a peer, a disk or an operator can cause (those are Errors, see result.h).
// A failing check prints the condition with its place and aborts: memory can no longer be trusted,
// and everything acknowledged is already on disk.
#pragma once

#include <source_location>

namespace ph {

[[noreturn]] void check_failed(const char* condition,
                               std::source_location where = std::source_location::current());

}  // namespace ph

#define PH_CHECK(condition) \
  (static_cast<bool>(condition) ? static_cast<void>(0) : ::ph::check_failed(#condition))
