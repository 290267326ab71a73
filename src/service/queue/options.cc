#include "service/queue/options.h"

#include "base/text.h"

namespace ph::queue {
namespace {

std::string schedule_problem(std::string_view text) {
  if (trim(text).empty()) return "no delay is given";
  for (const std::string_view item : split(text, ',')) {
    const auto delay = config::parse_duration(trim(item));
    if (!delay.has_value()) return "'" + printable(trim(item), 32) + "' is no duration";
    if (*delay < kSchedule.low || *delay > kSchedule.high) {
      return "delays are from 1 s to 2 d";
    }
  }
  return {};
}

std::vector<Duration> schedule_of(std::string_view text) {
  std::vector<Duration> out;
  if (!schedule_problem(text).empty()) return out;
  for (const std::string_view item : split(text, ',')) {
    out.push_back(*config::parse_duration(trim(item)));
  }
  return out;
}

std::string optional_schedule_problem(std::string_view text) {
  return trim(text).empty() ? std::string() : schedule_problem(text);
}

std::string optional_duration_problem(std::string_view text) {
  if (trim(text).empty()) return {};
  const auto length = config::parse_duration(trim(text));
  if (!length.has_value()) return "'" + printable(trim(text), 32) + "' is no duration";
  const bool fits = *length >= kExpiry.low && *length <= kExpiry.high;
  return fits ? std::string() : "it is from 1 min to 45 d";
}

std::optional<Duration> optional_duration(const std::string& text) {
  if (!optional_duration_problem(text).empty() || trim(text).empty()) return std::nullopt;
  return *config::parse_duration(trim(text));
}

// "lane = delays" between semicolons.
struct LaneText {
  std::string_view lane;
  std::string_view value;
};

std::optional<LaneText> lane_schedule_of(std::string_view item) {
  const size_t equals = item.find('=');
  if (equals == std::string_view::npos) return std::nullopt;
  LaneText out{trim(item.substr(0, equals)), trim(item.substr(equals + 1))};
  if (out.lane.empty() || !schedule_problem(out.value).empty()) return std::nullopt;
  return out;
}

std::string lane_schedules_problem(std::string_view text) {
  for (const std::string_view item : split(text, ';')) {
    if (trim(item).empty() || lane_schedule_of(item).has_value()) continue;
    return "'" + printable(trim(item), 64) + "' is not like smtp:example.net = 5 min, 1 h";
  }
  return {};
}

// "lane key=number ..." between semicolons.
std::optional<std::pair<std::string, LaneLimits>> limits_of(std::string_view item) {
  std::pair<std::string, LaneLimits> out;
  for (const std::string_view word : split(item, ' ')) {
    if (trim(word).empty()) continue;
    if (out.first.empty()) {
      out.first = std::string(trim(word));
      continue;
    }
    const size_t equals = word.find('=');
    if (equals == std::string_view::npos) return std::nullopt;
    const std::string_view key = word.substr(0, equals);
    const auto number = parse_u64(word.substr(equals + 1));
    if (!number.has_value()) return std::nullopt;
    if (key == "rate") {
      out.second.rate = *number;
    } else if (*number == 0 || *number > 1'000'000) {
      return std::nullopt;
    } else if (key == "connections") {
      out.second.connections = *number;
    } else if (key == "messages") {
      out.second.messages = *number;
    } else if (key == "recipients") {
      out.second.recipients = *number;
    } else {
      return std::nullopt;
    }
  }
  return out.first.empty() ? std::nullopt : std::optional(std::move(out));
}

std::string lane_limits_problem(std::string_view text) {
  for (const std::string_view item : split(text, ';')) {
    if (trim(item).empty() || limits_of(item).has_value()) continue;
    return "'" + printable(trim(item), 64) + "' is not like smtp:example.net connections=2 rate=60";
  }
  return {};
}

constexpr config::TextSetting checked(config::TextSetting s,
                                      std::string (*problem)(std::string_view)) {
  s.valid = problem;
  return s;
}

constexpr config::TextSetting kChecked[] = {
    checked(kScheduleHigh, optional_schedule_problem),
    checked(kScheduleLow, optional_schedule_problem),
    checked(kLaneSchedules, lane_schedules_problem),
    checked(kExpiryHigh, optional_duration_problem),
    checked(kExpiryLow, optional_duration_problem),
    checked(kDelayNoticeHigh, optional_duration_problem),
    checked(kDelayNoticeLow, optional_duration_problem),
    checked(kLaneLimits, lane_limits_problem),
};

}  // namespace

void add_settings(config::Schema& schema) {
  schema.add(kSchedule);
  schema.add(kJitter);
  schema.add(kExpiry);
  schema.add(kDelayNotice);
  schema.add(kReportsPerMinute);
  schema.add(kDoubleBounce);
  schema.add(kLease);
  schema.add(kPoisonAfter);
  schema.add(kPoisonReview);
  schema.add(kHold);
  schema.add(kLaneConnections);
  schema.add(kLaneStart);
  schema.add(kLaneRate);
  schema.add(kMessagesPerConnection);
  schema.add(kMailboxWorkers);
  schema.add(kConnections);
  schema.add(kRecipientsPerAttempt);
  schema.add(kLaneIdle);
  schema.add(kLaneFailures);
  schema.add(kLaneProbe);
  schema.add(kWindow);
  schema.add(kKeepEnded);
  schema.add(kKeepEndedMax);
  schema.add(kSweep);
  for (const config::TextSetting& setting : kChecked) schema.add(setting);
}

std::map<std::string, LaneLimits, std::less<>> lane_limits_of(const config::Values& values) {
  std::map<std::string, LaneLimits, std::less<>> out;
  const std::string text = values.get(kLaneLimits);
  for (const std::string_view item : split(text, ';')) {
    if (auto limits = limits_of(item)) out.insert(std::move(*limits));
  }
  return out;
}

model::QueuePolicy policy_of(const config::Values& values) {
  model::QueuePolicy out;
  out.schedule = values.get(kSchedule);
  out.jitter_percent = static_cast<uint32_t>(values.get(kJitter));
  out.expiry = values.get(kExpiry);
  out.delay_notice = values.get(kDelayNotice);
  out.lease = values.get(kLease);
  out.poison_after = static_cast<uint32_t>(values.get(kPoisonAfter));
  out.poison_review = values.get(kPoisonReview);
  out.high = {schedule_of(values.get(kScheduleHigh)), optional_duration(values.get(kExpiryHigh)),
              optional_duration(values.get(kDelayNoticeHigh))};
  out.low = {schedule_of(values.get(kScheduleLow)), optional_duration(values.get(kExpiryLow)),
             optional_duration(values.get(kDelayNoticeLow))};
  const std::string routes = values.get(kLaneSchedules);
  for (const std::string_view item : split(routes, ';')) {
    const auto lane = lane_schedule_of(item);
    if (lane.has_value()) {
      out.routes.push_back({std::string(lane->lane), schedule_of(lane->value)});
    }
  }
  return out;
}

}  // namespace ph::queue
