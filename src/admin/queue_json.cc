#include "admin/queue_json.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <vector>

#include "admin/queue_verbs.h"
#include "base/text.h"
#include "model/queue_id.h"

namespace ph::admin {
namespace {

std::string path_text(const std::string& sender) { return sender.empty() ? "<>" : sender; }

Json describe(const model::ReplyRecord& reply) {
  return {{"when", to_iso8601(reply.when)},
          {"host", reply.host},
          {"stage", model::to_text(reply.stage)},
          {"code", reply.code},
          {"enhanced", model::to_text(reply.enhanced)},
          {"text", model::to_text(reply)}};
}

}  // namespace

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
  out["index"] = row.index;
  out["priority"] = model::to_text(row.priority);
  if (row.notice_at != Time{}) out["notice_at"] = to_iso8601(row.notice_at);
  if (row.delay_told) out["delay_told"] = true;
  if (row.not_before != Time{}) out["not_before"] = to_iso8601(row.not_before);
  if (row.deliver_by.is_set()) {
    const bool returns = row.deliver_by.mode == model::DeliverBy::Mode::return_it;
    out["deliver_by"] = to_iso8601(row.deliver_by.at);
    out["deliver_by_mode"] = returns ? "return" : "notify";
  }
  if (!row.recipient.via.empty()) out["via"] = row.recipient.via;
  if (!row.held_by.empty()) out["held_by"] = row.held_by;
  if (row.state == model::QueueState::held) out["held_until"] = to_iso8601(row.clock_at);
  Json history = Json::array();
  for (const model::ReplyRecord& reply : row.history) history.push_back(describe(reply));
  out["history"] = std::move(history);
  return out;
}

Json explain(const queue::Explanation& e) {
  Json recipients = Json::array();
  for (const model::QueueRow& row : e.rows) recipients.push_back(describe(row));
  const queue::MessageFacts& m = e.message;
  return {{"id", model::to_text(m.id)},
          {"sender", path_text(m.envelope.sender)},
          {"subject", m.subject},
          {"message_id", m.message_id},
          {"size", m.envelope.size_bytes},
          {"received_at", to_iso8601(m.envelope.received_at)},
          {"origin", model::to_text(m.envelope.origin)},
          {"client", m.envelope.client_ip},
          {"account", m.envelope.auth_user},
          {"priority", m.envelope.mt_priority},
          {"ended_at", m.open == 0 ? Json(to_iso8601(m.ended_at)) : Json()},
          {"recipients", std::move(recipients)},
          {"more_recipients", e.rows_cut}};
}

namespace {

struct Event {
  Time when;
  std::string recipient;
  std::string what;
  std::string text;
};

void add_row(std::vector<Event>& out, const model::QueueRow& row) {
  for (const model::TrailStep& step : row.trail) {
    out.push_back({step.when, row.recipient.address, std::string(model::to_text(step.state)),
                   std::string(model::sentence_of(step.reason))});
  }
  for (const model::ReplyRecord& reply : row.history) {
    std::string text = reply.host;
    if (!text.empty()) text += ": ";
    out.push_back({reply.when, row.recipient.address, "reply", text + model::to_text(reply)});
  }
}

std::string origin_text(const model::Envelope& e) {
  std::string out = "from " + path_text(e.sender) + " by " + std::string(model::to_text(e.origin));
  if (!e.auth_user.empty()) out += ", account " + e.auth_user;
  if (!e.client_ip.empty()) out += ", client " + e.client_ip;
  if (!e.client_helo.empty()) out += " (" + e.client_helo + ")";
  return out;
}

// In their own order where they happened at once: the trail before the replies.
void sort_by_time(std::vector<Event>& events) {
  std::vector<std::pair<Time, size_t>> order;
  for (const Event& event : events) order.emplace_back(event.when, order.size());
  std::ranges::sort(order);
  std::vector<Event> sorted;
  sorted.reserve(events.size());
  for (const auto& [when, place] : order) sorted.push_back(std::move(events[place]));
  events = std::move(sorted);
}

}  // namespace

Json trace_of(const queue::Trace& trace) {
  const queue::MessageFacts& m = trace.explanation.message;
  std::vector<Event> events;
  events.push_back({m.envelope.received_at, "", "accepted", origin_text(m.envelope)});
  for (const model::QueueRow& row : trace.explanation.rows) add_row(events, row);
  for (const queue::AuditEntry& entry : trace.commands) {
    events.push_back({entry.when, "", "command", entry.what + " by " + entry.by});
  }
  for (const queue::Explanation& report : trace.reports) {
    const std::string to = report.rows.empty() ? "" : report.rows.front().recipient.address;
    const std::string state =
        report.rows.empty() ? "" : ", " + std::string(model::to_text(report.rows.front().state));
    events.push_back({report.message.envelope.received_at, "", "report",
                      model::to_text(report.message.id) + " to " + to + state});
  }
  if (m.open == 0) events.push_back({m.ended_at, "", "ended", "nothing of it waits any more"});
  sort_by_time(events);
  Json list = Json::array();
  for (const Event& event : events) {
    list.push_back({{"when", to_iso8601(event.when)},
                    {"recipient", event.recipient.empty() ? Json() : Json(event.recipient)},
                    {"what", event.what},
                    {"text", event.text}});
  }
  Json out = explain(trace.explanation);
  out.erase("recipients");
  out["events"] = std::move(list);
  return out;
}

}  // namespace ph::admin
