#include "rt_sim/detail/file_disk.h"

#include <filesystem>

#include "rt/errors.h"

namespace ph::rt_sim::detail {
namespace {

constexpr std::string_view kProcessFolder = "/srv";

std::string absolute(std::string_view path) {
  std::filesystem::path full(kProcessFolder);
  full /= std::filesystem::path(path);  // an absolute path replaces what is before it
  std::string out = full.lexically_normal().string();
  if (out.size() > 1 && out.ends_with('/')) out.pop_back();
  return out;
}

std::string parent_of(const std::string& path) {
  return std::filesystem::path(path).parent_path().string();
}

}  // namespace

FileDisk::FileDisk() {
  for (const std::string_view folder : {std::string_view("/"), kProcessFolder}) {
    nodes_[std::string(folder)] = Node{Node::Kind::folder, {}, rt::FileAccess::world_readable};
  }
}

bool FileDisk::is_folder(const std::string& path) const {
  const auto at = nodes_.find(path);
  return at != nodes_.end() && at->second.kind == Node::Kind::folder;
}

bool FileDisk::has_children(const std::string& path) const {
  const auto next = nodes_.lower_bound(path + "/");
  return next != nodes_.end() && next->first.starts_with(path + "/");
}

Result<std::string> FileDisk::read(std::string_view path, uint64_t limit) const {
  const auto at = nodes_.find(absolute(path));
  if (at == nodes_.end()) return fail(rt::kNotFound, std::string(path));
  if (at->second.kind == Node::Kind::folder) return fail(rt::kIo, "a folder: " + at->first);
  if (at->second.content.size() > limit) return fail(rt::kIo, "too large: " + at->first);
  return at->second.content;
}

Status FileDisk::replace(std::string_view path, std::string_view bytes, rt::FileAccess access) {
  const std::string name = absolute(path);
  if (!is_folder(parent_of(name))) return fail(rt::kNotFound, "no folder for " + name);
  if (is_folder(name)) return fail(rt::kIo, "a folder: " + name);
  nodes_[name] = Node{Node::Kind::file, std::string(bytes), access};
  sync_folder(parent_of(name));
  return {};
}

// The entries of this folder are on the disk from now on.
void FileDisk::sync_folder(const std::string& folder) {
  std::erase_if(unsynced_, [&folder](const Undo& undo) { return parent_of(undo.path) == folder; });
}

Status FileDisk::make_folder(std::string_view path, rt::FileAccess access) {
  const std::string name = absolute(path);
  if (is_folder(name)) return {};
  if (nodes_.contains(name)) return fail(rt::kIo, "a file: " + name);
  size_t slash = 0;
  while (slash != std::string::npos) {
    slash = name.find('/', slash + 1);
    const std::string part = name.substr(0, slash);
    if (is_folder(part)) continue;
    if (nodes_.contains(part)) return fail(rt::kIo, "a file: " + part);
    nodes_[part] = Node{Node::Kind::folder, {}, access};
    unsynced_.push_back(Undo{part, std::nullopt});
  }
  return {};
}

bool FileDisk::exists(std::string_view path) const { return nodes_.contains(absolute(path)); }

Status FileDisk::remove(std::string_view path) {
  const std::string name = absolute(path);
  const auto at = nodes_.find(name);
  if (at == nodes_.end()) return {};
  if (at->second.kind == Node::Kind::folder && has_children(name)) {
    return fail(rt::kIo, "not empty: " + name);
  }
  unsynced_.push_back(Undo{name, std::move(at->second)});
  nodes_.erase(at);
  return {};
}

void FileDisk::lose_power(Random& random) {
  for (auto undo = unsynced_.rbegin(); undo != unsynced_.rend(); ++undo) {
    if (random.chance(50)) continue;
    if (undo->before) {
      nodes_[undo->path] = std::move(*undo->before);
    } else if (!has_children(undo->path)) {
      nodes_.erase(undo->path);
    }
  }
  unsynced_.clear();
}

}  // namespace ph::rt_sim::detail
