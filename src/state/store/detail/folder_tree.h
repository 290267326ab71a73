// The folders of one mailbox in memory: records, counters, names.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "state/store/detail/records.h"
#include "state/store/folder.h"

namespace ph::store {

struct FolderState {
  FolderRecord record;
  CounterRecord counters;
};

class FolderTree {
 public:
  // Null if there is none; valid until the next put or erase of that folder.
  const FolderState* find(FolderId id) const;
  FolderState* find(FolderId id);
  // A folder that is leaving is found by id only.
  const FolderState* named(std::string_view path) const;
  const FolderState* child(FolderId parent, std::string_view leaf) const;
  const FolderState* with(Role role) const;
  bool has_children(FolderId id) const;
  std::vector<FolderId> children(FolderId id) const;
  // `id` and everything below it, parents first.
  std::vector<FolderId> below(FolderId id) const;
  std::string path(FolderId id) const;
  bool is_within(FolderId id, FolderId ancestor) const;

  void put(const FolderState& state);
  void erase(FolderId id);
  size_t size() const { return folders_.size(); }
  const std::map<FolderId, FolderState>& all() const { return folders_; }

 private:
  void unlink(const FolderRecord& record);
  std::map<FolderId, FolderState> folders_;
  std::map<std::pair<FolderId, std::string>, FolderId> by_name_;
};

// "inbox" at the top level in any case is "INBOX".
std::string canonical_leaf(FolderId parent, std::string_view leaf);

}  // namespace ph::store
