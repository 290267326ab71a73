// The facts of a message on its way: what MAIL and RCPT said, where it came from.
//
// Facts only: no route, no limit, no decision (law 10). Addresses are texts in SMTP's form without
// angle brackets, "local@domain", the local part quoted if it must be; "" is the null reverse-path,
// and a recipient may be "postmaster" alone. All texts are known to hold no control characters.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/time.h"

namespace ph::model {

enum class BodyType : uint8_t { unspecified, seven_bit, eight_bit };  // RFC 6152
enum class DsnReturn : uint8_t { unspecified, full, headers };        // RFC 3461 RET
enum class Origin : uint8_t { smtp, submission, report, internal, x400 };

// Which way a message goes, seen from us.
enum class Direction : uint8_t { inbound, outbound, within };

// Three classes of urgency. Stored; numbers are never reused.
enum class Priority : uint8_t { low, normal, high };

// RFC 6710: MT-PRIORITY is -9 to 9; below 0 is low, above 0 high.
constexpr Priority priority_of(int mt_priority) {
  if (mt_priority < 0) return Priority::low;
  return mt_priority > 0 ? Priority::high : Priority::normal;
}

// RFC 2852 DELIVERBY: by when a message must have arrived, and what follows when it has not: it
// goes back (R), or its sender is told and it goes on (N).
struct DeliverBy {
  enum class Mode : uint8_t { none, return_it, notify } mode = Mode::none;
  Time at{};
  bool trace = false;  // "T": report what each relay did with it

  bool is_set() const { return mode != Mode::none; }
  bool operator==(const DeliverBy&) const = default;
};

// How far a peer is trusted (law 8): to `foreign` ones nothing private goes, and from them nothing
// private is taken.
enum class PeerClass : uint8_t { foreign, partner, cluster };

// RFC 3461 NOTIFY. Nothing set: not given. `never` excludes the others.
struct Notify {
  bool never = false;
  bool success = false;
  bool failure = false;
  bool delay = false;

  constexpr bool is_given() const { return never || success || failure || delay; }
  // Not given means: report failures and delays (RFC 3461 section 4.1).
  constexpr bool wants_failure() const { return failure || !is_given(); }
  constexpr bool wants_delay() const { return delay || !is_given(); }
  constexpr bool operator==(const Notify&) const = default;
};

struct Envelope {
  std::string sender;
  std::string auth_user;  // the account that logged in, "" for strangers
  std::string client_ip;
  std::string client_helo;
  Time received_at;
  std::string envelope_id;  // ENVID, decoded
  DsnReturn dsn_return = DsnReturn::unspecified;
  BodyType body = BodyType::unspecified;
  bool smtp_utf8 = false;
  uint64_t size_bytes = 0;
  Origin origin = Origin::smtp;
  int mt_priority = 0;     // RFC 6710, -9 to 9
  DeliverBy deliver_by{};  // RFC 2852
  Time hold_until{};       // RFC 4865 FUTURERELEASE: not before; Time{}: at once

  Priority priority() const { return priority_of(mt_priority); }
  bool has_null_sender() const { return sender.empty(); }
  bool operator==(const Envelope&) const = default;
};

struct Recipient {
  std::string address;
  Notify notify{};
  std::string original_type{};  // ORCPT "rfc822" ...; "" when not given
  std::string original_address{};
  // A next hop that an administrator chose for it, "host:port"; "": the router decides.
  std::string via{};

  bool operator==(const Recipient&) const = default;
};

// The part behind the last '@' as written, "" if there is none.
std::string_view domain_of(std::string_view address);

std::string_view to_text(Origin origin);
std::string_view to_text(PeerClass peer);
std::string_view to_text(Priority priority);
std::optional<Priority> priority_named(std::string_view name);

}  // namespace ph::model
