// A loop of a simulated host: rt::Loop driven by the World, one step at a time.
#pragma once

#include <deque>
#include <string>

#include "base/time.h"
#include "rt/loop.h"

namespace ph::rt_sim::detail {

class World;

class SimLoop final : public rt::Loop {
 public:
  struct Place {
    std::string host;
    size_t index = 0;
    const Duration* wall_offset = nullptr;  // the host's; outlives the loop
  };
  SimLoop(World& world, Place place);
  ~SimLoop() override;

  Instant now() const override;
  Time wall() const override;
  void post(rt::Callback callback) override;
  bool is_current() const override;

  uint64_t id() const { return id_; }
  const std::string& host() const { return place_.host; }

  // Runs one thing of those that can run, chosen by the world's seed.
  void step();
  bool can_run() const;
  // When it can run next by the clock alone; Instant::max() if never.
  Instant next_wake() const;
  void freeze_until(Instant when);
  bool frozen() const;
  Instant frozen_until() const { return frozen_until_; }
  // Nothing runs here any more: drops what was posted, kills guests.
  void stop();

 private:
  friend class World;
  enum class Kind : uint8_t { posted, ready, timers };
  void wake_driver() override;
  Kind choose() const;

  World& world_;
  Place place_;
  uint64_t id_;
  std::deque<rt::Callback> posted_;
  Instant frozen_until_;
  size_t strays_seen_ = 0;
  bool listed_ = false;  // among the world's runnable loops
  bool stopped_ = false;
};

}  // namespace ph::rt_sim::detail
