#include "rt_sim/detail/sim_runtime.h"

#include <utility>

#include "base/check.h"
#include "rt/errors.h"
#include "rt_sim/detail/sim_stream.h"
#include "rt_sim/detail/world.h"

namespace ph::rt_sim::detail {

rt::Task<Result<rt::DnsAnswer>> SimResolver::lookup(rt::Loop& loop, rt::DnsQuestion question,
                                                    rt::Deadline deadline) {
  Dns::Outcome outcome = dns_.decide(question);
  std::optional<World::OnItsWay> on_its_way;
  Instant answered = Instant::max();
  if (outcome.delay) {
    on_its_way.emplace(world_);
    answered = loop.now() + *outcome.delay;
  }
  const rt::Deadline until = deadline.earlier(rt::Deadline::at(answered));
  const rt::Woken woken = co_await rt::sleep(loop, until, "an answer of the DNS");
  if (woken == rt::Woken::cancelled) co_return fail(rt::kCancelled, question.name);
  if (answered > loop.now()) co_return fail(rt::kTimedOut, "lookup of " + question.name);
  world_.note(World::Event::answer, dns_.lookups());
  co_return std::move(outcome.answer);
}

Status SimFiles::may_write(std::string_view path) {
  if (host_.disk().take_failure()) return fail(rt::kIo, std::string(path));
  if (host_.disk().room() == SimDisk::Room::none) return fail(rt::kDiskFull, std::string(path));
  return {};
}

Result<std::string> SimFiles::read(std::string_view path, uint64_t limit) {
  if (host_.disk().take_read_failure()) return fail(rt::kIo, std::string(path));
  return disk_.read(path, limit);
}

Status SimFiles::replace(std::string_view path, std::string_view bytes, rt::FileAccess access) {
  PH_TRY_STATUS(may_write(path));
  if (!std::exchange(crash_next_, false)) return disk_.replace(path, bytes, access);
  if (random_.chance(50)) PH_TRY_STATUS(disk_.replace(path, bytes, access));
  host_.kill_after_step();
  return fail(rt::kIo, "the power failed while writing " + std::string(path));
}

Status SimFiles::make_folder(std::string_view path, rt::FileAccess access) {
  PH_TRY_STATUS(may_write(path));
  return disk_.make_folder(path, access);
}

Status SimFiles::remove(std::string_view path) {
  if (host_.disk().take_failure()) return fail(rt::kIo, std::string(path));
  return disk_.remove(path);  // a full disk does not hinder it
}

SimPool::SimPool(World& world, Random random, Shape shape)
    : world_(world), random_(random), shape_(shape), jobs_(world.events()) {}

bool SimPool::submit(rt::Callback work) {
  const bool full = room_ == Host::PoolRoom::none || jobs_.size() >= shape_.queue_max;
  if (full || random_.chance(shape_.full_percent)) return false;
  const Duration delay = random_.between(Duration::microseconds(20), Duration::milliseconds(3));
  jobs_.at(world_.now() + delay, [this, work = std::move(work)]() mutable {
    world_.note(World::Event::pool, jobs_.size());
    world_.run_on_pool(work);
  });
  return true;
}

SimRuntime::SimRuntime(const Parts& parts)
    : host_(*parts.host),
      net_(*parts.net),
      machine_(*parts.machine),
      resolver_(*parts.world, *parts.dns),
      files_(*parts.host, *parts.disk, parts.world->fork_random()),
      entropy_(parts.world->fork_random()),
      pool_(*parts.world, parts.world->fork_random(), parts.pool) {
  PH_CHECK(parts.loops > 0);
  for (size_t i = 0; i < parts.loops; ++i) {
    owned_loops_.push_back(std::make_unique<SimLoop>(
        *parts.world, SimLoop::Place{parts.host->name(), i, parts.wall_offset}));
    loops_.push_back(owned_loops_.back().get());
  }
}

Result<std::unique_ptr<rt::Listener>> SimRuntime::listen(rt::Loop& loop,
                                                         rt::ListenOptions options) {
  if (!machine_.descriptors_left) return fail(rt::kNoDescriptors, to_text(options.at));
  const auto backlog = static_cast<size_t>(options.backlog > 0 ? options.backlog : 1);
  ListenPlace place{options.at, backlog, options.sharing};
  const bool any_port = place.at.port == 0 && place.at.kind != rt::Endpoint::Kind::local;
  if (any_port) place.at.port = net_.free_port(machine_);
  PH_TRY_STATUS(net_.may_listen(machine_, place));
  return std::unique_ptr<rt::Listener>(
      std::make_unique<SimListener>(loop, net_, machine_, std::move(place)));
}

rt::Task<Result<std::unique_ptr<rt::Stream>>> SimRuntime::dial(rt::Loop& loop,
                                                               rt::DialOptions options,
                                                               rt::Deadline deadline) {
  Dial dial(net_, machine_, loop);
  PH_CO_TRY_STATUS(dial.start(options));
  while (!dial.done()) {
    const rt::Woken woken = co_await dial.wait(deadline, std::source_location::current());
    if (woken != rt::Woken::hint && !dial.done()) {
      co_return rt::to_status(woken, "connecting to " + to_text(options.to)).error();
    }
  }
  co_return dial.take();
}

rt::Memory& SimRuntime::memory() { return host_.memory(); }

void SimRuntime::stop() {
  pool_.clear();
  for (auto& loop : owned_loops_) loop->stop();
}

void SimRuntime::freeze_until(Instant when) {
  for (auto& loop : owned_loops_) loop->freeze_until(when);
}

}  // namespace ph::rt_sim::detail
