// The parameters of MAIL and RCPT, from and to their text on the wire.
#pragma once

#include <string>
#include <string_view>

#include "codec/smtp/envelope.h"
#include "codec/smtp/reply.h"

namespace ph::smtp::detail {

// `text` is what follows the path: empty, or blank-separated parameters. The result is the reply
// that refuses the command, nullptr when all is well.
const FixedReply* parse_mail_parameters(std::string_view text, MailParameters& out);
const FixedReply* parse_rcpt_parameters(std::string_view text, RcptParameters& out);

// " NOTIFY=..." and the like, each with a space in front; nothing for what is not given.
std::string dsn_text(const MailParameters& parameters);
std::string dsn_text(const RcptParameters& parameters);

}  // namespace ph::smtp::detail
