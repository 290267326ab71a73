// The storage engine for tests and simulation: everything in memory, nothing left to chance.
//
// A MemDisk is the disk and outlives the MemStore that uses it, so a test kills a server by
// destroying its MemStore (after crash() or power_off(), if it wants to choose what survives) and
// opens another one on the same disk. At most one MemStore uses a disk at a time.
//
// Commits are gathered as a real engine does: those that are called while a simulated sync runs
// wait for the next one. A sync takes a random time of the disk's seed, on the home loop's clock;
// when it ends its commits become visible, then are answered. Equal seeds and equal calls give
// equal results. A MemStore must be destroyed before the loops of its partitions.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/random.h"
#include "base/result.h"
#include "base/time.h"
#include "kv/store.h"
#include "rt/loop.h"
#include "rt/task.h"

namespace ph::kv_mem {

struct MemDiskOptions {
  uint64_t seed = 1;
  Duration sync_min = Duration::microseconds(100);
  Duration sync_max = Duration::milliseconds(3);
  // Every read waits a random time up to this; zero: reads never suspend.
  Duration read_max;
  uint64_t capacity_bytes = uint64_t{64} << 30;
};

// What the disk has room for. `reserve`: too little for messages, enough for the queue to go on:
// commits that add blobs answer kDiskFull, others succeed. `none`: every commit answers kDiskFull.
enum class Space : uint8_t { plenty, reserve, none };

// A moment at which a test may want to crash: before a commit becomes durable, or after that but
// before anybody is told.
struct CrashPoint {
  enum class Phase : uint8_t { before_durable, before_answer } phase = Phase::before_durable;
  uint64_t commit = 0;  // counts from 1 over the life of the disk
  std::string partition;
};

struct DiskCore;
class Session;

class MemDisk {
 public:
  explicit MemDisk(MemDiskOptions options = {});
  ~MemDisk();
  MemDisk(const MemDisk&) = delete;
  MemDisk& operator=(const MemDisk&) = delete;

  // The power fails. Of the commits not yet answered, of each partition a random prefix survives;
  // all answered ones do. The MemStore that used the disk answers nothing from now on and must be
  // destroyed before the next one is made. May be called from the hook.
  void crash(Random& random);
  // The same, but nothing that was not durable survives.
  void power_off();

  void set_space(Space space);
  // Syncs that are running or start within `d` end after it.
  void stall_for(Duration d);
  // The next `commits` commits answer kIo and change nothing.
  void fail_next(size_t commits);
  // Reads of this blob answer kDamaged from now on.
  void damage_blob(kv::BlobId id);

  using Hook = std::function<void(const CrashPoint&)>;
  void set_hook(Hook hook);

  uint64_t commits() const;  // made durable over the life of the disk
  size_t blobs() const;
  // A checksum over everything durable, to compare two runs or two disks.
  uint32_t fingerprint() const;

 private:
  friend class MemStore;
  // Shared with the commits on their way, which may outlive a killed store.
  std::shared_ptr<DiskCore> core_;
};

class MemStore final : public kv::Store {
 public:
  explicit MemStore(MemDisk& disk);
  // Like a killed process: commits that are not durable are lost and never answered.
  ~MemStore() override;

  Result<std::unique_ptr<kv::Partition>> open(rt::Loop& home, std::string_view name) override;
  Result<std::vector<std::string>> partitions(std::string_view prefix, size_t limit) override;
  rt::Task<Result<kv::BlobBytes>> read_blob(rt::Loop& loop, kv::BlobId id, uint64_t offset,
                                            uint64_t length) override;
  kv::StoreFigures figures() const override;
  uint64_t free_bytes() const override;
  rt::Task<Result<kv::DiskSpace>> space(rt::Loop& loop, rt::Deadline deadline) override;

 private:
  // Shared with its partitions and reads, which a test may kill after the store.
  std::shared_ptr<Session> session_;
};

}  // namespace ph::kv_mem
