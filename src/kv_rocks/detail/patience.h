// Keeps RocksDB from ever meeting a full disk.
//
// RocksDB 7.8 does not get over that by itself in every case: a failed append to its log trips an
// assertion of the Debian build when the log is next touched, and DB::Resume() may wait for ever
// when the disk is still full. So the committer refuses commits while little room is left (see
// RocksOptions), and if somebody else fills the disk faster than that can notice, RocksDB's writes
// wait here until there is room again, then go on as if nothing had been.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>

namespace rocksdb {
class Env;
}

namespace ph::kv_rocks {

class Patience {
 public:
  // For files in `folder`.
  explicit Patience(std::string folder);
  ~Patience();
  Patience(const Patience&) = delete;
  Patience& operator=(const Patience&) = delete;

  // RocksDB's view of the files, through this. Lives as long as this.
  rocksdb::Env* env() { return env_.get(); }
  // Returns when `bytes` more can be written; false when the store is closing.
  bool wait_for_room(uint64_t bytes);
  // Some write waits now: commits would only queue up behind it.
  bool waiting() const { return waiting_ > 0; }
  // Ends all waits, now and later.
  void stop();

 private:
  uint64_t free_bytes() const;

  std::string folder_;
  std::mutex mutex_;
  std::condition_variable stopped_;
  bool stopping_ = false;
  std::atomic<int> waiting_ = 0;
  std::unique_ptr<rocksdb::Env> env_;
};

}  // namespace ph::kv_rocks
