// The router: where a recipient's next attempt goes, computed at each attempt from the directory,
// the settings and DNS of that moment (law 10).
//
// Order: the next hop that an administrator chose for the recipient (lane "via:host:port"), for our
// own addresses too; local mailbox or alias; a static route of the domain; the smart host; an
// address literal; MX (RFC 5321 section 5.1: preference order, equals shuffled, A and AAAA of the
// domain when it has no MX, RFC 7505 null MX). What DNS says with authority ends the recipient;
// what it fails to say is waited for.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/setting.h"
#include "rt/runtime.h"
#include "service/queue/ports.h"

namespace ph::route {

// What the directory knows of an address.
struct Local {
  enum class Kind : uint8_t {
    foreign_domain,
    mailbox,
    alias,
    no_such_address
  } kind = Kind::foreign_domain;
  uint64_t mailbox = 0;
  std::vector<std::string> members;
};

struct Parts {
  rt::Runtime& runtime;
  std::string host;  // our own name: an MX list that leads to us is a loop
  std::function<config::Source&(const rt::Loop&)> settings;
  std::function<Local(std::string_view address)> find;  // from any loop
};

class Router final : public queue::Router {
 public:
  explicit Router(Parts parts) : parts_(std::move(parts)) {}
  rt::Task<queue::Route> route(rt::Loop& loop, const model::Recipient& recipient,
                               const model::Envelope& envelope, rt::Deadline deadline) override;
  std::optional<queue::Route> peek(const model::Recipient& recipient,
                                   const model::Envelope& envelope) override;

 private:
  struct Named;
  std::optional<queue::Route> local_route(rt::Loop& loop, const model::Recipient& recipient) const;
  static std::optional<Named> chosen(const model::Recipient& recipient);
  std::optional<queue::Route> known(rt::Loop& loop, const Named& named) const;
  std::optional<Named> configured(rt::Loop& loop, std::string_view domain) const;
  rt::Task<queue::Route> named_route(rt::Loop& loop, Named named, rt::Deadline deadline);
  rt::Task<queue::Route> mx_route(rt::Loop& loop, std::string domain, rt::Deadline deadline);
  rt::Task<Result<std::vector<std::string>>> addresses_of(rt::Loop& loop, std::string name,
                                                          rt::Deadline deadline);

  Parts parts_;
};

}  // namespace ph::route
