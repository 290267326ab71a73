// The IMAP server's settings.
#pragma once

#include "config/setting.h"

namespace ph::imap_server {

inline constexpr config::SizeSetting kMessageSizeMax{
    {"imap.message_size_max", "The largest message that APPEND takes (APPENDLIMIT).",
     config::Effect::at_next_connection},
    ByteCount::mib(50),
    ByteCount::kib(64),
    ByteCount::mib(150)};
inline constexpr config::NumberSetting kConnectionsMax{
    {"imap.connections_max", "IMAP connections at one time; further ones are told BYE."},
    50'000,
    10,
    1'000'000};
inline constexpr config::NumberSetting kConnectionsPerIpMax{
    {"imap.connections_per_ip_max",
     "IMAP connections from one address at one time; further ones are told BYE. Loopback is free."},
    1'000,
    1,
    1'000'000};
inline constexpr config::SizeSetting kMemoryMax{
    {"imap.memory_max",
     "Memory for messages that clients append and for large ones that are taken apart; beyond it "
     "NO [LIMIT]."},
    ByteCount::mib(512),
    ByteCount::mib(16),
    ByteCount::mib(1024 * 1024)};
inline constexpr config::DurationSetting kLoginTimeout{
    {"imap.login_timeout", "How long a client may take to log in."},
    Duration::seconds(60),
    Duration::seconds(1),
    Duration::hours(1)};
inline constexpr config::DurationSetting kIdleTimeout{
    {"imap.idle_timeout",
     "How long a client may be silent between commands and in IDLE (RFC 3501 5.4: 30 min)."},
    Duration::minutes(30),
    Duration::minutes(1),
    Duration::days(1)};
inline constexpr config::DurationSetting kProgressTimeout{
    {"imap.progress_timeout",
     "How long a client may be silent inside a command, or take nothing of an answer."},
    Duration::minutes(5),
    Duration::seconds(1),
    Duration::hours(1)};
inline constexpr config::SwitchSetting kLoginWithoutTls{
    {"imap.login_without_tls",
     "Clients on this machine (loopback) may log in without TLS. Others never may."},
    false};

void add_settings(config::Schema& schema);

}  // namespace ph::imap_server
