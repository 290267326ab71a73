#include <utility>

#include "base/check.h"
#include "rt/errors.h"
#include "rt_sim/detail/sim_stream.h"
#include "rt_sim/detail/world.h"

namespace ph::rt_sim::detail {
namespace {

// How often an unanswered SYN is sent again (a kernel backs off from one second).
constexpr Duration kSynRetry = Duration::seconds(1);

}  // namespace

Dial::Dial(Net& net, Machine& from, rt::Loop& loop)
    : net_(net), from_(from), loop_(loop), changed_(loop) {}

Dial::~Dial() {
  if (Connection* const connection = net_.connection(connection_)) connection->close(Side::client);
}

Status Dial::choose_local(const rt::DialOptions& options) {
  if (to_.kind == rt::Endpoint::Kind::local) {
    local_ = rt::local_endpoint("");
    return {};
  }
  const bool v6 = to_.kind == rt::Endpoint::Kind::ipv6;
  local_ = rt::Endpoint{to_.kind, v6 ? from_.ipv6 : from_.ipv4, 0};
  if (is_loopback(to_)) local_.host = v6 ? "::1" : "127.0.0.1";
  if (options.from) {
    if (options.from->kind != to_.kind ||
        !(from_.owns(*options.from) || is_loopback(*options.from)))
      return fail(rt::kBadAddress, to_text(*options.from) + " is not an address of this host");
    local_ = *options.from;
  }
  if (local_.port == 0) local_.port = net_.free_port(from_);
  return {};
}

Status Dial::start(const rt::DialOptions& options) {
  net_.count_dial();
  if (!from_.descriptors_left) return fail(rt::kNoDescriptors, to_text(options.to));
  to_ = options.to;
  PH_TRY_STATUS(choose_local(options));
  target_ = net_.find(from_, to_);
  net_.world().note(World::Event::dial, net_.dials());
  if (target_ == nullptr) {
    fail_after(rt::kUnreachable, net_.latency(from_, from_, {}));
    return {};
  }
  fault_ = net_.decide(from_, *target_, to_);
  const Duration latency = net_.latency(from_, *target_, fault_);
  switch (fault_.dial) {
    case DialFault::none: net_.world().events().arm(*this, loop_.now() + latency); break;
    case DialFault::refuse: fail_after(rt::kRefused, latency * 2); break;
    case DialFault::unreachable: fail_after(rt::kUnreachable, latency); break;
    case DialFault::silence: break;  // nothing will ever come
  }
  return {};
}

void Dial::fail_after(const ErrorKind& kind, Duration delay) {
  failure_ = &kind;
  phase_ = Phase::failing;
  net_.world().events().arm(*this, loop_.now() + delay);
}

void Dial::retry() { net_.world().events().arm(*this, loop_.now() + kSynRetry); }

void Dial::fired() {
  const bool parted =
      net_.parted_until(from_, *(target_ != nullptr ? target_ : &from_)) > net_.world().now();
  if (parted) return retry();
  switch (phase_) {
    case Phase::asking: return arrive();
    case Phase::failing: outcome_.emplace(fail(*failure_, to_text(to_))); break;
    case Phase::answered: outcome_.emplace(); break;
  }
  changed_.wake();
}

void Dial::arrive() {
  if (!target_->up) return retry();
  SimListener* const listener = net_.listener_at(*target_, to_);
  if (listener == nullptr) {
    return fail_after(rt::kRefused, net_.latency(from_, *target_, fault_));
  }
  if (listener->full()) return retry();
  Connection& connection = net_.connect({.client = &from_,
                                         .server = target_,
                                         .client_endpoint = local_,
                                         .server_endpoint = to_,
                                         .fault = fault_});
  connection_ = connection.id();
  listener->offer(connection);
  connection.established();
  phase_ = Phase::answered;
  net_.world().events().arm(*this, loop_.now() + net_.latency(from_, *target_, fault_));
}

Result<std::unique_ptr<rt::Stream>> Dial::take() {
  PH_CHECK(outcome_.has_value());
  if (!outcome_->has_value()) return outcome_->error();
  Connection* const connection = net_.connection(std::exchange(connection_, 0));
  PH_CHECK(connection != nullptr);  // it lives while its client end is pending
  return std::unique_ptr<rt::Stream>(std::make_unique<SimStream>(loop_, *connection, Side::client));
}

}  // namespace ph::rt_sim::detail
