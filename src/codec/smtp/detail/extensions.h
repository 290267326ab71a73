// The values of MT-PRIORITY (RFC 6710), BY (RFC 2852), HOLDFOR and HOLDUNTIL (RFC 4865), from and
// to their text. nullopt: not of the form.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/time.h"
#include "codec/smtp/envelope.h"

namespace ph::smtp::detail {

std::optional<DeliverBy> parse_deliver_by(std::string_view text);
std::optional<uint32_t> parse_hold_for(std::string_view text);
// A date-time of RFC 3339 §5.6: "2026-11-21T02:50:16Z", "2026-11-21T03:50:16.25+01:00".
std::optional<Time> parse_date_time(std::string_view text);

// " BY=120;R" and the like, with the space in front.
std::string deliver_by_text(const DeliverBy& by);

}  // namespace ph::smtp::detail
