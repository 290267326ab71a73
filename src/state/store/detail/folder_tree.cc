#include "state/store/detail/folder_tree.h"

#include <algorithm>

#include "base/text.h"

namespace ph::store {

std::string_view to_text(Role role) {
  switch (role) {
    case Role::none: return "none";
    case Role::inbox: return "inbox";
    case Role::drafts: return "drafts";
    case Role::sent: return "sent";
    case Role::junk: return "junk";
    case Role::trash: return "trash";
    case Role::archive: return "archive";
    case Role::outbox: return "outbox";
  }
  return "none";
}

std::optional<std::string> problem_with_name(std::string_view name) {
  if (name.empty()) return "a folder needs a name";
  if (name.size() > kNameBytesMax) return "the name is too long";
  if (!is_valid_utf8(name)) return "the name is not UTF-8";
  if (std::ranges::any_of(name, [](char c) { return (c >= 0 && c < ' ') || c == 0x7F; })) {
    return "the name holds a control character";
  }
  const std::vector<std::string_view> levels = split(name, '/');
  if (levels.size() > kLevelsMax) return "the name has too many levels";
  for (const std::string_view level : levels) {
    if (level.empty()) return "a level of the name is empty";
    if (level.size() > kLevelBytesMax) return "a level of the name is too long";
  }
  return std::nullopt;
}

std::string canonical_leaf(FolderId parent, std::string_view leaf) {
  if (!parent.is_set() && iequals(leaf, "INBOX")) return "INBOX";
  return std::string(leaf);
}

const FolderState* FolderTree::find(FolderId id) const {
  const auto at = folders_.find(id);
  return at == folders_.end() ? nullptr : &at->second;
}

FolderState* FolderTree::find(FolderId id) {
  const auto at = folders_.find(id);
  return at == folders_.end() ? nullptr : &at->second;
}

const FolderState* FolderTree::child(FolderId parent, std::string_view leaf) const {
  const auto at = by_name_.find({parent, canonical_leaf(parent, leaf)});
  return at == by_name_.end() ? nullptr : find(at->second);
}

const FolderState* FolderTree::named(std::string_view path) const {
  FolderId parent;
  const FolderState* found = nullptr;
  for (const std::string_view level : split(path, '/')) {
    found = child(parent, level);
    if (found == nullptr) return nullptr;
    parent = found->record.id;
  }
  return found;
}

const FolderState* FolderTree::with(Role role) const {
  for (const auto& [id, state] : folders_) {
    if (state.record.role == role && state.record.kind != FolderKind::leaving) return &state;
  }
  return nullptr;
}

bool FolderTree::has_children(FolderId id) const {
  const auto at = by_name_.lower_bound({id, std::string()});
  return at != by_name_.end() && at->first.first == id;
}

std::vector<FolderId> FolderTree::children(FolderId id) const {
  std::vector<FolderId> out;
  for (auto at = by_name_.lower_bound({id, std::string()});
       at != by_name_.end() && at->first.first == id; ++at) {
    out.push_back(at->second);
  }
  return out;
}

std::vector<FolderId> FolderTree::below(FolderId id) const {
  std::vector<FolderId> out{id};
  for (size_t i = 0; i < out.size(); ++i) {
    for (const FolderId child : children(out[i])) out.push_back(child);
  }
  return out;
}

std::string FolderTree::path(FolderId id) const {
  std::string out;
  for (size_t level = 0; level <= kLevelsMax; ++level) {
    const FolderState* folder = find(id);
    if (folder == nullptr) break;
    out.insert(0, level == 0 ? folder->record.leaf : folder->record.leaf + "/");
    id = folder->record.parent;
    if (!id.is_set()) break;
  }
  return out;
}

bool FolderTree::is_within(FolderId id, FolderId ancestor) const {
  for (size_t level = 0; level <= kLevelsMax && id.is_set(); ++level) {
    if (id == ancestor) return true;
    const FolderState* folder = find(id);
    if (folder == nullptr) return false;
    id = folder->record.parent;
  }
  return false;
}

void FolderTree::unlink(const FolderRecord& record) {
  const auto at = by_name_.find({record.parent, record.leaf});
  if (at != by_name_.end() && at->second == record.id) by_name_.erase(at);
}

void FolderTree::put(const FolderState& state) {
  const FolderRecord& record = state.record;
  if (const FolderState* old = find(record.id)) unlink(old->record);
  if (record.kind != FolderKind::leaving) by_name_[{record.parent, record.leaf}] = record.id;
  folders_[record.id] = state;
}

void FolderTree::erase(FolderId id) {
  if (const FolderState* old = find(id)) unlink(old->record);
  folders_.erase(id);
}

}  // namespace ph::store
