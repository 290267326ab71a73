// The queue's settings. Read at each use: a change acts at once, also on rows that wait already.
#pragma once

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
    {"queue.keep-ended", "How long ended messages can still be asked about.", Effect::at_once},
    Duration::days(7),
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

void add_settings(config::Schema& schema);
model::QueuePolicy policy_of(const config::Values& values);

}  // namespace ph::queue
