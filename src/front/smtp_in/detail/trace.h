// What the Received fields of a message tell of its way (RFC 5321 section 4.4).
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace ph::smtp_in {

struct Trace {
  size_t own = 0;     // hops of this server
  std::string chain;  // the hosts in the order of the way, "a > b > a"; cut at its front
};

// `header` is a header block; `host` our name in it. A name without a dot ("localhost") is
// anybody's, so it is never counted as our own.
Trace trace_of(std::string_view header, std::string_view host);

// The domain behind "by" in the value of a Received field; "" if there is none.
std::string by_of(std::string_view received);

}  // namespace ph::smtp_in
