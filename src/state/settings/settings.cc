#include "state/settings/settings.h"

#include <utility>

#include "base/check.h"
#include "base/record.h"

namespace ph::settings {
namespace {

constexpr uint8_t kFormat = 1;
constexpr std::string_view kValuePrefix = "v/";
constexpr std::string_view kAuditPrefix = "a/";

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
  void set(config::Values values) { values_ = std::move(values); }

 private:
  config::Values values_;
};

Settings::Settings(SettingsPorts ports, rt::Loop& home, WholeCheck check,
                   std::unique_ptr<kv::Partition> partition)
    : ports_(ports), home_(home), check_(std::move(check)), partition_(std::move(partition)) {
  for (size_t i = 0; i < ports_.runtime.loops().size(); ++i) {
    views_.push_back(std::make_shared<View>());
  }
}

Settings::~Settings() = default;

rt::Task<Result<std::unique_ptr<Settings>>> Settings::open(SettingsPorts ports, rt::Loop& home,
                                                           WholeCheck check) {
  PH_CO_TRY(auto partition, ports.store.open(home, "settings"));
  std::unique_ptr<Settings> self(new Settings(ports, home, std::move(check), std::move(partition)));
  PH_CO_TRY_STATUS(co_await self->load());
  co_return self;
}

config::Source& Settings::source(const rt::Loop& loop) {
  PH_CHECK(loop.index() < views_.size());
  return *views_[loop.index()];
}

rt::Task<Status> Settings::load() {
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
  // Nothing else runs yet, so all loops may be given their values at once.
  for (const auto& view : views_) view->set(values);
  version_ = partition_->version();
  co_return Status();
}

rt::Task<Status> Settings::set(std::string name, std::string value, std::string who,
                               rt::Deadline deadline) {
  PH_CO_TRY(config::Values next, source(home_).current().with(ports_.schema, name, value));
  AuditEntry entry{home_.wall(), std::move(who), std::move(name), std::move(value)};
  co_return co_await apply(std::move(next), std::move(entry), deadline);
}

rt::Task<Status> Settings::reset(std::string name, std::string who, rt::Deadline deadline) {
  PH_CO_TRY(config::Values next, source(home_).current().without(ports_.schema, name));
  AuditEntry entry{home_.wall(), std::move(who), std::move(name), {}};
  co_return co_await apply(std::move(next), std::move(entry), deadline);
}

rt::Task<Status> Settings::apply(config::Values next, AuditEntry entry, rt::Deadline deadline) {
  const std::string problem = check_ ? check_(next) : std::string();
  if (!problem.empty()) co_return fail(kContradiction, problem);
  kv::Batch batch;
  const auto at = next.changed().find(entry.name);
  if (at != next.changed().end()) {
    batch.put(value_key(entry.name), at->second);
  } else {
    batch.erase(value_key(entry.name));
  }
  batch.put(audit_key(entry.when, version_), encode(entry));
  // `next` was made from what is published: a change still on its way makes this one a conflict.
  PH_CO_TRY(version_, co_await partition_->commit(std::move(batch), {version_, deadline}));
  ports_.log.info("settings.changed",
                  {{"name", entry.name}, {"value", entry.value}, {"by", entry.who}});
  publish(std::move(next));
  co_return Status();
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
