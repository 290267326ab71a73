// The demo's next hop: a small SMTP server that takes what the demo relays, and says so.
//
// Recipients whose local part begins with "defer" are told 451, with "refuse" 550, so that one can
// see what waiting and failing look like. It keeps nothing.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/result.h"
#include "rt/runtime.h"

namespace ph::app {

class DemoHop {
 public:
  // `taken` is told of each message: its sender, recipients and size.
  using Taken = std::function<void(const std::string& sender, const std::string& recipients,
                                   uint64_t size_bytes)>;
  DemoHop(rt::Runtime& runtime, rt::Loop& loop, Taken taken);
  ~DemoHop();
  Status listen(const rt::Endpoint& at);
  rt::Endpoint endpoint() const { return listener_->local(); }

 private:
  rt::Task<void> accept_all();
  rt::Task<void> serve(std::unique_ptr<rt::Stream> stream);

  rt::Runtime& runtime_;
  rt::Loop& loop_;
  Taken taken_;
  std::unique_ptr<rt::Listener> listener_;
  rt::Scope scope_;
};

}  // namespace ph::app
