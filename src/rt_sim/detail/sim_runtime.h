// The rt::Runtime of one life of a simulated host.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/random.h"
#include "rt/runtime.h"
#include "rt_sim/detail/file_disk.h"
#include "rt_sim/detail/net.h"
#include "rt_sim/detail/one_shots.h"
#include "rt_sim/detail/sim_loop.h"
#include "rt_sim/dns.h"
#include "rt_sim/host.h"

namespace ph::rt_sim::detail {

class SimResolver final : public rt::Resolver {
 public:
  SimResolver(World& world, Dns& dns) : world_(world), dns_(dns) {}
  rt::Task<Result<rt::DnsAnswer>> lookup(rt::Loop& loop, rt::DnsQuestion question,
                                         rt::Deadline deadline) override;

 private:
  World& world_;
  Dns& dns_;
};

class SimFiles final : public rt::Files {
 public:
  SimFiles(Host& host, FileDisk& disk, Random random) : host_(host), disk_(disk), random_(random) {}
  Result<std::string> read(std::string_view path, uint64_t limit) override;
  Status replace(std::string_view path, std::string_view bytes, rt::FileAccess access) override;
  Status make_folder(std::string_view path, rt::FileAccess access) override;
  bool exists(std::string_view path) override { return disk_.exists(path); }
  Status remove(std::string_view path) override;
  void crash_in_next_replace() { crash_next_ = true; }

 private:
  Status may_write(std::string_view path);

  Host& host_;
  FileDisk& disk_;
  Random random_;
  bool crash_next_ = false;
};

class SimEntropy final : public rt::Entropy {
 public:
  explicit SimEntropy(Random random) : random_(random) {}
  std::string bytes(size_t count) override { return random_.bytes(count); }

 private:
  Random random_;
};

class SimPool final : public rt::Pool {
 public:
  struct Shape {
    size_t queue_max = 1;
    uint32_t full_percent = 0;
  };
  SimPool(World& world, Random random, Shape shape);
  bool submit(rt::Callback work) override;
  void set_room(Host::PoolRoom room) { room_ = room; }
  void clear() { jobs_.clear(); }

 private:
  World& world_;
  Random random_;
  Shape shape_;
  Host::PoolRoom room_ = Host::PoolRoom::plenty;
  OneShots jobs_;
};

class SimRuntime final : public rt::Runtime {
 public:
  struct Parts {
    Host* host = nullptr;
    World* world = nullptr;
    Net* net = nullptr;
    Dns* dns = nullptr;
    Machine* machine = nullptr;
    FileDisk* disk = nullptr;
    const Duration* wall_offset = nullptr;
    size_t loops = 1;
    SimPool::Shape pool;
  };
  explicit SimRuntime(const Parts& parts);

  std::span<rt::Loop* const> loops() override { return loops_; }
  Result<std::unique_ptr<rt::Listener>> listen(rt::Loop& loop, rt::ListenOptions options) override;
  rt::Task<Result<std::unique_ptr<rt::Stream>>> dial(rt::Loop& loop, rt::DialOptions options,
                                                     rt::Deadline deadline) override;
  rt::Resolver& resolver() override { return resolver_; }
  SimFiles& files() override { return files_; }
  rt::Entropy& entropy() override { return entropy_; }
  SimPool& pool() override { return pool_; }
  rt::Memory& memory() override;

  void stop();  // nothing of this life runs any more
  void freeze_until(Instant when);

 private:
  Host& host_;
  Net& net_;
  Machine& machine_;
  SimResolver resolver_;
  SimFiles files_;
  SimEntropy entropy_;
  std::vector<std::unique_ptr<SimLoop>> owned_loops_;
  std::vector<rt::Loop*> loops_;
  SimPool pool_;
};

}  // namespace ph::rt_sim::detail
