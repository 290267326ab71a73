#include "service/queue/detail/window.h"

#include <algorithm>

namespace ph::queue {

void Taken::release() {
  if (window_ == nullptr) return;
  const auto at = window_->rows_.find(name_);
  if (at != window_->rows_.end() && at->second.ticket == ticket_) window_->rows_.erase(at);
  window_ = nullptr;
}

void Taken::abandon(Instant until) {
  if (window_ == nullptr) return;
  const auto at = window_->rows_.find(name_);
  const bool is_mine = at != window_->rows_.end() && at->second.ticket == ticket_;
  if (is_mine) at->second.until = std::min(at->second.until, until);
  window_ = nullptr;
}

Taken& Taken::operator=(Taken&& other) noexcept {
  if (this != &other) {
    release();
    window_ = std::exchange(other.window_, nullptr);
    name_ = other.name_;
    ticket_ = other.ticket_;
  }
  return *this;
}

Taken Window::take(RowName name, Instant now, Instant until) {
  auto [at, is_new] = rows_.try_emplace(name);
  if (!is_new && at->second.until > now) return {};
  at->second = {until, ++tickets_};
  return {*this, name, tickets_};
}

bool Window::holds(RowName name, Instant now) const {
  const auto at = rows_.find(name);
  return at != rows_.end() && at->second.until > now;
}

void Window::tidy(Instant now) {
  std::erase_if(rows_, [now](const auto& entry) { return entry.second.until <= now; });
}

}  // namespace ph::queue
