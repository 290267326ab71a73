// For this room's tests: a store in a folder of its own, on hand-cranked loops.
#pragma once

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <memory>
#include <string>

#include "kv_conformance/world.h"
#include "kv_rocks/store.h"

namespace ph::kv_rocks {

inline RocksOptions small_options() {
  RocksOptions options;
  options.block_cache_bytes = 1024 * 1024;
  options.write_buffer_bytes = 4 * 1024 * 1024;
  options.segment_bytes = 1024 * 1024;
  options.reserve_bytes = 0;
  options.floor_bytes = 0;
  return options;
}

inline std::string fresh_folder() {
  std::string path = (std::filesystem::temp_directory_path() / "posthorn_kv_XXXXXX").string();
  EXPECT_NE(mkdtemp(path.data()), nullptr);
  return path;
}

class RocksWorld final : public kv_conformance::World {
 public:
  // In `options.folder` if one is named (it stays), else in a folder that goes with the world.
  explicit RocksWorld(RocksOptions options)
      : World(kv_conformance::Idle::wait_for_post), options_(std::move(options)) {
    owned_ = options_.folder.empty();
    if (owned_) options_.folder = fresh_folder();
    reopen();
  }
  ~RocksWorld() override {
    close();
    if (owned_) std::filesystem::remove_all(options_.folder);
  }
  RocksWorld(const RocksWorld&) = delete;
  RocksWorld& operator=(const RocksWorld&) = delete;

  kv::Store& store() override { return *store_; }
  void reopen() override {
    close();
    auto opened = open_rocks(runtime, options_);
    if (!opened.has_value()) {
      ADD_FAILURE() << opened.error().to_text();
      std::abort();
    }
    store_ = std::move(*opened);
  }
  void run_side_by_side(const std::function<bool()>& done) override {
    runtime.run_threads_until(done);
  }
  void close() { store_.reset(); }
  // For what happens on other threads.
  void wait_until(const std::function<bool()>& done) { runtime.run_until(done); }
  const std::string& folder() const { return options_.folder; }

 private:
  RocksOptions options_;
  bool owned_ = false;
  std::unique_ptr<kv::Store> store_;
};

}  // namespace ph::kv_rocks
