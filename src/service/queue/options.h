// The queue's settings. Read at each use: a change acts at once, also on rows that wait already.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "config/setting.h"
#include "model/queue_row.h"

namespace ph::queue {

using config::Effect;

inline constexpr config::DurationListSetting kSchedule{
    {"queue.schedule",
     "Delays between attempts; the last one repeats. Each is spread by queue.jitter.",
     Effect::at_once},
    "60 s, 60 s, 60 s, 5 min, 15 min, 30 min, 60 min",
    Duration::seconds(1),
    Duration::days(2)};
inline constexpr config::TextSetting kScheduleHigh{
    {"queue.schedule-high", "The same for mail of high priority. Empty: as queue.schedule.",
     Effect::at_once},
    ""};
inline constexpr config::TextSetting kScheduleLow{
    {"queue.schedule-low", "The same for mail of low priority. Empty: as queue.schedule.",
     Effect::at_once},
    ""};
inline constexpr config::TextSetting kLaneSchedules{
    {"queue.lane-schedules",
     "Schedules of single lanes, which go before the others: \"smtp:example.net = 5 min, 1 h; "
     "smart:relay:25 = 30 s\".",
     Effect::at_once},
    ""};
inline constexpr config::NumberSetting kJitter{
    {"queue.jitter", "Spread of the delays between attempts, in percent either way.",
     Effect::at_once},
    10,
    0,
    50};
inline constexpr config::DurationSetting kExpiry{
    {"queue.expiry", "How long a message may wait before it goes back to its sender (4.4.7).",
     Effect::at_once},
    Duration::days(2),
    Duration::minutes(1),
    Duration::days(45)};
inline constexpr config::TextSetting kExpiryHigh{
    {"queue.expiry-high", "The same for mail of high priority. Empty: as queue.expiry.",
     Effect::at_once},
    ""};
inline constexpr config::TextSetting kExpiryLow{
    {"queue.expiry-low", "The same for mail of low priority. Empty: as queue.expiry.",
     Effect::at_once},
    ""};
inline constexpr config::DurationSetting kDelayNotice{
    {"queue.delay-notice", "How long a message waits before its sender is told that it does.",
     Effect::at_once},
    Duration::hours(4),
    Duration::minutes(1),
    Duration::days(45)};
inline constexpr config::TextSetting kDelayNoticeHigh{
    {"queue.delay-notice-high", "The same for mail of high priority. Empty: as queue.delay-notice.",
     Effect::at_once},
    ""};
inline constexpr config::TextSetting kDelayNoticeLow{
    {"queue.delay-notice-low", "The same for mail of low priority. Empty: as queue.delay-notice.",
     Effect::at_once},
    ""};
inline constexpr config::NumberSetting kReportsPerMinute{
    {"queue.reports-per-minute",
     "Delivery reports written a minute, over all loops. More wait (report_budget).",
     Effect::at_once},
    6000,
    1,
    1'000'000};
inline constexpr config::SwitchSetting kDoubleBounce{
    {"queue.double-bounce", "Tell the postmaster of reports that could not be delivered.",
     Effect::at_once},
    true};
inline constexpr config::DurationSetting kLease{
    {"queue.lease", "How long one attempt may take. A worker that is lost is noticed after this.",
     Effect::at_once},
    Duration::minutes(20),
    Duration::seconds(10),
    Duration::hours(6)};
inline constexpr config::NumberSetting kPoisonAfter{
    {"queue.poison-after", "Attempts lost in a row after which a message is isolated.",
     Effect::at_once},
    2,
    1,
    100};
inline constexpr config::DurationSetting kPoisonReview{
    {"queue.poison-review", "How long an isolated message rests before it is tried again, alone.",
     Effect::at_once},
    Duration::hours(1),
    Duration::seconds(10),
    Duration::days(7)};
inline constexpr config::DurationSetting kHold{
    {"queue.hold", "How long a hold lasts unless its owner says otherwise.", Effect::at_once},
    Duration::hours(4),
    Duration::minutes(1),
    Duration::days(30)};
inline constexpr config::NumberSetting kLaneConnections{
    {"queue.lane-connections", "Connections at once to one next hop, over all loops.",
     Effect::at_once},
    20,
    1,
    1000};
inline constexpr config::NumberSetting kMailboxWorkers{
    {"queue.mailbox-workers", "Deliveries into local mailboxes at once, over all loops.",
     Effect::at_once},
    64,
    1,
    1000};
inline constexpr config::NumberSetting kConnections{
    {"queue.connections", "Connections at once to all next hops, over all loops.", Effect::at_once},
    1000,
    1,
    20000};
inline constexpr config::NumberSetting kRecipientsPerAttempt{
    {"queue.recipients-per-attempt", "Recipients of one message given to a next hop at once.",
     Effect::at_once},
    100,
    1,
    1000};
inline constexpr config::NumberSetting kMessagesPerConnection{
    {"queue.messages-per-connection",
     "Messages sent over one connection before it is closed. 0: as many as there are.",
     Effect::at_once},
    100,
    0,
    1'000'000};
inline constexpr config::NumberSetting kLaneRate{
    {"queue.lane-rate", "Messages a minute to one next hop, over all loops. 0: unlimited.",
     Effect::at_once},
    0,
    0,
    10'000'000};
inline constexpr config::TextSetting kLaneLimits{
    {"queue.lane-limits",
     "Limits of single lanes, which go before the others: \"smtp:example.net connections=2 "
     "messages=20 recipients=50 rate=60; smart:relay:25 connections=100\".",
     Effect::at_once},
    ""};
inline constexpr config::NumberSetting kLaneStart{
    {"queue.lane-start",
     "Connections at once with which a lane begins; it grows with its successes up to "
     "queue.lane-connections and shrinks when the next hop has enough.",
     Effect::at_once},
    5,
    1,
    1000};
inline constexpr config::DurationSetting kLaneIdle{
    {"queue.lane-idle", "How long an idle connection to a next hop is kept.", Effect::at_once},
    Duration::seconds(2),
    Duration::milliseconds(0),
    Duration::minutes(5)};
inline constexpr config::NumberSetting kLaneFailures{
    {"queue.lane-failures", "Failed connections in a row after which a lane rests.",
     Effect::at_once},
    3,
    1,
    100};
inline constexpr config::DurationSetting kLaneProbe{
    {"queue.lane-probe", "How long a lane rests before one message tries it again.",
     Effect::at_once},
    Duration::seconds(60),
    Duration::seconds(1),
    Duration::hours(1)};
inline constexpr config::NumberSetting kWindow{
    {"queue.window", "Rows kept in memory, each loop; the others rest in the table only.",
     Effect::at_once},
    5000,
    100,
    1'000'000};
inline constexpr config::DurationSetting kKeepEnded{
    {"queue.keep-ended", "How long ended messages can still be asked about and traced.",
     Effect::at_once},
    Duration::days(30),
    Duration::hours(1),
    Duration::days(365)};
inline constexpr config::NumberSetting kKeepEndedMax{
    {"queue.keep-ended-messages", "How many ended messages can still be asked about, each loop.",
     Effect::at_once},
    1'000'000,
    1000,
    1'000'000'000};
inline constexpr config::DurationSetting kSweep{
    {"queue.sweep", "How often the auditor looks at every row.", Effect::at_once},
    Duration::seconds(60),
    Duration::seconds(1),
    Duration::hours(1)};

// Limits of one lane from kLaneLimits; what is absent follows the general settings.
struct LaneLimits {
  std::optional<uint64_t> connections;
  std::optional<uint64_t> messages;  // per connection
  std::optional<uint64_t> recipients;
  std::optional<uint64_t> rate;  // messages a minute
};
// By lane. What cannot be read is left out: the setting is checked when it is set.
std::map<std::string, LaneLimits, std::less<>> lane_limits_of(const config::Values& values);

void add_settings(config::Schema& schema);
model::QueuePolicy policy_of(const config::Values& values);

}  // namespace ph::queue
