// Scenarios with many letters: m1 to m100 are the crowd m. And what a hop does with one message
// after the other.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <utility>

#include "base/text.h"
#include "sim/detail/stage.h"
#include "sim/detail/table.h"
#include "sim/detail/wanted.h"

namespace ph::sim {

using model::QueueRow;

// ---- furniture ----

// server has N loops
Status Stage::on_server(Words& words) {
  PH_TRY_STATUS(words.expect("has"));
  PH_TRY(const uint64_t loops, words.number("a number of loops"));
  if (!words.accept("loop")) PH_TRY_STATUS(words.expect("loops"));
  if (world_ != nullptr) return fail(kBadLine, "the loops come first");
  if (loops < 1 || loops > 16) return fail(kBadLine, "a server has 1 to 16 loops");
  options_.server_loops = loops;
  return {};
}

// ticks start D before they wrap: of a clock that counts milliseconds in 32 bits
Status Stage::on_ticks(Words& words) {
  PH_TRY_STATUS(words.expect("start"));
  PH_TRY(const Duration before, words.duration());
  PH_TRY_STATUS(words.expect("before they wrap"));
  if (world_ != nullptr) return fail(kBadLine, "the clock comes first");
  const Instant wrap = Instant() + Duration::milliseconds(int64_t{1} << 32);
  options_.simulation.monotonic_start = wrap - before;
  return {};
}

// hop H takes N messages, and then what follows
Status Stage::hop_takes(NextHop& hop, Words& words) {
  HopTurn turn;
  PH_TRY(turn.count, words.number("a number of messages"));
  PH_TRY_STATUS(words.expect("messages"));
  if (turn.count > 0) hop.conduct().turns = {turn};
  return {};
}

// then it answers|drops at|stalls at ..., refuses N connections, takes N messages, is healthy
Status Stage::on_then(Words& words) {
  PH_TRY_STATUS(words.expect("it"));
  if (last_hop_ == nullptr || last_hop_->conduct().turns.empty()) {
    return fail(kBadLine, "it begins with a hop that takes some messages");
  }
  if (words.accept("is healthy")) return {};  // as behind every last turn
  HopTurn turn;
  if (words.accept("refuses")) {
    turn.kind = HopTurn::Kind::refuse;
    PH_TRY(turn.count, words.number("a number of connections"));
    PH_TRY_STATUS(words.expect("connections"));
  } else if (words.accept("takes")) {
    PH_TRY(turn.count, words.number("a number of messages"));
    PH_TRY_STATUS(words.expect("messages"));
  } else {
    turn.kind = HopTurn::Kind::act;
    if (words.accept("answers")) {
      PH_TRY(turn.rule, read_answer(words));
    } else if (words.accept("drops at")) {
      turn.rule.act = HopRule::Act::drop;
    } else {
      PH_TRY_STATUS(words.expect("stalls at"));
      turn.rule.act = HopRule::Act::stall;
    }
    PH_TRY(turn.rule, read_place(turn.rule, words));
    if (turn.rule.step < HopStep::sender) return fail(kBadLine, "that is no step of a message");
    turn.count = turn.rule.times;
  }
  if (turn.count == 0 || turn.count == UINT64_MAX) return fail(kBadLine, "how many times?");
  last_hop_->conduct().turns.push_back(std::move(turn));
  return {};
}

// ---- what happens ----

// send N letters M from A to B, C [of N octets] [with N header fields]
Status Stage::send_letters(uint64_t count, Words& words) {
  PH_TRY_STATUS(words.expect(std::to_string(count)));
  PH_TRY_STATUS(words.expect("letters"));
  if (count < 1 || count > 10'000) return fail(kBadLine, "1 to 10000 letters");
  PH_TRY(const std::string crowd, words.word("the letters' name"));
  PH_TRY_STATUS(words.expect("from"));
  Letter letter;
  PH_TRY(letter.sender, words.word("an address or <>"));
  if (letter.sender == "<>") letter.sender.clear();
  PH_TRY_STATUS(words.expect("to"));
  PH_TRY(letter.recipients, words.list("an address"));
  PH_TRY_STATUS(read_size(letter, words));
  for (uint64_t i = 1; i <= count; ++i) {
    letter.marker = crowd + std::to_string(i);
    PH_TRY_STATUS(send_letter(letter));
  }
  return {};
}

// watch letters M every D: while time passes, tells when their states change, and requires that all
// are there and have a next action.
Status Stage::on_watch(Words& words) {
  PH_TRY_STATUS(words.expect("letters"));
  Watched watched;
  PH_TRY(watched.crowd, words.word("the letters' name"));
  PH_TRY_STATUS(words.expect("every"));
  PH_TRY(watched.every, words.duration());
  if (watched.every < Duration::milliseconds(1)) return fail(kBadLine, "that is too often");
  watched_ = std::move(watched);
  return {};
}

std::vector<const Sent*> Stage::letters_of(std::string_view crowd) {
  std::vector<const Sent*> out;
  for (const auto& [marker, sent] : world().sent()) {
    const std::string_view name = marker;
    if (name.starts_with(crowd) && parse_u64(name.substr(crowd.size()))) out.push_back(&sent);
  }
  return out;
}

std::optional<std::vector<queue::ListedRow>> Stage::rows_of(std::string_view crowd) {
  auto rows =
      read_table(world(), Rows::all, [this](std::string finding) { failed(std::move(finding)); });
  if (!rows.has_value()) return std::nullopt;
  std::erase_if(*rows, [crowd](const queue::ListedRow& listed) {
    const std::string_view id = listed.message_id;
    const std::string_view marker = id.substr(0, id.find('@'));
    return !marker.starts_with(crowd) || !parse_u64(marker.substr(crowd.size()));
  });
  return rows;
}

void Stage::look_at_crowd() {
  size_t accepted = 0;
  for (const Sent* sent : letters_of(watched_->crowd)) {
    accepted += sent->injection.fate == Fate::accepted ? sent->injection.recipients.size() : 0;
  }
  const auto rows = rows_of(watched_->crowd);
  if (!rows.has_value()) return;  // the server is down
  const Time now = world().server_loop().wall();
  struct Kind {
    size_t rows = 0;
    Time next = Time::max();
  };
  std::map<std::string, Kind> kinds;
  for (const queue::ListedRow& listed : *rows) {
    const QueueRow& row = listed.row;
    const std::string_view fault = model::fault_of(row);
    if (!fault.empty()) failed(fmt::format("{}: {}", fault, describe(row)));
    Kind& kind =
        kinds[fmt::format("{} ({})", model::to_text(row.state), model::to_text(row.reason))];
    ++kind.rows;
    if (!model::is_end(row.state)) kind.next = std::min(kind.next, row.next_action_at);
  }
  std::string text;
  std::string next;
  for (const auto& [name, kind] : kinds) {
    text += fmt::format("{}{} {}", text.empty() ? "" : ", ", kind.rows, name);
    if (kind.next == Time::max()) continue;
    next += fmt::format("{} {} in {}", next.empty() ? "; next action:" : ",",
                        name.substr(0, name.find(' ')), to_text(kind.next - now));
  }
  if (rows->size() < accepted) {
    failed(fmt::format("{} rows stand for {} accepted letters", rows->size(), accepted));
  }
  if (text == watched_->last) return;
  watched_->last = text;
  world().say("letters " + watched_->crowd, fmt::format("{} = {}{}", text, rows->size(), next));
}

// ---- what must be ----

// N letters M are accepted|refused, or: are STATE ...
Status Stage::expect_letters(uint64_t count, Words& words) {
  PH_TRY_STATUS(words.expect(std::to_string(count)));
  PH_TRY_STATUS(words.expect("letters"));
  PH_TRY(const std::string crowd, words.word("the letters' name"));
  PH_TRY_STATUS(words.expect("are"));
  size_t found = 0;
  for (const Fate fate : {Fate::accepted, Fate::refused, Fate::unknown}) {
    if (!words.accept(to_text(fate))) continue;
    for (const Sent* sent : letters_of(crowd)) found += sent->injection.fate == fate ? 1 : 0;
    if (found != count) failed(fmt::format("{} letters {} are {}", found, crowd, to_text(fate)));
    return {};
  }
  PH_TRY(const Wanted wanted, read_wanted(words));
  if (!world().is_serving()) {
    failed("the server is down");
    return {};
  }
  const Time now = world().server_loop().wall();
  std::map<std::string, size_t> instead;
  for (const Sent* sent : letters_of(crowd)) {
    for (const queue::Explanation& e : world().explain(sent->letter.marker)) {
      for (const QueueRow& row : e.rows) {
        if (!wanted.recipient.empty() && !iequals(row.recipient.address, wanted.recipient))
          continue;
        const std::string what = mismatch(row, wanted, now);
        found += what.empty() ? 1 : 0;
        if (!what.empty()) ++instead[what];
      }
    }
  }
  if (found == count) return {};
  failed(fmt::format("{} letters {} are so", found, crowd));
  for (const auto& [what, times] : instead)
    print_(fmt::format("    {} letters: one {}", times, what));
  return {};
}

// the states of M add up to N
Status Stage::expect_sum(Words& words) {
  PH_TRY(const std::string crowd, words.word("the letters' name"));
  PH_TRY_STATUS(words.expect("add up to"));
  PH_TRY(const uint64_t sum, words.number("a number of letters"));
  const auto rows = rows_of(crowd);
  if (!rows.has_value()) {
    failed("the server is down");
  } else if (rows->size() != sum) {
    failed(fmt::format("the states of {} add up to {}", crowd, rows->size()));
  }
  return {};
}

// the server has started once|N times
Status Stage::expect_starts(Words& words) {
  return expect_count(words, "the server has started", world().server_host().starts());
}

}  // namespace ph::sim
