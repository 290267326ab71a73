#include "sim/detail/administrator.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "sim/detail/table.h"

namespace ph::sim {
namespace {

using model::QueueRow;
using model::QueueState;
using queue::Command;

constexpr size_t kSameLetterMax = 4;  // messages of one letter: it may have been accepted twice
constexpr Duration kPatience = Duration::minutes(1);
constexpr std::string_view kName = "administrator of the world";

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

void Administrator::give(WideOrder order) {
  if (!world_.is_serving()) return;
  world_.pose(carry_out_widely(*this, world_.server(), world_.server_loop(), std::move(order)));
}

void Administrator::suspend(const std::string& lane, Duration length) {
  if (!world_.is_serving()) return;
  const Time now = world_.server_loop().wall();
  queue::Suspension suspension{lane, std::string(kName), now, now + length};
  world_.pose(
      carry_out_suspension(*this, world_.server(), world_.server_loop(), std::move(suspension)));
}

void Administrator::resume(const std::string& lane) {
  if (!world_.is_serving()) return;
  world_.pose(carry_out_resumption(*this, world_.server(), world_.server_loop(), lane));
}

rt::Task<void> Administrator::carry_out(Administrator& self, app::Server& server, rt::Loop& loop,
                                        Order order) {
  const Underway underway(self.underway_);
  const rt::Deadline deadline = loop.in(kPatience);
  auto known =
      co_await server.queue().find(loop, message_id_of(order.marker), kSameLetterMax, deadline);
  if (!known.has_value() || known->empty()) co_return;
  queue::ControlRequest request;
  request.id = known->back();
  request.command = order.command;
  request.recipient = order.recipient;
  request.by = kName;
  if (order.command == Command::hold) request.hold_for = order.hold_for;
  request.telling = order.telling;
  request.to = order.to;
  request.via = order.via;
  const uint64_t id = request.id.value;
  const uint64_t number = ++self.numbered_;
  const uint64_t upheavals = self.upheavals_;
  self.newest_[id] = number;
  const bool is_alone = self.underway_with_[id] == 0;
  const Underway with(self.underway_with_[id]);
  const uint32_t index = order.recipient.value_or(kEvery);
  std::erase_if(self.holds_, [&](const auto& entry) {
    return entry.first.first == id && (index == kEvery || entry.first.second == index);
  });
  if (order.command == Command::remove) self.removals_.insert({id, index});
  if (order.command == Command::redirect) self.redirects_.insert({id, index});
  const std::string what = fmt::format("{} {}{}{}{}", to_text(order.command), order.marker,
                                       index == kEvery ? "" : fmt::format(", row {}", index),
                                       order.to.empty() ? "" : " to " + order.to,
                                       order.via.has_value() ? " via " + *order.via : "");
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
  // Two at once: whichever was carried out last counts, and only the table knows which.
  const bool is_newest = is_alone && self.newest_[id] == number && self.upheavals_ == upheavals;
  self.judge(order, is_newest, *answer);
}

rt::Task<void> Administrator::carry_out_widely(Administrator& self, app::Server& server,
                                               rt::Loop& loop, WideOrder order) {
  const Underway underway(self.underway_);
  queue::BulkRequest request;
  request.filter = order.filter;
  request.control.command = order.command;
  request.control.by = kName;
  if (order.command == Command::hold) request.control.hold_for = order.hold_for;
  request.doing = order.doing;
  const bool is_real = order.doing == queue::Doing::really;
  if (is_real && order.command == Command::remove) self.wide_removals_.push_back(order.filter);
  const std::string what =
      fmt::format("{} all rows of lane '{}' for '{}'{}", to_text(order.command), order.filter.lane,
                  order.filter.recipient, is_real ? "" : ", as if");
  self.world_.say("administrator", what);
  uint64_t changed = 0;
  do {
    if (is_real) self.forget_holds();
    auto answer = co_await server.queue().control_all(loop, request, loop.in(kPatience));
    if (is_real) self.forget_holds();
    if (!answer.has_value()) {
      self.world_.say("administrator", what + ": " + answer.error().to_text());
      co_return;
    }
    changed += answer->changed;
    request.from = answer->next;
  } while (!request.from.empty());
  ++self.answered_;
  self.world_.say("administrator", fmt::format("{}: {} rows", what, changed));
}

rt::Task<void> Administrator::carry_out_suspension(Administrator& self, app::Server& server,
                                                   rt::Loop& loop, queue::Suspension suspension) {
  const Underway underway(self.underway_);
  const std::string lane = suspension.lane;
  const Time until = suspension.until;
  const std::string what = "suspend " + lane + " until " + to_iso8601(until);
  self.suspended_.erase(lane);
  const uint64_t number = ++self.numbered_;
  const uint64_t upheavals = self.upheavals_;
  self.newest_of_lane_[lane] = number;
  self.world_.say("administrator", what);
  const Status done =
      co_await server.queue().suspend_lane(loop, std::move(suspension), loop.in(kPatience));
  self.world_.say("administrator",
                  what + (done.has_value() ? ": done" : ": " + done.error().to_text()));
  const bool counts = self.newest_of_lane_[lane] == number && self.upheavals_ == upheavals;
  if (done.has_value() && counts) self.suspended_[lane] = {loop.wall(), until};
}

rt::Task<void> Administrator::carry_out_resumption(Administrator& self, app::Server& server,
                                                   rt::Loop& loop, std::string lane) {
  const Underway underway(self.underway_);
  self.suspended_.erase(lane);
  self.newest_of_lane_[lane] = ++self.numbered_;
  self.world_.say("administrator", "resume " + lane);
  const Status done =
      co_await server.queue().resume_lane(loop, lane, std::string(kName), loop.in(kPatience));
  self.world_.say("administrator",
                  "resume " + lane + (done.has_value() ? ": done" : ": " + done.error().to_text()));
}

// What the answer shows is what was ordered, unless another order came meanwhile.
void Administrator::judge(const Order& order, bool is_newest, const queue::Explanation& answer) {
  for (const QueueRow& row : answer.rows) {
    if (!concerns(order, row)) continue;
    if (row.state == QueueState::removed) {
      removed_.try_emplace({row.id.value, row.index}, world_.simulation().now());
    }
    if (is_newest) {
      expect(order, row);
    } else {
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
  if (holds_.empty() && removed_.empty() && suspended_.empty()) return;
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
    check_suspension(row, listed.message_id);
  }
}

// What ran when the lane was suspended may go on.
void Administrator::check_suspension(const QueueRow& row, std::string_view marker) {
  const auto at = suspended_.find(row.lane);
  if (at == suspended_.end() || row.state != QueueState::in_flight) return;
  const Suspended& suspension = at->second;
  if (row.since <= suspension.answered || row.since >= suspension.until) return;
  find_(fmt::format("{} is suspended since {}, but {} of {}", row.lane,
                    to_iso8601(suspension.answered), describe(row), marker));
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

bool Administrator::ordered(const std::set<RowName>& orders, const QueueRow& row) {
  return orders.contains({row.id.value, row.index}) || orders.contains({row.id.value, kEvery});
}

bool Administrator::may_be_removed(const QueueRow& row) const {
  const auto fits = [&row](const queue::ListFilter& filter) {
    return ifind(row.recipient.address, filter.recipient) != std::string::npos;
  };
  return ordered(removals_, row) || std::ranges::any_of(wide_removals_, fits);
}

}  // namespace ph::sim
