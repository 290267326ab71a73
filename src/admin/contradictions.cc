#include "admin/contradictions.h"

#include "front/smtp_in/options.h"
#include "front/smtp_out/carrier.h"
#include "service/queue/options.h"

namespace ph::admin {
namespace {

class Check {
 public:
  explicit Check(const config::Values& values) : values_(values) {}

  template <class Setting>
  std::string shown(const Setting& s) const {
    const auto value = values_.get(s);
    if constexpr (std::is_same_v<std::decay_t<decltype(value)>, uint64_t>) {
      return std::string(s.name) + " (" + std::to_string(value) + ")";
    } else {
      using config::to_text;
      using ph::to_text;
      return std::string(s.name) + " (" + to_text(value) + ")";
    }
  }
  // `low` must be below `high`.
  template <class Low, class High>
  void below(const Low& low, const High& high, std::string_view follows) {
    if (values_.get(low) < values_.get(high)) return;
    say(shown(low) + " is not below " + shown(high) + ": " + std::string(follows));
  }
  template <class Low, class High>
  void at_most(const Low& low, const High& high, std::string_view follows) {
    if (values_.get(low) <= values_.get(high)) return;
    say(shown(low) + " is above " + shown(high) + ": " + std::string(follows));
  }
  void say(std::string sentence) { out_.push_back(std::move(sentence)); }
  std::vector<std::string> take() { return std::move(out_); }

 private:
  const config::Values& values_;
  std::vector<std::string> out_;
};

void check_times(Check& check, const config::Values& values) {
  using namespace queue;
  check.below(
      kDelayNotice, kExpiry,
      "no sender hears of a delay before the failure. Lower the first or raise the second.");
  check.at_most(kLease, kExpiry,
                "one attempt may take longer than a message may wait. Lower the first.");
  check.at_most(kPoisonReview, kExpiry,
                "an isolated message expires without having been tried again. Lower the first.");
  check.at_most(
      kHold, kExpiry,
      "a held message expires before its hold ends. Lower the first or raise the second.");
  check.below(kSweep, kExpiry, "a message may expire between two sweeps. Lower the first.");
  const std::vector<Duration> schedule = values.get(kSchedule);
  if (!schedule.empty() && schedule.front() >= values.get(kExpiry)) {
    check.say("The first step of queue.schedule (" + to_text(schedule.front()) + ") is not below " +
              check.shown(kExpiry) +
              ": a message is tried once only. Shorten the step or raise queue.expiry.");
  }
}

// Of a class of priority: its own value, or the general one.
void check_classes(Check& check, const config::Values& values) {
  using namespace queue;
  struct Class {
    const config::TextSetting& notice;
    const config::TextSetting& expiry;
    const config::TextSetting& schedule;
  };
  const Class classes[] = {{kDelayNoticeHigh, kExpiryHigh, kScheduleHigh},
                           {kDelayNoticeLow, kExpiryLow, kScheduleLow}};
  const auto value_or = [&values](const config::TextSetting& own, Duration general) {
    const Result<Duration> parsed = config::parse_duration(values.get(own));
    return parsed.has_value() ? *parsed : general;
  };
  for (const Class& c : classes) {
    const bool own = !values.get(c.notice).empty() || !values.get(c.expiry).empty();
    const Duration notice = value_or(c.notice, values.get(kDelayNotice));
    const Duration expiry = value_or(c.expiry, values.get(kExpiry));
    if (own && notice >= expiry) {
      check.say(std::string(c.notice.name) + " (" + to_text(notice) + ") is not below " +
                std::string(c.expiry.name) + " (" + to_text(expiry) +
                "): no sender hears of a delay before the failure. Lower the first.");
    }
    const std::vector<std::string> steps = values.get_list(c.schedule);
    if (steps.empty()) continue;
    const Result<Duration> first = config::parse_duration(steps.front());
    if (!first.has_value() || *first < expiry) continue;
    check.say("The first step of " + std::string(c.schedule.name) + " (" + to_text(*first) +
              ") is not below " + std::string(c.expiry.name) + " (" + to_text(expiry) +
              "): a message is tried once only. Shorten the step.");
  }
}

void check_lanes(Check& check, const config::Values& values) {
  using namespace queue;
  check.at_most(kLaneConnections, kConnections,
                "one next hop may use every connection there is. Lower the first.");
  check.at_most(kLaneStart, kLaneConnections,
                "a lane begins with more connections than it may have. Lower the first.");
  check.at_most(kLaneIdle, kLease, "an idle connection outlives an attempt. Lower the first.");
  check.at_most(kLaneProbe, kExpiry,
                "a lane rests longer than its messages may wait. Lower the first.");
  for (const auto& [lane, limits] : lane_limits_of(values)) {
    if (!limits.connections.has_value() || *limits.connections <= values.get(kConnections))
      continue;
    check.say("queue.lane-limits gives " + lane + " " + std::to_string(*limits.connections) +
              " connections, more than " + check.shown(kConnections) +
              " allows. Lower the one or raise the other.");
  }
}

void check_smtp(Check& check) {
  constexpr std::string_view kCut =
      "an attempt is given up while the next hop may still answer, and tried again. Raise "
      "queue.lease.";
  check.below(smtp_out::kConnectTimeout, queue::kLease, kCut);
  check.below(smtp_out::kCommandTimeout, queue::kLease, kCut);
  check.below(smtp_out::kFinalTimeout, queue::kLease, kCut);
  check.at_most(smtp_in::kMessageSizeMax, smtp_in::kMemoryMax,
                "the largest message that is offered can never be taken. Raise the second.");
  check.at_most(smtp_in::kConnectionsPerIpMax, smtp_in::kConnectionsMax,
                "one address may use every connection there is. Lower the first.");
  check.at_most(smtp_in::kCommandTimeout, smtp_in::kSessionMax,
                "a session ends before its client is late. Lower the first.");
  check.at_most(smtp_in::kDataTimeout, smtp_in::kSessionMax,
                "a session ends before its client is late. Lower the first.");
}

}  // namespace

std::vector<std::string> contradictions_of(const config::Values& values) {
  Check check(values);
  check_times(check, values);
  check_classes(check, values);
  check_lanes(check, values);
  check_smtp(check);
  return check.take();
}

}  // namespace ph::admin
