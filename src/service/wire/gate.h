// The gate: how many connections and how much memory one protocol's server may use, over all loops.
//
// Every place and octet taken is a value that gives itself back when it goes out of scope (law 4),
// so nothing leaks however a session ends. From any thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

#include "obs/metrics.h"

namespace ph::wire {

class Gate {
 public:
  struct Gauges {
    obs::Gauge& connections;
    obs::Gauge& memory;
  };
  explicit Gate(Gauges gauges) : gauges_(gauges) {}
  Gate(const Gate&) = delete;
  Gate& operator=(const Gate&) = delete;

  class Place {
   public:
    Place(Place&& other) noexcept
        : gate_(std::exchange(other.gate_, nullptr)), ip_(std::move(other.ip_)) {}
    Place& operator=(Place&&) = delete;
    ~Place() {
      if (gate_ != nullptr) gate_->leave(ip_);
    }

   private:
    friend class Gate;
    Place(Gate& gate, std::string ip) : gate_(&gate), ip_(std::move(ip)) {}
    Gate* gate_;
    std::string ip_;
  };

  struct Limits {
    uint64_t connections_max = 0;
    uint64_t per_ip_max = 0;  // loopback is free
  };
  // nullopt when full.
  std::optional<Place> enter(const std::string& ip, Limits limits);

  // Memory of one message in the making.
  class Memory {
   public:
    explicit Memory(Gate& gate) : gate_(gate) {}
    Memory(const Memory&) = delete;
    Memory& operator=(const Memory&) = delete;
    ~Memory() { release(); }
    // Makes it `octets`; false, and nothing changes, when all messages together would pass `limit`.
    [[nodiscard]] bool resize(uint64_t octets, uint64_t limit);
    void release();

   private:
    Gate& gate_;
    uint64_t held_ = 0;
  };

 private:
  void leave(const std::string& ip);

  Gauges gauges_;
  std::atomic<uint64_t> memory_{0};
  std::mutex mutex_;  // held for one look-up
  std::map<std::string, uint64_t> per_ip_;
  uint64_t total_ = 0;
};

}  // namespace ph::wire
