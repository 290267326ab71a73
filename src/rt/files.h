// Small files: certificates, keys, settings at start. Synchronous, for start-up and administration;
// mail never passes here (that is kv). Paths are absolute or relative to the process's folder.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace ph::rt {

enum class FileAccess : uint8_t { owner_only, world_readable };

class Files {
 public:
  virtual ~Files() = default;
  // kNotFound, kPermission, kIo; kIo too when larger than `limit` octets.
  virtual Result<std::string> read(std::string_view path, uint64_t limit) = 0;
  // Replaces the file as a whole: written beside it, synced, renamed, folder synced. After a crash
  // either the old or the new content is there.
  virtual Status replace(std::string_view path, std::string_view bytes, FileAccess access) = 0;
  virtual Status make_folder(std::string_view path,
                             FileAccess access) = 0;  // parents too; existing is fine
  virtual bool exists(std::string_view path) = 0;
  virtual Status remove(std::string_view path) = 0;  // absent is fine
};

}  // namespace ph::rt
