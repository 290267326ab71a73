// For this room's tests: a runtime with a scope per loop that runs one Task and then stops.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "rt/errors.h"
#include "rt_real/runtime.h"

// PH_MUST(auto x, co_await f()): the value, or the test fails here with the error's text.
#define PH_MUST(declaration, expression) \
  PH_MUST_INNER(PH_CAT(ph_must_, __LINE__), declaration, expression)
#define PH_MUST_INNER(name, declaration, expression) \
  auto name = (expression);                          \
  if (!name.has_value()) {                           \
    ADD_FAILURE() << name.error().to_text();         \
    co_return;                                       \
  }                                                  \
  declaration = std::move(name).value()

namespace ph::rt_real::detail {

using StreamPtr = std::unique_ptr<rt::Stream>;
using ListenerPtr = std::unique_ptr<rt::Listener>;

class World {
 public:
  explicit World(size_t loops = 1, RealOptions options = {}) {
    options.loops = loops;
    auto made = RealRuntime::create(std::move(options));
    if (!made.has_value()) check_failed("a runtime");
    runtime_ = std::move(*made);
    for (rt::Loop* loop : runtime_->loops()) {
      scopes_.push_back(std::make_unique<rt::Scope>(*loop, "test"));
    }
  }
  ~World() {
    scopes_.clear();
    for (rt::Loop* loop : runtime_->loops()) EXPECT_EQ(loop->stray_exceptions(), 0U);
  }

  RealRuntime& runtime() { return *runtime_; }
  rt::Loop& loop(size_t i = 0) { return *runtime_->loops()[i]; }
  rt::Scope& scope(size_t i = 0) { return *scopes_[i]; }
  // Far more than anything takes that is not broken.
  rt::Deadline later(size_t i = 0) { return loop(i).in(Duration::seconds(60)); }
  rt::Deadline soon(size_t i = 0) { return loop(i).in(Duration::milliseconds(30)); }

  // Runs `main` on the first loop, then ends everything. Once.
  void run(rt::Task<void> main) {
    scope().spawn("main", until_end(std::move(main)));
    EXPECT_TRUE(runtime_->run().has_value());
  }

  ListenerPtr listen(size_t i = 0, rt::ListenOptions options = {
                                       rt::Endpoint{rt::Endpoint::Kind::ipv4, "127.0.0.1", 0}}) {
    auto listener = runtime_->listen(loop(i), std::move(options));
    if (!listener.has_value()) check_failed(listener.error().to_text().c_str());
    return std::move(*listener);
  }

 private:
  rt::Task<void> until_end(rt::Task<void> main) {
    co_await main;
    runtime_->stop();
  }

  std::unique_ptr<RealRuntime> runtime_;
  std::vector<std::unique_ptr<rt::Scope>> scopes_;
};

// Exactly `size` octets, or fewer at the end of the stream.
inline rt::Task<Result<std::string>> read_exactly(rt::Stream& stream, size_t size,
                                                  rt::Deadline deadline) {
  std::string out(size, '\0');
  size_t have = 0;
  while (have < size) {
    PH_CO_TRY(const size_t got, co_await stream.read({out.data() + have, size - have}, deadline));
    if (got == 0) break;
    have += got;
  }
  out.resize(have);
  co_return out;
}

// A folder that is gone, with what is in it, at the end.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string pattern = std::filesystem::temp_directory_path() / "posthorn-test-XXXXXX";
    if (::mkdtemp(pattern.data()) == nullptr) check_failed("a temporary folder");
    path_ = pattern;
  }
  ~TemporaryFolder() { std::filesystem::remove_all(path_); }
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

}  // namespace ph::rt_real::detail
