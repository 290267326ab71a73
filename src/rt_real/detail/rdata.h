// DNS record data, strictly: what does not have exactly the form of its type is nullopt.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "rt/resolver.h"

namespace ph::rt_real::detail {

// From RDATA in uncompressed wire form. A name's labels may hold letters, digits, "-" and "_" only,
// so that a name as text means what it meant on the wire.
std::optional<rt::DnsRecord> parse_rdata(rt::DnsType type, std::string_view rdata);

// Whether `name` may be asked for: labels of that alphabet, within RFC 1035's lengths.
bool is_askable(std::string_view name);

}  // namespace ph::rt_real::detail
