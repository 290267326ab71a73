// Folders as callers see them.
//
// A folder's id is its identity and stays over renames; its name is UTF-8 with '/' between levels.
// "INBOX" is the Inbox in any spelling of its case, and only at the top.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/time.h"
#include "state/store/ids.h"

namespace ph::store {

// Stored: never change a value. At most one folder has each role (but none).
enum class Role : uint8_t {
  none = 0,
  inbox = 1,
  drafts = 2,
  sent = 3,
  junk = 4,
  trash = 5,
  archive = 6,
  outbox = 7,  // read-only: what is submitted and has not reached its end
};

std::string_view to_text(Role role);

inline constexpr size_t kLevelBytesMax = 255;
inline constexpr size_t kNameBytesMax = 900;
inline constexpr size_t kLevelsMax = 32;
inline constexpr size_t kFoldersMax = 10'000;
inline constexpr size_t kSubscriptionsMax = 20'000;

struct Folder {
  FolderId id;
  std::string name;  // whole path: "Lists/posthorn"
  Role role = Role::none;
  uint32_t uid_validity = 0;
  bool selectable = true;  // false: only a level above others (\Noselect)
  bool subscribed = false;
  bool has_children = false;
  Time created;
};

// IMAP STATUS. Known without loading the folder.
struct FolderStatus {
  FolderId id;
  uint32_t uid_validity = 0;
  Uid uid_next = 1;
  uint64_t messages = 0;
  uint64_t unseen = 0;
  uint64_t deleted = 0;  // with \Deleted
  uint64_t size_bytes = 0;
  Seq highest;          // of the last change in the folder: HIGHESTMODSEQ (at least 1)
  Uid recent_from = 1;  // messages from this UID on have not been shown to any session
};

// nullopt, or what is wrong with `name` as the name of a folder.
std::optional<std::string> problem_with_name(std::string_view name);

}  // namespace ph::store
