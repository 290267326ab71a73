#include "sim/detail/wanted.h"

#include <fmt/format.h>

#include <algorithm>

namespace ph::sim {

using model::QueueRow;

namespace {

Status read_clause(Words& words, Wanted& wanted) {
  if (words.accept("next action within")) {
    PH_TRY(wanted.next_within, words.duration());
    return {};
  }
  if (words.accept("expires within")) {
    PH_TRY(wanted.expires_within, words.duration());
    return {};
  }
  if (words.accept("reply")) {
    PH_TRY(wanted.reply, words.word("a part of a reply"));
    return {};
  }
  PH_TRY_STATUS(words.expect("attempts"));
  const bool at_least = words.accept(">=");
  const bool at_most = !at_least && words.accept("<=");
  if (!at_least && !at_most) PH_TRY_STATUS(words.expect("="));
  PH_TRY(const uint64_t number, words.number("a number of attempts"));
  if (!at_most) wanted.attempts_min = number;
  if (!at_least) wanted.attempts_max = number;
  return {};
}

}  // namespace

Result<Wanted> read_wanted(Words& words) {
  Wanted wanted;
  PH_TRY(const std::string state, words.word("a state"));
  const auto known = model::queue_state_named(state);
  if (!known) return fail(kBadLine, "there is no state " + state);
  wanted.state = *known;
  if (words.accept("for")) {
    PH_TRY(wanted.recipient, words.word("an address"));
  }
  if (words.accept("because")) {
    PH_TRY(const std::string reason, words.word("a reason"));
    wanted.reason = model::queue_reason_named(reason);
    if (!wanted.reason) return fail(kBadLine, "there is no reason " + reason);
  }
  while (words.accept(",")) PH_TRY_STATUS(read_clause(words, wanted));
  return wanted;
}

std::string mismatch(const QueueRow& row, const Wanted& wanted, Time now) {
  if (row.state != wanted.state) return fmt::format("is {}", model::to_text(row.state));
  if (wanted.reason && row.reason != *wanted.reason) {
    return fmt::format("is so because {}", model::to_text(row.reason));
  }
  if (wanted.next_within && row.next_action_at - now > *wanted.next_within) {
    return "has its next action in " + to_text(row.next_action_at - now);
  }
  if (wanted.expires_within && row.expires_at - now > *wanted.expires_within) {
    return "expires in " + to_text(row.expires_at - now);
  }
  if ((wanted.attempts_min && row.attempts < *wanted.attempts_min) ||
      (wanted.attempts_max && row.attempts > *wanted.attempts_max)) {
    return fmt::format("has {} attempts", row.attempts);
  }
  const bool said = std::ranges::any_of(row.history, [&](const model::ReplyRecord& reply) {
    return model::to_text(reply).find(wanted.reply) != std::string::npos;
  });
  if (!wanted.reply.empty() && !said) return "has no such reply";
  return {};
}

}  // namespace ph::sim
