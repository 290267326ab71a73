// The Resolver on libunbound: one context, whose own thread asks and validates.
//
// The context and its thread exist from the first lookup on. Results come out of its descriptor on
// the first loop and are posted to the loop that asked. A question that is given up (deadline,
// cancellation, a killed activity) is cancelled; if its answer is already on its way, its entry
// stays without an owner until the answer has come and found nobody.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "rt/resolver.h"
#include "rt/runtime.h"
#include "rt/scope.h"
#include "rt_real/detail/descriptor.h"

struct ub_ctx;
struct ub_result;

namespace ph::rt_real::detail {

struct ResolverOptions {
  std::vector<std::string> forward;
  std::string trust_anchor_file;
  size_t queries_max = 0;
};

class UnboundResolver final : public rt::Resolver {
 public:
  UnboundResolver(RealLoop& first, ResolverOptions options);
  ~UnboundResolver() override;

  rt::Task<Result<rt::DnsAnswer>> lookup(rt::Loop& loop, rt::DnsQuestion question,
                                         rt::Deadline deadline) override;

 private:
  using Handover = rt::detail::Handover<Result<rt::DnsAnswer>>;
  struct Query {
    UnboundResolver* resolver;
    uint64_t number;
    rt::Loop* home;
    rt::DnsType type;
    int async_id;                        // libunbound's number
    std::shared_ptr<Handover> handover;  // shared with the lookup; empty: given up
  };
  struct Asked;

  static void answered(void* query, int error, ub_result* result);
  Status open();  // under mutex_
  Status configure(ub_ctx* context) const;
  Result<uint64_t> ask(rt::Loop& loop, const rt::DnsQuestion& question,
                       std::shared_ptr<Handover> handover);
  void give_up(uint64_t number);
  void deliver(uint64_t number, Result<rt::DnsAnswer> answer);
  void start_carrying(Fd fd);
  rt::Task<void> carry_answers();

  RealLoop& first_;
  const ResolverOptions options_;

  std::mutex mutex_;
  ub_ctx* context_ = nullptr;                                     // set once, under mutex_
  std::unordered_map<uint64_t, std::unique_ptr<Query>> queries_;  // under mutex_
  uint64_t next_number_ = 1;                                      // under mutex_

  std::unique_ptr<Descriptor> answers_;  // on the first loop
  std::unique_ptr<rt::Scope> scope_;     // on the first loop
};

}  // namespace ph::rt_real::detail
