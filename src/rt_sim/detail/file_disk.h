// What lies on the disk of a simulated host, and what of it would survive a loss of power.
//
// replace() is durable when it returns (and with it all earlier changes in that folder); removals
// and new folders are not synced by anything else, so a loss of power may undo any of them.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/random.h"
#include "base/result.h"
#include "rt/files.h"

namespace ph::rt_sim::detail {

class FileDisk {
 public:
  FileDisk();

  Result<std::string> read(std::string_view path, uint64_t limit) const;
  Status replace(std::string_view path, std::string_view bytes, rt::FileAccess access);
  Status make_folder(std::string_view path, rt::FileAccess access);
  bool exists(std::string_view path) const;
  Status remove(std::string_view path);
  void lose_power(Random& random);

 private:
  struct Node {
    enum class Kind : uint8_t { file, folder } kind = Kind::file;
    std::string content;
    rt::FileAccess access = rt::FileAccess::owner_only;
  };
  // How to take back a change that is not synced.
  struct Undo {
    std::string path;
    std::optional<Node> before;
  };
  bool is_folder(const std::string& path) const;
  bool has_children(const std::string& path) const;
  void sync_folder(const std::string& folder);

  std::map<std::string, Node> nodes_;
  std::vector<Undo> unsynced_;  // oldest first
};

}  // namespace ph::rt_sim::detail
