// The router's settings.
#pragma once

#include "config/setting.h"

namespace ph::route {

inline constexpr config::TextSetting kSmartHost{
    {"route.smart_host",
     "A host that takes all mail to other domains, \"name:port\" or \"address:port\". Empty: MX."},
    ""};
inline constexpr config::TextSetting kStaticRoutes{
    {"route.domains",
     "Next hops of single domains, \"example.net=192.0.2.1:25, .example.com=relay:587\"; a dot in "
     "front means all below."},
    ""};
inline constexpr config::NumberSetting kMxPort{
    {"route.mx_port", "The port at which MX hosts are reached."}, 25, 1, 65'535};
inline constexpr config::SwitchSetting kLoopbackHops{
    {"route.loopback_hops", "Dial loopback addresses that DNS names (for tests on one machine)."},
    false};
inline constexpr config::SwitchSetting kRequireTls{
    {"route.require_tls", "Send to other servers over TLS only; without it mail waits."}, false};

void add_settings(config::Schema& schema);

}  // namespace ph::route
