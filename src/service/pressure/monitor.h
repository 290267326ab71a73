// The monitor: which mail is refused for now, because of what, since when.
//
//   medium   strangers' mail is refused; users who logged in may submit
//   high     all new mail is refused
//
// Only intake asks it. What was accepted goes on at every level: deliveries, changes of state,
// reports. The worst resource decides and is named in the refusal.
#pragma once

#include <array>
#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "config/setting.h"
#include "obs/log.h"
#include "obs/metrics.h"
#include "rt/scope.h"
#include "service/pressure/ladder.h"
#include "service/pressure/resources.h"

namespace ph::pressure {

enum class Resource : uint8_t { disk, memory, latency, commits };
inline constexpr std::array kResources = {Resource::disk, Resource::memory, Resource::latency,
                                          Resource::commits};
std::string_view to_text(Resource resource);

// Who wants to hand in mail.
enum class Sender : uint8_t { stranger, user };

struct Standing {
  Resource resource = Resource::disk;
  std::optional<Level> level = {};  // absent: unknown, there is no reading of late
  Time since = {};                  // when it came to this level
  std::string words = {};    // the newest reading: "3 % free (1200 MiB of 40 GiB)"; "" for none
  std::string problem = {};  // why the last look failed; "" if it did not
};

struct Parts {
  rt::Loop& loop;
  Resources& resources;
  const config::Source& settings;  // of that loop
  obs::Log& log;
  obs::Metrics& metrics;
};

class Monitor {
 public:
  explicit Monitor(Parts parts);
  ~Monitor();
  Monitor(const Monitor&) = delete;
  Monitor& operator=(const Monitor&) = delete;

  // Looks from now on, until destroyed. On the loop.
  void start();

  // "" while this sender's mail is taken; else the sentence for the 4.3.1 reply. Counts what it
  // refuses. From any thread.
  std::string refusal(Sender sender) const;
  // Every resource, in the order of kResources. From any thread.
  std::vector<Standing> report() const;

 private:
  struct Watched;
  using Look = rt::Task<Status> (Monitor::*)(rt::Deadline);

  rt::Task<void> watch(Look look, std::vector<Resource> of);
  rt::Task<void> find_stale();
  rt::Task<Status> look_at_disk(rt::Deadline deadline);
  rt::Task<Status> look_at_memory(rt::Deadline deadline);
  rt::Task<Status> look_at_commits(rt::Deadline deadline);

  struct Reading {
    uint64_t load = 0;
    std::string fact;   // for the refusal: "3 % free"
    std::string words;  // for the report
  };
  void take(Resource resource, Reading reading, const Ladder& ladder);
  void note_problem(Resource resource, const Error& error);
  void change_level(Watched& watched, std::optional<Level> to);
  void publish();
  Watched& of(Resource resource);

  Parts parts_;
  std::array<std::unique_ptr<Watched>, kResources.size()> watched_;  // home loop only
  struct Inside;
  std::unique_ptr<Inside> inside_;

  // For other threads.
  std::atomic<Level> worst_ = Level::low;
  mutable std::mutex mutex_;  // guards what follows; held for a copy
  std::string refusal_;
  std::vector<Standing> board_;

  std::array<obs::Counter*, 2> refused_{};
  rt::Scope scope_;
};

}  // namespace ph::pressure
