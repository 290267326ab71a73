// The thinnest layer over system calls: an owned descriptor and errno in our words.
#pragma once

#include <string>
#include <string_view>
#include <utility>

#include "base/result.h"

namespace ph::rt_real::detail {

class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&& other) noexcept {
    if (this != &other) {
      reset();
      fd_ = std::exchange(other.fd_, -1);
    }
    return *this;
  }
  ~Fd() { reset(); }

  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }
  void reset();

 private:
  int fd_ = -1;
};

// The error for `error` (an errno) of the call `what`: "what: Connection reset by peer".
Error system_error(int error, std::string_view what);
const ErrorKind& kind_of(int error);

bool interrupted();  // errno is EINTR

// call() until it does not fail with EINTR.
template <class F>
auto uninterrupted(F call) {
  for (;;) {
    const auto result = call();
    if (result >= 0 || !interrupted()) return result;
  }
}

}  // namespace ph::rt_real::detail
