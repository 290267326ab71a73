#include "sim/detail/administrator.h"

#include <fmt/format.h>

#include <algorithm>

#include "sim/detail/table.h"

namespace ph::sim {
namespace {

using model::QueueRow;
using model::QueueState;
using queue::Command;

constexpr size_t kSameLetterMax = 4;  // messages of one letter: it may have been accepted twice

bool concerns(const Order& order, const QueueRow& row) {
  return !order.recipient.has_value() || *order.recipient == row.index;
}

bool is_held_by_us(const QueueRow& row) {
  return row.state == QueueState::held && row.reason == model::QueueReason::held_by_administrator;
}

}  // namespace

void Administrator::give(Order order) {
  if (!world_.is_serving()) return;
  world_.pose(carry_out(*this, world_.server(), world_.server_loop(), std::move(order)));
}

rt::Task<void> Administrator::carry_out(Administrator& self, app::Server& server, rt::Loop& loop,
                                        Order order) {
  struct Underway {
    uint64_t& count;
    explicit Underway(uint64_t& orders) : count(orders) { ++count; }
    ~Underway() { --count; }
    Underway(const Underway&) = delete;
    Underway& operator=(const Underway&) = delete;
  };
  const Underway underway(self.underway_);
  const rt::Deadline deadline = loop.in(Duration::minutes(1));
  auto known =
      co_await server.queue().find(loop, message_id_of(order.marker), kSameLetterMax, deadline);
  if (!known.has_value() || known->empty()) co_return;
  queue::ControlRequest request;
  request.id = known->back();
  request.command = order.command;
  request.recipient = order.recipient;
  request.by = "administrator of the world";
  if (order.command == Command::hold) request.hold_for = order.hold_for;
  const uint64_t id = request.id.value;
  const uint64_t number = ++self.numbered_;
  const uint64_t clock_steps = self.clock_steps_;
  self.newest_[id] = number;
  const uint32_t index = order.recipient.value_or(kEvery);
  std::erase_if(self.holds_, [&](const auto& entry) {
    return entry.first.first == id && (index == kEvery || entry.first.second == index);
  });
  if (order.command == Command::remove) self.removals_.insert({id, index});
  const std::string what = fmt::format("{} {}{}", to_text(order.command), order.marker,
                                       index == kEvery ? "" : fmt::format(", row {}", index));
  self.world_.say("administrator", what);
  auto answer = co_await server.queue().control(loop, std::move(request), deadline);
  if (!answer.has_value()) {
    self.world_.say("administrator", what + ": " + answer.error().to_text());
    co_return;
  }
  ++self.answered_;
  for (const QueueRow& row : answer->rows) {
    if (concerns(order, row)) self.world_.say("administrator", what + ": " + describe(row));
  }
  self.judge(order, number, *answer);
  if (self.clock_steps_ != clock_steps) self.holds_.clear();
}

// What the answer shows is what was ordered, unless another order came meanwhile.
void Administrator::judge(const Order& order, uint64_t number, const queue::Explanation& answer) {
  const bool is_newest = newest_[answer.message.id.value] == number;
  for (const QueueRow& row : answer.rows) {
    if (!concerns(order, row)) continue;
    if (row.state == QueueState::removed) {
      removed_.try_emplace({row.id.value, row.index}, world_.simulation().now());
    }
    if (is_newest) {
      expect(order, row);
    } else {
      // Two at once: whichever was carried out last counts, and only the table knows which.
      holds_.erase({row.id.value, row.index});
    }
  }
}

void Administrator::expect(const Order& order, const QueueRow& row) {
  // What only waits for its report has ended for whoever gives commands.
  const bool ended = model::is_end(row.state) || row.state == QueueState::reporting;
  bool done = true;
  switch (order.command) {
    case Command::hold:
      done = ended || is_held_by_us(row);
      if (is_held_by_us(row)) {
        holds_[{row.id.value, row.index}] = {row.clock_at, row.expires_at,
                                             world_.simulation().now()};
      }
      break;
    case Command::remove: done = ended; break;
    case Command::release:
    case Command::retry:
    case Command::redirect: done = !is_held_by_us(row); break;
  }
  if (done) return;
  find_(fmt::format("{} of {} was answered, but {}", to_text(order.command), order.marker,
                    describe(row)));
}

void Administrator::check(const std::vector<queue::ListedRow>& rows, Instant read_began) {
  if (holds_.empty() && removed_.empty()) return;
  for (const queue::ListedRow& listed : rows) {
    const QueueRow& row = listed.row;
    const RowName name{row.id.value, row.index};
    const auto removed = removed_.find(name);
    const bool is_told = removed != removed_.end() && removed->second < read_began;
    if (is_told && row.state != QueueState::removed) {
      find_(fmt::format("{} was removed, but {}", listed.message_id, describe(row)));
    }
    const auto hold = holds_.find(name);
    if (hold != holds_.end() && hold->second.answered < read_began)
      check_hold(name, row, listed.message_id);
  }
}

void Administrator::check_hold(const RowName& name, const QueueRow& row, std::string_view marker) {
  const Hold hold = holds_.at(name);
  const Time now = world_.server_loop().wall();
  const bool is_over = now >= hold.until || now >= hold.expires_at;
  const bool arrived = row.state == QueueState::delivered || row.state == QueueState::relayed;
  if (is_over || arrived || is_held_by_us(row)) {
    if (!is_held_by_us(row)) holds_.erase(name);
    return;
  }
  holds_.erase(name);
  find_(fmt::format("{} was held until {} and nobody undid that, but at {} {}", marker,
                    to_iso8601(hold.until), to_iso8601(now), describe(row)));
}

bool Administrator::may_be_removed(model::QueueId id, uint32_t index) const {
  return removals_.contains({id.value, index}) || removals_.contains({id.value, kEvery});
}

}  // namespace ph::sim
