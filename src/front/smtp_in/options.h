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
inline constexpr config::NumberSetting kOwnHopsMax{
    {"smtp.own_hops_max",
     "How often a message may have passed this server already; beyond it it is looping (5.4.6)."},
    5,
    1,
    1000};
inline constexpr config::NumberSetting kPriorityMax{
    {"smtp.priority_max",
     "The highest priority (MT-PRIORITY) that is taken from strangers; more is lowered to it."},
    0,
    0,
    9};
inline constexpr config::NumberSetting kUserPriorityMax{
    {"submission.priority_max", "The same from users who logged in."}, 4, 0, 9};
inline constexpr config::TextSetting kPriorityProfile{
    {"smtp.priority_profile",
     "The name announced with MT-PRIORITY (RFC 6710): MIXER, STANAG4406, NSEP. Empty: none.",
     config::Effect::at_next_connection},
    ""};
inline constexpr config::DurationSetting kDeliverByMin{
    {"smtp.deliver_by_min",
     "The least time that is taken with DELIVERBY where a late message is to go back. 0: any.",
     config::Effect::at_next_connection},
    Duration(),
    Duration(),
    Duration::days(30)};
// No longer than a submission may rest in the Outbox (store::Options::submission_expires_after),
// less the time that the queue needs to give up.
inline constexpr config::DurationSetting kHoldMax{
    {"submission.hold_max",
     "How far ahead a user may ask for a message to leave (FUTURERELEASE). 0: not offered.",
     config::Effect::at_next_connection},
    Duration::days(30),
    Duration(),
    Duration::days(30)};
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
