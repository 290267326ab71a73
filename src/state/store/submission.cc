#include "state/store/submission.h"

namespace ph::store {
namespace {

// Law 2: a resting state has a clock, an edge for it, and a way to an end.
constexpr bool reaches_an_end(SubmissionState state, int steps) {
  if (has_ended(state)) return true;
  if (steps == 0) return false;
  for (const SubmissionEdge& edge : kSubmissionEdges) {
    if (edge.from == state && edge.to != state && reaches_an_end(edge.to, steps - 1)) return true;
  }
  return false;
}

constexpr bool table_is_sound() {
  for (const SubmissionStateRow& row : kSubmissionStates) {
    bool has_timer = false;
    for (const SubmissionEdge& edge : kSubmissionEdges) {
      if (edge.from == row.state && has_ended(row.state)) return false;
      if (edge.from == row.state && edge.event == SubmissionEvent::clock) has_timer = true;
    }
    if (!has_ended(row.state) && !has_timer) return false;
    if (!reaches_an_end(row.state, 8)) return false;
    if (row.sentence.empty() || row.name.empty()) return false;
  }
  return true;
}
static_assert(table_is_sound());

}  // namespace

std::string_view to_text(SubmissionState state) { return row_of(state).name; }

std::string_view to_text(SubmissionReason reason) {
  switch (reason) {
    case SubmissionReason::submitted: return "submitted";
    case SubmissionReason::send_later: return "send_later";
    case SubmissionReason::transport_not_ready: return "transport_not_ready";
    case SubmissionReason::transport_has_it: return "transport_has_it";
    case SubmissionReason::transport_silent: return "transport_silent";
    case SubmissionReason::delivered: return "delivered";
    case SubmissionReason::transport_refused: return "transport_refused";
    case SubmissionReason::recipients_failed: return "recipients_failed";
    case SubmissionReason::by_user: return "by_user";
    case SubmissionReason::message_damaged: return "message_damaged";
  }
  return {};
}

}  // namespace ph::store
