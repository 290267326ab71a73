#include "sim/detail/table.h"

#include <fmt/format.h>

#include <iterator>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "admin/queue_verbs.h"

namespace ph::sim {
namespace {

constexpr size_t kRowsMax = 5000;
constexpr size_t kExplainedMax = 1;
constexpr Duration kPatience = Duration::minutes(1);

void check_explanation(World& world, model::QueueId id, const Find& find) {
  if (!world.is_serving()) return;
  rt::Loop& loop = world.server_loop();
  const auto why = world.ask(world.server().queue().why(loop, id, loop.in(kPatience)));
  if (!why.has_value()) return;  // killed meanwhile
  if (!why->has_value()) {
    find("queue.why: " + why->error().to_text());
    return;
  }
  const admin::Json told = admin::explain(**why);
  for (const admin::Json& recipient : told.at("recipients")) {
    const auto says = [&](const char* key) {
      return recipient.contains(key) && !recipient.at(key).get<std::string>().empty();
    };
    const auto state = model::queue_state_named(recipient.at("state").get<std::string>());
    if (state.has_value() && model::is_end(*state)) continue;
    for (const char* key : {"reason", "reason_text", "next_action", "next_action_at"}) {
      if (!says(key)) find(fmt::format("why has no {}: {}", key, recipient.dump()));
    }
  }
}

}  // namespace

std::string describe(const model::QueueRow& row) {
  std::string out =
      fmt::format("{} {} for <{}> is {} because {}", model::to_text(row.id), row.index,
                  row.recipient.address, model::to_text(row.state), model::to_text(row.reason));
  if (!model::is_end(row.state)) {
    out += fmt::format(", next action {} ({})", to_iso8601(row.next_action_at),
                       model::next_action_of(row));
  }
  if (row.history.empty()) return out;
  const model::ReplyRecord& last = row.history.back();
  return out + fmt::format(", last reply at {} of {}: {}", model::to_text(last.stage), last.host,
                           model::to_text(last));
}

std::optional<std::vector<queue::ListedRow>> read_table(World& world, Rows which,
                                                        const Find& find) {
  if (!world.is_serving()) return std::nullopt;
  std::vector<queue::ListedRow> out;
  std::string from;
  do {
    queue::ListFilter filter;
    filter.with_ended = which == Rows::all;
    rt::Loop& loop = world.server_loop();
    auto page = world.ask(world.server().queue().list(loop, std::move(filter), std::move(from),
                                                      kRowsMax, loop.in(kPatience)));
    if (!page.has_value()) return std::nullopt;
    if (!page->has_value()) {
      find("queue.list: " + page->error().to_text());
      return std::nullopt;
    }
    from = std::move((*page)->next);
    std::ranges::move((*page)->rows, std::back_inserter(out));
  } while (!from.empty() && world.is_serving());
  if (!world.is_serving()) return std::nullopt;
  return out;
}

std::optional<std::vector<queue::ListedRow>> check_table(World& world, const Find& find) {
  std::vector<const Sent*> accepted;  // before the table is read, so that it must know them
  for (const auto& [marker, sent] : world.sent()) {
    if (sent.injection.fate == Fate::accepted) accepted.push_back(&sent);
  }
  auto rows = read_table(world, Rows::all, find);
  if (!rows.has_value()) return std::nullopt;
  std::set<std::pair<std::string, std::string>> known;
  std::set<uint64_t> explained;
  for (const queue::ListedRow& listed : *rows) {
    known.emplace(listed.message_id, listed.row.recipient.address);
    if (model::is_end(listed.row.state)) continue;
    const std::string_view fault = model::fault_of(listed.row);
    if (!fault.empty()) find(fmt::format("{}: {}", fault, describe(listed.row)));
    if (explained.size() < kExplainedMax) explained.insert(listed.row.id.value);
  }
  for (const Sent* sent : accepted) {
    const std::string& marker = sent->letter.marker;
    for (const std::string& recipient : sent->injection.recipients) {
      if (known.contains({message_id_of(marker), recipient})) continue;
      find(fmt::format("{} for <{}> was accepted and is not in the table", marker, recipient));
    }
  }
  for (const uint64_t id : explained) check_explanation(world, model::QueueId{id}, find);
  return rows;
}

void check_sweep(World& world, const Find& find) {
  if (!world.is_serving()) return;
  rt::Loop& loop = world.server_loop();
  const auto swept = world.ask(world.server().queue().sweep(loop, loop.in(kPatience)));
  if (!swept.has_value() || !swept->has_value()) return;  // killed, or the disk is out of order
  if ((*swept)->defects() > 0) find(fmt::format("a sweep found {} defects", (*swept)->defects()));
}

}  // namespace ph::sim
