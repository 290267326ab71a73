// Administrators: they give commands to letters in any state, several at once, and remember what
// they were answered. An answered hold lasts until its end, a later command, expiry, or the success
// of the attempt that was running; a removal lasts for ever; on a suspended lane no attempt begins.
// That is checked against the table.
//
// Commands run beside everything else and die with the server. Outlives the world's simulation.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sim/world.h"

namespace ph::sim {

struct Order {
  queue::Command command = queue::Command::hold;
  std::string marker;                                 // of the letter
  std::optional<uint32_t> recipient{};                // absent: the whole message
  Duration hold_for;                                  // hold
  queue::Telling telling = queue::Telling::silently;  // remove
  // redirect: one of them
  std::string to{};
  std::optional<std::string> via{};
};

// The same for every row that fits.
struct WideOrder {
  queue::Command command = queue::Command::hold;
  queue::ListFilter filter;
  Duration hold_for;
  queue::Doing doing = queue::Doing::really;
};

class Administrator {
 public:
  using Find = std::function<void(std::string)>;
  Administrator(World& world, Find find) : world_(world), find_(std::move(find)) {}
  Administrator(const Administrator&) = delete;
  Administrator& operator=(const Administrator&) = delete;

  // Begins to carry it out; nothing when the server is down or knows no such letter.
  void give(Order order);
  void give(WideOrder order);
  void suspend(const std::string& lane, Duration length);
  void resume(const std::string& lane);
  // Ends by the wall clock are not followed over a step of it.
  void clock_stepped() {
    forget_holds();
    suspended_.clear();
  }

  // Every row that was answered to be held or removed still is, or has a reason not to be. What was
  // answered after `read_began` the rows cannot show yet.
  void check(const std::vector<queue::ListedRow>& rows, Instant read_began);
  // Whether its removal, or its redirection, was ordered, whatever was answered.
  bool may_be_removed(const model::QueueRow& row) const;
  bool may_be_redirected(const model::QueueRow& row) const { return ordered(redirects_, row); }
  bool is_busy() const { return underway_ > 0; }
  uint64_t answered() const { return answered_; }

 private:
  using RowName = std::pair<uint64_t, uint32_t>;  // queue id, index
  struct Underway {
    uint64_t& count;
    explicit Underway(uint64_t& orders) : count(orders) { ++count; }
    ~Underway() { --count; }
    Underway(const Underway&) = delete;
    Underway& operator=(const Underway&) = delete;
  };
  static rt::Task<void> carry_out(Administrator& self, app::Server& server, rt::Loop& loop,
                                  Order order);
  static rt::Task<void> carry_out_widely(Administrator& self, app::Server& server, rt::Loop& loop,
                                         WideOrder order);
  static rt::Task<void> carry_out_suspension(Administrator& self, app::Server& server,
                                             rt::Loop& loop, queue::Suspension suspension);
  static rt::Task<void> carry_out_resumption(Administrator& self, app::Server& server,
                                             rt::Loop& loop, std::string lane);
  // From now on nobody can say which of them still counts.
  void forget_holds() {
    holds_.clear();
    ++upheavals_;
  }
  void judge(const Order& order, bool is_newest, const queue::Explanation& answer);
  void expect(const Order& order, const model::QueueRow& row);
  void check_hold(const RowName& name, const model::QueueRow& row, std::string_view marker);
  void check_suspension(const model::QueueRow& row, std::string_view marker);
  static bool ordered(const std::set<RowName>& orders, const model::QueueRow& row);

  World& world_;
  Find find_;
  uint64_t underway_ = 0;  // orders that are being carried out
  uint64_t answered_ = 0;
  uint64_t numbered_ = 0;
  uint64_t upheavals_ = 0;
  std::map<uint64_t, uint64_t> newest_;         // of the orders for a message: its number
  std::map<uint64_t, uint64_t> underway_with_;  // orders for a message
  struct Hold {
    Time until;
    Time expires_at;
    Instant answered;
  };
  std::map<RowName, Hold> holds_;
  std::map<RowName, Instant> removed_;  // when that was answered
  std::set<RowName> removals_;          // ordered; index kEvery: of the whole message
  std::set<RowName> redirects_;
  std::vector<queue::ListFilter> wide_removals_;
  struct Suspended {
    Time answered;
    Time until;
  };
  std::map<std::string, Suspended> suspended_;      // by lane
  std::map<std::string, uint64_t> newest_of_lane_;  // order
  static constexpr uint32_t kEvery = UINT32_MAX;
};

}  // namespace ph::sim
