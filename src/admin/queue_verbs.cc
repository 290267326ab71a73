#include "admin/queue_verbs.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/text.h"
#include "model/queue_id.h"
#include "model/queue_row.h"
#include "service/queue/errors.h"

namespace ph::admin {
namespace {

constexpr size_t kListMax = 10'000;
constexpr size_t kSameIdMax = 16;

Json describe(const model::ReplyRecord& reply) {
  return {{"when", to_iso8601(reply.when)},
          {"host", reply.host},
          {"stage", model::to_text(reply.stage)},
          {"code", reply.code},
          {"enhanced", model::to_text(reply.enhanced)},
          {"text", model::to_text(reply)}};
}

Json describe(const model::QueueRow& row) {
  Json out = {{"recipient", row.recipient.address},
              {"state", model::to_text(row.state)},
              {"state_text", model::kQueueTable.row(row.state).sentence},
              {"reason", model::to_text(row.reason)},
              {"reason_text", model::sentence_of(row.reason)},
              {"since", to_iso8601(row.since)},
              {"expires_at", to_iso8601(row.expires_at)},
              {"attempts", row.attempts},
              {"maybe_delivered", row.maybe_delivered},
              {"lane", row.lane}};
  if (!model::is_end(row.state)) {
    out["next_action_at"] = to_iso8601(row.next_action_at);
    out["next_action"] = model::next_action_of(row);
  }
  if (!row.held_by.empty()) out["held_by"] = row.held_by;
  Json history = Json::array();
  for (const model::ReplyRecord& reply : row.history) history.push_back(describe(reply));
  out["history"] = std::move(history);
  return out;
}

Json describe(const queue::ListedRow& listed) {
  Json out = describe(listed.row);
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

Result<queue::ListFilter> filter_of(const Call& call) {
  queue::ListFilter filter;
  PH_TRY(const std::string state, text_argument(call, "state", ""));
  PH_TRY(const std::string reason, text_argument(call, "reason", ""));
  PH_TRY(filter.lane, text_argument(call, "lane", ""));
  PH_TRY(filter.sender, text_argument(call, "sender", ""));
  PH_TRY(filter.recipient, text_argument(call, "recipient", ""));
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
  PH_CO_TRY(const queue::ListFilter filter, filter_of(call));
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

rt::Task<Result<Json>> counts(QueueParts parts, Call call) {
  PH_CO_TRY(const std::vector<queue::StateCount> all,
            co_await parts.queue.counts(parts.loop, call.deadline));
  Json out = Json::array();
  for (const queue::StateCount& c : all) {
    out.push_back({{"state", model::to_text(c.state)},
                   {"reason", model::to_text(c.reason)},
                   {"count", c.rows},
                   {"oldest_since", to_iso8601(c.oldest_since)}});
  }
  co_return out;
}

rt::Task<Result<Json>> control(QueueParts parts, queue::Command command, Call call) {
  PH_CO_TRY(const std::string text, text_argument(call, "id"));
  PH_CO_TRY(const std::string reason, text_argument(call, "reason", ""));
  queue::ControlRequest request;
  PH_CO_TRY(request.id, co_await resolve(parts, text, Several::refuse, call.deadline));
  request.command = command;
  request.by = reason.empty() ? call.who : call.who + ": " + reason;
  PH_CO_TRY(const queue::Explanation e,
            co_await parts.queue.control(parts.loop, std::move(request), call.deadline));
  co_return explain(e);
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
  co_return Json{{"findings", std::move(findings)},
                 {"rows", f.rows},
                 {"resting", f.resting},
                 {"repaired", f.repaired}};
}

}  // namespace

Json explain(const queue::Explanation& e) {
  Json recipients = Json::array();
  for (const model::QueueRow& row : e.rows) recipients.push_back(describe(row));
  const queue::MessageFacts& m = e.message;
  return {{"id", model::to_text(m.id)},
          {"sender", m.envelope.sender.empty() ? "<>" : m.envelope.sender},
          {"message_id", m.message_id},
          {"size", m.envelope.size_bytes},
          {"received_at", to_iso8601(m.envelope.received_at)},
          {"origin", model::to_text(m.envelope.origin)},
          {"client", m.envelope.client_ip},
          {"recipients", std::move(recipients)},
          {"more_recipients", e.rows_cut}};
}

void add_queue_verbs(Verbs& verbs, QueueParts parts) {
  verbs.add("queue.list", [parts](Call call) { return list(parts, std::move(call)); });
  verbs.add("queue.why", [parts](Call call) { return why(parts, std::move(call)); });
  verbs.add("queue.counts", [parts](Call call) { return counts(parts, std::move(call)); });
  verbs.add("doctor.run", [parts](Call call) { return doctor(parts, std::move(call)); });
  const auto add = [&](std::string name, queue::Command command) {
    verbs.add(std::move(name),
              [parts, command](Call call) { return control(parts, command, std::move(call)); });
  };
  add("queue.hold", queue::Command::hold);
  add("queue.release", queue::Command::release);
  add("queue.retry", queue::Command::retry);
  add("queue.remove", queue::Command::remove);
}

}  // namespace ph::admin
