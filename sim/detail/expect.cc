// What a scenario expects: each verb looks once, and says what is there instead.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/text.h"
#include "model/queue_row.h"
#include "service/queue/queue.h"
#include "sim/detail/stage.h"

namespace ph::sim {
namespace {

using model::QueueRow;

// What is expected of the rows of one letter.
struct Wanted {
  model::QueueState state = model::QueueState::ready;
  std::string recipient;  // "": of all
  std::optional<model::QueueReason> reason;
  std::optional<Duration> next_within;
  std::optional<Duration> expires_within;
  std::optional<uint64_t> attempts_min;
  std::optional<uint64_t> attempts_max;
  std::string reply;  // some reply of the history has this text
};

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

// STATE [for ADDRESS] [because REASON] [, next action within D] [, attempts >= N] ...
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

// "" or what the row is instead.
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

}  // namespace

void Stage::failed(const std::string& what, std::string_view marker) {
  ++failures_;
  print_("  FAILED: " + what);
  if (!marker.empty()) print_why(marker);
}

void Stage::print_why(std::string_view marker) {
  const std::vector<queue::Explanation> known = world().explain(marker);
  if (known.empty()) print_("  why " + std::string(marker) + ": the server knows nothing of it");
  for (const queue::Explanation& e : known) {
    print_(fmt::format("  why {}: {} from <{}>", marker, model::to_text(e.message.id),
                       e.message.envelope.sender));
    for (const QueueRow& row : e.rows) {
      print_(fmt::format("    <{}> {} since {}, {} attempts, lane {}", row.recipient.address,
                         model::to_text(row.state), to_iso8601(row.since), row.attempts,
                         row.lane.empty() ? "none" : row.lane));
      print_(
          fmt::format("      {} ({})", model::sentence_of(row.reason), model::to_text(row.reason)));
      if (!model::is_end(row.state)) {
        print_(fmt::format("      next at {}: {}; expires {}", to_iso8601(row.next_action_at),
                           model::next_action_of(row), to_iso8601(row.expires_at)));
      }
      for (const model::ReplyRecord& reply : row.history) {
        print_(fmt::format("      {} {} at {}: {}", to_iso8601(reply.when), reply.host,
                           model::to_text(reply.stage), model::to_text(reply)));
      }
    }
  }
}

Status Stage::on_expect(Words& words) {
  PH_TRY_STATUS(started());
  if (words.accept("mailbox")) return expect_mailbox(words);
  if (words.accept("nothing waits longer than")) return expect_patience(words);
  if (words.accept("no defects")) return expect_no_defects();
  PH_TRY(std::string name, words.word("a letter or a hop"));
  if (NextHop* hop = world().find_hop(name)) return expect_taken(*hop, words);
  return expect_letter(words, std::move(name));
}

Status Stage::expect_letter(Words& words, std::string marker) {
  PH_TRY(const Sent* const sent, letter_named(marker));
  PH_TRY_STATUS(words.expect("is"));
  for (const Fate fate : {Fate::accepted, Fate::refused, Fate::unknown}) {
    if (words.accept(to_text(fate))) return expect_fate(*sent, fate);
  }
  PH_TRY(const Wanted wanted, read_wanted(words));
  if (!world().is_serving()) {
    failed("the server is down");
    return {};
  }
  size_t found = 0;
  const Time now = world().server_loop().wall();
  for (const queue::Explanation& e : world().explain(marker)) {
    for (const QueueRow& row : e.rows) {
      const std::string& address = row.recipient.address;
      if (!wanted.recipient.empty() && !iequals(address, wanted.recipient)) continue;
      const bool is_alias = row.state == model::QueueState::expanded;
      if (is_alias && wanted.recipient.empty() && wanted.state != row.state) continue;
      ++found;
      const std::string what = mismatch(row, wanted, now);
      if (!what.empty()) failed(marker + " for <" + address + "> " + what, marker);
    }
  }
  if (found == 0) failed("the server knows no such recipient of " + marker, marker);
  return {};
}

Status Stage::expect_fate(const Sent& sent, Fate fate) {
  if (sent.injection.fate == fate) return {};
  failed(fmt::format("{} is {}: {}", sent.letter.marker, to_text(sent.injection.fate),
                     sent.injection.words));
  return {};
}

// HOP has M once|N times|not at all
Status Stage::expect_taken(NextHop& hop, Words& words) {
  PH_TRY_STATUS(words.expect("has"));
  PH_TRY(const std::string marker, words.word("a letter"));
  PH_TRY([[maybe_unused]] const Sent* const sent, letter_named(marker));
  return expect_count(words, hop.name() + " took " + marker, hop.taken(marker, {}));
}

// mailbox A has M once, or: mailbox A has a report about M [for R] once
Status Stage::expect_mailbox(Words& words) {
  PH_TRY(const std::string account, words.word("an address"));
  PH_TRY_STATUS(words.expect("has"));
  const bool report = words.accept("a report about");
  PH_TRY(const std::string marker, words.word("a letter"));
  PH_TRY([[maybe_unused]] const Sent* const sent, letter_named(marker));
  std::string recipient;
  if (report && words.accept("for")) {
    PH_TRY(recipient, words.word("an address"));
  }
  const auto mail = world().mailbox(account);
  size_t found = 0;
  if (!mail.has_value()) {
    failed("cannot read the mailbox of " + account + ": " + mail.error().to_text());
  } else {
    found = static_cast<size_t>(std::ranges::count_if(*mail, [&](const std::string& message) {
      return report ? is_report_about(message, marker, recipient) : marker_of(message) == marker;
    }));
  }
  return expect_count(words, account + " has " + (report ? "a report about " : "") + marker, found);
}

Status Stage::expect_count(Words& words, std::string what, size_t found) {
  uint64_t wanted = 0;
  if (words.accept("once")) {
    wanted = 1;
  } else if (!words.accept("not at all")) {
    PH_TRY(wanted, words.number("once, N times, or not at all"));
    PH_TRY_STATUS(words.expect("times"));
  }
  if (found != wanted) failed(fmt::format("{} {} times", what, found));
  return {};
}

// nothing waits longer than D: every row that has not ended has its next action by then.
Status Stage::expect_patience(Words& words) {
  PH_TRY(const Duration limit, words.duration());
  if (!world().is_serving()) {
    failed("the server is down");
    return {};
  }
  constexpr size_t kRowsMax = 10'000;
  rt::Loop& loop = world().server_loop();
  const auto page = world().ask(world().server().queue().list(
      loop, queue::ListFilter{}, std::string(), kRowsMax, loop.in(Duration::minutes(1))));
  if (!page.has_value() || !page->has_value()) {
    failed("the queue does not answer");
    return {};
  }
  for (const queue::ListedRow& listed : (*page)->rows) {
    const Duration wait = listed.row.next_action_at - loop.wall();
    if (wait <= limit) continue;
    failed(fmt::format("{} for <{}> is {} and waits {}", listed.message_id,
                       listed.row.recipient.address, model::to_text(listed.row.state),
                       to_text(wait)));
  }
  return {};
}

Status Stage::expect_no_defects() {
  if (!world().is_serving()) {
    failed("the server is down");
    return {};
  }
  rt::Loop& loop = world().server_loop();
  const auto swept =
      world().ask(world().server().queue().sweep(loop, loop.in(Duration::minutes(1))));
  if (!swept.has_value() || !swept->has_value()) {
    failed("the auditor does not answer");
  } else if ((*swept)->defects() > 0) {
    failed(fmt::format("the auditor found {} defects", (*swept)->defects()));
  }
  return {};
}

}  // namespace ph::sim
