#include "rt_real/detail/resolver.h"

#include <fcntl.h>
#include <unbound.h>

#include <array>
#include <cerrno>

#include "base/check.h"
#include "base/text.h"
#include "rt/errors.h"
#include "rt_real/detail/rdata.h"

namespace ph::rt_real::detail {
namespace {

constexpr int kClassIn = 1;
constexpr Duration kTtlMax = Duration::days(7);  // RFC 8767 §4

struct Setting {
  const char* name;
  const char* value;
};

// libunbound's own values are for programs that ask now and then.
constexpr std::array kSettings = {
    Setting{"outgoing-range:", "256"}, Setting{"num-queries-per-thread:", "1024"},
    Setting{"outgoing-num-tcp:", "16"}, Setting{"msg-cache-size:", "8m"},
    Setting{"rrset-cache-size:", "16m"}};

// A server that was named to us may be on this machine, knows the local network's zones, and is
// asked again at once when it comes back after a failure.
constexpr std::array kForwardSettings = {
    Setting{"do-not-query-localhost:", "no"}, Setting{"unblock-lan-zones:", "yes"},
    Setting{"insecure-lan-zones:", "yes"}, Setting{"infra-keep-probing:", "yes"}};

Error failure(std::string context) { return fail(rt::kDnsServerFailure, std::move(context)); }

Status checked(int error, std::string_view what) {
  if (error == UB_NOERROR) return {};
  return failure(std::string(what) + ": " + ub_strerror(error));
}

template <size_t n>
Status apply(ub_ctx* context, const std::array<Setting, n>& settings) {
  for (const Setting& s : settings) {
    PH_TRY_STATUS(checked(ub_ctx_set_option(context, s.name, s.value), s.name));
  }
  return {};
}

std::string rcode_text(int rcode) {
  constexpr std::array kNames = {"NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED"};
  if (rcode >= 0 && static_cast<size_t>(rcode) < kNames.size()) {
    return kNames[static_cast<size_t>(rcode)];
  }
  return "code " + std::to_string(rcode);
}

Result<rt::DnsAnswer> records_of(rt::DnsType type, const ub_result& result, rt::DnsAnswer answer) {
  for (size_t i = 0; result.data[i] != nullptr; ++i) {
    if (answer.records.size() == rt::kDnsRecordsMax) break;
    if (result.len[i] < 0) continue;
    // A malformed record is passed over, so that a wrong one among good ones harms nobody.
    auto record = parse_rdata(type, {result.data[i], static_cast<size_t>(result.len[i])});
    if (record.has_value()) answer.records.push_back(std::move(*record));
  }
  if (answer.records.empty()) return failure("all records are malformed");
  answer.kind = rt::DnsAnswer::Kind::records;
  return answer;
}

Result<rt::DnsAnswer> answer_of(rt::DnsType type, int error, const ub_result* result) {
  if (error != UB_NOERROR || result == nullptr) return failure(ub_strerror(error));
  if (result->bogus != 0) {
    return failure(result->why_bogus != nullptr ? printable(result->why_bogus) : "DNSSEC: bogus");
  }
  rt::DnsAnswer answer;
  answer.secure = result->secure != 0;
  answer.ttl = std::min(Duration::seconds(std::max(result->ttl, 0)), kTtlMax);
  if (result->havedata != 0) return records_of(type, *result, std::move(answer));
  if (result->nxdomain != 0) {
    answer.kind = rt::DnsAnswer::Kind::no_such_name;
    return answer;
  }
  if (result->rcode != 0) return failure("the name server answers " + rcode_text(result->rcode));
  answer.kind = rt::DnsAnswer::Kind::no_data;
  return answer;
}

}  // namespace

// Gives a question up when the lookup ends, however it ends.
struct UnboundResolver::Asked {
  UnboundResolver& resolver;
  uint64_t number;
  ~Asked() { resolver.give_up(number); }
};

UnboundResolver::UnboundResolver(RealLoop& first, ResolverOptions options)
    : first_(first), options_(std::move(options)) {}

UnboundResolver::~UnboundResolver() {
  scope_.reset();
  if (answers_ != nullptr) answers_->release();
  if (context_ != nullptr) ub_ctx_delete(context_);  // ends its thread; no callback comes after it
}

Status UnboundResolver::configure(ub_ctx* context) const {
  ub_ctx_debugout(context, nullptr);
  PH_TRY_STATUS(checked(ub_ctx_async(context, 1), "threads"));
  PH_TRY_STATUS(apply(context, kSettings));
  if (!options_.trust_anchor_file.empty()) {
    PH_TRY_STATUS(checked(ub_ctx_add_ta_file(context, options_.trust_anchor_file.c_str()),
                          options_.trust_anchor_file));
  }
  PH_TRY_STATUS(apply(context, kForwardSettings));
  if (options_.forward.empty()) {
    ub_ctx_resolvconf(context, nullptr);  // without one, the root is asked
    return {};
  }
  for (const std::string& server : options_.forward) {
    PH_TRY_STATUS(checked(ub_ctx_set_fwd(context, server.c_str()), server));
  }
  // Whoever names a server may use "test" (RFC 6761 §6.2) on it; libunbound would answer itself.
  return checked(ub_ctx_zone_remove(context, "test."), "test.");
}

Status UnboundResolver::open() {
  if (context_ != nullptr) return {};
  ub_ctx* const context = ub_ctx_create();
  if (context == nullptr) return failure("libunbound has no context for us");
  Status configured = configure(context);
  Fd fd(::fcntl(ub_fd(context), F_DUPFD_CLOEXEC, 0));
  if (configured.has_value() && !fd) configured = system_error(errno, "libunbound's descriptor");
  if (!configured.has_value()) {
    ub_ctx_delete(context);
    return configured;
  }
  context_ = context;
  first_.post([this, fd = std::move(fd)]() mutable { start_carrying(std::move(fd)); });
  return {};
}

void UnboundResolver::start_carrying(Fd fd) {
  answers_ = std::make_unique<Descriptor>(first_, std::move(fd), Descriptor::Assume::nothing, 1);
  scope_ = std::make_unique<rt::Scope>(first_, "resolver");
  scope_->spawn("resolver answers", carry_answers());
}

rt::Task<void> UnboundResolver::carry_answers() {
  for (;;) {
    const rt::Deadline recheck = first_.in(rt::kIdleRecheck);
    const rt::Woken woken = co_await answers_->wait(answers_->in(), recheck, "DNS answers",
                                                    std::source_location::current());
    if (woken == rt::Woken::cancelled) co_return;
    if (answers_->closed()) {  // no room in epoll: then by the clock alone
      const rt::Deadline soon = first_.in(Duration::milliseconds(50));
      const rt::Woken slept = co_await rt::sleep(first_, soon, "DNS answers");
      if (slept == rt::Woken::cancelled) co_return;
    }
    answers_->in().exhausted();
    ub_process(context_);  // takes all there are
  }
}

void UnboundResolver::answered(void* query, int error, ub_result* result) {
  const auto& q = *static_cast<Query*>(query);
  Result<rt::DnsAnswer> answer = answer_of(q.type, error, result);
  ub_resolve_free(result);
  q.resolver->deliver(q.number, std::move(answer));
}

void UnboundResolver::deliver(uint64_t number, Result<rt::DnsAnswer> answer) {
  const std::lock_guard lock(mutex_);
  const auto at = queries_.find(number);
  PH_CHECK(at != queries_.end());
  Query& query = *at->second;
  if (query.handover != nullptr) {
    query.home->post(rt::detail::deliver(std::move(query.handover), std::move(answer)));
  }
  queries_.erase(at);
}

Result<uint64_t> UnboundResolver::ask(rt::Loop& loop, const rt::DnsQuestion& question,
                                      std::shared_ptr<Handover> handover) {
  const std::lock_guard lock(mutex_);
  PH_TRY_STATUS(open());
  if (queries_.size() >= options_.queries_max) return failure("too many questions in flight");
  const uint64_t number = next_number_++;
  auto query =
      std::make_unique<Query>(Query{this, number, &loop, question.type, 0, std::move(handover)});
  PH_TRY_STATUS(
      checked(ub_resolve_async(context_, question.name.c_str(), static_cast<int>(question.type),
                               kClassIn, query.get(), &UnboundResolver::answered, &query->async_id),
              "asking for " + question.name));
  queries_.emplace(number, std::move(query));
  return number;
}

void UnboundResolver::give_up(uint64_t number) {
  const std::lock_guard lock(mutex_);
  const auto at = queries_.find(number);
  if (at == queries_.end()) return;  // answered
  at->second->handover.reset();
  // An error says that the answer is being handed out at this moment: deliver() is yet to come.
  if (ub_cancel(context_, at->second->async_id) == UB_NOERROR) queries_.erase(at);
}

rt::Task<Result<rt::DnsAnswer>> UnboundResolver::lookup(rt::Loop& loop, rt::DnsQuestion question,
                                                        rt::Deadline deadline) {
  if (!is_askable(question.name)) {
    co_return fail(rt::kBadAddress, "not a domain name: " + printable(question.name));
  }
  auto handover = std::make_shared<Handover>();  // shared: either side may end first
  PH_CO_TRY(const uint64_t number, ask(loop, question, handover));
  const Asked asked{*this, number};
  auto collected = rt::detail::collect<Result<rt::DnsAnswer>>(
      loop, handover, "a DNS answer", deadline, std::source_location::current());
  Result<rt::DnsAnswer> answer = co_await collected;
  if (!answer.has_value()) {
    co_return std::move(answer).error().with_context("looking up " + question.name);
  }
  co_return answer;
}

}  // namespace ph::rt_real::detail
