// Containers with a cap, for whatever is fed from outside (law 7).
//
// A push that would pass the cap returns false and changes nothing: the caller states what happens
// then (refuse with a reason, spill, push back). BoundedCache evicts its least recently used entry
// instead, because a cache may forget.
#pragma once

#include <cstddef>
#include <deque>
#include <list>
#include <optional>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/check.h"

namespace ph {

template <class T>
class BoundedQueue {
 public:
  explicit BoundedQueue(size_t cap) : cap_(cap) { PH_CHECK(cap > 0); }

  [[nodiscard]] bool push(T value) {
    if (items_.size() >= cap_) return false;
    items_.push_back(std::move(value));
    return true;
  }
  std::optional<T> pop() {
    if (items_.empty()) return std::nullopt;
    std::optional<T> out(std::move(items_.front()));
    items_.pop_front();
    return out;
  }
  size_t size() const { return items_.size(); }
  size_t cap() const { return cap_; }
  bool empty() const { return items_.empty(); }

 private:
  size_t cap_;
  std::deque<T> items_;
};

template <class Key, class Value>
class BoundedCache {
 public:
  explicit BoundedCache(size_t cap) : cap_(cap) { PH_CHECK(cap > 0); }

  // The entry, now the most recently used; nullptr if absent. Valid until the next put or erase.
  Value* find(const Key& key) {
    const auto at = index_.find(key);
    if (at == index_.end()) return nullptr;
    entries_.splice(entries_.begin(), entries_, at->second);
    return &at->second->second;
  }
  void put(const Key& key, Value value) {
    if (Value* old = find(key)) {
      *old = std::move(value);
      return;
    }
    if (entries_.size() >= cap_) {
      index_.erase(entries_.back().first);
      entries_.pop_back();
      ++evictions_;
    }
    entries_.emplace_front(key, std::move(value));
    index_.emplace(key, entries_.begin());
  }
  void erase(const Key& key) {
    const auto at = index_.find(key);
    if (at == index_.end()) return;
    entries_.erase(at->second);
    index_.erase(at);
  }
  size_t size() const { return entries_.size(); }
  size_t cap() const { return cap_; }
  uint64_t evictions() const { return evictions_; }

 private:
  using Entries = std::list<std::pair<Key, Value>>;
  size_t cap_;
  uint64_t evictions_ = 0;
  Entries entries_;
  std::unordered_map<Key, typename Entries::iterator> index_;
};

}  // namespace ph
