// IMAP's ENVELOPE of a message (RFC 3501 and RFC 9051 section 7.4.2), as plain values.
//
// Strings are unfolded, encoded words kept, any octet but LF possible (codec/imap chooses between
// quoted string and literal). nullopt and an empty list are NIL.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "codec/mime/address.h"
#include "codec/mime/header.h"

namespace ph::mime {

struct Envelope {
  std::optional<std::string> date;
  std::optional<std::string> subject;
  std::vector<Address> from;
  std::vector<Address> sender;    // `from` if the field is absent or empty
  std::vector<Address> reply_to;  // likewise
  std::vector<Address> to;        // of all To fields together, so cc and bcc
  std::vector<Address> cc;
  std::vector<Address> bcc;
  std::optional<std::string> in_reply_to;
  std::optional<std::string> message_id;
  bool operator==(const Envelope&) const = default;
};

// Of a message's header. At most `address_limit` addresses are read from each of the six fields.
Envelope make_envelope(const HeaderView& header, size_t address_limit = kAddressesMax);

}  // namespace ph::mime
