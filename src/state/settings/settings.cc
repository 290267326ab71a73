#include "state/settings/settings.h"

#include <utility>

#include "base/check.h"
#include "base/record.h"

namespace ph::settings {
namespace {

constexpr uint8_t kFormat = 1;
constexpr std::string_view kValuePrefix = "v/";
constexpr std::string_view kAuditPrefix = "a/";
constexpr Duration kRepairStep = Duration::seconds(30);

std::string value_key(std::string_view name) {
  return std::string(kValuePrefix) + std::string(name);
}

// The version makes the key unique when two changes fall on one microsecond.
std::string audit_key(Time when, kv::Version version) {
  return OrderedKey(kAuditPrefix).time(when).u64(version.value).take();
}

std::string encode(const AuditEntry& e) {
  return RecordWriter(kFormat).time(e.when).bytes(e.who).bytes(e.name).bytes(e.value).take();
}

std::optional<AuditEntry> decode(std::string_view record) {
  RecordReader in(record);
  AuditEntry e;
  e.when = in.time();
  e.who = in.bytes();
  e.name = in.bytes();
  e.value = in.bytes();
  if (!in.ok()) return std::nullopt;
  return e;
}

}  // namespace

class Settings::View final : public config::Source {
 public:
  const config::Values& current() const override { return values_; }
  void set(config::Values values) {
    values_ = std::move(values);
    if (changed) changed();
  }
  std::function<void()> changed;

 private:
  config::Values values_;
};

Settings::Settings(SettingsPorts ports, rt::Loop& home, WholeCheck check,
                   std::unique_ptr<kv::Partition> partition)
    : ports_(ports),
      home_(home),
      check_(std::move(check)),
      partition_(std::move(partition)),
      repairs_(home, "settings repairs") {
  for (size_t i = 0; i < ports_.runtime.loops().size(); ++i) {
    views_.push_back(std::make_shared<View>());
  }
}

Settings::~Settings() = default;

rt::Task<Result<std::unique_ptr<Settings>>> Settings::open(SettingsPorts ports, rt::Loop& home,
                                                           WholeCheck check) {
  PH_CO_TRY(auto partition, ports.store.open(home, "settings"));
  std::unique_ptr<Settings> self(new Settings(ports, home, std::move(check), std::move(partition)));
  PH_CO_TRY(const config::Values values, co_await self->load());
  // Nothing else runs yet, so all loops may be given their values at once.
  for (const auto& view : self->views_) view->set(values);
  co_return self;
}

config::Source& Settings::source(const rt::Loop& loop) {
  PH_CHECK(loop.index() < views_.size());
  return *views_[loop.index()];
}

rt::Task<Result<config::Values>> Settings::load() {
  config::Values values;
  std::optional<kv::Range> range = kv::prefix_range(kValuePrefix);
  while (range.has_value()) {
    PH_CO_TRY(kv::Page page, co_await partition_->scan(*range));
    for (const kv::Entry& entry : page.entries) {
      const std::string_view name = std::string_view(entry.key).substr(kValuePrefix.size());
      Result<config::Values> next = values.with(ports_.schema, name, entry.value);
      if (next.has_value()) {
        values = std::move(*next);
      } else {
        ports_.log.warning("settings.ignored", {{"name", name}, {"why", next.error().context()}});
      }
    }
    range = page.rest;
  }
  co_return values;
}

rt::Task<Status> Settings::set(std::string name, std::string value, std::string who,
                               rt::Deadline deadline) {
  co_return co_await apply({std::move(name), std::move(value), std::move(who)}, deadline);
}

rt::Task<Status> Settings::reset(std::string name, std::string who, rt::Deadline deadline) {
  co_return co_await apply({std::move(name), std::nullopt, std::move(who)}, deadline);
}

rt::Task<Status> Settings::apply(Change change, rt::Deadline deadline) {
  PH_CO_TRY(kv::Turns::Turn turn, turns_.take());
  if (turns_.unsure()) PH_CO_TRY_STATUS(co_await catch_up(turn, deadline));
  const config::Values& now = source(home_).current();
  PH_CO_TRY(config::Values next, change.value.has_value()
                                     ? now.with(ports_.schema, change.name, *change.value)
                                     : now.without(ports_.schema, change.name));
  const std::string problem = check_ ? check_(next) : std::string();
  if (!problem.empty()) co_return fail(kContradiction, problem);
  kv::Batch batch;
  const auto at = next.changed().find(change.name);
  if (at != next.changed().end()) {
    batch.put(value_key(change.name), at->second);
  } else {
    batch.erase(value_key(change.name));
  }
  const AuditEntry entry{home_.wall(), change.who, change.name, change.value.value_or("")};
  batch.put(audit_key(entry.when, partition_->version()), encode(entry));
  const auto answer = co_await turn.commit(*partition_, std::move(batch), deadline);
  if (turns_.unsure()) repairs_.spawn("settings repair", repair());
  if (!answer.has_value()) co_return answer.error();
  ports_.log.info("settings.changed",
                  {{"name", entry.name}, {"value", entry.value}, {"by", entry.who}});
  publish(std::move(next));
  co_return Status();
}

// Memory follows the disk again.
rt::Task<Status> Settings::catch_up(kv::Turns::Turn& turn, rt::Deadline deadline) {
  PH_CO_TRY_STATUS(co_await turn.settle(*partition_, deadline));
  PH_CO_TRY(config::Values values, co_await load());
  publish(std::move(values));
  turn.sure();
  co_return Status();
}

rt::Task<void> Settings::repair() {
  while (turns_.unsure()) {
    if (auto turn = turns_.take(); turn.has_value()) {
      const Status caught_up = co_await catch_up(*turn, home_.in(kRepairStep));
      if (caught_up.has_value()) co_return;
    }
    const rt::Woken woken =
        co_await rt::sleep(home_, home_.in(Duration::seconds(1)), "another look at the settings");
    if (woken == rt::Woken::cancelled) co_return;
  }
}

void Settings::on_change(std::function<void(const rt::Loop&)> listener) {
  for (const rt::Loop* loop : ports_.runtime.loops()) {
    views_[loop->index()]->changed = [listener, loop] { listener(*loop); };
  }
}

void Settings::publish(config::Values values) {
  for (rt::Loop* loop : ports_.runtime.loops()) {
    const std::shared_ptr<View>& view = views_[loop->index()];
    if (loop == &home_) {
      view->set(values);
    } else {
      loop->post([view, values] { view->set(values); });
    }
  }
}

rt::Task<Result<std::vector<AuditEntry>>> Settings::audit(size_t limit) {
  kv::Range range = kv::prefix_range(kAuditPrefix);
  range.order = kv::Range::Order::falling;
  range.entries_max = limit;
  PH_CO_TRY(const kv::Page page, co_await partition_->scan(range));
  std::vector<AuditEntry> out;
  for (const kv::Entry& entry : page.entries) {
    if (std::optional<AuditEntry> e = decode(entry.value)) out.push_back(std::move(*e));
  }
  co_return out;
}

}  // namespace ph::settings
