#include "admin/queue_verbs.h"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

#include "admin/contradictions.h"
#include "admin/queue_json.h"
#include "admin/standings.h"
#include "admin/transfer_verbs.h"
#include "base/text.h"
#include "config/setting.h"
#include "model/queue_id.h"
#include "model/queue_row.h"
#include "service/queue/errors.h"
#include "service/queue/options.h"

namespace ph::admin {
namespace {

constexpr size_t kListMax = 10'000;
constexpr size_t kSameIdMax = 16;
constexpr size_t kHoldsTold = 100;
constexpr Duration kBulkCall = Duration::seconds(10);  // then the client asks for more

Json describe(const queue::ListedRow& listed) {
  Json out = admin::describe(listed.row);
  out["id"] = model::to_text(listed.row.id);
  out["sender"] = listed.sender.empty() ? "<>" : listed.sender;
  out["message_id"] = listed.message_id;
  out["size"] = listed.size_bytes;
  return out;
}

// Several messages may have one Message-ID: who looks is shown the newest, who acts must say which.
enum class Several : uint8_t { newest, refuse };

// A queue id as people write it, or a Message-ID with or without its brackets.
rt::Task<Result<model::QueueId>> resolve(QueueParts parts, std::string text, Several several,
                                         rt::Deadline deadline) {
  if (const auto id = model::parse_queue_id(text)) co_return *id;
  PH_CO_TRY(const std::vector<model::QueueId> found,
            co_await parts.queue.find(parts.loop, text, kSameIdMax, deadline));
  if (found.empty())
    co_return fail(queue::kNoSuchMessage, "no message " + printable(text) + " is known");
  if (found.size() > 1 && several == Several::refuse) {
    co_return fail(kBadArgument, "several messages have this Message-ID: name one by its queue id");
  }
  co_return found.back();
}

Result<std::optional<Duration>> duration_argument(const Call& call, std::string_view name) {
  PH_TRY(const std::string text, text_argument(call, name, ""));
  if (text.empty()) return std::optional<Duration>();
  const Result<Duration> parsed = config::parse_duration(text);
  if (!parsed.has_value()) {
    return fail(kBadArgument, std::string(name) + ": " + parsed.error().context());
  }
  return std::optional<Duration>(*parsed);
}

// "20 KiB", or octets.
Result<std::optional<uint64_t>> size_argument(const Call& call, std::string_view name) {
  PH_TRY(const std::string text, text_argument(call, name, ""));
  if (text.empty()) return std::optional<uint64_t>();
  if (const auto octets = parse_u64(text)) return std::optional<uint64_t>(*octets);
  const Result<ByteCount> parsed = config::parse_size(text);
  if (!parsed.has_value()) {
    return fail(kBadArgument, std::string(name) + ": " + parsed.error().context());
  }
  return std::optional<uint64_t>(parsed->value);
}

// `reason_name` is the argument for the rows' reason: a command's own "reason" is why it is given.
Result<queue::ListFilter> filter_of(const Call& call, std::string_view reason_name) {
  queue::ListFilter filter;
  PH_TRY(const std::string state, text_argument(call, "state", ""));
  PH_TRY(const std::string reason, text_argument(call, reason_name, ""));
  PH_TRY(filter.lane, text_argument(call, "lane", ""));
  PH_TRY(filter.sender, text_argument(call, "sender", ""));
  PH_TRY(filter.recipient, text_argument(call, "recipient", ""));
  PH_TRY(filter.subject, text_argument(call, "subject", ""));
  PH_TRY(std::string message_id, text_argument(call, "message_id", ""));
  if (message_id.starts_with('<')) message_id.erase(0, 1);
  if (message_id.ends_with('>')) message_id.pop_back();
  filter.message_id = std::move(message_id);
  PH_TRY(filter.older_than, duration_argument(call, "older"));
  PH_TRY(filter.younger_than, duration_argument(call, "younger"));
  PH_TRY(filter.larger_than, size_argument(call, "larger"));
  PH_TRY(filter.smaller_than, size_argument(call, "smaller"));
  PH_TRY(const std::string priority, text_argument(call, "priority", ""));
  if (!priority.empty()) {
    filter.priority = model::priority_named(priority);
    if (!filter.priority) return fail(kBadArgument, "priorities are low, normal and high");
  }
  PH_TRY(const std::string ended, text_argument(call, "ended", ""));
  filter.with_ended = !ended.empty();
  if (!state.empty()) {
    filter.state = model::queue_state_named(state);
    if (!filter.state) return fail(kBadArgument, "there is no state " + printable(state));
    filter.with_ended = model::is_end(*filter.state);
  }
  if (!reason.empty()) {
    filter.reason = model::queue_reason_named(reason);
    if (!filter.reason) return fail(kBadArgument, "there is no reason " + printable(reason));
  }
  return filter;
}

rt::Task<Result<Json>> list(QueueParts parts, Call call) {
  PH_CO_TRY(const queue::ListFilter filter, filter_of(call, "reason"));
  PH_CO_TRY(const uint64_t limit, number_argument(call, "limit", 100));
  PH_CO_TRY(std::string from, text_argument(call, "from", ""));
  const size_t wanted = std::clamp<size_t>(limit, 1, kListMax);
  Json rows = Json::array();
  // A page may hold fewer rows than match: go on until there are enough or no more.
  do {
    PH_CO_TRY(queue::ListPage page, co_await parts.queue.list(parts.loop, filter, std::move(from),
                                                              wanted - rows.size(), call.deadline));
    for (const queue::ListedRow& row : page.rows) rows.push_back(describe(row));
    from = std::move(page.next);
  } while (!from.empty() && rows.size() < wanted);
  co_return Json{{"rows", std::move(rows)}, {"more", !from.empty()}, {"next", from}};
}

rt::Task<Result<Json>> why(QueueParts parts, Call call) {
  PH_CO_TRY(const std::string text, text_argument(call, "message"));
  PH_CO_TRY(const model::QueueId id, co_await resolve(parts, text, Several::newest, call.deadline));
  PH_CO_TRY(const queue::Explanation e, co_await parts.queue.why(parts.loop, id, call.deadline));
  co_return explain(e);
}

Json describe(const std::vector<queue::StateCount>& counts) {
  Json out = Json::array();
  for (const queue::StateCount& c : counts) {
    out.push_back({{"state", model::to_text(c.state)},
                   {"reason", model::to_text(c.reason)},
                   {"count", c.rows},
                   {"oldest_since", to_iso8601(c.oldest_since)}});
  }
  return out;
}

rt::Task<Result<Json>> counts(QueueParts parts, Call call) {
  PH_CO_TRY(const std::vector<queue::StateCount> all,
            co_await parts.queue.counts(parts.loop, call.deadline));
  co_return describe(all);
}

std::string by_of(const Call& call, const std::string& reason) {
  return reason.empty() ? call.who : call.who + ": " + reason;
}

// What a command is to do, without saying to which message.
Result<queue::ControlRequest> request_of(queue::Command command, const Call& call) {
  queue::ControlRequest request;
  request.command = command;
  PH_TRY(const std::string reason, text_argument(call, "reason", ""));
  request.by = by_of(call, reason);
  PH_TRY(request.hold_for, duration_argument(call, "for"));
  PH_TRY(const std::string notify, text_argument(call, "notify", ""));
  if (!notify.empty()) request.telling = queue::Telling::with_report;
  PH_TRY(request.to, text_argument(call, "to", ""));
  PH_TRY(const std::string via, text_argument(call, "via", ""));
  // "router" gives the choice back to the router.
  if (!via.empty()) request.via = via == "router" ? std::string() : via;
  return request;
}

rt::Task<Result<Json>> control_all(QueueParts parts, queue::Command command, Call call) {
  queue::BulkRequest request;
  PH_CO_TRY(request.filter, filter_of(call, "because"));
  PH_CO_TRY(request.control, request_of(command, call));
  PH_CO_TRY(request.from, text_argument(call, "from", ""));
  PH_CO_TRY(const std::string dry, text_argument(call, "dry_run", ""));
  if (!dry.empty()) request.doing = queue::Doing::dry_run;
  queue::BulkResult sum;
  std::map<std::pair<model::QueueState, model::QueueReason>, queue::StateCount> after;
  const rt::Deadline enough = parts.loop.in(kBulkCall);
  do {
    PH_CO_TRY(queue::BulkResult one,
              co_await parts.queue.control_all(parts.loop, request, call.deadline));
    sum.looked_at += one.looked_at;
    sum.matched += one.matched;
    sum.messages += one.messages;
    sum.changed += one.changed;
    sum.refused += one.refused;
    if (!one.refusal.empty()) sum.refusal = one.refusal;
    for (const queue::StateCount& count : one.after) {
      auto [at, is_new] = after.try_emplace({count.state, count.reason}, count);
      if (!is_new) at->second.rows += count.rows;
    }
    request.from = std::move(one.next);
  } while (!request.from.empty() && !enough.passed(parts.loop.now()));
  for (const auto& [key, count] : after) sum.after.push_back(count);
  co_return Json{
      {"looked_at", sum.looked_at},   {"matched", sum.matched},  {"messages", sum.messages},
      {"changed", sum.changed},       {"refused", sum.refused},  {"refusal", sum.refusal},
      {"after", describe(sum.after)}, {"dry_run", !dry.empty()}, {"next", request.from}};
}

rt::Task<Result<Json>> control(QueueParts parts, queue::Command command, Call call) {
  PH_CO_TRY(const std::string all, text_argument(call, "all", ""));
  if (!all.empty()) co_return co_await control_all(parts, command, std::move(call));
  PH_CO_TRY(const std::string text, text_argument(call, "id"));
  PH_CO_TRY(queue::ControlRequest request, request_of(command, call));
  PH_CO_TRY(request.id, co_await resolve(parts, text, Several::refuse, call.deadline));
  PH_CO_TRY(const std::string one, text_argument(call, "recipient", ""));
  if (!one.empty()) {
    PH_CO_TRY(const queue::Explanation now,
              co_await parts.queue.why(parts.loop, request.id, call.deadline));
    const auto at = std::ranges::find_if(now.rows, [&one](const model::QueueRow& row) {
      return iequals(row.recipient.address, one);
    });
    if (at == now.rows.end()) {
      co_return fail(kBadArgument, "it has no recipient " + printable(one, 100));
    }
    request.recipient = at->index;
  }
  PH_CO_TRY(const queue::Explanation e,
            co_await parts.queue.control(parts.loop, std::move(request), call.deadline));
  co_return explain(e);
}

// ---- the way of a message ----

rt::Task<Result<Json>> trace(QueueParts parts, Call call) {
  PH_CO_TRY(const std::string text, text_argument(call, "message"));
  std::vector<model::QueueId> ids;
  if (const auto id = model::parse_queue_id(text)) {
    ids.push_back(*id);
  } else {
    PH_CO_TRY(ids, co_await parts.queue.find(parts.loop, text, kSameIdMax, call.deadline));
  }
  if (ids.empty())
    co_return fail(queue::kNoSuchMessage, "no message " + printable(text) + " is known");
  Json out = Json::array();
  for (const model::QueueId id : ids) {
    PH_CO_TRY(const queue::Trace way, co_await parts.queue.trace(parts.loop, id, call.deadline));
    out.push_back(trace_of(way));
  }
  co_return Json{{"messages", std::move(out)}};
}

// ---- lanes and the audit log ----

Json describe(const queue::LaneView& lane) {
  Json out = {{"lane", lane.lane},
              {"health", queue::to_text(lane.health)},
              {"waiting", lane.waiting},
              {"connections", lane.connections},
              {"connections_allowed", lane.connections_allowed},
              {"rate", lane.rate},
              {"failures", lane.failures}};
  if (!lane.fault.text.empty()) out["fault"] = model::to_text(lane.fault);
  if (lane.next_action_at != Time{}) out["next_action_at"] = to_iso8601(lane.next_action_at);
  if (lane.suspension.has_value()) {
    out["suspended_by"] = lane.suspension->by;
    out["suspended_since"] = to_iso8601(lane.suspension->since);
    out["suspended_until"] = to_iso8601(lane.suspension->until);
  }
  return out;
}

rt::Task<Result<Json>> lanes(QueueParts parts, Call call) {
  PH_CO_TRY(const uint64_t limit, number_argument(call, "limit", kListMax));
  PH_CO_TRY(const std::vector<queue::LaneView> all,
            co_await parts.queue.lanes(parts.loop, std::clamp<size_t>(limit, 1, kListMax),
                                       call.deadline));
  Json out = Json::array();
  for (const queue::LaneView& lane : all) out.push_back(describe(lane));
  co_return out;
}

// The lane as it is now; as one that nobody uses when it is not in memory.
rt::Task<Result<Json>> lane_read_back(QueueParts parts, std::string name, rt::Deadline deadline) {
  PH_CO_TRY(const std::vector<queue::LaneView> all,
            co_await parts.queue.lanes(parts.loop, SIZE_MAX, deadline));
  const auto at = std::ranges::find(all, name, &queue::LaneView::lane);
  queue::LaneView none;
  none.lane = std::move(name);
  co_return describe(at != all.end() ? *at : none);
}

rt::Task<Result<Json>> suspend(QueueParts parts, Call call) {
  queue::Suspension suspension;
  PH_CO_TRY(suspension.lane, text_argument(call, "lane"));
  PH_CO_TRY(const std::string reason, text_argument(call, "reason", ""));
  PH_CO_TRY(const std::optional<Duration> length, duration_argument(call, "for"));
  const Duration otherwise = parts.settings != nullptr ? parts.settings->current().get(queue::kHold)
                                                       : queue::kHold.initial;
  suspension.by = by_of(call, reason);
  suspension.since = parts.loop.wall();
  suspension.until = suspension.since + length.value_or(otherwise);
  if (suspension.until > suspension.since + queue::kHold.high) {
    co_return fail(kBadArgument, "a suspension lasts at most " + to_text(queue::kHold.high));
  }
  const std::string lane = suspension.lane;
  PH_CO_TRY_STATUS(
      co_await parts.queue.suspend_lane(parts.loop, std::move(suspension), call.deadline));
  co_return co_await lane_read_back(parts, lane, call.deadline);
}

rt::Task<Result<Json>> resume(QueueParts parts, Call call) {
  PH_CO_TRY(const std::string lane, text_argument(call, "lane"));
  PH_CO_TRY(const std::string reason, text_argument(call, "reason", ""));
  PH_CO_TRY_STATUS(
      co_await parts.queue.resume_lane(parts.loop, lane, by_of(call, reason), call.deadline));
  co_return co_await lane_read_back(parts, lane, call.deadline);
}

rt::Task<Result<Json>> audit(QueueParts parts, Call call) {
  PH_CO_TRY(const uint64_t limit, number_argument(call, "limit", 100));
  PH_CO_TRY(const std::vector<queue::AuditEntry> entries,
            co_await parts.queue.audit(parts.loop, std::clamp<size_t>(limit, 1, kListMax),
                                       call.deadline));
  Json out = Json::array();
  for (const queue::AuditEntry& e : entries) {
    out.push_back({{"when", to_iso8601(e.when)},
                   {"by", e.by},
                   {"what", e.what},
                   {"subject", e.subject},
                   {"rows", e.rows}});
  }
  co_return out;
}

// ---- doctor ----

// Pauses that somebody ordered: no defect, but nobody should have to search for them.
rt::Task<Result<Json>> remarks_of(QueueParts parts, rt::Deadline deadline) {
  Json out = Json::array();
  PH_CO_TRY(const std::vector<queue::LaneView> all,
            co_await parts.queue.lanes(parts.loop, kListMax, deadline));
  for (const queue::LaneView& lane : all) {
    if (!lane.suspension.has_value()) continue;
    out.push_back("lane " + lane.lane + " is suspended until " +
                  to_iso8601(lane.suspension->until) + " by " + lane.suspension->by);
  }
  queue::ListFilter held;
  held.state = model::QueueState::held;
  PH_CO_TRY(const queue::ListPage page,
            co_await parts.queue.list(parts.loop, held, "", kHoldsTold, deadline));
  for (const queue::ListedRow& listed : page.rows) {
    const model::QueueRow& row = listed.row;
    if (row.reason == model::QueueReason::lane_suspended) continue;
    std::string text = model::to_text(row.id) + " for " + row.recipient.address +
                       " is held until " + to_iso8601(row.next_action_at) + " (" +
                       std::string(model::to_text(row.reason)) + ")";
    if (!row.held_by.empty()) text += " by " + row.held_by;
    out.push_back(std::move(text));
  }
  if (!page.next.empty()) out.push_back("there are more: posthorn queue list --state held");
  co_return out;
}

Json finding(const char* what, uint64_t count) {
  return {{"what", what}, {"count", count}, {"text", std::to_string(count) + " " + what}};
}

rt::Task<Result<Json>> doctor(QueueParts parts, Call call) {
  PH_CO_TRY(const queue::SweepFindings f, co_await parts.queue.sweep(parts.loop, call.deadline));
  Json findings = Json::array();
  const auto add = [&findings](const char* what, uint64_t count) {
    if (count > 0) findings.push_back(finding(what, count));
  };
  add("records that cannot be read and were set aside", f.undecodable);
  add("rows that contradicted the rest table", f.faulty);
  add("rows without their entry in the index by time", f.index_missing);
  add("entries of the index by time without a row", f.index_stray);
  add("rows past their next action", f.overdue);
  add("rows beyond their expiry", f.beyond_expiry);
  add("rows without their message", f.orphans);
  add("places of connections that nobody uses", f.slots_leaked);
  add("leases that were renewed although their worker is dead", f.leases_stolen);
  if (parts.settings != nullptr) {
    for (const std::string& text : contradictions_of(parts.settings->current())) {
      findings.push_back(
          {{"what", "settings that contradict each other"}, {"count", 1}, {"text", text}});
    }
  }
  Json resources = Json::array();
  if (parts.pressure != nullptr) {
    for (const pressure::Standing& standing : parts.pressure->report()) {
      resources.push_back(standing_json(standing));
      const std::string text = complaint_of(standing);
      if (text.empty()) continue;
      findings.push_back({{"what", "back pressure"}, {"count", 1}, {"text", text}});
    }
  }
  PH_CO_TRY(Json remarks, co_await remarks_of(parts, call.deadline));
  co_return Json{{"findings", std::move(findings)},
                 {"remarks", std::move(remarks)},
                 {"pressure", std::move(resources)},
                 {"rows", f.rows},
                 {"resting", f.resting},
                 {"repaired", f.repaired}};
}

}  // namespace

void add_queue_verbs(Verbs& verbs, QueueParts parts) {
  using Verb = rt::Task<Result<Json>> (*)(QueueParts, Call);
  const std::pair<const char*, Verb> plain[] = {
      {"queue.list", list},     {"queue.why", why},     {"queue.counts", counts},
      {"queue.trace", trace},   {"queue.lanes", lanes}, {"queue.suspend", suspend},
      {"queue.resume", resume}, {"queue.audit", audit}, {"doctor.run", doctor}};
  for (const auto& [name, verb] : plain) {
    verbs.add(name, [parts, verb](Call call) { return verb(parts, std::move(call)); });
  }
  for (const queue::Command command :
       {queue::Command::hold, queue::Command::release, queue::Command::retry,
        queue::Command::remove, queue::Command::redirect}) {
    verbs.add("queue." + std::string(queue::to_text(command)),
              [parts, command](Call call) { return control(parts, command, std::move(call)); });
  }
  add_transfer_verbs(verbs, {parts.queue, parts.loop});
}

}  // namespace ph::admin
