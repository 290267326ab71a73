#include "service/queue/detail/fair_queue.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace ph::queue {
namespace {

// What one pick costs a class in virtual time: the lighter it weighs, the more.
constexpr uint64_t stride_of(size_t rank) {
  return FairQueue::kWeights.front() / FairQueue::kWeights[rank];
}

size_t rows_of(const Item& item) { return std::max<size_t>(item.rows.size(), 1); }

}  // namespace

Instant FairQueue::oldest() const {
  return all_.empty() ? Instant::max() : all_.front().item.queued_at;
}

FairQueue::Pushed FairQueue::push(Item& item, size_t cap) {
  Pushed out;
  while (!has_room(item, cap)) {
    std::optional<Item> one = displace(item, cap);
    if (!one.has_value()) return out;
    out.displaced.push_back(std::move(*one));
  }
  Line& line = line_of(item);
  all_.push_back({std::move(item), &line});
  const auto at = std::prev(all_.end());
  at->place = line.items.insert(line.items.end(), at);
  grown(line, rows_of(at->item));
  out.taken = true;
  return out;
}

void FairQueue::put_back(Item item) {
  Line& line = line_of(item);
  all_.push_front({std::move(item), &line});
  const auto at = all_.begin();
  at->place = line.items.insert(line.items.begin(), at);
  grown(line, rows_of(at->item));
  Class& c = classes_[line.rank];
  c.turns.splice(c.turns.begin(), c.turns, line.turn);
  c.finish -= std::min(c.finish, stride_of(line.rank));
}

std::optional<Item> FairQueue::pop(const Allowed& allowed) {
  bool choice = false;  // an allowed class waits
  for (size_t rank = 0; rank < kClasses; ++rank) {
    choice = choice || (allowed[rank] && classes_[rank].items > 0);
  }
  Class* best = nullptr;
  for (size_t rank = 0; rank < kClasses; ++rank) {
    Class& c = classes_[rank];
    if (c.items == 0 || (choice && !allowed[rank])) continue;
    if (best == nullptr || c.finish < best->finish) best = &c;
  }
  if (best == nullptr) return std::nullopt;
  Line& line = best->turns.front();
  // A class that stood back has saved nothing up against the others.
  virtual_ = std::max(virtual_, best->finish);
  best->finish += stride_of(line.rank);
  best->turns.splice(best->turns.end(), best->turns, best->turns.begin());
  return take(line.items.front());
}

std::vector<Item> FairQueue::take_until(Instant arrived_by) {
  std::vector<Item> out;
  for (auto at = all_.begin(); at != all_.end();) {
    const auto next = std::next(at);
    if (at->item.queued_at <= arrived_by) out.push_back(take(at));
    at = next;
  }
  return out;
}

FairQueue::Line* FairQueue::find_line(const Item& item) {
  Class& c = classes_[rank_of(item.facts.envelope.priority())];
  const auto at = c.by_sender.find(item.facts.envelope.sender);
  return at == c.by_sender.end() ? nullptr : at->second;
}

FairQueue::Line& FairQueue::line_of(const Item& item) {
  if (Line* line = find_line(item)) return *line;
  const size_t rank = rank_of(item.facts.envelope.priority());
  Class& c = classes_[rank];
  c.turns.push_back({.sender = item.facts.envelope.sender, .rank = rank, .number = ++numbers_});
  Line& line = c.turns.back();
  line.turn = std::prev(c.turns.end());
  c.by_sender.emplace(line.sender, &line);
  c.by_length.emplace(std::pair(size_t{0}, line.number), &line);
  return line;
}

// One more has come into the line.
void FairQueue::grown(Line& line, size_t rows) {
  Class& c = classes_[line.rank];
  if (c.items == 0) c.finish = std::max(c.finish, virtual_);
  ++c.items;
  c.rows += rows;
  rows_ += rows;
  c.by_length.erase({line.items.size() - 1, line.number});
  c.by_length.emplace(std::pair(line.items.size(), line.number), &line);
}

Item FairQueue::take(Nodes::iterator at) {
  Line& line = *at->line;
  Class& c = classes_[line.rank];
  PH_CHECK(c.items > 0);
  --c.items;
  c.by_length.erase({line.items.size(), line.number});
  line.items.erase(at->place);
  Item item = std::move(at->item);
  c.rows -= rows_of(item);
  rows_ -= rows_of(item);
  all_.erase(at);
  if (line.items.empty()) {
    c.by_sender.erase(line.sender);
    c.turns.erase(line.turn);
  } else {
    c.by_length.emplace(std::pair(line.items.size(), line.number), &line);
  }
  return item;
}

bool FairQueue::has_room(const Item& item, size_t cap) const {
  return rows_ == 0 || rows_ + rows_of(item) <= cap;
}

// A class has a claim to a quarter of the places; beyond that senders compete within it.
std::optional<Item> FairQueue::displace(const Item& newcomer, size_t cap) {
  Class& own = classes_[rank_of(newcomer.facts.envelope.priority())];
  Class* from = &own;
  if (own.rows < cap / 4) {
    from = &*std::ranges::max_element(classes_, {}, &Class::rows);
    if (from == &own) return std::nullopt;
  } else {
    const Line* line = find_line(newcomer);
    const size_t has = line == nullptr ? 0 : line->items.size();
    const size_t most = own.by_length.empty() ? 0 : own.by_length.rbegin()->first.first;
    if (has + 1 >= most) return std::nullopt;
  }
  if (from->by_length.empty()) return std::nullopt;
  return take(from->by_length.rbegin()->second->items.back());
}

}  // namespace ph::queue
