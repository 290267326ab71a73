#include "service/queue/queue.h"

#include <algorithm>
#include <charconv>
#include <functional>
#include <map>
#include <source_location>
#include <type_traits>

#include "base/record.h"
#include "base/text.h"
#include "service/queue/detail/records.h"
#include "service/queue/detail/shard.h"

namespace ph::queue {
namespace {

constexpr std::string_view kPartitionPrefix = "queue/";

std::string partition_name(size_t shard) {
  return std::string(kPartitionPrefix) + std::to_string(shard);
}

// Where a walk over all shards goes on: "<shard>.<row key in hexadecimal>", "" at the beginning.
struct Place {
  size_t shard = 0;
  std::string key;
};

Result<Place> place_of(std::string_view text) {
  if (text.empty()) return Place{};
  const size_t dot = text.find('.');
  const auto shard = parse_u64(text.substr(0, dot));
  if (!shard.has_value() || dot == std::string_view::npos) return fail(kBadFilter, "its place");
  auto key = hex_decode(text.substr(dot + 1));
  if (!key.has_value()) return fail(kBadFilter, "its place");
  return Place{*shard, std::move(*key)};
}

std::string to_text(const Place& place) {
  return std::to_string(place.shard) + '.' + hex_encode(place.key);
}

constexpr Duration kOpenMax = Duration::minutes(5);

// On `loop`, the shard's home: what it is made of may be touched there only.
rt::Task<Result<std::unique_ptr<Shard>>> open_shard(const QueuePorts& ports, rt::Loop& loop,
                                                    uint32_t number, uint64_t incarnation) {
  PH_CO_TRY(std::unique_ptr<kv::Partition> partition,
            ports.store.open(loop, partition_name(number)));
  auto shard = std::make_unique<Shard>(ports, loop, std::move(partition), number, incarnation);
  PH_CO_TRY_STATUS(co_await shard->load());
  co_return std::move(shard);
}

// The same lane on another loop.
void merge(LaneView& sum, const LaneView& other) {
  if (other.health > sum.health) sum.fault = other.fault;
  if (sum.fault.text.empty()) sum.fault = other.fault;
  sum.health = std::max(sum.health, other.health);
  sum.waiting += other.waiting;
  sum.connections += other.connections;
  sum.connections_allowed += other.connections_allowed;
  sum.rate += other.rate;
  sum.failures = std::max(sum.failures, other.failures);
  const bool sooner = other.next_action_at != Time{} &&
                      (sum.next_action_at == Time{} || other.next_action_at < sum.next_action_at);
  if (sooner) sum.next_action_at = other.next_action_at;
  if (!sum.suspension.has_value()) sum.suspension = other.suspension;
  if (sum.suspension.has_value()) sum.next_action_at = sum.suspension->until;
}

constexpr Duration kSameDeed = Duration::seconds(5);

// Runs on the shard's loop what `call` makes of it: rt::call_on, but as an activity that belongs to
// the shard, since it holds guards of the shard's ledger and must not outlive it.
template <class F>
auto on(rt::Loop& home, Shard& shard, const char* what, F call, rt::Deadline deadline)
    -> rt::Task<rt::detail::FlatResult<typename std::invoke_result_t<F, Shard&>::value_type>> {
  using R = rt::detail::FlatResult<typename std::invoke_result_t<F, Shard&>::value_type>;
  auto make = [&shard, call = std::move(call)]() mutable { return call(shard); };
  if (&home == &shard.home()) {
    auto task = make();
    auto result = co_await task;
    co_return R(std::move(result));
  }
  auto handover = std::make_shared<rt::detail::Handover<R>>();  // shared: either side may end first
  shard.home().post([&home, &shard, what, handover, make = std::move(make)]() mutable {
    shard.calls().spawn(
        what, rt::detail::guest<R, decltype(make)>(home, std::move(handover), std::move(make)));
  });
  co_return co_await rt::detail::collect<R>(home, std::move(handover),
                                            "an answer from another loop", deadline,
                                            std::source_location::current());
}

}  // namespace

std::string_view to_text(LaneHealth health) {
  switch (health) {
    case LaneHealth::healthy: return "healthy";
    case LaneHealth::failing: return "failing";
    case LaneHealth::resting: return "resting";
    case LaneHealth::probing: return "probing";
    case LaneHealth::suspended: return "suspended";
  }
  return "";
}

SweepFindings& SweepFindings::operator+=(const SweepFindings& other) {
  rows += other.rows;
  resting += other.resting;
  takeovers += other.takeovers;
  undecodable += other.undecodable;
  faulty += other.faulty;
  index_missing += other.index_missing;
  index_stray += other.index_stray;
  overdue += other.overdue;
  beyond_expiry += other.beyond_expiry;
  orphans += other.orphans;
  slots_leaked += other.slots_leaked;
  leases_stolen += other.leases_stolen;
  repaired += other.repaired;
  return *this;
}

Queue::Queue(QueuePorts ports) : ports_(std::move(ports)) {}
Queue::~Queue() = default;

rt::Task<Result<std::unique_ptr<Queue>>> Queue::open(QueuePorts ports, rt::Loop& home) {
  std::unique_ptr<Queue> queue(new Queue(std::move(ports)));
  const std::string random = queue->ports_.runtime.entropy().bytes(8);
  const uint64_t incarnation = key_u64(random, 0) | 1;  // 0 means none
  const auto loops = queue->ports_.runtime.loops();
  // A former start may have had more loops, so more shards: they find a home too.
  size_t count = loops.size();
  PH_CO_TRY(const std::vector<std::string> names,
            queue->ports_.store.partitions(kPartitionPrefix, model::kShardsMax));
  for (const std::string& name : names) {
    const auto number = parse_u64(std::string_view(name).substr(kPartitionPrefix.size()));
    if (number.has_value() && *number < model::kShardsMax) {
      count = std::max<size_t>(count, *number + 1);
    }
  }
  for (size_t number = 0; number < count; ++number) {
    rt::Loop& loop = *loops[number % loops.size()];
    auto make = [&parts = queue->ports_, &loop, number, incarnation] {
      return open_shard(parts, loop, static_cast<uint32_t>(number), incarnation);
    };
    PH_CO_TRY(auto shard, co_await rt::call_on(home, loop, "opening of the queue", std::move(make),
                                               home.in(kOpenMax)));
    queue->shards_.push_back(std::move(shard));
  }
  co_return std::move(queue);
}

void Queue::start() {
  for (const auto& shard : shards_) {
    Shard* s = shard.get();
    std::vector<Shard*> others;
    for (const auto& other : shards_) {
      if (other != shard) others.push_back(other.get());
    }
    s->home().post([s, others = std::move(others)] {
      s->tell_others([others](const std::string& lane) {
        for (Shard* other : others) {
          other->home().post([other, lane] { other->dispatcher().works_elsewhere(lane); });
        }
      });
      s->start();
    });
  }
}

rt::Task<Status> Queue::stop(rt::Loop& home, rt::Deadline deadline) {
  Status all;
  for (const auto& shard : shards_) {
    auto one = co_await on(
        home, *shard, "stopping of the queue", [deadline](Shard& s) { return s.stop(deadline); },
        deadline);
    if (!one.has_value()) all = std::move(one).error();
  }
  co_return all;
}

Shard* Queue::shard_for(model::QueueId id) const {
  const size_t number = model::shard_of(id);
  return number < shards_.size() ? shards_[number].get() : nullptr;
}

rt::Task<Result<model::QueueId>> Queue::accept(rt::Loop& home, NewMessage message,
                                               rt::Deadline deadline) {
  if (message.recipients.empty()) co_return fail(kNoRecipients);
  if (message.recipients.size() > kRecipientsMax) co_return fail(kTooManyRecipients);
  if (message.raw == nullptr || message.handover_id.size() > kHandoverIdMax) {
    co_return fail(kNotPossible, "no octets, or a hand-over id that is too long");
  }
  const auto mine =
      std::ranges::find_if(shards_, [&home](const auto& shard) { return &shard->home() == &home; });
  Shard& shard = mine != shards_.end() ? **mine : *shards_.front();
  // It may have been given to another shard before, when there were more or fewer loops.
  const bool handed_over = !message.handover_id.empty();
  for (size_t i = 0; handed_over && i < shards_.size(); ++i) {
    if (shards_[i].get() == &shard) continue;
    PH_CO_TRY(
        const std::optional<model::QueueId> known,
        co_await on(
            home, *shards_[i], "a hand-over id",
            [handover = message.handover_id](Shard& s) { return s.ledger().by_handover(handover); },
            deadline));
    if (known.has_value()) co_return *known;
  }
  if (&shard.home() == &home) co_return co_await shard.accept(std::move(message), deadline);
  co_return co_await on(
      home, shard, "acceptance of a message",
      [message = std::move(message), deadline](Shard& s) mutable {
        return s.accept(std::move(message), deadline);
      },
      deadline);
}

rt::Task<Result<Explanation>> Queue::why(rt::Loop& home, model::QueueId id, rt::Deadline deadline) {
  Shard* shard = shard_for(id);
  if (shard == nullptr) co_return fail(kNoSuchMessage, model::to_text(id));
  co_return co_await on(
      home, *shard, "an explanation", [id](Shard& s) { return s.desk().why(id); }, deadline);
}

rt::Task<Result<std::vector<model::QueueId>>> Queue::find(rt::Loop& home, std::string message_id,
                                                          size_t limit, rt::Deadline deadline) {
  const std::string normal = normal_message_id(message_id);
  std::vector<model::QueueId> out;
  for (const auto& shard : shards_) {
    PH_CO_TRY(const std::vector<model::QueueId> found,
              co_await on(
                  home, *shard, "a search by Message-ID",
                  [normal, limit](Shard& s) { return s.ledger().by_message_id(normal, limit); },
                  deadline));
    out.insert(out.end(), found.begin(), found.end());
  }
  std::ranges::sort(out, {}, model::number_of);
  if (out.size() > limit) {
    out.erase(out.begin(), out.end() - static_cast<std::ptrdiff_t>(limit));
  }
  co_return std::move(out);
}

rt::Task<Result<std::optional<model::QueueId>>> Queue::find_handover(rt::Loop& home,
                                                                     std::string handover_id,
                                                                     rt::Deadline deadline) {
  for (const auto& shard : shards_) {
    PH_CO_TRY(
        const std::optional<model::QueueId> known,
        co_await on(
            home, *shard, "a hand-over id",
            [handover_id](Shard& s) { return s.ledger().by_handover(handover_id); }, deadline));
    if (known.has_value()) co_return known;
  }
  co_return std::optional<model::QueueId>();
}

rt::Task<Result<ListPage>> Queue::list(rt::Loop& home, ListFilter filter, std::string from,
                                       size_t limit, rt::Deadline deadline) {
  PH_CO_TRY(Place place, place_of(from));
  ListPage out;
  for (; place.shard < shards_.size(); ++place.shard) {
    const size_t wanted = limit - out.rows.size();
    PH_CO_TRY(ListPage page, co_await on(
                                 home, *shards_[place.shard], "a list",
                                 [filter, key = place.key, wanted, deadline](Shard& s) {
                                   return s.desk().list(filter, key, wanted, deadline);
                                 },
                                 deadline));
    std::ranges::move(page.rows, std::back_inserter(out.rows));
    if (!page.next.empty()) {
      out.next = to_text(Place{place.shard, page.next});
      break;
    }
    place.key.clear();
  }
  co_return std::move(out);
}

rt::Task<Result<std::vector<StateCount>>> Queue::counts(rt::Loop& home, rt::Deadline deadline) {
  std::map<std::pair<model::QueueState, model::QueueReason>, StateCount> sum;
  for (const auto& shard : shards_) {
    PH_CO_TRY(const std::vector<StateCount> counted,
              co_await on(
                  home, *shard, "a count",
                  [deadline](Shard& s) { return s.desk().counts(deadline); }, deadline));
    for (const StateCount& count : counted) {
      auto [at, is_new] = sum.try_emplace({count.state, count.reason}, count);
      if (is_new) continue;
      at->second.rows += count.rows;
      at->second.oldest_since = std::min(at->second.oldest_since, count.oldest_since);
      at->second.next_action_at = std::min(at->second.next_action_at, count.next_action_at);
    }
  }
  std::vector<StateCount> out;
  for (const auto& [key, count] : sum) out.push_back(count);
  co_return std::move(out);
}

rt::Task<Result<Explanation>> Queue::control(rt::Loop& home, ControlRequest request,
                                             rt::Deadline deadline) {
  Shard* shard = shard_for(request.id);
  if (shard == nullptr) co_return fail(kNoSuchMessage, model::to_text(request.id));
  co_return co_await on(
      home, *shard, "a command",
      [request, deadline](Shard& s) { return s.desk().control(request, deadline); }, deadline);
}

rt::Task<Result<BulkResult>> Queue::control_all(rt::Loop& home, BulkRequest request,
                                                rt::Deadline deadline) {
  PH_CO_TRY(const Place place, place_of(request.from));
  if (place.shard >= shards_.size()) co_return BulkResult{};
  PH_CO_TRY(BulkResult out, co_await on(
                                home, *shards_[place.shard], "a command on many messages",
                                [request, key = place.key, deadline](Shard& s) {
                                  return s.desk().control_all(request, key, deadline);
                                },
                                deadline));
  if (!out.next.empty()) {
    out.next = to_text(Place{place.shard, out.next});
  } else if (place.shard + 1 < shards_.size()) {
    out.next = to_text(Place{place.shard + 1, ""});
  }
  co_return std::move(out);
}

rt::Task<Status> Queue::suspend_lane(rt::Loop& home, Suspension suspension, rt::Deadline deadline) {
  for (const auto& shard : shards_) {
    PH_CO_TRY_STATUS(co_await on(
        home, *shard, "a suspension",
        [suspension, deadline](Shard& s) { return s.desk().suspend(suspension, deadline); },
        deadline));
  }
  co_return Status{};
}

rt::Task<Status> Queue::resume_lane(rt::Loop& home, std::string lane, std::string by,
                                    rt::Deadline deadline) {
  bool any = false;
  for (const auto& shard : shards_) {
    const Status one = co_await on(
        home, *shard, "the end of a suspension",
        [lane, by, deadline](Shard& s) { return s.desk().resume(lane, by, deadline); }, deadline);
    // A shard may not know of it when suspending was cut short, or resuming is repeated.
    if (!one.has_value() && !one.error().is(kNotPossible)) co_return one;
    any = any || one.has_value();
  }
  if (!any) co_return fail(kNotPossible, printable(lane, 100) + " is not suspended");
  co_return Status{};
}

rt::Task<Result<std::vector<LaneView>>> Queue::lanes(rt::Loop& home, size_t limit,
                                                     rt::Deadline deadline) {
  std::map<std::string, LaneView> sum;
  for (const auto& shard : shards_) {
    PH_CO_TRY(
        const std::vector<LaneView> views,
        co_await on(home, *shard, "lanes", [](Shard& s) { return s.desk().lanes(); }, deadline));
    for (const LaneView& view : views) {
      auto [at, is_new] = sum.try_emplace(view.lane, view);
      if (!is_new) merge(at->second, view);
    }
  }
  std::vector<LaneView> out;
  for (auto& [lane, view] : sum) {
    if (out.size() < limit) out.push_back(std::move(view));
  }
  co_return std::move(out);
}

rt::Task<Result<std::string>> Queue::content(rt::Loop& home, model::QueueId id, uint64_t offset,
                                             uint64_t length, rt::Deadline deadline) {
  Shard* shard = shard_for(id);
  if (shard == nullptr) co_return fail(kNoSuchMessage, model::to_text(id));
  co_return co_await on(
      home, *shard, "a message's octets",
      [id, offset, length](Shard& s) { return s.desk().content(id, offset, length); }, deadline);
}

rt::Task<Result<std::vector<AuditEntry>>> Queue::audit(rt::Loop& home, size_t limit,
                                                       rt::Deadline deadline) {
  std::vector<AuditEntry> out;
  for (const auto& shard : shards_) {
    PH_CO_TRY(std::vector<AuditEntry> entries,
              co_await on(
                  home, *shard, "the audit log",
                  [limit](Shard& s) { return s.desk().audit(limit); }, deadline));
    std::ranges::move(entries, std::back_inserter(out));
  }
  std::ranges::sort(out, std::greater(), &AuditEntry::when);
  // What was done on every shard is one thing to its reader.
  const auto is_same = [](const AuditEntry& a, const AuditEntry& b) {
    return a.rows == 0 && b.rows == 0 && a.what == b.what && a.subject == b.subject &&
           a.by == b.by && a.when - b.when < kSameDeed;
  };
  const auto surplus = std::ranges::unique(out, is_same);
  out.erase(surplus.begin(), surplus.end());
  if (out.size() > limit) out.resize(limit);
  co_return std::move(out);
}

rt::Task<Result<Trace>> Queue::trace(rt::Loop& home, model::QueueId id, rt::Deadline deadline) {
  Shard* shard = shard_for(id);
  if (shard == nullptr) co_return fail(kNoSuchMessage, model::to_text(id));
  co_return co_await on(
      home, *shard, "a message's way", [id](Shard& s) { return s.desk().trace(id); }, deadline);
}

rt::Task<Status> Queue::note(rt::Loop& home, AuditEntry entry, rt::Deadline deadline) {
  // To the shard of the message that it is about, so that its trace finds it.
  const auto id = model::parse_queue_id(entry.subject);
  Shard* shard = id.has_value() ? shard_for(*id) : nullptr;
  if (shard == nullptr) shard = shards_.front().get();
  co_return co_await on(
      home, *shard, "a note in the audit log",
      [entry, deadline](Shard& s) { return s.desk().note(entry, deadline); }, deadline);
}

void Queue::settings_changed(const rt::Loop& loop) {
  for (const auto& shard : shards_) {
    if (&shard->home() == &loop) shard->look();
  }
}

bool Queue::kill_worker(rt::Loop& loop, uint64_t pick) {
  for (const auto& shard : shards_) {
    if (&shard->home() == &loop && shard->dispatcher().kill_worker(pick)) return true;
  }
  return false;
}

rt::Task<Result<SweepFindings>> Queue::sweep(rt::Loop& home, rt::Deadline deadline) {
  SweepFindings sum;
  for (const auto& shard : shards_) {
    PH_CO_TRY(const SweepFindings one,
              co_await on(
                  home, *shard, "a sweep",
                  [](Shard& s) { return s.auditor().sweep(Auditor::Pace::at_once); }, deadline));
    sum += one;
  }
  co_return sum;
}

}  // namespace ph::queue
