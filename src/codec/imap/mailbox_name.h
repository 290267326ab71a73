// Mailbox names on the wire.
//
// Inside Posthorn a name is UTF-8. IMAP4rev1 writes modified UTF-7 (RFC 3501 section 5.1.3),
// IMAP4rev2 and UTF8=ACCEPT write UTF-8. INBOX is the same in any case; the names below it are not
// touched.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace ph::imap {

enum class NameForm : uint8_t { modified_utf7, utf8 };

// UTF-8; nothing if malformed, or if it holds a control character. A modified UTF-7 name with
// 8-bit octets is taken as UTF-8, as older clients send it.
std::optional<std::string> mailbox_from_wire(std::string_view wire, NameForm form);
// The same for a pattern of LIST, where INBOX is left as it is.
std::optional<std::string> pattern_from_wire(std::string_view wire, NameForm form);
std::string mailbox_to_wire(std::string_view name, NameForm form);

// RFC 3501 section 6.3.8: `*` matches anything, `%` anything but the delimiter. INBOX as the first
// level matches in any case. At most name times pattern steps.
struct ListPattern {
  std::string_view pattern;
  char delimiter = '/';
};
bool matches(std::string_view name, const ListPattern& pattern);

}  // namespace ph::imap
