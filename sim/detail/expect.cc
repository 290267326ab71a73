// What a scenario expects: each verb looks once, and says what is there instead.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/text.h"
#include "model/queue_row.h"
#include "service/queue/queue.h"
#include "sim/detail/stage.h"
#include "sim/detail/wanted.h"

namespace ph::sim {

using model::QueueRow;
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
  if (words.accept("the states of")) return expect_sum(words);
  if (words.accept("the server has started")) return expect_starts(words);
  if (const auto count = parse_u64(words.peek())) return expect_letters(*count, words);
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

// HOP has M once|N times|not at all, or: HOP has N letters M once
Status Stage::expect_taken(NextHop& hop, Words& words) {
  PH_TRY_STATUS(words.expect("has"));
  if (const auto count = parse_u64(words.peek())) {
    PH_TRY_STATUS(words.expect(std::string(words.peek())));
    PH_TRY_STATUS(words.expect("letters"));
    PH_TRY(const std::string crowd, words.word("the name of the letters"));
    PH_TRY_STATUS(words.expect("once"));
    size_t once = 0;
    for (const Sent* sent : letters_of(crowd)) {
      const size_t taken = hop.taken(sent->letter.marker, {});
      if (taken == 1) ++once;
      if (taken > 1)
        failed(fmt::format("{} took {} {} times", hop.name(), sent->letter.marker, taken));
    }
    if (once != *count) failed(fmt::format("{} took {} letters {} once", hop.name(), once, crowd));
    return {};
  }
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
