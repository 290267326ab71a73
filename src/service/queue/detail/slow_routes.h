// Who may wait for DNS at once. A domain whose DNS is silent keeps each of its places until the
// deadline, so none may have them all: it takes another one only while it holds less than twice
// what is free. Whatever the others do, there is room for a domain that comes late. A place is a
// token freed by scope exit (law 4). Home loop only.
#pragma once

#include <cstddef>
#include <string>
#include <unordered_map>
#include <utility>

namespace ph::queue {

class SlowRoutes {
 public:
  static constexpr size_t kPlaces = 384;  // one domain alone gets two thirds of them

  class Place {
   public:
    Place(Place&& other) noexcept
        : routes_(std::exchange(other.routes_, nullptr)), domain_(std::move(other.domain_)) {}
    Place& operator=(Place&&) = delete;
    ~Place() {
      if (routes_ != nullptr) routes_->release(domain_);
    }

   private:
    friend class SlowRoutes;
    Place(SlowRoutes& routes, std::string domain) : routes_(&routes), domain_(std::move(domain)) {}
    SlowRoutes* routes_;
    std::string domain_;
  };

  bool has_room(const std::string& domain) const {
    const auto at = held_.find(domain);
    const size_t own = at == held_.end() ? 0 : at->second;
    return own < 2 * (kPlaces - taken_);
  }
  Place take(std::string domain) {
    ++held_[domain];
    ++taken_;
    return {*this, std::move(domain)};
  }

 private:
  void release(const std::string& domain) {
    --taken_;
    const auto at = held_.find(domain);
    if (--at->second == 0) held_.erase(at);
  }

  size_t taken_ = 0;
  std::unordered_map<std::string, size_t> held_;  // by domain
};

}  // namespace ph::queue
