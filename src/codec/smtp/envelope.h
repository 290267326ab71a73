// What MAIL and RCPT carry besides their paths, as values: SIZE (RFC 1870), BODY (RFC 6152),
// SMTPUTF8 (RFC 6531), RET, ENVID, NOTIFY and ORCPT (RFC 3461), AUTH (RFC 4954 §5), MT-PRIORITY
// (RFC 6710), BY (RFC 2852), HOLDFOR and HOLDUNTIL (RFC 4865).
//
// The server engine raises them, the client engine sends them; text values are decoded here and
// known to be printable (no control characters), so they can be stored and shown as they are.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/time.h"
#include "codec/smtp/mailbox.h"

namespace ph::smtp {

enum class Protocol : uint8_t { smtp, lmtp };  // RFC 5321, RFC 2033
enum class BodyType : uint8_t { unspecified, seven_bit, eight_bit };
enum class DsnReturn : uint8_t { unspecified, full, headers };

// NOTIFY. Nothing set: not given, so the default (failure, perhaps delay) applies. `never` excludes
// the others.
struct DsnNotify {
  bool never = false;
  bool success = false;
  bool failure = false;
  bool delay = false;

  bool is_given() const { return never || success || failure || delay; }
  bool operator==(const DsnNotify&) const = default;
};

// ORCPT=type;address, the address decoded.
struct OriginalRecipient {
  std::string type;  // lower case: "rfc822", "utf-8", ...
  std::string address;

  bool operator==(const OriginalRecipient&) const = default;
};

// BY=seconds;mode. Counted from the MAIL command; notify allows what is past already.
struct DeliverBy {
  enum class Mode : uint8_t { notify, return_it } mode = Mode::notify;
  int64_t seconds = 0;  // at most kDeliverByMax either way
  bool trace = false;

  bool operator==(const DeliverBy&) const = default;
};
inline constexpr int64_t kDeliverByMax = 999'999'999;  // RFC 2852 §4: nine digits

inline constexpr int kPriorityMax = 9;  // RFC 6710 §3: -9 to 9

struct MailParameters {
  std::optional<uint64_t> size;
  BodyType body = BodyType::unspecified;
  bool smtp_utf8 = false;
  DsnReturn dsn_return = DsnReturn::unspecified;
  std::string envelope_id;               // "" when not given
  std::optional<std::string> submitter;  // AUTH=; "" for AUTH=<>
  std::optional<int> priority{};         // MT-PRIORITY=
  std::optional<DeliverBy> deliver_by{};
  std::optional<uint32_t> hold_for{};  // seconds from the MAIL command on; not with hold_until
  std::optional<Time> hold_until{};

  bool operator==(const MailParameters&) const = default;
};

struct RcptParameters {
  DsnNotify notify;
  std::optional<OriginalRecipient> original;

  bool operator==(const RcptParameters&) const = default;
};

struct Recipient {
  Path path;
  RcptParameters parameters;

  bool operator==(const Recipient&) const = default;
};

// What the client engine sends as one message.
struct Envelope {
  Path sender;
  MailParameters parameters;
  std::vector<Recipient> recipients;
};

}  // namespace ph::smtp
