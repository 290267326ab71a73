#include "front/imap/detail/special_use.h"

#include "base/text.h"

namespace ph::imap_server {
namespace {

using store::Role;

struct Row {
  Role role;
  std::string_view name;
};

constexpr Row kRows[] = {{Role::drafts, "\\Drafts"},
                         {Role::sent, "\\Sent"},
                         {Role::junk, "\\Junk"},
                         {Role::trash, "\\Trash"},
                         {Role::archive, "\\Archive"}};

}  // namespace

std::string_view special_use_of(Role role) {
  for (const Row& row : kRows) {
    if (row.role == role) return row.name;
  }
  return {};
}

std::optional<Role> role_from(std::string_view special_use) {
  for (const Row& row : kRows) {
    if (iequals(row.name, special_use)) return row.role;
  }
  return std::nullopt;
}

}  // namespace ph::imap_server
