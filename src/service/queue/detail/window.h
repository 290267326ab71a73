// The window: which rows of the table are in memory at this moment, waiting for a place in a lane.
//
// A row in the window is not taken a second time. Being in it is a lease, not a flag: it ends with
// its Taken, and by the clock in any case, so a row that somebody forgets here is taken again.
// Beside it, the attempts that run: whether the worker of a lease still lives. Home loop only.
#pragma once

#include <cstdint>
#include <optional>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "base/time.h"
#include "model/queue_id.h"
#include "rt/loop.h"

namespace ph::queue {

struct RowName {
  model::QueueId id;
  uint32_t index = 0;
  bool operator==(const RowName&) const = default;
};

struct RowNameHash {
  size_t operator()(const RowName& n) const noexcept {
    return std::hash<model::QueueId>()(n.id) ^ (size_t{n.index} * 0x9E3779B97F4A7C15ULL);
  }
};

class Window;

class Taken {
 public:
  Taken() = default;
  Taken(Taken&& other) noexcept
      : window_(std::exchange(other.window_, nullptr)),
        name_(other.name_),
        ticket_(other.ticket_) {}
  Taken& operator=(Taken&& other) noexcept;
  ~Taken() { release(); }
  explicit operator bool() const { return window_ != nullptr; }
  void release();
  // Leaves the row in the window until the clock ends that: it must not be taken again at once.
  void abandon() { window_ = nullptr; }
  // The same, but no longer than until then.
  void abandon(Instant until);

 private:
  friend class Window;
  Taken(Window& window, RowName name, uint64_t ticket)
      : window_(&window), name_(name), ticket_(ticket) {}
  Window* window_ = nullptr;
  RowName name_;
  uint64_t ticket_ = 0;
};

class Window {
 public:
  // Empty if the row is in the window already and its time there is not over.
  Taken take(RowName name, Instant now, Instant until);
  bool holds(RowName name, Instant now) const;
  void drop(RowName name) { rows_.erase(name); }
  size_t size() const { return rows_.size(); }
  // Forgets rows whose time is over.
  void tidy(Instant now);

 private:
  friend class Taken;
  struct Place {
    Instant until;
    uint64_t ticket = 0;
  };
  std::unordered_map<RowName, Place, RowNameHash> rows_;
  uint64_t tickets_ = 0;
};

// The attempts whose worker lives, and when those died that were given up without a result.
class Running {
 public:
  explicit Running(rt::Loop& home) : home_(home) {}

  class Token {
   public:
    Token() = default;
    Token(Token&& other) noexcept
        : running_(std::exchange(other.running_, nullptr)),
          attempt_(other.attempt_),
          is_finished_(other.is_finished_) {}
    Token& operator=(Token&& other) noexcept {
      if (this != &other) {
        release();
        running_ = std::exchange(other.running_, nullptr);
        attempt_ = other.attempt_;
        is_finished_ = other.is_finished_;
      }
      return *this;
    }
    ~Token() { release(); }
    uint64_t attempt() const { return attempt_; }
    // Its result is in the table: the attempt has not been lost.
    void finish() { is_finished_ = true; }

   private:
    friend class Running;
    Token(Running& running, uint64_t attempt) : running_(&running), attempt_(attempt) {}
    void release() {
      if (running_ != nullptr) std::exchange(running_, nullptr)->end(attempt_, is_finished_);
    }
    Running* running_ = nullptr;
    uint64_t attempt_ = 0;
    bool is_finished_ = false;
  };

  Token begin() {
    attempts_.insert(++last_);
    return {*this, last_};
  }
  bool lives(uint64_t attempt) const { return attempts_.contains(attempt); }
  size_t size() const { return attempts_.size(); }
  // When the worker of an attempt died; nothing if it lives, or is not known.
  std::optional<Time> died_at(uint64_t attempt) const {
    const auto at = lost_.find(attempt);
    return at == lost_.end() ? std::nullopt : std::optional(at->second);
  }
  // Forgets those that were lost before `when` and are not of `in_flight`.
  void tidy(Time when, const std::unordered_set<uint64_t>& in_flight) {
    std::erase_if(lost_, [&](const auto& entry) {
      return entry.second < when && !in_flight.contains(entry.first);
    });
  }

 private:
  void end(uint64_t attempt, bool is_finished) {
    attempts_.erase(attempt);
    if (!is_finished && lost_.size() < kLostMax) lost_.emplace(attempt, home_.wall());
  }

  static constexpr size_t kLostMax = 100'000;
  rt::Loop& home_;
  std::unordered_set<uint64_t> attempts_;
  std::unordered_map<uint64_t, Time> lost_;
  uint64_t last_ = 0;
};

}  // namespace ph::queue
