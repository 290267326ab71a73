// What waits in one lane, in the order in which it is served.
//
// Three classes of urgency are served by weight (16 : 4 : 1 when all wait), so low is never
// starved: a class that waits is served at least once in kPicksMax picks. Within a class senders
// take turns, and a sender's own messages keep their order. Bounded by the cap given to push(): in
// a full queue a newcomer with a better claim takes the place of the last messages of whoever has
// most. Every operation costs O(log n) at most but those that say so. Memory only; home loop only.
#pragma once

#include <array>
#include <cstdint>
#include <list>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "service/queue/detail/core.h"

namespace ph::queue {

inline constexpr size_t kClasses = 3;
// 0 for the most urgent class.
constexpr size_t rank_of(model::Priority priority) { return 2 - static_cast<size_t>(priority); }

class FairQueue {
 public:
  static constexpr std::array<uint64_t, kClasses> kWeights{16, 4, 1};
  static constexpr size_t kPicksMax = 24;
  // By rank: whether the class may be served now.
  using Allowed = std::array<bool, kClasses>;

  FairQueue() = default;
  FairQueue(const FairQueue&) = delete;
  FairQueue& operator=(const FairQueue&) = delete;

  size_t size() const { return all_.size(); }
  bool empty() const { return all_.empty(); }
  size_t waiting(size_t rank) const { return classes_[rank].items; }
  size_t senders(size_t rank) const { return classes_[rank].turns.size(); }
  // What the cap counts: each item as many as it has rows, one at least.
  size_t rows() const { return rows_; }
  // The arrival of what has waited longest; Instant::max() when empty.
  Instant oldest() const;

  struct Pushed {
    bool taken = false;
    std::vector<Item> displaced{};  // they lost their places
  };
  // `item` is taken from the caller only if the answer says so. An item larger than the cap has
  // room in an empty queue.
  Pushed push(Item& item, size_t cap);
  // What was popped and cannot go yet is the next one of its sender, whatever the cap.
  void put_back(Item item);
  // A class that is not allowed is served only when no allowed one waits.
  std::optional<Item> pop(const Allowed& allowed);
  // Everything that arrived by then; O(n).
  std::vector<Item> take_until(Instant arrived_by);

 private:
  struct Line;
  struct Node;
  using Nodes = std::list<Node>;
  struct Node {
    Item item;
    Line* line = nullptr;
    std::list<Nodes::iterator>::iterator place{};  // in the line
  };
  // One sender's messages of one class.
  struct Line {
    std::string sender;
    size_t rank = 0;
    uint64_t number = 0;
    std::list<Nodes::iterator> items{};
    std::list<Line>::iterator turn{};
  };
  struct Class {
    std::list<Line> turns;
    std::map<std::string_view, Line*> by_sender;  // views of Line::sender
    std::map<std::pair<size_t, uint64_t>, Line*> by_length;
    size_t items = 0;
    size_t rows = 0;
    uint64_t finish = 0;  // virtual time at which its last pick was paid for
  };

  Line& line_of(const Item& item);
  Line* find_line(const Item& item);
  void grown(Line& line, size_t rows);
  Item take(Nodes::iterator at);
  bool has_room(const Item& item, size_t cap) const;
  std::optional<Item> displace(const Item& newcomer, size_t cap);

  Nodes all_;  // in the order of arrival
  std::array<Class, kClasses> classes_;
  size_t rows_ = 0;
  uint64_t virtual_ = 0;  // of the last pick
  uint64_t numbers_ = 0;
};

}  // namespace ph::queue
