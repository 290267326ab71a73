// The SMTP server's settings.
#pragma once

#include "config/setting.h"

namespace ph::smtp_in {

inline constexpr config::SizeSetting kMessageSizeMax{
    {"smtp.message_size_max", "The largest message that is taken (SIZE).",
     config::Effect::at_next_connection},
    ByteCount::mib(50),
    ByteCount::kib(64),
    ByteCount::mib(2048)};
inline constexpr config::NumberSetting kRecipientsMax{
    {"smtp.recipients_max", "Recipients of one transaction; more are asked to come in another.",
     config::Effect::at_next_connection},
    1000,
    100,
    100'000};
inline constexpr config::NumberSetting kHopsMax{
    {"smtp.hops_max", "Received fields at which a message is taken for looping (5.4.6)."},
    50,
    10,
    1000};
inline constexpr config::NumberSetting kConnectionsMax{
    {"smtp.connections_max", "SMTP connections at one time; further ones are told 421."},
    20'000,
    10,
    1'000'000};
inline constexpr config::NumberSetting kConnectionsPerIpMax{
    {"smtp.connections_per_ip_max",
     "SMTP connections from one address at one time; further ones are told 421. Loopback is free."},
    200,
    1,
    1'000'000};
inline constexpr config::SizeSetting kMemoryMax{
    {"smtp.memory_max", "Memory for messages that are being received; beyond it 452."},
    ByteCount::mib(512),
    ByteCount::mib(16),
    ByteCount::mib(1024 * 1024)};
inline constexpr config::DurationSetting kCommandTimeout{
    {"smtp.command_timeout",
     "How long a client may be silent between commands (RFC 5321 4.5.3.2)."},
    Duration::minutes(5),
    Duration::seconds(1),
    Duration::hours(1)};
inline constexpr config::DurationSetting kDataTimeout{
    {"smtp.data_timeout", "How long a client may be silent while it sends content."},
    Duration::minutes(3),
    Duration::seconds(1),
    Duration::hours(1)};
inline constexpr config::DurationSetting kSessionMax{
    {"smtp.session_max", "How long one connection may last."},
    Duration::hours(2),
    Duration::minutes(1),
    Duration::days(1)};
inline constexpr config::TextSetting kRelayNetworks{
    {"smtp.relay_networks",
     "Networks whose clients may relay without logging in, e.g. 192.0.2.0/24. Empty: nobody may."},
    ""};
inline constexpr config::SwitchSetting kSenderMustMatch{
    {"submission.sender_must_match",
     "A user may send only in the name of his own address or of an alias to him."},
    true};

void add_settings(config::Schema& schema);

}  // namespace ph::smtp_in
