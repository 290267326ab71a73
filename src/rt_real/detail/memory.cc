#include "rt_real/detail/memory.h"

#ifdef PH_JEMALLOC
#include <jemalloc/jemalloc.h>
#else
#include <malloc.h>
#endif
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/text.h"
#include "rt/errors.h"
#include "rt_real/detail/files.h"
#include "rt_real/detail/system.h"

namespace ph::rt_real::detail {
namespace {

constexpr uint64_t kFileMax = 64 * 1024;

Result<std::string> read_figures(const std::string& path) {
  PosixFiles files;
  return files.read(path, kFileMax);
}

}  // namespace

std::optional<uint64_t> control_group_limit(std::string_view cgroup_file, const std::string& root) {
  std::string path;
  for (const std::string_view line : split(cgroup_file, '\n')) {
    if (line.starts_with("0::/")) path = line.substr(3);
  }
  std::optional<uint64_t> limit;
  while (!path.empty()) {
    const Result<std::string> text = read_figures(root + path + "/memory.max");
    const auto bytes = text.has_value() ? parse_u64(trim(*text)) : std::nullopt;  // "max": none
    if (bytes.has_value()) limit = std::min(*bytes, limit.value_or(*bytes));
    path.resize(path.rfind('/'));
  }
  return limit;
}

Result<rt::MemoryUse> ProcessMemory::use() {
  PH_TRY(const std::string statm, read_figures("/proc/self/statm"));
  const std::vector<std::string_view> figures = split(statm, ' ');
  const auto pages = figures.size() < 2 ? std::nullopt : parse_u64(figures[1]);
  const long page_bytes = ::sysconf(_SC_PAGESIZE);
  const long machine_pages = ::sysconf(_SC_PHYS_PAGES);
  if (!pages.has_value() || page_bytes <= 0 || machine_pages <= 0) {
    return fail(rt::kIo, "/proc/self/statm");
  }
  const auto page = static_cast<uint64_t>(page_bytes);
  rt::MemoryUse out{*pages * page, static_cast<uint64_t>(machine_pages) * page};
  const Result<std::string> group = read_figures("/proc/self/cgroup");
  if (group.has_value()) {
    const auto limit = control_group_limit(*group, "/sys/fs/cgroup");
    if (limit.has_value()) out.machine_bytes = std::min(out.machine_bytes, *limit);
  }
  return out;
}

void ProcessMemory::give_back() {
#ifdef PH_JEMALLOC
  const std::string purge = fmt::format("arena.{}.purge", MALLCTL_ARENAS_ALL);
  ::mallctl(purge.c_str(), nullptr, nullptr, nullptr, 0);
#else
  ::malloc_trim(0);
#endif
}

}  // namespace ph::rt_real::detail
