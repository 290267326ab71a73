// Flags in parentheses.
#pragma once

#include <string>

#include "codec/imap/flag_set.h"

namespace ph::imap::detail {

// "(\Seen $Junk)"
void append_flags(std::string& out, const FlagSet& flags);

}  // namespace ph::imap::detail
