#include "app/listening.h"

#include "app/options.h"
#include "base/text.h"
#include "rt/errors.h"

namespace ph::app {
namespace {

Result<rt::Endpoint> parse_endpoint(std::string_view text) {
  const auto bad = [&] {
    return fail(rt::kBadAddress,
                "'" + printable(text, 64) + "' is no endpoint like 127.0.0.1:25 or [::1]:25");
  };
  const size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return bad();
  const auto port = parse_u64(text.substr(colon + 1));
  if (!port || *port > 65'535) return bad();
  std::string_view host = text.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  Result<rt::Endpoint> endpoint = rt::endpoint_of(host, static_cast<uint16_t>(*port));
  if (!endpoint.has_value()) return bad();
  return endpoint;
}

constexpr config::TextSetting checked(config::TextSetting s) {
  s.valid = problem_with_endpoints;
  return s;
}
constexpr config::TextSetting kSmtp = checked(kListenSmtp);
constexpr config::TextSetting kSubmission = checked(kListenSubmission);
constexpr config::TextSetting kSubmissions = checked(kListenSubmissions);
constexpr config::TextSetting kImap = checked(kListenImap);
constexpr config::TextSetting kImaps = checked(kListenImaps);
constexpr config::TextSetting kMetrics = [] {
  config::TextSetting s = kListenMetrics;
  s.valid = problem_with_loopback_endpoints;
  return s;
}();

}  // namespace

Result<std::vector<rt::Endpoint>> parse_endpoints(std::string_view text) {
  std::vector<rt::Endpoint> out;
  for (const std::string_view item : split(text, ',')) {
    if (trim(item).empty()) continue;
    PH_TRY(rt::Endpoint endpoint, parse_endpoint(trim(item)));
    out.push_back(std::move(endpoint));
  }
  return out;
}

std::string problem_with_endpoints(std::string_view text) {
  const Result<std::vector<rt::Endpoint>> parsed = parse_endpoints(text);
  return parsed.has_value() ? std::string() : parsed.error().context();
}

std::string problem_with_loopback_endpoints(std::string_view text) {
  const Result<std::vector<rt::Endpoint>> parsed = parse_endpoints(text);
  if (!parsed.has_value()) return parsed.error().context();
  for (const rt::Endpoint& at : *parsed) {
    if (!rt::is_loopback(at)) {
      return rt::to_text(at) +
             " is not on loopback, and whoever reaches the page may read it; let a proxy with a "
             "login stand before it";
    }
  }
  return {};
}

void add_settings(config::Schema& schema) {
  schema.add(kHostName);
  schema.add(kSmtp);
  schema.add(kSubmission);
  schema.add(kSubmissions);
  schema.add(kImap);
  schema.add(kImaps);
  schema.add(kMetrics);
  schema.add(kSentCopy);
}

}  // namespace ph::app
