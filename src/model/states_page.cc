#include "model/states_page.h"

#include <map>
#include <utility>

#include "base/check.h"
#include "model/queue_states.h"

namespace ph::model {
namespace {

std::string code(std::string_view name) { return "`" + std::string(name) + "`"; }

void append_listed(std::string& list, const std::string& item) {
  if (!list.empty()) list += ", ";
  list += item;
}

std::string reasons_of(QueueReasons reasons) {
  std::string out;
  for (size_t n = 0; n < kQueueReasons; ++n) {
    const auto reason = static_cast<QueueReason>(n);
    if (reasons.has(reason)) append_listed(out, code(to_text(reason)));
  }
  return out;
}

std::string_view meaning_of(QueueEvent event) {
  switch (event) {
    case QueueEvent::begin: return "An attempt starts.";
    case QueueEvent::postpone: return "Its next hop has enough to do; it is looked at again later.";
    case QueueEvent::lane_closed: return "Its next hop is known not to work; no attempt is made.";
    case QueueEvent::lane_opened: return "Its next hop works again, or may be used again.";
    case QueueEvent::fail_for_now: return "An attempt did not work, but another one may.";
    case QueueEvent::fail_for_good: return "It cannot be delivered.";
    case QueueEvent::deliver: return "The mailbox has it.";
    case QueueEvent::relay: return "The next hop has it.";
    case QueueEvent::expand: return "The addresses behind an alias take its place.";
    case QueueEvent::give_back: return "An attempt that had not begun to act is undone.";
    case QueueEvent::lease_ended: return "The clock ended an attempt whose worker was lost.";
    case QueueEvent::renew: return "An attempt takes longer than its lease, and its worker lives.";
    case QueueEvent::hold: return "An administrator, or the server itself, keeps it back.";
    case QueueEvent::release: return "An administrator lets it go on.";
    case QueueEvent::review: return "The clock ends a hold, or the wait that its sender wanted.";
    case QueueEvent::retry: return "An administrator wants an attempt now.";
    case QueueEvent::remove: return "An administrator takes it out.";
    case QueueEvent::expire: return "Its time is over.";
    case QueueEvent::defer: return "Its sender wants it to leave later.";
    case QueueEvent::suspend: return "An administrator suspended its next hop.";
    case QueueEvent::tell_delay: return "Its sender is told that it waits.";
    case QueueEvent::await_report: return "Its end is certain; the report about it has to wait.";
    case QueueEvent::report: return "That report is written, and it ends.";
    case QueueEvent::redirect: return "An administrator gave it another address.";
  }
  PH_CHECK(false);
}

std::string states() {
  std::string resting =
      "| resting state | what it means | its clock | what the clock does |\n"
      "| --- | --- | --- | --- |\n";
  std::string ends = "| end | what it means |\n| --- | --- |\n";
  for (const auto& s : kQueueTable.states) {
    if (kQueueTable.is_end(s.state)) {
      ends += "| " + code(s.name) + " | " + std::string(s.sentence) + " |\n";
    } else {
      resting += "| " + code(s.name) + " | " + std::string(s.sentence) + " | " +
                 std::string(s.clock) + " | " + code(to_text(s.timer)) + " |\n";
    }
  }
  return resting + "\n" + ends;
}

using Steps = std::map<std::pair<QueueState, QueueState>, std::string>;

Steps steps() {
  Steps out;
  for (const auto& e : kQueueTable.edges) {
    append_listed(out[{e.from, e.to}], std::string(to_text(e.on)));
  }
  return out;
}

// The resting states only: with the ends it could not be read.
std::string chart(const Steps& all) {
  std::string out = "```mermaid\nstateDiagram-v2\n";
  out += "    [*] --> " + std::string(to_text(kQueueTable.start)) + "\n";
  for (const auto& [pair, events] : all) {
    if (pair.first == pair.second || is_end(pair.second)) continue;
    out += "    " + std::string(to_text(pair.first)) + " --> " + std::string(to_text(pair.second)) +
           ": " + events + "\n";
  }
  return out + "```\n";
}

// From each resting state (a line) to each end, and to itself.
std::string ends(const Steps& all) {
  std::string head = "| from |";
  std::string rule = "| --- |";
  for (const auto& s : kQueueTable.states) {
    if (!is_end(s.state)) continue;
    head += " to " + code(s.name) + " |";
    rule += " --- |";
  }
  std::string out = head + " stays, on |\n" + rule + " --- |\n";
  for (const auto& from : kQueueTable.states) {
    if (is_end(from.state)) continue;
    out += "| " + code(from.name) + " |";
    const auto cell = [&](QueueState to) {
      const auto at = all.find({from.state, to});
      out += " " + (at == all.end() ? std::string() : at->second + " ") + "|";
    };
    for (const auto& to : kQueueTable.states) {
      if (is_end(to.state)) cell(to.state);
    }
    cell(from.state);
    out += "\n";
  }
  return out;
}

std::string edges() {
  std::string out = "| from | event | to | reasons |\n| --- | --- | --- | --- |\n";
  for (const auto& e : kQueueTable.edges) {
    out += "| " + code(to_text(e.from)) + " | " + code(to_text(e.on)) + " | " +
           code(to_text(e.to)) + " | " + reasons_of(e.reasons) + " |\n";
  }
  return out;
}

std::string events() {
  std::string out = "| event | what happened |\n| --- | --- |\n";
  for (auto n = static_cast<int>(QueueEvent::begin); n <= static_cast<int>(QueueEvent::redirect);
       ++n) {
    const auto event = static_cast<QueueEvent>(n);
    out += "| " + code(to_text(event)) + " | " + std::string(meaning_of(event)) + " |\n";
  }
  return out;
}

std::string reasons() {
  std::string out = "| reason | what it says | states |\n| --- | --- | --- |\n";
  for (size_t n = 0; n < kQueueReasons; ++n) {
    const auto reason = static_cast<QueueReason>(n);
    std::string where;
    for (const auto& s : kQueueTable.states) {
      if (kQueueTable.reasons_in(s.state).has(reason)) append_listed(where, code(s.name));
    }
    out += "| " + code(to_text(reason)) + " | " + std::string(sentence_of(reason)) + " | " + where +
           " |\n";
  }
  return out;
}

}  // namespace

std::string queue_states_page() {
  const Steps all = steps();
  return "# Where can a message rest, and what ends that?\n\n"
         "Every recipient of a message is in one of these states, for one of these reasons. In "
         "each\n"
         "state that is no end a clock runs, and expiry ends it in any case. This page is written "
         "by\n"
         "`./dev docs` from the table that the queue runs by (`src/model/queue_states.h`).\n\n"
         "## States\n\n" +
         states() +
         "\n## From one resting state to another\n\nThe words at the arrows are the events "
         "below.\n\n" +
         chart(all) + "\n## From a resting state to an end\n\n" + ends(all) + "\n## Events\n\n" +
         events() + "\n## Reasons\n\n" + reasons() +
         "\n## Every step\n\nThere is no other; a step for a reason that is not in its line is "
         "refused.\n\n" +
         edges();
}

}  // namespace ph::model
