// Roles of folders as RFC 6154 writes them.
#pragma once

#include <optional>
#include <string_view>

#include "state/store/folder.h"

namespace ph::imap_server {

// "\Sent"; "" for a role that IMAP has no word for.
std::string_view special_use_of(store::Role role);
std::optional<store::Role> role_from(std::string_view special_use);

}  // namespace ph::imap_server
