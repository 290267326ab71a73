// How many connections live, over all lanes of a shard: counted along, since walking ten thousand
// lanes for each new connection costs too much. A place is a token freed by scope exit; the auditor
// compares the count with the workers' leases. Home loop only.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <utility>

namespace ph::queue {

class Places {
 public:
  enum class Kind : uint8_t {
    mailbox,  // no connection at all: not under the cap of connections
    network,
    probe,  // a connection to a hop that did not work the last time
  };
  static constexpr size_t kKinds = 3;

  class Token {
   public:
    Token() = default;
    Token(Token&& other) noexcept
        : places_(std::exchange(other.places_, nullptr)), kind_(other.kind_) {}
    Token& operator=(Token&& other) noexcept {
      if (this != &other) {
        release();
        places_ = std::exchange(other.places_, nullptr);
        kind_ = other.kind_;
      }
      return *this;
    }
    ~Token() { release(); }
    bool is_held() const { return places_ != nullptr; }
    Kind kind() const { return kind_; }
    // The hop works: what was a probe is a connection like others.
    void settle() {
      if (places_ == nullptr || kind_ != Kind::probe) return;
      --places_->taken_[static_cast<size_t>(Kind::probe)];
      ++places_->taken_[static_cast<size_t>(Kind::network)];
      kind_ = Kind::network;
    }
    void release() {
      if (places_ == nullptr) return;
      size_t& taken = std::exchange(places_, nullptr)->taken_[static_cast<size_t>(kind_)];
      if (taken > 0) --taken;
    }
    // Defect::leaked_slot: gone, and never given back.
    void leak() { places_ = nullptr; }

   private:
    friend class Places;
    Token(Places& places, Kind kind) : places_(&places), kind_(kind) {}
    Places* places_ = nullptr;
    Kind kind_ = Kind::network;
  };

  Token take(Kind kind) {
    ++taken_[static_cast<size_t>(kind)];
    return {*this, kind};
  }
  size_t taken(Kind kind) const { return taken_[static_cast<size_t>(kind)]; }
  size_t connections() const { return taken(Kind::network) + taken(Kind::probe); }
  // For the auditor: what the leases say.
  void correct(Kind kind, size_t count) { taken_[static_cast<size_t>(kind)] = count; }

 private:
  std::array<size_t, kKinds> taken_{};
};

}  // namespace ph::queue
