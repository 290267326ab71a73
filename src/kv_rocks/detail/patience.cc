#include "kv_rocks/detail/patience.h"

#include <rocksdb/env.h>
#include <rocksdb/file_system.h>
#include <sys/statvfs.h>

#include <chrono>
#include <utility>

namespace ph::kv_rocks {

namespace {

using rocksdb::IODebugContext;
using rocksdb::IOOptions;
using rocksdb::IOStatus;
using rocksdb::Slice;

// More than others may take between a look at the disk and the write after it.
constexpr uint64_t kMarginBytes = 4 * 1024 * 1024;

IOStatus closing() { return IOStatus::NoSpace("the store is closing on a full disk"); }

class PatientFile final : public rocksdb::FSWritableFileOwnerWrapper {
 public:
  PatientFile(Patience& patience, std::unique_ptr<rocksdb::FSWritableFile> file)
      : FSWritableFileOwnerWrapper(std::move(file)), patience_(patience) {}

  IOStatus Append(const Slice& data, const IOOptions& options, IODebugContext* context) override {
    if (!patience_.wait_for_room(data.size())) return closing();
    return FSWritableFileOwnerWrapper::Append(data, options, context);
  }
  IOStatus Append(const Slice& data, const IOOptions& options,
                  const rocksdb::DataVerificationInfo& info, IODebugContext* context) override {
    if (!patience_.wait_for_room(data.size())) return closing();
    return FSWritableFileOwnerWrapper::Append(data, options, info, context);
  }

 private:
  Patience& patience_;
};

class PatientFiles final : public rocksdb::FileSystemWrapper {
 public:
  explicit PatientFiles(Patience& patience)
      : FileSystemWrapper(rocksdb::FileSystem::Default()), patience_(patience) {}
  const char* Name() const override { return "PatientFiles"; }

  IOStatus NewWritableFile(const std::string& name, const rocksdb::FileOptions& options,
                           std::unique_ptr<rocksdb::FSWritableFile>* result,
                           IODebugContext* context) override {
    if (!patience_.wait_for_room(0)) return closing();
    return wrap(FileSystemWrapper::NewWritableFile(name, options, result, context), result);
  }
  IOStatus ReopenWritableFile(const std::string& name, const rocksdb::FileOptions& options,
                              std::unique_ptr<rocksdb::FSWritableFile>* result,
                              IODebugContext* context) override {
    return wrap(FileSystemWrapper::ReopenWritableFile(name, options, result, context), result);
  }
  IOStatus ReuseWritableFile(const std::string& name, const std::string& old_name,
                             const rocksdb::FileOptions& options,
                             std::unique_ptr<rocksdb::FSWritableFile>* result,
                             IODebugContext* context) override {
    return wrap(FileSystemWrapper::ReuseWritableFile(name, old_name, options, result, context),
                result);
  }

 private:
  IOStatus wrap(IOStatus status, std::unique_ptr<rocksdb::FSWritableFile>* file) {
    if (status.ok()) *file = std::make_unique<PatientFile>(patience_, std::move(*file));
    return status;
  }

  Patience& patience_;
};

}  // namespace

Patience::Patience(std::string folder)
    : folder_(std::move(folder)),
      env_(rocksdb::NewCompositeEnv(std::make_shared<PatientFiles>(*this))) {}

Patience::~Patience() = default;

uint64_t Patience::free_bytes() const {
  struct statvfs figures{};
  if (statvfs(folder_.c_str(), &figures) != 0) return UINT64_MAX;  // let the write tell
  return static_cast<uint64_t>(figures.f_bavail) * figures.f_frsize;
}

bool Patience::wait_for_room(uint64_t bytes) {
  const uint64_t wanted = bytes + kMarginBytes;
  if (free_bytes() >= wanted) return true;
  ++waiting_;
  bool room = false;
  {
    std::unique_lock lock(mutex_);
    constexpr std::chrono::milliseconds kRecheck{50};
    while (!stopping_ && !room) {
      stopped_.wait_for(lock, kRecheck, [this] { return stopping_; });
      room = free_bytes() >= wanted;
    }
  }
  --waiting_;
  return room;
}

void Patience::stop() {
  const std::lock_guard lock(mutex_);
  stopping_ = true;
  stopped_.notify_all();
}

}  // namespace ph::kv_rocks
