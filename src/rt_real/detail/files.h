// Files and entropy from the kernel.
#pragma once

#include <mutex>

#include "rt/files.h"
#include "rt/runtime.h"

namespace ph::rt_real::detail {

class PosixFiles final : public rt::Files {
 public:
  Result<std::string> read(std::string_view path, uint64_t limit) override;
  Status replace(std::string_view path, std::string_view bytes, rt::FileAccess access) override;
  Status make_folder(std::string_view path, rt::FileAccess access) override;
  bool exists(std::string_view path) override;
  Status remove(std::string_view path) override;

 private:
  std::mutex replacing_;  // two replacements of one file share the name of the new one
};

class KernelEntropy final : public rt::Entropy {
 public:
  std::string bytes(size_t count) override;
};

}  // namespace ph::rt_real::detail
