// Address lists (RFC 5322 section 3.4 with the obsolete forms of 4.4, RFC 6532), as IMAP shows
// them.
//
// Parsing is tolerant, linear and never fails; what cannot be an address is taken as a mailbox with
// an empty host, so that nothing a person wrote disappears.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace ph::mime {

// One entry of a flat list (RFC 3501 section 7.4.2): a mailbox, or the start or end of a group.
//   mailbox:      mailbox and host are set (host is "" if the text had none)
//   group start:  mailbox is the group's name, host is nullopt
//   group end:    mailbox and host are nullopt
struct Address {
  std::optional<std::string> name{};  // display name without quotes, encoded words kept
  std::optional<std::string> adl{};   // the obsolete source route, "@a,@b"
  std::optional<std::string> mailbox{};
  std::optional<std::string> host{};

  bool is_group_start() const { return mailbox.has_value() && !host.has_value(); }
  bool is_group_end() const { return !mailbox.has_value(); }
  bool is_mailbox() const { return mailbox.has_value() && host.has_value(); }
  // "local@host" for is_mailbox(), quoted where needed; else "".
  std::string addr_spec() const;
  bool operator==(const Address&) const = default;
};

constexpr size_t kAddressesMax = 10'000;

// From a field's value or raw value (folds are white space). Beyond `limit` entries the rest is
// left out, an open group is still closed.
std::vector<Address> parse_address_list(std::string_view value, size_t limit = kAddressesMax);

}  // namespace ph::mime
