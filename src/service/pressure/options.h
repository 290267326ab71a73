// The settings of back pressure. Where they contradict each other, the lower threshold counts.
#pragma once

#include "config/setting.h"

namespace ph::pressure {

inline constexpr config::DurationSetting kInterval{
    {"pressure.interval", "How often disk, memory and commits are looked at."},
    Duration::seconds(2),
    Duration::milliseconds(100),
    Duration::minutes(1)};
inline constexpr config::DurationSetting kCalmTime{
    {"pressure.calm_time",
     "How long every reading must be below a level's leaving threshold before the level falls."},
    Duration::seconds(10),
    Duration(),
    Duration::hours(1)};
inline constexpr config::DurationSetting kStaleAfter{
    {"pressure.stale_after",
     "A resource without a reading for so long is at an unknown level, which refuses nothing."},
    Duration::seconds(20),
    Duration::seconds(1),
    Duration::hours(1)};

// The disk: a share of it, but never more than disk_enough and never less than the fixed sizes.
inline constexpr config::NumberSetting kDiskMediumEnter{
    {"pressure.disk_medium_enter", "Percent free below which strangers' mail is refused."},
    4,
    0,
    100};
inline constexpr config::NumberSetting kDiskMediumLeave{
    {"pressure.disk_medium_leave", "Percent free above which strangers' mail is taken again."},
    6,
    0,
    100};
inline constexpr config::NumberSetting kDiskHighEnter{
    {"pressure.disk_high_enter", "Percent free below which all new mail is refused."}, 2, 0, 100};
inline constexpr config::NumberSetting kDiskHighLeave{
    {"pressure.disk_high_leave", "Percent free above which users' mail is taken again."},
    3,
    0,
    100};
inline constexpr config::SizeSetting kDiskEnough{
    {"pressure.disk_enough",
     "With so much free strangers' mail is taken, and with half of it users' mail, whatever the "
     "percentage; a quarter more is asked for before a level is left."},
    ByteCount::mib(20 * 1024),
    ByteCount::mib(1024),
    ByteCount::mib(1024 * 1024 * 1024)};
inline constexpr config::SizeSetting kDiskMediumFloor{
    {"pressure.disk_medium_floor",
     "Less than so much free refuses strangers' mail, whatever the percentage."},
    ByteCount::mib(640),
    ByteCount::mib(0),
    ByteCount::mib(1024 * 1024)};
inline constexpr config::SizeSetting kDiskHighFloor{
    {"pressure.disk_high_floor",
     "Less than so much free refuses all new mail, whatever the percentage."},
    ByteCount::mib(576),
    ByteCount::mib(0),
    ByteCount::mib(1024 * 1024)};

inline constexpr config::SizeSetting kMemoryLimit{
    {"pressure.memory_limit",
     "The process's memory that counts as all of it; 0 for three quarters of the machine's."},
    ByteCount(),
    ByteCount(),
    ByteCount::mib(1024 * 1024 * 1024)};
inline constexpr config::NumberSetting kMemoryMediumEnter{
    {"pressure.memory_medium_enter", "Percent of it at which strangers' mail is refused."},
    80,
    1,
    100};
inline constexpr config::NumberSetting kMemoryMediumLeave{
    {"pressure.memory_medium_leave", "Percent of it below which strangers' mail is taken again."},
    75,
    1,
    100};
inline constexpr config::NumberSetting kMemoryHighEnter{
    {"pressure.memory_high_enter", "Percent of it at which all new mail is refused."}, 92, 1, 100};
inline constexpr config::NumberSetting kMemoryHighLeave{
    {"pressure.memory_high_leave", "Percent of it below which users' mail is taken again."},
    87,
    1,
    100};

inline constexpr config::DurationSetting kLatencyMediumEnter{
    {"pressure.latency_medium_enter", "Duration of a commit at which strangers' mail is refused."},
    Duration::seconds(5),
    Duration::milliseconds(1),
    Duration::hours(1)};
inline constexpr config::DurationSetting kLatencyMediumLeave{
    {"pressure.latency_medium_leave",
     "Duration of a commit below which strangers' mail is taken again."},
    Duration::seconds(2),
    Duration::milliseconds(1),
    Duration::hours(1)};
inline constexpr config::DurationSetting kLatencyHighEnter{
    {"pressure.latency_high_enter", "Duration of a commit at which all new mail is refused."},
    Duration::seconds(20),
    Duration::milliseconds(1),
    Duration::hours(1)};
inline constexpr config::DurationSetting kLatencyHighLeave{
    {"pressure.latency_high_leave", "Duration of a commit below which users' mail is taken again."},
    Duration::seconds(10),
    Duration::milliseconds(1),
    Duration::hours(1)};

inline constexpr config::NumberSetting kCommitsMediumEnter{
    {"pressure.commits_medium_enter", "Commits that wait at which strangers' mail is refused."},
    10'000,
    1,
    10'000'000};
inline constexpr config::NumberSetting kCommitsMediumLeave{
    {"pressure.commits_medium_leave",
     "Commits that wait below which strangers' mail is taken again."},
    2'000,
    1,
    10'000'000};
inline constexpr config::NumberSetting kCommitsHighEnter{
    {"pressure.commits_high_enter", "Commits that wait at which all new mail is refused."},
    20'000,
    1,
    10'000'000};
inline constexpr config::NumberSetting kCommitsHighLeave{
    {"pressure.commits_high_leave", "Commits that wait below which users' mail is taken again."},
    10'000,
    1,
    10'000'000};

void add_settings(config::Schema& schema);

}  // namespace ph::pressure
