// Modified UTF-7, the form of mailbox names in IMAP4rev1 (RFC 3501 section 5.1.3).
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace ph::text {

// `utf8` must be valid UTF-8 (each invalid octet becomes U+FFFD).
std::string to_modified_utf7(std::string_view utf8);

// nullopt if malformed: octets beyond printable ASCII, broken base64, needless encoding of
// printable ASCII, lone surrogates. So every UTF-8 name has exactly one accepted form.
std::optional<std::string> from_modified_utf7(std::string_view name);

}  // namespace ph::text
