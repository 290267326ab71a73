// Commands on one message.
#include <algorithm>

#include "base/text.h"
#include "service/queue/detail/desk.h"
#include "service/queue/detail/records.h"

namespace ph::queue {
namespace {

using model::QueueEvent;
using model::QueueHappening;
using model::QueueReason;
using model::QueueRow;
using model::QueueState;

constexpr size_t kAddressMax = 320;
constexpr size_t kViaMax = 300;
constexpr size_t kByMax = 200;

bool is_address(std::string_view text) {
  const size_t at = text.rfind('@');
  const auto is_bad = [](char c) {
    return static_cast<unsigned char>(c) <= ' ' || c == '<' || c == '>' || c == '\x7F' || c == ',';
  };
  return at != std::string_view::npos && at > 0 && at + 1 < text.size() &&
         text.size() <= kAddressMax && std::ranges::none_of(text, is_bad) && is_valid_utf8(text);
}

// "host:port", "192.0.2.1:25", "[2001:db8::1]:25".
bool is_next_hop(std::string_view text) {
  const size_t colon = text.rfind(':');
  if (colon == std::string_view::npos || colon == 0 || text.size() > kViaMax) return false;
  const auto port = parse_u64(text.substr(colon + 1));
  std::string_view host = text.substr(0, colon);
  const bool bracketed = host.starts_with('[') && host.ends_with(']');
  if (bracketed) host = host.substr(1, host.size() - 2);
  const auto is_good = [bracketed](char c) {
    return is_alpha(c) || is_digit(c) || c == '.' || c == '-' || c == '_' ||
           (bracketed && c == ':');
  };
  return port.has_value() && *port > 0 && *port <= 65'535 && !host.empty() &&
         std::ranges::all_of(host, is_good);
}

}  // namespace

std::string_view to_text(Command command) {
  switch (command) {
    case Command::hold: return "hold";
    case Command::release: return "release";
    case Command::retry: return "retry";
    case Command::remove: return "remove";
    case Command::redirect: return "redirect";
  }
  return "";
}

Status check_request(const ControlRequest& request) {
  if (request.command == Command::hold && request.hold_for.has_value() &&
      *request.hold_for <= Duration{}) {
    return fail(kBadFilter, "a hold lasts longer than nothing");
  }
  if (request.command != Command::redirect) return {};
  if (request.to.empty() == !request.via.has_value()) {
    return fail(kBadFilter, "redirect needs an address or a next hop, one of the two");
  }
  if (!request.to.empty() && !is_address(request.to)) {
    return fail(kBadFilter, printable(request.to, 100) + " is not an address");
  }
  if (request.via.has_value() && !request.via->empty() && !is_next_hop(*request.via)) {
    return fail(kBadFilter, printable(*request.via, 100) + " is not a next hop, host:port");
  }
  return {};
}

std::string refusal_of_redirect(const ControlRequest& request, const QueueRow& row) {
  const bool is_same = request.command == Command::redirect && !request.via.has_value() &&
                       iequals(row.recipient.address, request.to);
  return is_same ? "it is for " + request.to + " already" : std::string();
}

rt::Task<Result<Explanation>> Desk::control(ControlRequest request, rt::Deadline deadline) {
  PH_CO_TRY_STATUS(check_request(request));
  PH_CO_TRY(const MessageFacts facts, co_await core_.ledger.message(request.id));
  PH_CO_TRY(const std::vector<QueueRow> rows,
            co_await core_.ledger.rows(request.id, 0, facts.recipients));
  PH_CO_TRY(const RowChange change, change_of(request));
  std::vector<RowChange> changes;
  std::string refusal = "it has ended";
  for (const QueueRow& row : rows) {
    if (request.recipient.has_value() && row.index != *request.recipient) continue;
    if (model::is_end(row.state)) continue;
    std::string problem = refusal_of_redirect(request, row);
    if (!problem.empty()) {
      refusal = std::move(problem);
      continue;
    }
    changes.push_back(change);
    changes.back().index = row.index;
  }
  if (changes.empty()) co_return fail(kNotPossible, refusal);
  if (!request.recipient.has_value() && request.command != Command::redirect) {
    changes.resize(1);  // also what an alias has expanded to meanwhile
    changes.front().index = kEveryRow;
  }
  PH_CO_TRY(const Applied applied,
            co_await clerk_.apply(request.id, std::move(changes), nullptr, deadline));
  if (applied.changed == 0) {
    co_return fail(kNotPossible, applied.refusal.empty() ? refusal : applied.refusal);
  }
  if (request.command == Command::retry) {
    reopen_lanes(rows);
    // Whatever was under way for them, an old look-up above all, is not waited for.
    for (const QueueRow& row : rows) core_.window.drop({row.id, row.index});
  }
  core_.ports.log.info("queue.command", {{"id", model::to_text(request.id)},
                                         {"command", to_text(request.command)},
                                         {"by", printable(request.by)},
                                         {"rows", applied.changed}});
  scheduler_.hint();
  PH_CO_TRY_STATUS(co_await note({.when = core_.now(),
                                  .by = request.by,
                                  .what = std::string(to_text(request.command)),
                                  .subject = model::to_text(request.id),
                                  .rows = applied.changed},
                                 deadline));
  co_return co_await why(request.id);
}

void Desk::reopen_lanes(const std::vector<QueueRow>& rows) {
  std::vector<std::string_view> lanes;
  for (const QueueRow& row : rows) {
    if (!row.lane.empty() && !model::is_end(row.state)) lanes.push_back(row.lane);
  }
  std::ranges::sort(lanes);
  const auto surplus = std::ranges::unique(lanes);
  lanes.erase(surplus.begin(), surplus.end());
  for (const std::string_view lane : lanes) dispatcher_.reopen(std::string(lane));
}

rt::Task<Status> Desk::note(AuditEntry entry, rt::Deadline deadline) {
  entry.by = printable(entry.by, kByMax);
  entry.what = printable(entry.what, kByMax);
  entry.subject = printable(entry.subject);
  if (entry.when == Time{}) entry.when = core_.now();
  const Time oldest = core_.now() - core_.values().get(kKeepEnded);
  co_return co_await core_.ledger.note(std::move(entry), oldest, deadline);
}

rt::Task<Status> Desk::suspend(Suspension suspension, rt::Deadline deadline) {
  AuditEntry entry{.when = core_.now(),
                   .by = suspension.by,
                   .what = "suspend-lane until " + to_iso8601(suspension.until),
                   .subject = suspension.lane,
                   .rows = 0};
  PH_CO_TRY_STATUS(co_await suspender_.suspend(std::move(suspension), deadline));
  co_return co_await note(std::move(entry), deadline);
}

rt::Task<Status> Desk::resume(std::string lane, std::string by, rt::Deadline deadline) {
  AuditEntry entry{
      .when = core_.now(), .by = std::move(by), .what = "resume-lane", .subject = lane, .rows = 0};
  PH_CO_TRY_STATUS(co_await suspender_.resume(std::move(lane), deadline));
  co_return co_await note(std::move(entry), deadline);
}

// What a command does to a row, but for the row's number. Who gave it stays in the row's history.
Result<RowChange> Desk::change_of(const ControlRequest& request) const {
  RowChange change;
  QueueHappening& happening = change.happening;
  model::ReplyRecord note{.when = core_.now(), .host = "administrator"};
  std::string did;
  switch (request.command) {
    case Command::hold:
      happening.event = QueueEvent::hold;
      happening.reason = QueueReason::held_by_administrator;
      happening.until = core_.now() + request.hold_for.value_or(core_.values().get(kHold));
      happening.by = printable(request.by, kByMax);
      did = "held until " + to_iso8601(happening.until);
      break;
    case Command::release:
      happening.event = QueueEvent::release;
      did = "released";
      break;
    case Command::retry: happening.event = QueueEvent::retry; break;
    case Command::remove:
      happening.event = QueueEvent::remove;
      change.telling = request.telling;
      did = "removed";
      break;
    case Command::redirect:
      happening.event = request.via.has_value() ? QueueEvent::retry : QueueEvent::redirect;
      happening.via = request.via;
      if (!request.to.empty()) change.members.push_back(request.to);
      if (!request.to.empty()) did = "redirected to " + request.to;
      if (request.via.has_value()) {
        did = request.via->empty() ? "given back to the router"
                                   : "redirected to next hop " + *request.via;
      }
      break;
  }
  if (!did.empty()) {
    note.text = did + " by " + printable(request.by, kByMax);
    happening.replies.push_back(std::move(note));
  }
  return change;
}

}  // namespace ph::queue
