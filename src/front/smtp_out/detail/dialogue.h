// From a next hop's hosts to a connection that is ready for MAIL: dial, greeting, TLS, login.
#pragma once

#include <expected>
#include <memory>

#include "front/smtp_out/detail/connection.h"

namespace ph::smtp_out {

using Connected = std::expected<std::unique_ptr<Connection>, Fault>;

// Tries the hop's addresses in their order; the last fault when none works.
rt::Task<Connected> connect(const Parts& parts, rt::Loop& loop, const queue::NextHop& hop,
                            rt::Deadline deadline);

}  // namespace ph::smtp_out
