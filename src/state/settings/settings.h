// The live settings: durable in the partition "settings", the same for all loops, validated as a
// whole.
//
// A change is checked against the schema and against the whole (contradictions between settings),
// then committed with an audit record, then given to every loop. Readers use source(loop).current()
// each time they need a value. Changes are made on the home loop.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "config/setting.h"
#include "kv/store.h"
#include "kv/turn.h"
#include "obs/log.h"
#include "rt/runtime.h"

namespace ph::settings {

inline constexpr ErrorKind kContradiction{"settings", "contradiction", Disposition::permanent};

// Answers "" or a sentence naming the settings that contradict each other.
using WholeCheck = std::function<std::string(const config::Values&)>;

struct SettingsPorts {
  rt::Runtime& runtime;
  kv::Store& store;
  const config::Schema& schema;
  obs::Log& log;
};

struct AuditEntry {
  Time when;
  std::string who;
  std::string name;
  std::string value;  // "" after a reset
};

class Settings {
 public:
  // On `home`. A stored value that the schema no longer allows is ignored, and logged.
  static rt::Task<Result<std::unique_ptr<Settings>>> open(SettingsPorts ports, rt::Loop& home,
                                                          WholeCheck check);
  ~Settings();

  config::Source& source(const rt::Loop& loop);
  const config::Schema& schema() const { return ports_.schema; }
  // Called on each loop behind a change that has acted there; a hint, for who would otherwise look
  // later. Set once, before the loops serve anyone; what it calls must outlive the loops.
  void on_change(std::function<void(const rt::Loop&)> listener);
  rt::Loop& home() const { return home_; }

  // kUnknownSetting, kBadValue, kContradiction with a sentence for the operator; kConflict while
  // another change is on its way; kv's errors. Has acted on the home loop when answered, and on the
  // others with their next callback. After kUncertain it acts as soon as the disk has answered.
  rt::Task<Status> set(std::string name, std::string value, std::string who, rt::Deadline deadline);
  rt::Task<Status> reset(std::string name, std::string who, rt::Deadline deadline);
  // The newest first.
  rt::Task<Result<std::vector<AuditEntry>>> audit(size_t limit);

 private:
  class View;
  Settings(SettingsPorts ports, rt::Loop& home, WholeCheck check,
           std::unique_ptr<kv::Partition> partition);
  struct Change {
    std::string name;
    std::optional<std::string> value;  // absent: back to the default
    std::string who;
  };
  rt::Task<Result<config::Values>> load();
  rt::Task<Status> apply(Change change, rt::Deadline deadline);
  rt::Task<Status> catch_up(kv::Turns::Turn& turn, rt::Deadline deadline);
  rt::Task<void> repair();
  void publish(config::Values values);

  SettingsPorts ports_;
  rt::Loop& home_;
  WholeCheck check_;
  std::unique_ptr<kv::Partition> partition_;
  kv::Turns turns_;
  std::vector<std::shared_ptr<View>> views_;  // shared with callbacks on their way to other loops
  rt::Scope repairs_;
};

}  // namespace ph::settings
