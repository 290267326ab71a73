// An Activity is one spawned coroutine with everything it awaits: the unit that waits, is cancelled
// and is shown in the task registry ("who waits for what, until when, since when").
//
// Created by Scope::spawn, ended by its coroutine's return, by Scope::~Scope, or never otherwise.
// Home loop only.
#pragma once

#include <coroutine>
#include <cstdint>
#include <source_location>
#include <string>

#include "base/time.h"
#include "rt/deadline.h"

namespace ph::rt {

class Loop;
class Scope;
class ParkAwaiter;

// What a suspended activity waits for.
struct Wait {
  const char* what = nullptr;  // nullptr: it does not wait, it runs or is ready to
  std::source_location where;
  Instant since;
  Instant deadline;
};

class Activity {
 public:
  Activity(Loop& loop, Scope& scope, std::string name);
  ~Activity();
  Activity(const Activity&) = delete;
  Activity& operator=(const Activity&) = delete;

  uint64_t id() const { return id_; }
  const std::string& name() const { return name_; }
  const Wait& wait() const { return wait_; }
  bool cancelled() const { return cancelled_; }
  Loop& loop() const { return loop_; }

  // Every later wait of this activity answers "cancelled" at once, and so does the present one.
  void cancel();

 private:
  friend class Loop;
  friend class Scope;
  friend class ParkAwaiter;

  Loop& loop_;
  Scope& scope_;
  std::string name_;
  uint64_t id_;
  Wait wait_;
  ParkAwaiter* parked_ = nullptr;
  std::coroutine_handle<> resume_;  // what the ready queue resumes
  std::coroutine_handle<> root_;
  bool cancelled_ = false;
  bool ready_ = false;
  Activity* previous_ = nullptr;  // in its scope's list
  Activity* next_ = nullptr;
};

}  // namespace ph::rt
