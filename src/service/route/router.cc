#include "service/route/router.h"

#include <algorithm>
#include <map>
#include <utility>

#include "base/check.h"
#include "base/random.h"
#include "base/text.h"
#include "rt/errors.h"
#include "service/route/options.h"

namespace ph::route {
namespace {

using queue::NextHop;
using queue::Route;

constexpr size_t kHostsMax = 10;
constexpr size_t kAddressesMax = 8;  // of one host

model::ReplyRecord words(const rt::Loop& loop, std::string text, model::StatusCode code) {
  model::ReplyRecord reply;
  reply.when = loop.wall();
  reply.host = "routing";
  reply.stage = model::Stage::route;
  reply.enhanced = code;
  reply.text = std::move(text);
  return model::bounded(std::move(reply));
}

Route failed(const rt::Loop& loop, model::QueueReason reason, model::StatusCode code,
             std::string text) {
  Route route;
  route.kind = Route::Kind::failed;
  route.reason = reason;
  route.reply = words(loop, std::move(text), code);
  return route;
}

Route dns_not_now(const rt::Loop& loop, const std::string& name, const Error& error) {
  Route route;
  route.kind = Route::Kind::not_now;
  route.reason = model::QueueReason::dns_failure;
  route.reply = words(loop, "DNS for " + name + ": " + error.to_text(), {4, 4, 3});
  return route;
}

// What an administrator chose and nobody can read: it waits for another word of his.
Route unreadable_hop(const rt::Loop& loop, std::string_view via) {
  Route route;
  route.kind = Route::Kind::not_now;
  route.reason = model::QueueReason::unreachable;
  route.reply = words(loop, "'" + printable(via, 64) + "' is no next hop like relay:25", {4, 4, 4});
  return route;
}

Route to_hosts(std::string lane, std::vector<queue::HopHost> hosts, queue::TlsPolicy tls) {
  Route route;
  route.hop.lane = std::move(lane);
  route.hop.kind = queue::HopKind::smtp;
  route.hop.hosts = std::move(hosts);
  route.hop.tls = tls;
  return route;
}

queue::TlsPolicy tls_policy(const config::Values& values) {
  return values.get(kRequireTls) ? queue::TlsPolicy::required : queue::TlsPolicy::opportunistic;
}

// "name", "name:port", "1.2.3.4:port", "[::1]:port"; false if it is none of them.
bool parse_hop(std::string_view text, std::string& host, uint16_t& port) {
  port = 25;
  const size_t colon = text.rfind(':');
  const bool bracketed = text.starts_with('[');
  if (!bracketed && std::ranges::count(text, ':') > 1) return false;  // IPv6 needs its brackets
  if (colon != std::string_view::npos && (!bracketed || text[colon - 1] == ']')) {
    const auto number = parse_u64(text.substr(colon + 1));
    if (!number || *number == 0 || *number > 65'535) return false;
    port = static_cast<uint16_t>(*number);
    text = text.substr(0, colon);
  }
  if (bracketed) {
    if (!text.ends_with(']')) return false;
    text = text.substr(1, text.size() - 2);
  }
  host = to_lower(text);
  return !host.empty() && host.find(' ') == std::string::npos;
}

std::string smart_host_problem(std::string_view text) {
  std::string host;
  uint16_t port = 0;
  if (trim(text).empty() || parse_hop(trim(text), host, port)) return {};
  return "'" + printable(text, 64) + "' is no host like relay.example.net:25";
}

std::string static_routes_problem(std::string_view text) {
  for (const std::string_view item : split(text, ',')) {
    if (trim(item).empty()) continue;
    const size_t equals = item.find('=');
    std::string host;
    uint16_t port = 0;
    if (equals == std::string_view::npos || !parse_hop(trim(item.substr(equals + 1)), host, port)) {
      return "'" + printable(trim(item), 64) + "' is no route like example.net=relay:25";
    }
  }
  return {};
}

constexpr config::TextSetting checked(config::TextSetting s,
                                      std::string (*problem)(std::string_view)) {
  s.valid = problem;
  return s;
}
constexpr config::TextSetting kCheckedSmartHost = checked(kSmartHost, smart_host_problem);
constexpr config::TextSetting kCheckedStaticRoutes = checked(kStaticRoutes, static_routes_problem);

// No mail host has an address like these: "this network", an IPv4 address in IPv6's clothes.
bool is_strange(std::string_view address) {
  return address.starts_with("0.") || address == "::" || istarts_with(address, "::ffff:");
}

bool is_usable(const std::string& address, bool loopback_allowed) {
  const Result<rt::Endpoint> endpoint = rt::endpoint_of(address, 0);
  if (!endpoint.has_value() || is_strange(endpoint->host)) return false;
  return loopback_allowed || !rt::is_loopback(*endpoint);
}

// "[192.0.2.1]" or "[IPv6:2001:db8::1]" (RFC 5321 section 4.1.3).
std::optional<std::string> literal_address(std::string_view domain) {
  if (!domain.starts_with('[') || !domain.ends_with(']')) return std::nullopt;
  std::string_view inner = domain.substr(1, domain.size() - 2);
  if (istarts_with(inner, "IPv6:")) inner.remove_prefix(5);
  const Result<rt::Endpoint> endpoint = rt::endpoint_of(inner, 0);
  if (!endpoint.has_value()) return std::nullopt;
  return endpoint->host;
}

// In order of preference; among equals by a chance that changes each minute, so that load spreads.
void order_by_preference(std::vector<rt::DnsRecord>& records, std::string_view domain, Time now) {
  Random random(std::hash<std::string_view>()(domain) ^ static_cast<uint64_t>(now.unix_s() / 60));
  for (size_t i = records.size(); i > 1; --i) std::swap(records[i - 1], records[random.below(i)]);
  std::ranges::sort(records, {}, &rt::DnsRecord::preference);
}

}  // namespace

void add_settings(config::Schema& schema) {
  schema.add(kCheckedSmartHost);
  schema.add(kCheckedStaticRoutes);
  schema.add(kMxPort);
  schema.add(kLoopbackHops);
  schema.add(kRequireTls);
}

// A next hop that the settings name, before its addresses are known.
struct Router::Named {
  std::string lane;
  std::string host;
  uint16_t port = 25;
};

std::optional<Route> Router::local_route(rt::Loop& loop, const model::Recipient& recipient) const {
  Local found = parts_.find(recipient.address);
  Route route;
  switch (found.kind) {
    case Local::Kind::foreign_domain: return std::nullopt;
    case Local::Kind::mailbox:
      route.hop.lane = "local";
      route.hop.kind = queue::HopKind::mailbox;
      route.mailbox = found.mailbox;
      return route;
    case Local::Kind::alias:
      route.kind = Route::Kind::expand;
      route.members = std::move(found.members);
      return route;
    case Local::Kind::no_such_address:
      return failed(loop, model::QueueReason::no_such_address, {5, 1, 1},
                    "there is no address " + recipient.address + " here");
  }
  return std::nullopt;
}

std::optional<Router::Named> Router::configured(rt::Loop& loop, std::string_view domain) const {
  const config::Values& values = parts_.settings(loop).current();
  Named named;
  for (const std::string& item : values.get_list(kStaticRoutes)) {
    const size_t equals = item.find('=');
    if (equals == std::string::npos) continue;
    const std::string pattern = to_lower(trim(std::string_view(item).substr(0, equals)));
    const bool matches = pattern.starts_with('.') ? domain.ends_with(pattern) : domain == pattern;
    if (!matches) continue;
    if (!parse_hop(trim(std::string_view(item).substr(equals + 1)), named.host, named.port))
      continue;
    named.lane = "route:" + named.host + ":" + std::to_string(named.port);
    return named;
  }
  const std::string smart = values.get(kSmartHost);
  if (!parse_hop(trim(smart), named.host, named.port)) return std::nullopt;
  named.lane = "smart:" + named.host + ":" + std::to_string(named.port);
  return named;
}

// The next hop that an administrator chose for this recipient.
std::optional<Router::Named> Router::chosen(const model::Recipient& recipient) {
  Named named;
  if (!parse_hop(trim(recipient.via), named.host, named.port)) return std::nullopt;
  const bool ipv6 = named.host.find(':') != std::string::npos;
  named.lane =
      "via:" + (ipv6 ? "[" + named.host + "]" : named.host) + ":" + std::to_string(named.port);
  return named;
}

std::optional<Route> Router::known(rt::Loop& loop, const Named& named) const {
  if (!rt::endpoint_of(named.host, named.port).has_value()) return std::nullopt;
  return to_hosts(named.lane, {{named.host, {named.host}, named.port}},
                  tls_policy(parts_.settings(loop).current()));
}

std::optional<Route> Router::peek(const model::Recipient& recipient, const model::Envelope&) {
  const auto loops = parts_.runtime.loops();
  const auto here = std::ranges::find_if(loops, [](const rt::Loop* l) { return l->is_current(); });
  PH_CHECK(here != loops.end());
  if (!recipient.via.empty()) {
    const std::optional<Named> via = chosen(recipient);
    return via ? known(**here, *via) : std::nullopt;
  }
  if (std::optional<Route> local = local_route(**here, recipient)) return local;
  const std::string domain = to_lower(model::domain_of(recipient.address));
  const std::optional<Named> named = configured(**here, domain);
  return named ? known(**here, *named) : std::nullopt;
}

rt::Task<Route> Router::route(rt::Loop& loop, const model::Recipient& recipient,
                              const model::Envelope&, rt::Deadline deadline) {
  if (!recipient.via.empty()) {
    std::optional<Named> via = chosen(recipient);
    if (!via) co_return unreadable_hop(loop, recipient.via);
    co_return co_await named_route(loop, std::move(*via), deadline);
  }
  if (std::optional<Route> local = local_route(loop, recipient)) co_return std::move(*local);
  std::string domain = to_lower(model::domain_of(recipient.address));
  if (domain.empty()) {
    co_return failed(loop, model::QueueReason::no_such_address, {5, 1, 3}, "it has no domain");
  }
  if (std::optional<Named> named = configured(loop, domain)) {
    co_return co_await named_route(loop, std::move(*named), deadline);
  }
  const config::Values& values = parts_.settings(loop).current();
  if (const std::optional<std::string> address = literal_address(domain)) {
    const auto port = static_cast<uint16_t>(values.get(kMxPort));
    if (!is_usable(*address, values.get(kLoopbackHops))) {
      co_return failed(loop, model::QueueReason::routing_loop, {5, 4, 6},
                       domain + " is this machine itself");
    }
    co_return to_hosts("smtp:" + domain, {{*address, {*address}, port}}, tls_policy(values));
  }
  co_return co_await mx_route(loop, std::move(domain), deadline);
}

// A host that the administrator named may be anywhere, this machine included.
rt::Task<Route> Router::named_route(rt::Loop& loop, Named named, rt::Deadline deadline) {
  std::vector<std::string> addresses;
  if (rt::endpoint_of(named.host, named.port).has_value()) {
    addresses.push_back(named.host);
  } else {
    auto found = co_await addresses_of(loop, named.host, deadline);
    if (!found.has_value()) co_return dns_not_now(loop, named.host, found.error());
    addresses = std::move(*found);
  }
  if (addresses.empty()) {  // the operator's mistake or DNS's: mail waits for it to be mended
    co_return dns_not_now(loop, named.host, fail(rt::kDnsServerFailure, "it has no address"));
  }
  co_return to_hosts(named.lane, {{named.host, std::move(addresses), named.port}},
                     tls_policy(parts_.settings(loop).current()));
}

rt::Task<Result<std::vector<std::string>>> Router::addresses_of(rt::Loop& loop, std::string name,
                                                                rt::Deadline deadline) {
  std::vector<std::string> out;
  std::optional<Error> problem;
  for (const rt::DnsType type : {rt::DnsType::a, rt::DnsType::aaaa}) {
    rt::DnsQuestion question{name, type};
    const Result<rt::DnsAnswer> answer =
        co_await parts_.runtime.resolver().lookup(loop, std::move(question), deadline);
    if (!answer.has_value()) {
      problem = answer.error();
      continue;
    }
    for (const rt::DnsRecord& record : answer->records) {
      if (out.size() < kAddressesMax) out.push_back(record.data);
    }
  }
  if (out.empty() && problem.has_value()) co_return std::move(*problem);
  co_return out;
}

rt::Task<Route> Router::mx_route(rt::Loop& loop, std::string domain, rt::Deadline deadline) {
  rt::DnsQuestion question{domain, rt::DnsType::mx};
  Result<rt::DnsAnswer> answer =
      co_await parts_.runtime.resolver().lookup(loop, std::move(question), deadline);
  if (!answer.has_value()) co_return dns_not_now(loop, domain, answer.error());
  if (answer->kind == rt::DnsAnswer::Kind::no_such_name) {
    co_return failed(loop, model::QueueReason::no_such_domain, {5, 1, 2},
                     "there is no domain " + domain);
  }
  std::vector<rt::DnsRecord> records = std::move(answer->records);
  const size_t nulls = std::erase_if(records, [](const auto& r) { return r.data.empty(); });
  if (nulls > 0 && records.empty()) {
    co_return failed(loop, model::QueueReason::null_mx, {5, 1, 10}, domain + " takes no mail");
  }
  if (records.empty()) records.push_back({domain, 0});
  order_by_preference(records, domain, loop.wall());
  // RFC 5321 section 5.1: where we are in the list, we and those behind us are no way forward.
  const auto self = std::ranges::find_if(
      records, [&](const rt::DnsRecord& r) { return iequals(r.data, parts_.host); });
  bool unusable = self != records.end();
  if (unusable) {
    const uint16_t own = self->preference;
    std::erase_if(records, [own](const rt::DnsRecord& r) { return r.preference >= own; });
  }
  const config::Values& values = parts_.settings(loop).current();
  const bool loopback_allowed = values.get(kLoopbackHops);
  const auto port = static_cast<uint16_t>(values.get(kMxPort));
  const queue::TlsPolicy tls = tls_policy(values);
  std::vector<queue::HopHost> hosts;
  std::optional<Error> problem;
  for (const rt::DnsRecord& record : records) {
    if (hosts.size() >= kHostsMax) break;
    Result<std::vector<std::string>> found = co_await addresses_of(loop, record.data, deadline);
    if (!found.has_value()) {
      problem = found.error();
      continue;
    }
    const size_t dropped = std::erase_if(
        *found, [&](const std::string& a) { return !is_usable(a, loopback_allowed); });
    unusable = unusable || dropped > 0;
    if (!found->empty()) hosts.push_back({record.data, std::move(*found), port});
  }
  if (!hosts.empty()) co_return to_hosts("smtp:" + domain, std::move(hosts), tls);
  if (problem.has_value()) co_return dns_not_now(loop, domain, *problem);
  if (unusable) {
    co_return failed(loop, model::QueueReason::routing_loop, {5, 4, 6},
                     "mail for " + domain + " leads back to this machine");
  }
  co_return failed(loop, model::QueueReason::not_routable, {5, 4, 4},
                   "no mail host of " + domain + " has an address");
}

}  // namespace ph::route
