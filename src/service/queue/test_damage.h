// For tests: the queue's table edited behind its back, as a defect of ours or of the disk would.
#pragma once

#include <gtest/gtest.h>

#include "service/queue/detail/records.h"
#include "service/queue/test_world.h"

namespace ph::queue::test {

inline rt::Task<Status> edit(kv::Partition& partition, rt::Deadline deadline, kv::Batch batch) {
  auto answer = co_await partition.commit(std::move(batch), {.expected = {}, .deadline = deadline});
  if (!answer.has_value()) co_return std::move(answer).error();
  co_return Status{};
}

// Edits the table of a machine that is down.
struct Damage {
  explicit Damage(World& world)
      : w(world), tool(world.sim.add_host({.name = "tool" + std::to_string(++world.tools)})) {
    w.host.kill(rt_sim::Crash::process);
    store = std::make_unique<kv_mem::MemStore>(w.disk);
    partition = std::move(*store->open(tool.loop(), "queue/0"));
  }
  ~Damage() {
    partition.reset();
    store.reset();
    w.host.restart();
    w.wait_for_start();
  }
  std::optional<std::string> get(std::string key) {
    auto answer = w.sim.await(tool.loop(), partition->get(std::move(key)));
    return answer.has_value() && answer->has_value() ? **answer : std::nullopt;
  }
  void commit(kv::Batch batch) {
    auto answer = w.sim.await(
        tool.loop(), edit(*partition, tool.loop().in(Duration::minutes(1)), std::move(batch)));
    ASSERT_TRUE(answer.has_value() && answer->has_value());
  }
  model::QueueRow row(model::QueueId id, uint32_t index = 0) {
    return *decode_row({id, index}, get(row_key(id, index)).value_or(""));
  }

  World& w;
  rt_sim::Host& tool;
  std::unique_ptr<kv_mem::MemStore> store;
  std::unique_ptr<kv::Partition> partition;
};

}  // namespace ph::queue::test
