// What a conformance case works with: an engine, and short verbs to use it from plain test code.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "kv/store.h"
#include "kv_conformance/crank.h"

namespace ph::kv_conformance {

class World {
 public:
  explicit World(Idle idle) : runtime(2, idle) {}
  virtual ~World() = default;
  virtual kv::Store& store() = 0;
  // Closes the store and opens it again; no Partition may live.
  virtual void reopen() = 0;
  // Waits until blobs that nobody refers to are gone.
  virtual void settle() {}
  // Turns both loops until `done`; each on a thread of its own if the engine has threads.
  virtual void run_side_by_side(const std::function<bool()>& done) { runtime.run_until(done); }

  std::unique_ptr<kv::Partition> open(std::string_view name, size_t loop = 0);
  Result<kv::Version> commit(kv::Partition& partition, kv::Batch batch,
                             std::optional<kv::Version> expected = std::nullopt);
  // Called in this order without waiting between them; the answers in the same order.
  std::vector<Result<kv::Version>> commit_all(kv::Partition& partition,
                                              std::vector<kv::Batch> batches);
  std::optional<std::string> get(kv::Partition& partition, std::string key);
  // Everything in the range, over all its pages.
  std::vector<kv::Entry> scan(kv::Partition& partition, kv::Range range);
  Result<kv::BlobBytes> read_blob(kv::BlobId id, uint64_t offset = 0,
                                  uint64_t length = kv::kWholeBlob);

  kv::CommitOptions options(size_t loop = 0);

  CrankedRuntime runtime;
};

// Takes a fresh, empty engine.
using Factory = std::function<std::unique_ptr<World>()>;
using CaseFunction = void (*)(World&);
using Cases = std::map<std::string, CaseFunction>;

kv::BlobBytes blob_of(std::string bytes);
kv::Batch put_batch(std::string key, std::string value);
// A blob of `size` octets that differ by seed, larger than what travels in a batch when asked so.
std::string octets(size_t size, uint64_t seed);

void add_commit_cases(Cases& cases);
void add_scan_cases(Cases& cases);
void add_blob_cases(Cases& cases);

// Registers every case as the test `suite`.<case> with GoogleTest; from a static initializer.
bool register_conformance(const std::string& suite, Factory factory);

}  // namespace ph::kv_conformance
