#include "rt_real/detail/rdata.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>

#include "base/check.h"
#include "base/text.h"

namespace ph::rt_real::detail {
namespace {

constexpr size_t kLabelMax = 63;       // RFC 1035 §2.3.4
constexpr size_t kWireNameMax = 255;   // with length octets and the root's
constexpr size_t kTextNameMax = 253;   // the same without the final dot
constexpr size_t kTlsaHeadOctets = 3;  // RFC 6698 §2.1: usage, selector, matching type

bool is_label_char(char c) { return is_alpha(c) || is_digit(c) || c == '-' || c == '_'; }

uint8_t octet(std::string_view bytes, size_t at) { return static_cast<uint8_t>(bytes[at]); }

// The whole of `wire` as a name in lower case without a final dot; "" is the root.
std::optional<std::string> parse_name(std::string_view wire) {
  if (wire.size() > kWireNameMax) return std::nullopt;
  std::string out;
  for (;;) {
    if (wire.empty()) return std::nullopt;
    const size_t size = octet(wire, 0);
    wire.remove_prefix(1);
    if (size == 0) break;
    if (size > kLabelMax || size > wire.size()) return std::nullopt;
    const std::string_view label = wire.substr(0, size);
    if (!std::ranges::all_of(label, is_label_char)) return std::nullopt;
    if (!out.empty()) out += '.';
    out += to_lower(label);
    wire.remove_prefix(size);
  }
  if (!wire.empty()) return std::nullopt;
  return out;
}

std::optional<std::string> parse_address(int family, size_t size, std::string_view rdata) {
  if (rdata.size() != size) return std::nullopt;
  std::array<char, INET6_ADDRSTRLEN> text{};
  PH_CHECK(inet_ntop(family, rdata.data(), text.data(), text.size()) != nullptr);
  return std::string(text.data());
}

// RFC 1035 §3.3.14: one or more character-strings, which together are the text (RFC 7208 §3.3).
std::optional<std::string> parse_txt(std::string_view rdata) {
  if (rdata.empty()) return std::nullopt;
  std::string out;
  while (!rdata.empty()) {
    const size_t size = octet(rdata, 0);
    rdata.remove_prefix(1);
    if (size > rdata.size()) return std::nullopt;
    out += rdata.substr(0, size);
    rdata.remove_prefix(size);
  }
  return out;
}

std::optional<std::string> parse_data(rt::DnsType type, std::string_view rdata) {
  switch (type) {
    case rt::DnsType::a: return parse_address(AF_INET, 4, rdata);
    case rt::DnsType::aaaa: return parse_address(AF_INET6, 16, rdata);
    case rt::DnsType::ptr: return parse_name(rdata);
    case rt::DnsType::mx: return rdata.size() < 2 ? std::nullopt : parse_name(rdata.substr(2));
    case rt::DnsType::txt: return parse_txt(rdata);
    case rt::DnsType::tlsa:
      if (rdata.size() <= kTlsaHeadOctets) return std::nullopt;
      return std::string(rdata);
  }
  return std::nullopt;
}

}  // namespace

std::optional<rt::DnsRecord> parse_rdata(rt::DnsType type, std::string_view rdata) {
  std::optional<std::string> data = parse_data(type, rdata);
  if (!data.has_value()) return std::nullopt;
  rt::DnsRecord record{std::move(*data), 0};
  if (type == rt::DnsType::mx) {
    record.preference = static_cast<uint16_t>(octet(rdata, 0) << 8 | octet(rdata, 1));
  }
  return record;
}

bool is_askable(std::string_view name) {
  if (name.empty() || name.size() > kTextNameMax) return false;
  return std::ranges::all_of(split(name, '.'), [](std::string_view label) {
    return !label.empty() && label.size() <= kLabelMax && std::ranges::all_of(label, is_label_char);
  });
}

}  // namespace ph::rt_real::detail
