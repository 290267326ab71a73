// The SMTP client: carries queued messages to next hops, over connections that are reused.
//
// A session belongs to one lane and is used for one message at a time. It connects at the first
// carry to the hop's hosts in their order, offers TLS by the hop's policy, logs in where the hop
// says so, and keeps the connection for the next message. What a peer says, it says of one
// recipient, one message or the whole connection; the result keeps these apart, with the peer's
// words and the stage. A lost answer to the final dot is `maybe_delivered`.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "codec/tls/context.h"
#include "config/setting.h"
#include "obs/log.h"
#include "obs/metrics.h"
#include "rt/runtime.h"
#include "service/queue/ports.h"

namespace ph::smtp_out {

inline constexpr config::DurationSetting kConnectTimeout{
    {"smtp_out.connect_timeout", "How long one address of a next hop may take to answer."},
    Duration::seconds(30),
    Duration::seconds(1),
    Duration::minutes(5)};
inline constexpr config::DurationSetting kCommandTimeout{
    {"smtp_out.command_timeout", "How long a next hop may take to answer a command."},
    Duration::minutes(5),
    Duration::seconds(1),
    Duration::minutes(30)};
inline constexpr config::DurationSetting kFinalTimeout{
    {"smtp_out.final_timeout",
     "How long a next hop may take to answer the end of a message (RFC 5321 4.5.3.2.6)."},
    Duration::minutes(10),
    Duration::seconds(1),
    Duration::minutes(30)};
inline constexpr config::NumberSetting kAddressesMax{
    {"smtp_out.addresses_max", "Addresses of a next hop that one attempt tries."}, 6, 1, 64};

void add_settings(config::Schema& schema);

struct Credentials {
  std::string user;
  std::string password;
};

struct Parts {
  rt::Runtime& runtime;
  obs::Log& log;
  obs::Metrics& metrics;
  std::string host;                           // our name in EHLO
  std::shared_ptr<const tls::Context> trust;  // shared by all sessions; nullptr: no TLS is tried
  std::function<config::Source&(const rt::Loop&)> settings;
  // The credentials of that name; nullopt if there are none (then the hop cannot be used now).
  std::function<std::optional<Credentials>(const std::string&)> credentials;
};

std::unique_ptr<queue::CarrierSession> open_session(const Parts& parts, rt::Loop& loop,
                                                    const queue::NextHop& hop);

}  // namespace ph::smtp_out
