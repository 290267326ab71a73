#include "kv_conformance/world.h"

#include <gtest/gtest.h>

#include "base/random.h"

namespace ph::kv_conformance {

namespace {

class CaseTest : public testing::Test {
 public:
  CaseTest(Factory factory, CaseFunction function)
      : factory_(std::move(factory)), function_(function) {}
  void TestBody() override {
    const std::unique_ptr<World> world = factory_();
    if (world != nullptr) function_(*world);
  }

 private:
  Factory factory_;
  CaseFunction function_;
};

rt::Task<std::vector<Result<kv::Version>>> commit_in_order(kv::Partition& partition,
                                                           std::vector<kv::Batch> batches,
                                                           kv::CommitOptions options) {
  std::vector<rt::Task<Result<kv::Version>>> tasks;
  for (kv::Batch& batch : batches) tasks.push_back(partition.commit(std::move(batch), options));
  std::vector<Result<kv::Version>> out;
  for (auto& task : tasks) {
    auto answer = co_await task;
    out.push_back(std::move(answer));
  }
  co_return out;
}

}  // namespace

kv::CommitOptions World::options(size_t loop) {
  return {std::nullopt, runtime.loop(loop).in(Duration::seconds(60))};
}

std::unique_ptr<kv::Partition> World::open(std::string_view name, size_t loop) {
  auto partition = store().open(runtime.loop(loop), name);
  EXPECT_TRUE(partition.has_value()) << name;
  return partition.has_value() ? std::move(*partition) : nullptr;
}

Result<kv::Version> World::commit(kv::Partition& partition, kv::Batch batch,
                                  std::optional<kv::Version> expected) {
  kv::CommitOptions with = options();
  with.expected = expected;
  return runtime.ask([&] { return partition.commit(std::move(batch), with); });
}

std::vector<Result<kv::Version>> World::commit_all(kv::Partition& partition,
                                                   std::vector<kv::Batch> batches) {
  return runtime.ask([&] { return commit_in_order(partition, std::move(batches), options()); });
}

std::optional<std::string> World::get(kv::Partition& partition, std::string key) {
  auto found = runtime.ask([&] { return partition.get(key); });
  EXPECT_TRUE(found.has_value());
  return found.has_value() ? *found : std::nullopt;
}

std::vector<kv::Entry> World::scan(kv::Partition& partition, kv::Range range) {
  std::vector<kv::Entry> out;
  std::optional<kv::Range> next = std::move(range);
  while (next.has_value()) {
    auto page = runtime.ask([&] { return partition.scan(*next); });
    EXPECT_TRUE(page.has_value());
    if (!page.has_value()) break;
    for (kv::Entry& entry : page->entries) out.push_back(std::move(entry));
    next = page->rest;
  }
  return out;
}

Result<kv::BlobBytes> World::read_blob(kv::BlobId id, uint64_t offset, uint64_t length) {
  return runtime.ask([&] { return store().read_blob(runtime.loop(0), id, offset, length); });
}

kv::BlobBytes blob_of(std::string bytes) {
  return std::make_shared<const std::string>(std::move(bytes));
}

kv::Batch put_batch(std::string key, std::string value) {
  kv::Batch batch;
  batch.put(std::move(key), std::move(value));
  return batch;
}

std::string octets(size_t size, uint64_t seed) { return Random(seed).bytes(size); }

bool register_conformance(const std::string& suite, Factory factory) {
  Cases cases;
  add_commit_cases(cases);
  add_scan_cases(cases);
  add_blob_cases(cases);
  for (const auto& [name, function] : cases) {
    testing::RegisterTest(
        suite.c_str(), name.c_str(), nullptr, nullptr, __FILE__, __LINE__,
        [factory, function]() -> testing::Test* { return new CaseTest(factory, function); });
  }
  return true;
}

}  // namespace ph::kv_conformance
