#include "rt_real/detail/files.h"

#include <fcntl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>

#include "base/check.h"
#include "rt/errors.h"
#include "rt_real/detail/system.h"

namespace ph::rt_real::detail {
namespace {

constexpr mode_t file_mode(rt::FileAccess access) {
  return access == rt::FileAccess::owner_only ? 0600 : 0644;
}
constexpr mode_t folder_mode(rt::FileAccess access) {
  return access == rt::FileAccess::owner_only ? 0700 : 0755;
}

Error failed(std::string_view call, const std::string& path) {
  return system_error(errno, std::string(call) + " " + path);
}

std::string folder_of(const std::string& path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

Result<Fd> open_file(const std::string& path, int flags) {
  Fd fd(uninterrupted([&] { return ::open(path.c_str(), flags | O_CLOEXEC, 0600); }));
  if (!fd) return failed("open", path);
  return fd;
}

Status sync_folder(const std::string& path) {
  PH_TRY(const Fd fd, open_file(path, O_RDONLY | O_DIRECTORY));
  if (uninterrupted([&] { return ::fsync(fd.get()); }) != 0) return failed("fsync", path);
  return {};
}

Status write_all(const Fd& fd, std::string_view bytes, const std::string& path) {
  while (!bytes.empty()) {
    const ssize_t put =
        uninterrupted([&] { return ::write(fd.get(), bytes.data(), bytes.size()); });
    if (put < 0) return failed("write", path);
    bytes.remove_prefix(static_cast<size_t>(put));
  }
  return {};
}

// `bytes` in a new file of exactly this mode, on disk when it returns.
Status write_synced(const std::string& path, std::string_view bytes, mode_t mode) {
  PH_TRY(const Fd fd, open_file(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW));
  if (::fchmod(fd.get(), mode) != 0) return failed("fchmod", path);
  PH_TRY_STATUS(write_all(fd, bytes, path));
  if (uninterrupted([&] { return ::fsync(fd.get()); }) != 0) return failed("fsync", path);
  return {};
}

Status make_one_folder(const std::string& path, mode_t mode) {
  if (::mkdir(path.c_str(), mode) == 0) return sync_folder(folder_of(path));
  if (errno != EEXIST) return failed("mkdir", path);
  struct stat info{};
  if (::stat(path.c_str(), &info) != 0) return failed("stat", path);
  if (!S_ISDIR(info.st_mode)) return fail(rt::kIo, path + " exists and is no folder");
  return {};
}

}  // namespace

Result<std::string> PosixFiles::read(std::string_view path, uint64_t limit) {
  const std::string name(path);
  PH_TRY(const Fd fd, open_file(name, O_RDONLY));
  std::string out;
  std::array<char, 16384> block;
  for (;;) {
    const ssize_t got = uninterrupted([&] { return ::read(fd.get(), block.data(), block.size()); });
    if (got < 0) return failed("read", name);
    if (got == 0) return out;
    out.append(block.data(), static_cast<size_t>(got));
    if (out.size() > limit) {
      return fail(rt::kIo, name + " is larger than " + std::to_string(limit) + " octets");
    }
  }
}

Status PosixFiles::replace(std::string_view path, std::string_view bytes, rt::FileAccess access) {
  const std::lock_guard lock(replacing_);
  const std::string name(path);
  const std::string fresh = name + ".new";
  Status written = write_synced(fresh, bytes, file_mode(access));
  if (written.has_value() && ::rename(fresh.c_str(), name.c_str()) != 0) {
    written = failed("rename", name);
  }
  if (!written.has_value()) {
    ::unlink(fresh.c_str());
    return written;
  }
  return sync_folder(folder_of(name));
}

Status PosixFiles::make_folder(std::string_view path, rt::FileAccess access) {
  const std::string name(path);
  for (size_t slash = name.find('/', 1); slash != std::string::npos;
       slash = name.find('/', slash + 1)) {
    PH_TRY_STATUS(make_one_folder(name.substr(0, slash), folder_mode(access)));
  }
  return make_one_folder(name, folder_mode(access));
}

bool PosixFiles::exists(std::string_view path) {
  struct stat info{};
  return ::stat(std::string(path).c_str(), &info) == 0;
}

Status PosixFiles::remove(std::string_view path) {
  const std::string name(path);
  if (::unlink(name.c_str()) == 0) return sync_folder(folder_of(name));
  if (errno == ENOENT || errno == ENOTDIR) return {};
  return failed("unlink", name);
}

std::string KernelEntropy::bytes(size_t count) {
  std::string out(count, '\0');
  size_t done = 0;
  while (done < count) {
    const ssize_t got =
        uninterrupted([&] { return ::getrandom(out.data() + done, count - done, 0); });
    PH_CHECK(got > 0);
    done += static_cast<size_t>(got);
  }
  return out;
}

}  // namespace ph::rt_real::detail
